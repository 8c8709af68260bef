/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A list of separately allocated blocks.
 */
#include "cluster/move/pack_arena.h"

#include <stdint.h>
#include <stdlib.h>

struct pack_arena_block {
    struct pack_arena_block *next;
    uint64_t aligned[];
};

void *pack_arena_take(struct pack_arena *pack_arena, size_t size)
{
    struct pack_arena_block *block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->next = pack_arena->blocks;
    pack_arena->blocks = block;
    return block->aligned;
}

void pack_arena_done(struct pack_arena *pack_arena)
{
    for (struct pack_arena_block *block; (block = pack_arena->blocks);) {
        pack_arena->blocks = block->next;
        free(block);
    }
}

void **pack_arena_take_list(struct pack_arena *pack_arena, size_t count, size_t size)
{
    void **list = pack_arena_take(pack_arena, count * (sizeof(void *) + size));
    for (size_t i = 0; list && i < count; i++)
        list[i] = (char *)(list + count) + i * size;
    return list;
}
