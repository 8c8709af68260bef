/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Memory for one message that is assembled and packed: taken piece by piece, freed all at once. Pure.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_MOVE_PACK_ARENA_H
#define POLLEN8_GATEWAY_CLUSTER_MOVE_PACK_ARENA_H

#include <stddef.h>

/* Zero it to start. */
struct pack_arena {
    struct pack_arena_block *blocks;
};

/* Zeroed; NULL when out of memory. */
void *pack_arena_take(struct pack_arena *pack_arena, size_t size);

/* A list of pointers to `count` pieces of `size` bytes each (a multiple of 8), as a repeated field needs it.
 */
void **pack_arena_take_list(struct pack_arena *pack_arena, size_t count, size_t size);

void pack_arena_done(struct pack_arena *pack_arena);

#endif
