/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A table of items that are alive or awaited, found by handle. A slot is used again after its item has left,
 * but never under the same handle. So a handle that something in flight still holds finds nothing, or its own
 * item.
 *
 *   handle   generation of the slot (32 bits, never 0), then the slot's index (32 bits); never 0
 *
 * The items belong to their owner. One thread at a time.
 *
 * Memory: 16 bytes per slot. The table doubles when all slots are taken; it never shrinks.
 */
#ifndef POLLEN8_GATEWAY_BASE_SLOTS_H
#define POLLEN8_GATEWAY_BASE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

#define SLOTS_MAXIMUM (UINT32_C(1) << 30)

struct slot {
    void *item; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct slots {
    struct slot *list; /* owned */
    uint32_t used;     /* slots ever used */
    uint32_t capacity;
    uint32_t count; /* items in it */
    uint32_t free;
    uint32_t first;   /* initial capacity */
    uint32_t maximum; /* maximum capacity */
};

/* `first` slots at first, and at most `maximum` (which is at most SLOTS_MAXIMUM): `first` times a power of
 * two. Allocates nothing. */
void slots_init(struct slots *slots, uint32_t first, uint32_t maximum);
void slots_done(struct slots *slots);

/* Makes room for one more, so that the next slots_put succeeds. STATUS_FULL, STATUS_NO_MEMORY. */
enum status slots_reserve(struct slots *slots);

/* Puts the item into a slot. STATUS_FULL, STATUS_NO_MEMORY. */
enum status slots_put(struct slots *slots, void *item, uint64_t *ret_handle);

/* A new handle for an item that is in the table; the old handle finds nothing from now on. */
uint64_t slots_renew(struct slots *slots, uint64_t handle);

/* Takes an item out. */
void slots_remove(struct slots *slots, uint64_t handle);

/* The item of a handle; NULL: it has left. */
static inline void *slots_find(const struct slots *slots, uint64_t handle)
{
    uint32_t index = (uint32_t)(handle & UINT32_MAX);
    if (index >= slots->used || slots->list[index].generation != (uint32_t)(handle >> 32))
        return NULL;
    return slots->list[index].item;
}

/* The item in slot `index`, or NULL; for iterating over `used` slots. */
static inline void *slots_at(const struct slots *slots, size_t index)
{
    return index < slots->used ? slots->list[index].item : NULL;
}

#endif
