/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Redis in a rebuild: its steps as all instances see them, forgetting every user, and putting users back as a
 * snapshot has them. Statuses as in store.h; STATUS_NOT_FOUND: no rebuild is at work in this Redis (any
 * more). Everything may be sent again.
 */
#ifndef POLLEN8_VALUE_SVC_RECORDS_STORE_REBUILD_H
#define POLLEN8_VALUE_SVC_RECORDS_STORE_REBUILD_H

#include "records/store_snapshot.h"

#define STORE_REBUILD_NOTE_SIZE 128

/* The epoch rises and the state is STORE_REBUILD, or was already: then `note` is how far it was, else "".
 * Every other connection is closed, so that none goes on in ignorance. epoch_rebuilt ends it. */
enum status store_rebuild_begin(struct store *store, const char *who, char note[STORE_REBUILD_NOTE_SIZE]);
enum status store_rebuild_note(struct store *store, const char *who, const char *note);

/* Deletes some users' keys from *cursor on (0: start; 0 again when round). */
enum status store_clear_step(struct store *store, uint64_t *cursor, uint64_t *ret_deleted);

/* Some users' values from *cursor on, in the same way; a user is given as in its key. */
typedef enum status store_value_fn(void *context, const char *user, int64_t sum, uint64_t version);
enum status store_values_step(struct store *store, uint64_t *cursor, store_value_fn *each, void *context);

/* Puts a piece of a user back, the first in place of what there is of it. Sent only: store_restored waits for
 * all that was sent since. Cut off in the middle of a user, it is begun again with its first piece. */
enum status store_restore(struct store *store, const struct store_piece *piece);
enum status store_restored(struct store *store);

#endif
