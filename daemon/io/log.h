/*
 * Log lines: to standard error, or straight to the journal.
 *
 * On standard error a line is `syncd: text`, or `<N>text` when the journal
 * reads it, which is how systemd learns its priority. Whatever a client sent
 * may stand in a line: control characters are escaped, so that no line can be
 * forged.
 */
#ifndef SYNCD_IO_LOG_H
#define SYNCD_IO_LOG_H

#include <stdbool.h>
#include <syslog.h>

enum log_target { LOG_TO_STDERR, LOG_TO_JOURNAL };

/* Read by every thread, changed by a reload in the loop's thread alone, which
 * is the only one that logs after the start. */
struct log {
    enum log_target target;
    int least; /* LOG_ERR to LOG_DEBUG: lines of a greater number are dropped */
    bool prefixed; /* the journal reads our standard error */
};

/* `level`: 0 error to 4 debug, as in config.def. */
void log_init(struct log *log, enum log_target target, int level);
void log_set_level(struct log *log, int level);

/* One line of that priority (LOG_ERR, ...); cut off at 1 KiB. */
void log_line(const struct log *log, int priority, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
