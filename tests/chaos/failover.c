/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Chance -> order of the faults -> a fault -> pause -> undone.
 */
#include "failover.h"

#include <signal.h>
#include <stddef.h>

#include "stores.h"

#define BETWEEN_LEAST_MS                                                                                     \
    6000 /* a failover of the sentinels takes a second or two, and they are at peace for a while after */
#define BETWEEN_MOST_MS 12000
#define STALL_LEAST_MS  2000
#define STALL_MOST_MS   5000
#define DOWN_MOST_MS    4000
#define CUT_LEAST_MS    4000
#define CUT_MOST_MS     8000
#define ELECTED_MS      2500 /* by then sentinels have made another one the primary */
#define AGAIN_MS        500  /* where sentinels refused */

const char *fault_name(enum fault fault)
{
    static const char *const names[] = {"stalls",         "planned",        "planned_restart",
                                        "planned_asleep", "cuts",           "cuts_off",
                                        "primary_killed", "replica_killed", "sentinel_killed"};

    return names[fault];
}

void failover_create(struct failover *failover, struct ring *ring, uint64_t seed)
{
    *failover = (struct failover){.ring = ring, .dice = {seed}, .primary = ring->redises[0]};
}

/* ---- one part --------------------------------------------------------------------------------------- */

static uint64_t *time_of(uint64_t *times, const struct failover *failover, const struct part *part)
{
    return &times[part - failover->ring->parts];
}

static void stop(struct failover *failover, const struct part *part, uint64_t now_ms)
{
    uint64_t for_ms = dice_between(&failover->dice, STALL_LEAST_MS, STALL_MOST_MS);

    if (part->process.pid == 0 || kill(part->process.pid, SIGSTOP) != 0)
        return;
    *time_of(failover->resume_ms, failover, part) = now_ms + for_ms;
    report_say(failover->ring->report, "%s stands still for %u ms", part->process.name, (unsigned)for_ms);
}

static void kill_part(struct failover *failover, struct part *part, uint64_t down_ms, uint64_t now_ms)
{
    if (part->process.pid == 0)
        return;
    process_kill(&part->process);
    part->kills++;
    *time_of(failover->resume_ms, failover, part) = 0;
    *time_of(failover->start_ms, failover, part) = now_ms + down_ms;
    report_say(failover->ring->report, "kill -9 %s, back in %u ms", part->process.name, (unsigned)down_ms);
}

static struct part *any_of(struct failover *failover, enum part_kind kind, const struct part *but)
{
    uint32_t skip = (uint32_t)dice_between(&failover->dice, 0, RING_PARTS_MAXIMUM);

    for (uint32_t i = 0;; i++) { /* round and round those of the kind */
        struct part *part = &failover->ring->parts[i % failover->ring->count];
        if (part->kind == kind && part != but && skip-- == 0)
            return part;
    }
}

/* ---- faults ----------------------------------------------------------------------------------------- */

static bool fail_over(struct failover *failover)
{
    if (!stores_fail_over(failover->ring))
        return false;
    report_say(failover->ring->report, "a planned failover begins");
    return true;
}

static void cut(struct failover *failover, const struct part *primary, enum wire_cut what, uint64_t now_ms)
{
    struct ring *ring = failover->ring;
    uint64_t for_ms = dice_between(&failover->dice, CUT_LEAST_MS, CUT_MOST_MS);

    for (uint32_t i = 0; i < ring->redis_count; i++) {
        if (ring->redises[i] != primary)
            continue;
        wires_cut(&ring->wires, i, what);
        failover->mend_ms[i] = now_ms + for_ms;
    }
    if (what == WIRE_CUT_SERVERS)
        failover->restart_ms = now_ms + ELECTED_MS;
    report_say(ring->report, "%s is cut off from %s for %u ms", primary->process.name,
               what == WIRE_CUT_SERVERS ? "sentinels and replicas" : "everybody", (unsigned)for_ms);
}

/* false: not now. */
static bool strike(struct failover *failover, enum fault fault, struct part *primary, uint64_t now_ms)
{
    uint64_t down_ms = dice_between(&failover->dice, 0, DOWN_MOST_MS);

    switch (fault) {
    case FAULT_STALL: stop(failover, primary, now_ms); return true;
    case FAULT_PLANNED: return fail_over(failover);
    case FAULT_RESTART:
        if (!fail_over(failover))
            return false;
        kill_part(failover, any_of(failover, PART_VALUE, NULL), 0, now_ms);
        return true;
    case FAULT_ASLEEP:
        if (!fail_over(failover))
            return false;
        stop(failover, any_of(failover, PART_VALUE, NULL), now_ms);
        return true;
    case FAULT_CUT: cut(failover, primary, WIRE_CUT_SERVERS, now_ms); return true;
    case FAULT_CUT_OFF: cut(failover, primary, WIRE_CUT_ALL, now_ms); return true;
    case FAULT_KILL_PRIMARY: kill_part(failover, primary, down_ms, now_ms); return true;
    case FAULT_KILL_REPLICA:
        kill_part(failover, any_of(failover, PART_REDIS, primary), down_ms, now_ms);
        return true;
    case FAULT_KILL_SENTINEL:
        kill_part(failover, any_of(failover, PART_SENTINEL, NULL), down_ms, now_ms);
        return true;
    case FAULT_KINDS:
    default: return true;
    }
}

static void shuffle(struct failover *failover)
{
    for (uint32_t i = 0; i < FAULT_KINDS; i++) {
        uint32_t other = (uint32_t)dice_between(&failover->dice, 0, i + 1);
        failover->round[i] = failover->round[other];
        failover->round[other] = (uint8_t)i;
    }
}

static void strike_next(struct failover *failover, uint64_t now_ms)
{
    struct part *primary = stores_primary(failover->ring);
    uint32_t at = failover->turn % FAULT_KINDS;
    enum fault fault;

    failover->next_ms = now_ms + AGAIN_MS;
    if (!primary)
        return;
    if (primary != failover->primary) {
        failover->changes++;
        failover->primary = primary;
    }
    if (at == 0)
        shuffle(failover);
    fault = (enum fault)failover->round[at];
    if (!strike(failover, fault, primary, now_ms))
        return;
    failover->turn++;
    failover->counts[fault]++;
    failover->next_ms = now_ms + dice_between(&failover->dice, BETWEEN_LEAST_MS, BETWEEN_MOST_MS);
}

static void undo_cuts(struct failover *failover, uint64_t now_ms)
{
    struct ring *ring = failover->ring;

    if (failover->restart_ms && failover->restart_ms <= now_ms) {
        failover->restart_ms = 0;
        kill_part(failover, any_of(failover, PART_VALUE, NULL), 0, now_ms);
    }
    for (uint32_t i = 0; i < ring->redis_count; i++) {
        if (failover->mend_ms[i] == 0 || failover->mend_ms[i] > now_ms)
            continue;
        failover->mend_ms[i] = 0;
        wires_cut(&ring->wires, i, WIRE_WHOLE);
        report_say(ring->report, "%s can be reached again", ring->redises[i]->process.name);
    }
}

void failover_turn(struct failover *failover, uint64_t now_ms, bool act)
{
    struct ring *ring = failover->ring;

    if (act && now_ms >= failover->next_ms)
        strike_next(failover, now_ms);
    undo_cuts(failover, now_ms);
    for (size_t i = 0; i < ring->count; i++) {
        struct part *part = &ring->parts[i];
        if (failover->resume_ms[i] && failover->resume_ms[i] <= now_ms) {
            failover->resume_ms[i] = 0;
            if (part->process.pid && kill(part->process.pid, SIGCONT) == 0)
                report_say(ring->report, "%s goes on", part->process.name);
        }
        if (failover->start_ms[i] && failover->start_ms[i] <= now_ms) {
            failover->start_ms[i] = 0;
            ring_start_part(ring, part);
        }
    }
}

void failover_end(struct failover *failover)
{
    failover_turn(failover, UINT64_MAX, false);
}
