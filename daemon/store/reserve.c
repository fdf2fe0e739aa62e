#include "daemon/store/reserve.h"

#include <fcntl.h>
#include <unistd.h>

int reserve_grow(struct reserve *reserve, size_t bytes)
{
    if (bytes <= reserve->bytes) {
        return 0;
    }
    int fd = openat(reserve->dir_fd, RESERVE_FILE,
                    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -1;
    }
    /* From byte 0 on: a file from before may be a copy full of holes, or be
     * larger than it has to be. */
    bool made = posix_fallocate(fd, 0, (off_t)bytes) == 0;
    if (ftruncate(fd, (off_t)(made ? bytes : reserve->bytes)) != 0) {
        made = false;
    }
    (void)close(fd);
    if (!made && reserve->bytes == 0) {
        (void)unlinkat(reserve->dir_fd, RESERVE_FILE, 0);
    }
    if (!made) {
        return -1;
    }
    reserve->bytes = bytes;
    return 0;
}

bool reserve_give_up(struct reserve *reserve)
{
    if (reserve->bytes == 0) {
        return false;
    }
    reserve->bytes = 0;
    if (unlinkat(reserve->dir_fd, RESERVE_FILE, 0) != 0) {
        return false;
    }
    /* Some file systems give blocks out again only once that is on disk. */
    (void)fsync(reserve->dir_fd);
    return true;
}
