/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The buckets are sized once for the capacity, so nothing is ever rehashed. A ring through `order` holds the
 * nodes from oldest (order.newer) to newest (order.older).
 */
#include "base/lru.h"

#include <stdlib.h>

#include "common/check.h"

struct lru {
    struct lru_node order; /* the fixed point of the ring; not a node */
    struct lru_node **buckets;
    size_t mask; /* number of buckets (a power of two) - 1 */
    size_t count;
    size_t capacity;
};

enum status lru_create(size_t capacity, struct lru **ret_lru)
{
    struct lru *lru = calloc(1, sizeof(*lru));
    size_t buckets = 16;

    CHECK(capacity > 0);
    if (!lru)
        return STATUS_NO_MEMORY;
    while (buckets < capacity && buckets < (SIZE_MAX >> 8))
        buckets *= 2;
    lru->buckets = calloc(buckets, sizeof(struct lru_node *));
    if (!lru->buckets) {
        free(lru);
        return STATUS_NO_MEMORY;
    }
    lru->mask = buckets - 1;
    lru->capacity = capacity;
    lru->order.older = lru->order.newer = &lru->order;
    *ret_lru = lru;
    return STATUS_OK;
}

void lru_free(struct lru *lru)
{
    if (!lru)
        return;
    CHECK(lru->count == 0);
    free(lru->buckets);
    free(lru);
}

static void order_unlink(struct lru_node *node)
{
    node->older->newer = node->newer;
    node->newer->older = node->older;
}

static void order_append(struct lru *lru, struct lru_node *node)
{
    node->newer = &lru->order;
    node->older = lru->order.older;
    node->older->newer = node;
    lru->order.older = node;
}

struct lru_node *lru_find(struct lru *lru, uint64_t hash, lru_match_fn *match, const void *key)
{
    for (struct lru_node *node = lru->buckets[hash & lru->mask]; node; node = node->chain) {
        if (node->hash == hash && match(node, key)) {
            order_unlink(node);
            order_append(lru, node);
            return node;
        }
    }
    return NULL;
}

struct lru_node *lru_insert(struct lru *lru, struct lru_node *node)
{
    struct lru_node **bucket = &lru->buckets[node->hash & lru->mask];

    node->chain = *bucket;
    *bucket = node;
    order_append(lru, node);
    lru->count++;
    return lru->count > lru->capacity ? lru_take_oldest(lru) : NULL;
}

void lru_remove(struct lru *lru, struct lru_node *node)
{
    struct lru_node **link = &lru->buckets[node->hash & lru->mask];

    while (*link && *link != node)
        link = &(*link)->chain;
    CHECK(*link == node);
    *link = node->chain;
    order_unlink(node);
    lru->count--;
}

struct lru_node *lru_take_oldest(struct lru *lru)
{
    struct lru_node *oldest = lru->order.newer;

    if (oldest == &lru->order)
        return NULL;
    lru_remove(lru, oldest);
    return oldest;
}
