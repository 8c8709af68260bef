/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Blocks of their own in a list.
 */
#include "parcel.h"

#include <stdint.h>
#include <stdlib.h>

struct parcel_block {
    struct parcel_block *next;
    uint64_t aligned[];
};

void *parcel_take(struct parcel *parcel, size_t size)
{
    struct parcel_block *block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->next = parcel->blocks;
    parcel->blocks = block;
    return block->aligned;
}

void parcel_done(struct parcel *parcel)
{
    for (struct parcel_block *block; (block = parcel->blocks);) {
        parcel->blocks = block->next;
        free(block);
    }
}

void **parcel_take_list(struct parcel *parcel, size_t count, size_t size)
{
    void **list = parcel_take(parcel, count * (sizeof(void *) + size));
    for (size_t i = 0; list && i < count; i++)
        list[i] = (char *)(list + count) + i * size;
    return list;
}
