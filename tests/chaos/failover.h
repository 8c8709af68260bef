/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What happens to a Redis under sentinels, by chance every few seconds: its primary stalls and goes on as if
 * nothing had been, another one is made the primary, servers and sentinels are killed and come back. One
 * thread.
 */
#ifndef POLLEN8_CHAOS_FAILOVER_H
#define POLLEN8_CHAOS_FAILOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "dice.h"
#include "ring.h"

enum fault {
    FAULT_STALL,        /* the primary stands still for some seconds, then goes on */
    FAULT_PLANNED,      /* SENTINEL FAILOVER */
    FAULT_RESTART,      /* the same, and one value-svc killed and started right after */
    FAULT_ASLEEP,       /* the same while one value-svc stands still */
    FAULT_CUT,          /* the primary is cut off from sentinels and replicas, not from the services */
    FAULT_CUT_OFF,      /* from everybody; what was sent meanwhile comes afterwards */
    FAULT_KILL_PRIMARY, /* killed, and back */
    FAULT_KILL_REPLICA,
    FAULT_KILL_SENTINEL,
    FAULT_KINDS
};

struct failover {
    struct ring *ring;
    struct dice dice;
    uint64_t next_ms;
    uint64_t resume_ms[RING_PARTS_MAXIMUM]; /* when one that stands still goes on; 0: it does not stand */
    uint64_t mend_ms[RING_REDISES_MAXIMUM]; /* when a wire that is cut is mended; 0: it is whole */
    uint64_t
        restart_ms; /* when a value-svc is killed and started, so that it asks who the primary is; 0: none */
    uint64_t start_ms[RING_PARTS_MAXIMUM]; /* when a killed one is started again; 0: it runs */
    uint8_t round[FAULT_KINDS];            /* each kind once, in an order by chance */
    uint32_t turn;
    uint32_t counts[FAULT_KINDS];
    uint32_t changes; /* of the primary, as the sentinels say */
    const struct part *primary;
};

const char *fault_name(enum fault fault);

void failover_create(struct failover *failover, struct ring *ring, uint64_t seed);

/* Does the next one if it is time and `act`; undoes what is due. */
void failover_turn(struct failover *failover, uint64_t now_ms, bool act);

/* Undoes everything. */
void failover_end(struct failover *failover);

#endif
