/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A bounded hash table of intrusive nodes in order of use: what the caches are made of. Knows nothing of
 * keys or values and has no lock; the owner holds one.
 */
#ifndef POLLEN8_AUTH_SVC_BASE_LRU_H
#define POLLEN8_AUTH_SVC_BASE_LRU_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

struct lru_node {
    uint64_t hash;
    struct lru_node *chain;         /* next of the same bucket */
    struct lru_node *older, *newer; /* order of use */
};

struct lru; /* opaque */

/* Whether the node has this key. */
typedef bool lru_match_fn(const struct lru_node *node, const void *key);

/* Room for `capacity` nodes (at least 1). STATUS_NO_MEMORY. */
enum status lru_create(size_t capacity, struct lru **ret_lru);

/* The nodes are the owner's: empty it first with lru_take_oldest. NULL is accepted. */
void lru_free(struct lru *lru);

size_t lru_count(const struct lru *lru);

/* The node with this key, made the newest; NULL where there is none. */
struct lru_node *lru_find(struct lru *lru, uint64_t hash, lru_match_fn *match, const void *key);

/* Takes a node (its `hash` set, not in the table) as the newest. Past the capacity the oldest one is taken
 * out and returned to the owner; else NULL. */
struct lru_node *lru_insert(struct lru *lru, struct lru_node *node);

void lru_remove(struct lru *lru, struct lru_node *node);

/* Takes the oldest one out; NULL where the table is empty. */
struct lru_node *lru_take_oldest(struct lru *lru);

#endif
