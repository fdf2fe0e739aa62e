#include "daemon/io/service.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

void service_notify(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* A manager that does not listen is no reason to serve nobody. */
    (void)sd_notify(0, text);
}

int service_listen_fd(void)
{
    int count = sd_listen_fds(1);
    if (count == 0) {
        return -1;
    }
    if (count != 1 ||
        sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0) {
        return -2;
    }
    return SD_LISTEN_FDS_START;
}

uint64_t service_watchdog_us(void)
{
    uint64_t every_us = 0;
    return sd_watchdog_enabled(1, &every_us) > 0 ? every_us : 0;
}
