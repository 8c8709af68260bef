/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Clients among the others, ordinary users in the same industries and namespaces, that claim what is not so:
 * places in the stream that they made up, and pids that are made up or somebody else's. They connect, stay
 * a while, read or do not, and go on to the next gateway. What becomes of them does not matter: that nobody
 * else notices does. One thread.
 */
#ifndef POLLEN8_CHAOS_ATTACKERS_H
#define POLLEN8_CHAOS_ATTACKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "clients.h"
#include "links.h"
#include "tokens.h"

#define ATTACKERS_MAXIMUM    100
#define ATTACKERS_WIDE       3 /* every third is in many industries, so that it is slow when it does not read */
#define ATTACKERS_INDUSTRIES 32
#define ATTACKER_USER        "attacker.%03u"

struct attacker {
    struct link link; /* first */
    char token[TOKEN_SIZE];
    char base[LINK_OFFSET_SIZE]; /* of a frame: what claims are made from */
    char claimed[LINK_OFFSET_SIZE];
    uint64_t leave_ms;
    uint64_t again_ms; /* when it claims once more, on /ws */
};

struct attackers {
    struct links links;
    const struct clients *clients;
    struct attacker *all; /* owned */
    struct link **list;   /* owned */
    uint32_t count;
    struct dice dice;
    uint64_t claims;
    uint64_t believed; /* told that they were recovered */
    uint64_t deaf;
};

/* The industry of an attacker, the first or, if it is wide, another one of its own. */
uint32_t attacker_industry(uint32_t attacker, uint32_t which, uint32_t industries);
uint32_t attacker_industries(uint32_t attacker, uint32_t industries);

bool attackers_create(struct attackers *attackers, const struct ring *ring, const struct clients *clients,
                      uint32_t count, uint64_t seed, int64_t expires_s);
void attackers_free(struct attackers *attackers);

void attackers_turn(struct attackers *attackers, uint64_t now_ms);

#endif
