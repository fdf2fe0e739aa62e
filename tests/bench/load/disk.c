/*
 * The disk alone: 4 KiB written and synced, over and over. What a put that is
 * durable by itself cannot beat.
 *
 * Either in place, in a file whose blocks are there, or at the end of a file
 * that grows, which also writes the file's new size.
 */
#include "load.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BYTES 4096
#define FILE_WRITES 256

static void write_one(int fd, off_t at, bool sync)
{
    char bytes[WRITE_BYTES];
    memset(bytes, 'x', sizeof(bytes));
    if (pwrite(fd, bytes, sizeof(bytes), at) != (ssize_t)sizeof(bytes) ||
        (sync && fdatasync(fd) != 0)) {
        err(1, "write");
    }
}

void disk_run(struct load *load, bool append)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/bare", load->plan->path);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        err(1, "%s", path);
    }
    for (off_t i = 0; i < FILE_WRITES && !append; i++) {
        write_one(fd, i * WRITE_BYTES, false);
    }
    (void)fsync(fd);
    measure_begin(load);
    for (long i = 0; i < load->plan->jobs; i++) {
        int64_t began = now_ns();
        write_one(fd, (off_t)(append ? i : i % FILE_WRITES) * WRITE_BYTES,
                  true);
        load_time(load, (double)(now_ns() - began) / 1e9);
        load->done++;
    }
    (void)close(fd);
    (void)unlink(path);
}
