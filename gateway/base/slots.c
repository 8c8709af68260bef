/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Free slots form a list through the table; the slot freed last is used first. A slot's generation is
 * incremented when its item leaves.
 */
#include "base/slots.h"

#include <stdlib.h>

#include "common/check.h"

#define NONE UINT32_MAX

void slots_init(struct slots *slots, uint32_t first, uint32_t maximum)
{
    CHECK(first > 0 && first <= maximum && maximum <= SLOTS_MAXIMUM);
    *slots = (struct slots){.free = NONE, .first = first, .maximum = maximum};
}

void slots_done(struct slots *slots)
{
    free(slots->list);
    slots->list = NULL;
}

enum status slots_reserve(struct slots *slots)
{
    if (slots->free != NONE || slots->used < slots->capacity)
        return STATUS_OK;
    uint32_t capacity = slots->capacity ? slots->capacity * 2 : slots->first;
    if (capacity > slots->maximum)
        return STATUS_FULL;
    struct slot *list = realloc(slots->list, capacity * sizeof(*list));
    if (!list)
        return STATUS_NO_MEMORY;
    slots->list = list;
    slots->capacity = capacity;
    return STATUS_OK;
}

static uint64_t handle_of(const struct slots *slots, uint32_t index)
{
    return (uint64_t)slots->list[index].generation << 32 | index;
}

enum status slots_put(struct slots *slots, void *item, uint64_t *ret_handle)
{
    enum status status = slots_reserve(slots);
    if (status != STATUS_OK)
        return status;
    uint32_t index = slots->free;
    if (index == NONE) {
        index = slots->used++;
        slots->list[index] = (struct slot){.generation = 1};
    } else {
        slots->free = slots->list[index].next_free;
    }
    slots->list[index].item = item;
    slots->count++;
    *ret_handle = handle_of(slots, index);
    return STATUS_OK;
}

static void next_generation(struct slot *slot)
{
    if (++slot->generation == 0) /* no handle is 0 */
        slot->generation = 1;
}

uint64_t slots_renew(struct slots *slots, uint64_t handle)
{
    uint32_t index = (uint32_t)(handle & UINT32_MAX);
    next_generation(&slots->list[index]);
    return handle_of(slots, index);
}

void slots_remove(struct slots *slots, uint64_t handle)
{
    uint32_t index = (uint32_t)(handle & UINT32_MAX);
    struct slot *slot = &slots->list[index];
    slot->item = NULL;
    next_generation(slot);
    slot->next_free = slots->free;
    slots->free = index;
    slots->count--;
}
