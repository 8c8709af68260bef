/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * kill -9 of a process of the ring by chance every few seconds, and its start a little later. One thread.
 */
#ifndef POLLEN8_CHAOS_KILLER_H
#define POLLEN8_CHAOS_KILLER_H

#include <stdbool.h>
#include <stdint.h>

#include "dice.h"
#include "ring.h"

struct killer {
    struct ring *ring;
    struct dice dice;
    uint64_t next_kill_ms;
    uint64_t start_ms[RING_PARTS_MAXIMUM]; /* when a killed one is started again; 0: it runs */
    enum part_kind round[PART_KINDS];      /* each kind once, in an order by chance */
    uint32_t turn;
    uint32_t kills[PART_KINDS];
    bool spared[PART_KINDS];
};

void killer_create(struct killer *killer, struct ring *ring, uint64_t seed);

/* Kills if it is time and `kill`; starts what is due. */
void killer_turn(struct killer *killer, uint64_t now_ms, bool kill);

/* Starts all that is down. */
void killer_end(struct killer *killer);

#endif
