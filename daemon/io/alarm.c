#include "daemon/io/alarm.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "proto/check.h"

/* Being woken is all there is to it: the turn that follows looks what is due.
 */
static void on_ring(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct alarm *alarm = poll->data;
    uint64_t rings;
    if (read(alarm->fd, &rings, sizeof(rings)) < 0) {
        CHECK(errno == EAGAIN || errno == EINTR || errno == ECANCELED);
        return;
    }
    alarm->armed_us = INT64_MAX;
}

int alarm_init(struct alarm *alarm, uv_loop_t *loop, const struct clock *clock)
{
    alarm->clock = clock;
    alarm->armed_us = INT64_MAX;
    alarm->fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (alarm->fd < 0) {
        return -errno;
    }
    int rc = uv_poll_init(loop, &alarm->poll, alarm->fd);
    if (rc < 0) {
        close(alarm->fd);
        return rc;
    }
    alarm->poll.data = alarm;
    rc = uv_poll_start(&alarm->poll, UV_READABLE, on_ring);
    CHECK(rc == 0);
    return 0;
}

void alarm_set(struct alarm *alarm, int64_t at_us)
{
    if (at_us >= alarm->armed_us) {
        return;
    }
    int64_t boot_us = clock_boot_us(alarm->clock, at_us);
    if (boot_us < 1) { /* 0 would disarm it */
        boot_us = 1;
    }
    struct itimerspec when = {
        .it_value = {boot_us / 1000000, boot_us % 1000000 * 1000},
    };
    int rc = timerfd_settime(alarm->fd, TFD_TIMER_ABSTIME, &when, NULL);
    CHECK(rc == 0);
    alarm->armed_us = at_us;
}

static void on_closed(uv_handle_t *handle)
{
    struct alarm *alarm = handle->data;
    close(alarm->fd);
}

void alarm_close(struct alarm *alarm)
{
    uv_close((uv_handle_t *)&alarm->poll, on_closed);
}
