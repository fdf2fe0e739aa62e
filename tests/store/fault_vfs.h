/*
 * A VFS over the system's own whose n-th operation fails.
 *
 * Operations that change something or make it safe are counted: opening,
 * writing, truncating, syncing, deleting. When the one that was chosen comes,
 * it fails, and, if so chosen, so does every one after it; a write that fails
 * has written half. One per process, as SQLite registers it by name.
 */
#ifndef SYNCD_TESTS_STORE_FAULT_VFS_H
#define SYNCD_TESTS_STORE_FAULT_VFS_H

#include <stdbool.h>

#define FAULT_VFS "faulty"

enum fault_kind {
    FAULT_ERROR, /* any operation; as a broken disk */
    FAULT_FULL   /* counts writes alone; as a full disk */
};

/* Registers it, once. */
void fault_vfs_register(void);

/* From now on the n-th operation (1 is the next) fails, and then, if `ever`,
 * all that follow. 0: none does. */
void fault_vfs_arm(enum fault_kind kind, unsigned n, bool ever);

/* Did it come to the failure since then? */
bool fault_vfs_fired(void);

/* How many operations there were since then. */
unsigned fault_vfs_count(void);

#endif
