/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Asks the user store every second or two, on a thread of its own, whether it answers and whether its
 * records changed; logs what it finds out.
 */
#ifndef POLLEN8_AUTH_SVC_USERS_STORE_WATCH_H
#define POLLEN8_AUTH_SVC_USERS_STORE_WATCH_H

#include "users/users.h"

struct store_watch; /* opaque */

/* Called on the watch's thread after each look; `failed`: a change was there but could not be taken over. */
typedef void store_watch_fn(void *context, enum users_state state, bool failed);

/* Starts the thread; `users` is borrowed until store_watch_free. STATUS_NO_MEMORY. */
enum status store_watch_create(struct users *users, store_watch_fn *callback, void *context,
                               struct store_watch **ret_watch);

/* Has the store looked at now, changes included (SIGHUP). Any thread; does not wait. */
void store_watch_now(struct store_watch *watch);

/* Whether the last look found the store up; false before the first one. Any thread. */
bool store_watch_up(const struct store_watch *watch);

/* Waits for a look under way. NULL is accepted. */
void store_watch_free(struct store_watch *watch);

#endif
