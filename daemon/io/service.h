/*
 * What the service manager is told, and what it hands in.
 *
 * Without a manager (no NOTIFY_SOCKET, no LISTEN_FDS, no WATCHDOG_USEC) all of
 * this does nothing.
 */
#ifndef SYNCD_IO_SERVICE_H
#define SYNCD_IO_SERVICE_H

#include <stdint.h>

/* "READY=1", "STATUS=...": see sd_notify(3). */
void service_notify(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* A listening Unix stream socket that was handed in; -1: none was. -2: what
 * was handed in is something else. Once only. */
int service_listen_fd(void);

/* How often WATCHDOG=1 is expected, microseconds; 0: never. */
uint64_t service_watchdog_us(void);

#endif
