/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A publishing lane: what one thread publishes, numbered in the order in which it goes out on the process's
 * one connection. Whoever was given number n was given everything up to n that it listens to. Numbers are
 * taken before an event is applied (they are stored with what it gives) and published after, in their order;
 * one that turns out to be for nothing is left out. What every gateway hears names the number before it that
 * every gateway heard, so that each notices what it missed.
 *
 * A lane that failed half-way is abandoned: numbers it gave out were perhaps never published. Plain value;
 * one thread.
 */
#ifndef POLLEN8_VALUE_SVC_EVENT_LANE_H
#define POLLEN8_VALUE_SVC_EVENT_LANE_H

#include <stdint.h>

struct lane {
    uint32_t id;       /* random, not 0 */
    uint64_t sequence; /* the last number taken */
    uint64_t heard;    /* the last number published to every gateway; 0: none */
    uint64_t
        heard_ms; /* monotonic: when that was. Frames to users are no sign of life: few gateways hear them */
    int64_t stamped_us; /* Unix microseconds: the last stamp */
};

/* A new one, numbers from 1. */
void lane_renew(struct lane *lane);

/* Takes `count` numbers; returns the first. */
uint64_t lane_take(struct lane *lane, unsigned count);

/* Unix microseconds, never before an earlier one of this lane: in its order as the numbers are. */
int64_t lane_stamp(struct lane *lane);

/* Number `sequence` goes to every gateway: returns the one before it that did. */
uint64_t lane_heard(struct lane *lane, uint64_t sequence);

#endif
