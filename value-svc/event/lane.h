/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A publishing lane: the frames that one thread publishes, numbered in the order in which they leave on the
 * process's one connection. Whoever received number n has received everything up to n that it subscribes to.
 * Numbers are taken before an event is applied, because they are stored with its frames, and published
 * afterwards in order. Unused numbers are skipped. A frame to every gateway names the number of the previous
 * such frame, so that each gateway notices what it missed.
 *
 * A lane that failed half-way is abandoned: some of its numbers may never have been published. Plain value;
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
        heard_ms; /* monotonic: when that was. Frames to users are not enough: few gateways receive them */
    int64_t stamped_us; /* Unix microseconds: the last stamp */
};

/* A new one, numbers from 1. */
void lane_renew(struct lane *lane);

/* Takes `count` numbers; returns the first. */
uint64_t lane_take(struct lane *lane, unsigned count);

/* Unix microseconds, never before an earlier stamp of this lane: in the order of the numbers. */
int64_t lane_stamp(struct lane *lane);

/* Number `sequence` goes to every gateway: returns the previous one that did. */
uint64_t lane_heard(struct lane *lane, uint64_t sequence);

#endif
