/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What processes hold, their ends, and the line of figures.
 */
#include <stdio.h>

#include "common/clock.h"
#include "run.h"

#define STOP_LIMIT_MS 20000
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_LIMIT_KB                                                                                      \
    (1024L * 1024) /* freed memory is kept from use; its own report at the end is what counts */
#else
#define GROWTH_LIMIT_KB (64L * 1024)
#endif
#define DESCRIPTORS_SPARE 8 /* a connection that is being made again, a question at the ops port */
#define NANOSECONDS_A_MS  1e6

static uint32_t sessions_on(const struct links *links, const struct part *part)
{
    uint32_t sessions = 0;

    for (uint32_t i = 0; i < links->count; i++)
        sessions +=
            links->all[i]->state != LINK_AWAY && links->ring->gateways[links->all[i]->gateway] == part;
    return sessions;
}

static long descriptors_of(struct run *run, struct part *part)
{
    process_look(&part->process, run->now_ms, 0);
    if (part->kind != PART_GATEWAY)
        return part->process.descriptors;
    return part->process.descriptors -
           (long)(sessions_on(&run->clients.links, part) + sessions_on(&run->publishers.links, part) +
                  sessions_on(&run->attackers.links, part));
}

void run_take_baseline(struct run *run)
{
    for (size_t i = 0; i < run->ring.count; i++)
        run->ring.parts[i].baseline_descriptors = descriptors_of(run, &run->ring.parts[i]);
}

static void check_leaks(struct run *run)
{
    for (size_t i = 0; i < run->ring.count; i++) {
        struct part *part = &run->ring.parts[i];
        long grown_kb = part->process.grown_kb;
        long now = descriptors_of(run, part);

        if (part->kind == PART_NATS || part->kind == PART_REDIS || part->kind == PART_SENTINEL)
            continue;
        if (part->baseline_descriptors && now > part->baseline_descriptors + DESCRIPTORS_SPARE)
            report_violation(&run->report, "%s holds %ld descriptors without sessions, %ld at the start",
                             part->process.name, now, part->baseline_descriptors);
        if (grown_kb > GROWTH_LIMIT_KB)
            report_violation(&run->report, "%s grew by %ld kB after it was warm", part->process.name,
                             grown_kb);
    }
}

static long growth_kb(const struct run *run, enum part_kind kind)
{
    long most = 0;

    for (size_t i = 0; i < run->ring.count; i++)
        if (run->ring.parts[i].kind == kind && run->ring.parts[i].process.grown_kb > most)
            most = run->ring.parts[i].process.grown_kb;
    return most;
}

static long kills_of(const struct run *run, enum part_kind kind)
{
    long kills = 0;

    for (size_t i = 0; i < run->ring.count; i++)
        kills += run->ring.parts[i].kind == kind ? (long)run->ring.parts[i].kills : 0;
    return kills;
}

static void print_faults(const struct run *run)
{
    printf(",\"wait_replicas\":%u,\"failovers\":{\"changes\":%u", run->options->wait_replicas,
           run->failover.changes);
    for (int fault = 0; fault < FAULT_KINDS; fault++)
        printf(",\"%s\":%u", fault_name((enum fault)fault), run->failover.counts[fault]);
    printf("}");
}

static void print_kinds(const char *name, const struct run *run, bool kills)
{
    printf(",\"%s\":{", name);
    for (int kind = 0; kind < PART_KINDS; kind++) {
        if (!kills && (kind <= PART_REDIS || kind == PART_SENTINEL))
            continue;
        printf("%s\"%s\":%ld", kind == 0 || (!kills && kind == PART_AUTH) ? "" : ",",
               part_kind_name((enum part_kind)kind),
               kills ? kills_of(run, (enum part_kind)kind) : growth_kb(run, (enum part_kind)kind));
    }
    printf("}");
}

static void print_times(const char *name, const struct histogram *times)
{
    printf(",\"%s\":{\"p50\":%.0f,\"p99\":%.0f,\"max\":%.0f}", name,
           histogram_percentile_us(times, 0.5) / 1000, histogram_percentile_us(times, 0.99) / 1000,
           (double)times->maximum / NANOSECONDS_A_MS);
}

static void print_attackers(const struct run *run)
{
    const struct attackers *attackers = &run->attackers;
    const struct witness *witness = &run->witness;

    printf(",\"falsely_recovered\":%u,\"evicted\":%u,\"attackers\":{\"count\":%u,\"claims\":%llu,"
           "\"believed\":%llu,\"deaf\":"
           "%llu}",
           run->falsely_whole, run->clients.links.evicted, attackers->count,
           (unsigned long long)attackers->claims, (unsigned long long)attackers->believed,
           (unsigned long long)attackers->deaf);
    printf(",\"offsets\":{\"looked_at\":%llu,\"wrong\":%u,\"longest\":%u,\"most_lanes\":%u,\"lanes\":%u,"
           "\"lanes_unheard\":%u}",
           (unsigned long long)witness->offsets, witness->wrong, witness->longest, witness->most,
           witness->count, witness->unheard);
}

static const char *run_kind(const struct run *run)
{
    return run->options->rolling ? "rolling" : run->options->failover ? "failover" : "kills";
}

static void print_figures(const struct run *run)
{
    const struct links *links = &run->clients.links;

    printf("{\"chaos\":\"%s\",\"seconds\":%.1f,\"seed\":%llu", run_kind(run), run->loaded_s,
           (unsigned long long)run->options->seed);
    print_kinds("kills", run, true);
    if (run->options->failover)
        print_faults(run);
    printf(",\"events\":{\"wanted_a_second\":%u,\"offered\":%.0f,\"submitted\":%u,\"acked\":%u,"
           "\"acked_a_second\":%.0f,\"resent\":%llu}",
           run->options->rate, run->publishers.offered, run->ledger.count, run->ledger.acked,
           run->loaded_s > 0 ? run->ledger.acked / run->loaded_s : 0,
           (unsigned long long)run->publishers.resent);
    printf(",\"uncounted\":%llu,\"overcounted\":%llu,\"values_fallen\":%u",
           (unsigned long long)run->uncounted, (unsigned long long)run->overcounted,
           run->clients.values_fallen);
    printf(",\"deliveries\":%llu,\"lost\":%u,\"doubled\":%u,\"recoveries\":{\"true\":%u,\"false\":%u},"
           "\"told_missed\":%u,\"told_repeated\":%llu,\"closed_slow\":%u",
           (unsigned long long)run->ledger.deliveries, run->ledger.lost, run->ledger.doubled,
           links->recovered, links->unrecovered, run->ledger.missed_told,
           (unsigned long long)run->ledger.repeats_told, links->closes_slow);
    print_attackers(run);
    print_times("time_to_recover_ms", &links->recovery);
    print_times("delivery_ms", &run->clients.latency);
    print_kinds("rss_growth_kb", run, false);
    printf(",\"violations\":%u}\n", run->report.violations);
    fflush(stdout);
}

int run_end(struct run *run)
{
    check_leaks(run);
    links_close(&run->clients.links);
    links_close(&run->publishers.links);
    links_close(&run->attackers.links);
    ring_stop_kind(&run->ring, PART_GATEWAY, STOP_LIMIT_MS);
    ring_stop_kind(&run->ring, PART_VALUE, STOP_LIMIT_MS);
    ring_stop_kind(&run->ring, PART_AUTH, STOP_LIMIT_MS);
    print_figures(run);
    ring_free(&run->ring, run->options->keep || run->report.violations > 0);
    publishers_free(&run->publishers);
    attackers_free(&run->attackers);
    clients_free(&run->clients);
    witness_free(&run->witness);
    ledger_free(&run->ledger);
    return run->report.violations > 0;
}
