/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Chance → order of the kinds → one of a kind → kill → pause → start.
 */
#include "killer.h"

#include <stddef.h>

#define BETWEEN_LEAST_MS 1500
#define BETWEEN_MOST_MS  5500
#define DOWN_LEAST_MS    0
#define DOWN_MOST_MS     2000

void killer_create(struct killer *killer, struct ring *ring, uint64_t seed)
{
    *killer = (struct killer){.ring = ring, .dice = {seed}};
}

static enum part_kind next_kind(struct killer *killer)
{
    uint32_t at = killer->turn++ % PART_KINDS;

    for (uint32_t i = 0; at == 0 && i < PART_KINDS; i++) {
        uint32_t other = (uint32_t)dice_between(&killer->dice, 0, i + 1);
        killer->round[i] = killer->round[other];
        killer->round[other] = (enum part_kind)i;
    }
    return killer->round[at];
}

static struct part *choose(struct killer *killer)
{
    enum part_kind kind = next_kind(killer);
    uint32_t skip = (uint32_t)dice_between(&killer->dice, 0, RING_PARTS_MAXIMUM);
    struct part *part = NULL;

    if (killer->spared[kind])
        return NULL;
    for (uint32_t i = 0; !part; i++) { /* round and round those of the kind */
        struct part *next = &killer->ring->parts[i % killer->ring->count];
        if (next->kind == kind && skip-- == 0)
            part = next;
    }
    return part->process.pid ? part : NULL;
}

static void kill_one(struct killer *killer, uint64_t now_ms)
{
    struct part *part = choose(killer);
    uint64_t down_ms = dice_between(&killer->dice, DOWN_LEAST_MS, DOWN_MOST_MS);

    if (!part) /* it is down already */
        return;
    process_kill(&part->process);
    part->kills++;
    killer->kills[part->kind]++;
    killer->start_ms[part - killer->ring->parts] = now_ms + down_ms;
    killer->next_kill_ms = now_ms + dice_between(&killer->dice, BETWEEN_LEAST_MS, BETWEEN_MOST_MS);
    report_say(killer->ring->report, "kill -9 %s, back in %u ms", part->process.name, (unsigned)down_ms);
}

void killer_turn(struct killer *killer, uint64_t now_ms, bool kill)
{
    if (kill && now_ms >= killer->next_kill_ms)
        kill_one(killer, now_ms);
    for (size_t i = 0; i < killer->ring->count; i++) {
        if (killer->start_ms[i] == 0 || killer->start_ms[i] > now_ms)
            continue;
        killer->start_ms[i] = 0;
        ring_start_part(killer->ring, &killer->ring->parts[i]);
    }
}

void killer_end(struct killer *killer)
{
    killer_turn(killer, UINT64_MAX, false);
}
