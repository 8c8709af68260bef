/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Counts the tries of events that failed although Redis worked, so that an event that can never be applied is
 * put aside after TRIES_MAXIMUM. A try counts only if Redis answered for the whole batch and either applied
 * another event of it or said that the keys of this event's user are broken. A failure of Redis, the broker
 * or this process never counts: an outage puts no event aside.
 *
 * Remembered per process. After a restart, or for an event that another instance tried, the count starts at
 * one. At most TRIES_WAITING events wait for their next try: each of them takes one of the places for
 * unacknowledged events (at least 8,192, for all instances), and those must never run out. Past that bound an
 * event gets all its tries at once. Any thread.
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

/* Identifies an event by its place in the stream and its time there: a recreated stream counts
 * from 1 again. */
struct tries_event {
    uint64_t sequence;
    int64_t time_ms;
};

/* Counts one more try and returns the number so far; 0: no place is free, nothing was counted. */
unsigned tries_note(struct tries *tries, struct tries_event event);

/* The tries so far; 0: the event is not known here. */
unsigned tries_known(struct tries *tries, struct tries_event event);

/* It was applied, or put aside. */
void tries_forget(struct tries *tries, struct tries_event event);

/* How long the stream is to wait before the next try: 100 ms, doubling. */
int64_t tries_delay_ms(unsigned tries);

#endif
