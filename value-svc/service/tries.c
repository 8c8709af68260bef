/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A table that is searched linearly: only for events that failed or were redelivered. An entry not touched
 * for long was finished by another instance; the next event takes its place.
 */
#include "service/tries.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"

#define STALE_MS       120000
#define DELAY_FIRST_MS 100

struct place {
    struct tries_event event;
    uint64_t touched_ms;
    unsigned tries; /* 0: free */
};

struct tries {
    pthread_mutex_t lock;
    struct place places[TRIES_WAITING]; /* guarded by lock, as the next */
    size_t used;                        /* places beyond were never taken */
};

enum status tries_create(struct tries **ret_tries)
{
    struct tries *tries = calloc(1, sizeof(*tries));
    if (!tries || pthread_mutex_init(&tries->lock, NULL) != 0) {
        free(tries);
        return STATUS_NO_MEMORY;
    }
    *ret_tries = tries;
    return STATUS_OK;
}

void tries_free(struct tries *tries)
{
    if (!tries)
        return;
    pthread_mutex_destroy(&tries->lock);
    free(tries);
}

static struct place *find(struct tries *tries, struct tries_event event)
{
    for (size_t i = 0; i < tries->used; i++) {
        struct place *place = &tries->places[i];
        if (place->tries > 0 && place->event.sequence == event.sequence &&
            place->event.time_ms == event.time_ms)
            return place;
    }
    return NULL;
}

static struct place *take(struct tries *tries, struct tries_event event, uint64_t now)
{
    struct place *free_place = NULL;
    for (size_t i = 0; i < tries->used && !free_place; i++) {
        if (tries->places[i].tries == 0 || now - tries->places[i].touched_ms > STALE_MS)
            free_place = &tries->places[i];
    }
    if (!free_place && tries->used < TRIES_WAITING)
        free_place = &tries->places[tries->used++];
    if (free_place)
        *free_place = (struct place){.event = event};
    return free_place;
}

unsigned tries_note(struct tries *tries, struct tries_event event)
{
    uint64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&tries->lock);
    struct place *place = find(tries, event);
    if (!place)
        place = take(tries, event, now);
    unsigned count = 0;
    if (place) {
        place->touched_ms = now;
        count = ++place->tries;
    }
    pthread_mutex_unlock(&tries->lock);
    return count;
}

unsigned tries_known(struct tries *tries, struct tries_event event)
{
    pthread_mutex_lock(&tries->lock);
    const struct place *place = find(tries, event);
    unsigned count = place ? place->tries : 0;
    pthread_mutex_unlock(&tries->lock);
    return count;
}

void tries_forget(struct tries *tries, struct tries_event event)
{
    pthread_mutex_lock(&tries->lock);
    struct place *place = find(tries, event);
    if (place)
        place->tries = 0;
    while (tries->used > 0 && tries->places[tries->used - 1].tries == 0)
        tries->used--;
    pthread_mutex_unlock(&tries->lock);
}

int64_t tries_delay_ms(unsigned tries)
{
    int64_t delay_ms = DELAY_FIRST_MS;
    for (unsigned i = 1; i < tries && i < TRIES_MAXIMUM; i++)
        delay_ms *= 2;
    return delay_ms;
}
