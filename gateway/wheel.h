/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A timing wheel: arming and cancelling are O(1) for any number of timers, where a sorted list or a heap
 * would cost with every heartbeat of every session. WHEEL_SLOTS slots of WHEEL_TICK_MS; a timer further away
 * than one revolution stays in its slot and is looked at once a revolution. A timer fires at its time or up
 * to one tick later, never before. Pure; the caller says what time it is. Loop thread.
 *
 * A timer is embedded in its owner (32 bytes) and zeroed to start; it may be armed again at any time, also
 * while it fires. The owner cancels it before it dies.
 */
#ifndef POLLEN8_GATEWAY_WHEEL_H
#define POLLEN8_GATEWAY_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_MS 4
#define WHEEL_SLOTS   8192
#define WHEEL_NEVER   UINT64_MAX

struct wheel; /* opaque */
struct wheel_timer;

typedef void wheel_fire_fn(void *context, struct wheel_timer *timer);

struct wheel_timer {
    struct wheel_timer *next;
    struct wheel_timer **link; /* what points here; NULL: not armed */
    wheel_fire_fn *fire;       /* set by the owner before arming */
    uint64_t due_tick;
};
_Static_assert(sizeof(struct wheel_timer) <= 32, "two of them are part of every session");

/* `context` is handed to every timer's fire. NULL where memory is short. */
struct wheel *wheel_create(uint64_t now_ms, void *context);
void wheel_free(struct wheel *wheel);

/* Moves the timer to due_ms (monotonic). A time that has passed fires at the next wheel_advance. */
void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms);
void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer);

static inline bool wheel_armed(const struct wheel_timer *timer)
{
    return timer->link != NULL;
}

/* Fires what is due. Timers armed by a firing one for the past fire at the next call. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms);

/* When wheel_advance has something to look at next, monotonic ms; WHEEL_NEVER where no timer is armed. */
uint64_t wheel_next(struct wheel *wheel);

#endif
