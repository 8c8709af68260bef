/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Ids go into the young generation; a lookup checks both. When the young one is a window old, or full, it
 * becomes the old one, and the table of the previous old one is cleared for reuse. Tables are open-addressed
 * and at most half full; 0 marks a free slot.
 */
#include "egress/dedupe.h"

#include <stdlib.h>
#include <string.h>

struct generation {
    uint64_t *slots; /* owned */
    size_t count;
    uint64_t newest_ms; /* when its last id came */
};

struct dedupe {
    struct generation young;
    struct generation old;
    uint64_t started_ms; /* of the young generation */
    size_t maximum;
    size_t slot_mask; /* slots are a power of two */
    uint32_t window_ms;
};

struct dedupe *dedupe_create(uint32_t window_ms, size_t maximum)
{
    struct dedupe *dedupe = calloc(1, sizeof(*dedupe));
    size_t slots = 2;

    if (!dedupe)
        return NULL;
    if (maximum == 0)
        maximum = 1;
    while (slots < SIZE_MAX / 4 && slots / 2 < maximum)
        slots *= 2;
    dedupe->young.slots = calloc(slots, sizeof(uint64_t));
    dedupe->old.slots = calloc(slots, sizeof(uint64_t));
    dedupe->maximum = maximum;
    dedupe->slot_mask = slots - 1;
    dedupe->window_ms = window_ms;
    if (dedupe->young.slots && dedupe->old.slots)
        return dedupe;
    dedupe_free(dedupe);
    return NULL;
}

void dedupe_free(struct dedupe *dedupe)
{
    if (!dedupe)
        return;
    free(dedupe->young.slots);
    free(dedupe->old.slots);
    free(dedupe);
}

/* The slot of the id, or the free one where it would go. The ids are our own hashes, but not secret: mixing
 * keeps equal low bits from piling up. */
static uint64_t *find_slot(const struct dedupe *dedupe, const struct generation *generation, uint64_t id)
{
    size_t at = (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 20);

    while (generation->slots[at & dedupe->slot_mask] != 0 && generation->slots[at & dedupe->slot_mask] != id)
        at++;
    return &generation->slots[at & dedupe->slot_mask];
}

static void clear(struct dedupe *dedupe, struct generation *generation)
{
    if (generation->count > 0)
        memset(generation->slots, 0, (dedupe->slot_mask + 1) * sizeof(uint64_t));
    generation->count = 0;
}

static void turn_generations(struct dedupe *dedupe, uint64_t now_ms)
{
    struct generation old = dedupe->old;

    clear(dedupe, &old);
    dedupe->old = dedupe->young;
    dedupe->young = old;
    dedupe->started_ms = now_ms;
}

bool dedupe_repeat(struct dedupe *dedupe, uint64_t id, uint64_t now_ms)
{
    uint64_t *slot;

    if (id == 0)
        return false;
    if (dedupe->young.count > 0 && now_ms - dedupe->started_ms >= dedupe->window_ms)
        turn_generations(dedupe, now_ms);
    if (dedupe->old.count > 0 && now_ms - dedupe->old.newest_ms >= dedupe->window_ms)
        clear(dedupe, &dedupe->old);
    if (*find_slot(dedupe, &dedupe->old, id) == id)
        return true;
    slot = find_slot(dedupe, &dedupe->young, id);
    if (*slot == id)
        return true;
    if (dedupe->young.count >= dedupe->maximum) {
        turn_generations(dedupe, now_ms);
        slot = find_slot(dedupe, &dedupe->young, id);
    }
    if (dedupe->young.count == 0)
        dedupe->started_ms = now_ms;
    *slot = id;
    dedupe->young.count++;
    dedupe->young.newest_ms = now_ms;
    return false;
}
