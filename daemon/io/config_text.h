/*
 * A configuration file as libconfuse can count its lines.
 *
 * libconfuse 3.3 counts a comment as several lines, and a message that names
 * the wrong line is worse than none. So comments are blanked out before it
 * reads the text; every other byte stays where it is.
 */
#ifndef SYNCD_IO_CONFIG_TEXT_H
#define SYNCD_IO_CONFIG_TEXT_H

#include <stddef.h>

/* The whole file, comments blanked (mem_free it); NULL with errno set. */
char *config_text_read(const char *path, size_t *len);

#endif
