/*
 * Where things are unless somebody says otherwise.
 *
 * Root gets the service's paths, anybody else those of the XDG base directory
 * specification. What the service manager made for us (RUNTIME_DIRECTORY,
 * STATE_DIRECTORY, CONFIGURATION_DIRECTORY) comes before both, and a path that
 * is not absolute counts for nothing.
 */
#ifndef SYNCD_IO_PATHS_H
#define SYNCD_IO_PATHS_H

#include <stddef.h>

#define PATH_BYTES 4096

/* One line that says why not. */
struct paths_error {
    char text[PATH_BYTES + 200];
};

/* Each writes a path into `path` (PATH_BYTES); 0, or -1 with `error` set. */

/* Makes its directory, and refuses one that is not safe. */
int paths_socket(char *path, struct paths_error *error);
int paths_data(char *path, struct paths_error *error);

/* A file that need not be there; -1: there is no place for one. */
int paths_config(char *path);

/* Makes a directory and those above it that are missing, mode 0700. */
int paths_make(const char *dir, struct paths_error *error);

#endif
