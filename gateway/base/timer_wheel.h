/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A timing wheel: arming and cancelling are O(1) for any number of timers. A sorted list or a heap would cost
 * with every heartbeat of every session. It has TIMER_WHEEL_SLOTS slots of TIMER_WHEEL_TICK_MS. A timer
 * further ahead than one revolution stays in its slot and is checked once per revolution. A timer fires at
 * its time or up to one tick later, never before. Pure; the caller passes the time. Loop thread.
 *
 * A timer is embedded in its owner (32 bytes) and zeroed to start. It may be armed again at any time, even
 * while it fires. The owner cancels it before it dies.
 */
#ifndef POLLEN8_GATEWAY_BASE_TIMER_WHEEL_H
#define POLLEN8_GATEWAY_BASE_TIMER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_WHEEL_TICK_MS 4
#define TIMER_WHEEL_SLOTS   8192
#define TIMER_WHEEL_NEVER   UINT64_MAX

struct timer_wheel; /* opaque */
struct wheel_timer;

typedef void timer_wheel_fire_fn(void *context, struct wheel_timer *timer);

struct wheel_timer {
    struct wheel_timer *next;
    struct wheel_timer **link; /* what points here; NULL: not armed */
    timer_wheel_fire_fn *fire; /* set by the owner before arming */
    uint64_t due_tick;
};
_Static_assert(sizeof(struct wheel_timer) <= 32, "two of them are part of every session");

/* The struct that a timer is the member of: `TIMER_OWNER(timer, struct session, heartbeat)`. */
#define TIMER_OWNER(timer, type, member) ((type *)(void *)((char *)(timer)-offsetof(type, member)))

/* `context` is passed to every timer's fire. NULL when out of memory. */
struct timer_wheel *timer_wheel_create(uint64_t now_ms, void *context);
void timer_wheel_free(struct timer_wheel *wheel);

/* Moves the timer to due_ms (monotonic). A time that has passed fires at the next timer_wheel_advance. */
void timer_wheel_arm(struct timer_wheel *wheel, struct wheel_timer *timer, uint64_t due_ms);
void timer_wheel_cancel(struct timer_wheel *wheel, struct wheel_timer *timer);

static inline bool timer_wheel_armed(const struct wheel_timer *timer)
{
    return timer->link != NULL;
}

/* Fires what is due. Timers that a firing one arms for the past fire at the next call. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms);

/* When timer_wheel_advance next has something to check, in monotonic ms; TIMER_WHEEL_NEVER if no timer is
 * armed. */
uint64_t timer_wheel_next(struct timer_wheel *wheel);

#endif
