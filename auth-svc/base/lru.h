/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A bounded hash table of intrusive nodes in order of use, from which the caches are made. It knows nothing
 * of keys or values and has no lock; the owner holds one.
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

/* The owner owns the nodes: empty the table first with lru_take_oldest. NULL is accepted. */
void lru_free(struct lru *lru);

/* The node with this key, which becomes the newest; NULL if there is none. */
struct lru_node *lru_find(struct lru *lru, uint64_t hash, lru_match_fn *match, const void *key);

/* Adds a node (its `hash` set, not in the table) as the newest. Above the capacity it removes the oldest node
 * and returns it to the owner; else NULL. */
struct lru_node *lru_insert(struct lru *lru, struct lru_node *node);

void lru_remove(struct lru *lru, struct lru_node *node);

/* Removes and returns the oldest node; NULL if the table is empty. */
struct lru_node *lru_take_oldest(struct lru *lru);

#endif
