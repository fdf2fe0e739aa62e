/*
 * The main of a fuzz target in an ordinary build: runs it with every file of
 * the folders named, in the order of their names. Fails if there is none.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In a block of its own, so that reading beyond the input is noticed. */
static void replay_file(const char *folder, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        err(1, "%s", path);
    }
    long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) {
        err(1, "%s", path);
    }
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        err(1, "%s", path);
    }
    (void)fclose(file);
    if (getenv("REPLAY_VERBOSE") != NULL) {
        (void)fprintf(stderr, "%s\n", path);
    }
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

static int replay_folder(const char *folder)
{
    struct dirent **names;
    int found = scandir(folder, &names, NULL, alphasort);
    int count = 0;
    if (found < 0) {
        err(1, "%s", folder);
    }
    for (int i = 0; i < found; i++) {
        if (names[i]->d_name[0] != '.') {
            replay_file(folder, names[i]->d_name);
            count++;
        }
        free(names[i]);
    }
    free(names);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        count += replay_folder(argv[i]);
    }
    if (count == 0) {
        errx(1, "no inputs; usage: %s FOLDER...", argv[0]);
    }
    printf("%d inputs replayed\n", count);
    return 0;
}
