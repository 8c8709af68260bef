/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Redis in a rebuild: the steps that all instances see, forgetting every user, and restoring users from a
 * snapshot. Statuses as in store.h; STATUS_NOT_FOUND: no rebuild is running in this Redis (any more).
 * Everything may be sent again.
 */
#ifndef POLLEN8_VALUE_SVC_RECORDS_STORE_REBUILD_H
#define POLLEN8_VALUE_SVC_RECORDS_STORE_REBUILD_H

#include "records/store_snapshot.h"

#define STORE_REBUILD_NOTE_SIZE 128

/* Raises the epoch and sets the state STORE_REBUILD. If the state was already set, `note` is how far that
 * rebuild was, else "". Closes all other connections, so that every instance notices.
 * epoch_rebuilt ends it. */
enum status store_rebuild_begin(struct store *store, const char *who, char note[STORE_REBUILD_NOTE_SIZE]);
enum status store_rebuild_note(struct store *store, const char *who, const char *note);

/* Deletes some users' keys from *cursor on (0: start; 0 again when round). */
enum status store_clear_step(struct store *store, uint64_t *cursor, uint64_t *ret_deleted);

/* Gives some users' values from *cursor on, in the same way; a user is named as in its key. */
typedef enum status store_value_fn(void *context, const char *user, int64_t sum, uint64_t version);
enum status store_values_step(struct store *store, uint64_t *cursor, store_value_fn *each, void *context);

/* Restores a piece of a user; the first piece replaces what Redis has of that user. It only sends:
 * store_restored waits for everything sent since. If interrupted within a user, start again with
 * its first piece. */
enum status store_restore(struct store *store, const struct store_piece *piece);
enum status store_restored(struct store *store);

#endif
