/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Who hears at the broker all that gateways hear, and so knows which lanes there are and how far each has
 * come. The offsets that honest clients are given are held against it. Where it heard less than a gateway
 * (the broker is killed now and then), a lane may be unknown and a number a little ahead: neither can be
 * far. One thread.
 */
#ifndef POLLEN8_CHAOS_WITNESS_H
#define POLLEN8_CHAOS_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "offset_text.h"
#include "ring.h"

#define WITNESS_LANES        16384 /* a power of two */
#define WITNESS_BUFFER_BYTES (4U << 20)
/* Numbers that a lane may be ahead of what was heard of it, and so less than attackers make it. */
#define WITNESS_AHEAD 10000

struct witness_lane {
    uint32_t lane; /* 0: the entry is free */
    bool told;     /* as a violation, which each lane is once */
    uint64_t sequence;
};

struct witness {
    struct report *report;
    const struct ring *ring;
    int fd; /* -1: the broker is away */
    uint64_t try_ms;
    char *buffer; /* owned */
    size_t length;
    struct witness_lane *lanes; /* owned; a hash table */
    uint32_t used;              /* entries */
    uint32_t count;             /* lanes that were heard */
    uint32_t unheard;           /* lanes of offsets that were not */
    uint64_t epoch;             /* the newest heard */
    uint64_t frames;
    uint64_t offsets; /* looked at */
    uint32_t longest; /* of them, in characters */
    uint32_t most;    /* lanes in one */
    uint32_t wrong;   /* offsets with something that was never published */
    bool told;        /* what is wrong with the one looked at was told before */
    size_t last_length;
    char last[OFFSET_TEXT_SIZE]; /* looked at before */
};

bool witness_create(struct witness *witness, const struct ring *ring, struct report *report);
void witness_free(struct witness *witness);

/* Takes what has come, without waiting; connects again. */
void witness_turn(struct witness *witness, uint64_t now_ms);

/* An honest client was given this offset. */
void witness_check(struct witness *witness, uint32_t client, const char *offset);

/* At the end: were there more lanes that nobody heard than `breaks` of broker and value-svc explain? */
void witness_settle(struct witness *witness, uint32_t breaks);

#endif
