/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Events that could not be applied although Redis could: how often each was tried, so that what never can be
 * is put aside after TRIES_MAXIMUM. Only tries count in which Redis answered for the whole batch, and either
 * did what another event of it asked or said that the keys of this event's user are broken. What fails
 * because Redis, the broker or this process fails is never noted here: an outage puts no event aside.
 *
 * Remembered per process, for the events that one was handed; an instance that is restarted, or handed an
 * event that another one tried, begins at one. At most TRIES_WAITING events wait for their next try: each
 * takes a place among those that the stream hands out unacknowledged (8,192 at least, for all instances), and
 * these must never run out for it. Past that bound an event has all its tries at once. Any thread.
 */
#ifndef POLLEN8_VALUE_SVC_SERVICE_TRIES_H
#define POLLEN8_VALUE_SVC_SERVICE_TRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

#define TRIES_MAXIMUM 8
#define TRIES_WAITING 512

struct tries; /* opaque */

enum status tries_create(struct tries **ret_tries);
void tries_free(struct tries *tries); /* NULL is accepted */

/* An event is named by its place in the stream and its time there: a stream made anew counts from 1 again. */
struct tries_event {
    uint64_t sequence;
    int64_t time_ms;
};

/* Notes one more and returns how many there were; 0: no place is free, nothing was noted. */
unsigned tries_note(struct tries *tries, struct tries_event event);

/* How many there were; 0: it is not known here. */
unsigned tries_known(struct tries *tries, struct tries_event event);

/* It was applied, or put aside. */
void tries_forget(struct tries *tries, struct tries_event event);

/* How long the stream is to wait with the next one: 100 ms, doubling. */
int64_t tries_delay_ms(unsigned tries);

#endif
