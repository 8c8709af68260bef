/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Asks the user store every second or two, on its own thread, whether it answers and whether its records
 * changed, and logs the changes.
 */
#ifndef POLLEN8_AUTH_SVC_USERS_STORE_WATCH_H
#define POLLEN8_AUTH_SVC_USERS_STORE_WATCH_H

#include "users/users.h"

struct store_watch; /* opaque */

/* Called on the watch's thread after each check; `failed`: there was a change but it was rejected. */
typedef void store_watch_fn(void *context, enum users_state state, bool failed);

/* Starts the thread; `users` is borrowed until store_watch_free. STATUS_NO_MEMORY. */
enum status store_watch_create(struct users *users, store_watch_fn *callback, void *context,
                               struct store_watch **ret_watch);

/* Checks the store now, changes included (SIGHUP). Any thread; does not wait. */
void store_watch_now(struct store_watch *watch);

/* Whether the last check found the store up; false before the first one. Any thread. */
bool store_watch_up(const struct store_watch *watch);

/* Waits for a check in progress. NULL is accepted. */
void store_watch_free(struct store_watch *watch);

#endif
