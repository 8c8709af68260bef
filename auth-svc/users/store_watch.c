/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One thread: check, report, wait for the interval or for store_watch_now.
 */
#include "users/store_watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

#define INTERVAL_SECONDS 1

struct store_watch {
    struct users *users;
    store_watch_fn *callback;
    void *context;
    pthread_t thread;
    _Atomic bool up;
    bool looked; /* there has been a check; the thread's own */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool now;      /* lock */
    bool stopping; /* lock */
};

static void look(struct store_watch *watch, bool now)
{
    const char *store = watch->users->ops->name;
    char error[512] = "";
    enum users_state state = watch->users->ops->poll(watch->users, now, error, sizeof(error));
    bool up = state != USERS_DOWN;
    bool was_up = atomic_exchange(&watch->up, up);

    if (up && !was_up)
        log_event(LOG_INFO, "user store answers", LOG_S("store", store));
    else if (!up && (was_up || !watch->looked))
        log_event(LOG_WARN, "user store does not answer", LOG_S("store", store), LOG_S("reason", error));
    else if (up && *error)
        log_event(LOG_ERROR, "users file rejected, keeping the previous one", LOG_S("reason", error));
    else if (state == USERS_CHANGED)
        log_event(LOG_INFO, "users reloaded", LOG_S("store", store));
    watch->looked = true;
    watch->callback(watch->context, state, up && *error);
}

/* Sleeps until the next check; false when it is time to end. */
static bool wait_for_turn(struct store_watch *watch, bool *ret_now)
{
    uint64_t until_ms = clock_monotonic_ms() + INTERVAL_SECONDS * 1000;
    bool waiting = true;
    bool go_on;

    pthread_mutex_lock(&watch->lock);
    while (!watch->now && !watch->stopping && waiting)
        waiting = clock_condition_wait(&watch->changed, &watch->lock, until_ms);
    *ret_now = watch->now;
    watch->now = false;
    go_on = !watch->stopping;
    pthread_mutex_unlock(&watch->lock);
    return go_on;
}

static void *run(void *argument)
{
    struct store_watch *watch = argument;
    bool now = false;

    do
        look(watch, now);
    while (wait_for_turn(watch, &now));
    return NULL;
}

enum status store_watch_create(struct users *users, store_watch_fn *callback, void *context,
                               struct store_watch **ret_watch)
{
    struct store_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return STATUS_NO_MEMORY;
    watch->users = users;
    watch->callback = callback;
    watch->context = context;
    if (pthread_mutex_init(&watch->lock, NULL) != 0)
        goto fail;
    if (clock_condition_init(&watch->changed) != 0)
        goto fail_lock;
    if (pthread_create(&watch->thread, NULL, run, watch) != 0)
        goto fail_cond;
    *ret_watch = watch;
    return STATUS_OK;

fail_cond:
    pthread_cond_destroy(&watch->changed);
fail_lock:
    pthread_mutex_destroy(&watch->lock);
fail:
    free(watch);
    return STATUS_NO_MEMORY;
}

void store_watch_now(struct store_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->now = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

bool store_watch_up(const struct store_watch *watch)
{
    return atomic_load(&watch->up);
}

void store_watch_free(struct store_watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stopping = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    (void)pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}
