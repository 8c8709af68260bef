/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Slots are doubly linked lists. A bitmap of the slots in use finds the next one to visit without walking
 * thousands of empty ones. While a slot is visited its timers hang on a local list, so that a firing timer
 * may arm and cancel any timer, including itself.
 */
#include "base/timer_wheel.h"

#include <stdlib.h>

#include "base/list.h"

#define WORDS (TIMER_WHEEL_SLOTS / 64)

struct timer_wheel {
    void *context;
    uint64_t tick; /* the next tick to visit; all before it have been visited */
    uint64_t armed;
    uint64_t used[WORDS]; /* a bit for each slot that may hold timers */
    struct wheel_timer *slots[TIMER_WHEEL_SLOTS];
};

struct timer_wheel *timer_wheel_create(uint64_t now_ms, void *context)
{
    struct timer_wheel *wheel = calloc(1, sizeof(*wheel));
    if (wheel) {
        wheel->context = context;
        wheel->tick = now_ms / TIMER_WHEEL_TICK_MS;
    }
    return wheel;
}

void timer_wheel_free(struct timer_wheel *wheel)
{
    free(wheel);
}

static void insert(struct timer_wheel *wheel, struct wheel_timer *timer)
{
    uint64_t tick = timer->due_tick < wheel->tick ? wheel->tick : timer->due_tick;
    uint64_t slot = tick % TIMER_WHEEL_SLOTS;
    LIST_ADD(&wheel->slots[slot], timer);
    wheel->used[slot / 64] |= 1ULL << (slot % 64);
}

void timer_wheel_arm(struct timer_wheel *wheel, struct wheel_timer *timer, uint64_t due_ms)
{
    if (timer->link)
        LIST_REMOVE(timer);
    else
        wheel->armed++;
    timer->due_tick = due_ms / TIMER_WHEEL_TICK_MS + (due_ms % TIMER_WHEEL_TICK_MS ? 1 : 0);
    insert(wheel, timer);
}

void timer_wheel_cancel(struct timer_wheel *wheel, struct wheel_timer *timer)
{
    if (!timer->link)
        return;
    LIST_REMOVE(timer);
    wheel->armed--;
}

/* Takes the slot's list out, fires what is due and puts the rest back. */
static void visit(struct timer_wheel *wheel, uint64_t slot, uint64_t now_tick)
{
    struct wheel_timer *list = wheel->slots[slot];
    struct wheel_timer *timer;
    wheel->slots[slot] = NULL;
    wheel->used[slot / 64] &= ~(1ULL << (slot % 64));
    if (list)
        list->link = &list;
    while ((timer = list)) {
        LIST_REMOVE(timer);
        if (timer->due_tick <= now_tick) {
            wheel->armed--;
            timer->fire(wheel->context, timer);
        } else {
            insert(wheel, timer);
        }
    }
}

/* The first slot in use at or after `tick`, as a tick; at most one revolution ahead. Skips slots whose timers
 * have all moved elsewhere, as those of answered heartbeats have. */
static uint64_t next_used(struct timer_wheel *wheel, uint64_t tick)
{
    uint64_t slot = tick % TIMER_WHEEL_SLOTS;
    uint64_t word = wheel->used[slot / 64] & (~0ULL << (slot % 64));
    for (uint64_t i = slot / 64, steps = 0; steps <= WORDS; steps++) {
        for (; word; word &= word - 1) {
            uint64_t found = i * 64 + (uint64_t)__builtin_ctzll(word);
            if (wheel->slots[found])
                return tick + (found + TIMER_WHEEL_SLOTS - slot) % TIMER_WHEEL_SLOTS;
            wheel->used[i] &= ~(1ULL << (found % 64));
        }
        i = (i + 1) % WORDS;
        word = wheel->used[i];
    }
    return TIMER_WHEEL_NEVER;
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms)
{
    uint64_t now_tick = now_ms / TIMER_WHEEL_TICK_MS;
    uint64_t first = wheel->tick;
    if (now_tick < first)
        return;
    if (now_tick - first >= TIMER_WHEEL_SLOTS)
        first = now_tick - TIMER_WHEEL_SLOTS + 1; /* after a long stop each slot is visited once */
    wheel->tick = now_tick + 1;                   /* timers armed for the past while firing come next time */
    while (first <= now_tick) {
        uint64_t tick = next_used(wheel, first);
        if (tick > now_tick)
            break;
        visit(wheel, tick % TIMER_WHEEL_SLOTS, now_tick);
        first = tick + 1;
    }
}

uint64_t timer_wheel_next(struct timer_wheel *wheel)
{
    uint64_t tick = wheel->armed ? next_used(wheel, wheel->tick) : TIMER_WHEEL_NEVER;
    return tick == TIMER_WHEEL_NEVER ? TIMER_WHEEL_NEVER : tick * TIMER_WHEEL_TICK_MS;
}
