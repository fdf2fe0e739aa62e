#include "daemon/io/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define LINE_BYTES 1024

/* systemd tells by JOURNAL_STREAM which pipe leads to the journal; it is ours
 * only if it still is our standard error. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device;
    unsigned long long inode;
    struct stat st;
    if (stream == NULL || fstat(STDERR_FILENO, &st) < 0) {
        return false;
    }
    char *end;
    device = strtoull(stream, &end, 10);
    if (*end != ':') {
        return false;
    }
    inode = strtoull(end + 1, &end, 10);
    return *end == '\0' && device == st.st_dev && inode == st.st_ino;
}

void log_init(struct log *log, enum log_target target, int level)
{
    log->target = target;
    log->prefixed = stderr_is_journal();
    log_set_level(log, level);
}

void log_set_level(struct log *log, int level)
{
    log->least = LOG_ERR + level;
}

/* Copies `from`, control characters as \xNN; always ends with a NUL. */
static void escape(char *to, size_t size, const char *from)
{
    size_t len = 0;
    for (; *from != '\0' && len + 5 < size; from++) {
        unsigned char byte = (unsigned char)*from;
        if (byte < 0x20 || byte == 0x7f) {
            len += (size_t)snprintf(to + len, size - len, "\\x%02x", byte);
        } else {
            to[len++] = (char)byte;
        }
    }
    to[len] = '\0';
}

void log_line(const struct log *log, int priority, const char *format, ...)
{
    if (priority > log->least) {
        return;
    }
    char raw[LINE_BYTES];
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    escape(line, sizeof(line), raw);

    if (log->target == LOG_TO_JOURNAL &&
        sd_journal_send("MESSAGE=%s", line, "PRIORITY=%d", priority,
                        "SYSLOG_IDENTIFIER=syncd", NULL) == 0) {
        return;
    }
    /* Nowhere is left to report that a log line was lost. */
    if (log->prefixed) {
        (void)fprintf(stderr, "<%d>%s\n", priority, line);
    } else {
        (void)fprintf(stderr, "syncd: %s\n", line);
    }
}
