/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Start → turns → settle; run_end.c has the figures.
 */
#include "run.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "stores.h"

#define READY_LIMIT_MS   60000
#define JOIN_LIMIT_MS    60000
#define ACK_LIMIT_MS     90000
#define STREAM_LIMIT_MS  120000
#define DELIVER_LIMIT_MS 30000 /* without one more delivery */
#define DELIVER_LIMITS   20
#define SETTLE_LIMIT_MS  60000
#define ANSWER_LIMIT_MS  30000
#define WARM_MS          20000 /* age at which a process has all its buffers */
#define SAY_MS           10000
#define TOKEN_MARGIN_S   3600

/* ---- turns ------------------------------------------------------------------------------------------ */

static void watch(struct run *run)
{
    uint64_t lag_ms = clients_lag_ms(&run->clients);

    ring_watch(&run->ring);
    for (size_t i = 0; i < run->ring.count; i++)
        process_look(&run->ring.parts[i].process, run->now_ms, WARM_MS);
    if (run->submitting)
        publishers_pace(&run->publishers, lag_ms);
    if (run->now_ms - run->said_ms < SAY_MS)
        return;
    report_say(&run->report,
               "%u of %u clients in, %u events acknowledged (%.0f a second), %llu deliveries, %u ms late",
               run->clients.links.live, run->clients.count, run->ledger.acked,
               (run->ledger.acked - run->said_acked) * 1000.0 / (double)(run->now_ms - run->said_ms),
               (unsigned long long)run->ledger.deliveries, (unsigned)lag_ms);
    run->said_acked = run->ledger.acked;
    run->said_ms = run->now_ms;
}

void run_turn(struct run *run)
{
    struct pollfd all[4] = {{.fd = run->clients.links.epoll, .events = POLLIN},
                            {.fd = run->publishers.links.epoll, .events = POLLIN},
                            {.fd = run->witness.fd, .events = POLLIN},
                            {.fd = run->attackers.count ? run->attackers.links.epoll : -1, .events = POLLIN}};

    poll(all, 4, 2);
    run->now_ms = clock_monotonic_ms();
    witness_turn(&run->witness, run->now_ms);
    links_turn(&run->clients.links, run->now_ms);
    publishers_turn(&run->publishers, run->now_ms, run->submitting);
    attackers_turn(&run->attackers, run->now_ms);
    if (run->options->failover)
        failover_turn(&run->failover, run->now_ms, run->killing);
    else
        killer_turn(&run->killer, run->now_ms, run->killing);
    if (run->now_ms - run->watched_ms >= 1000) {
        run->watched_ms = run->now_ms;
        watch(run);
    }
}

void run_for(struct run *run, uint64_t milliseconds)
{
    uint64_t end_ms = clock_monotonic_ms() + milliseconds;

    do
        run_turn(run);
    while (run->now_ms < end_ms);
}

bool run_until(struct run *run, bool (*done)(struct run *run), uint64_t limit_ms)
{
    uint64_t end_ms = clock_monotonic_ms() + limit_ms;

    do {
        if (done(run))
            return true;
        run_for(run, 50);
    } while (run->now_ms < end_ms);
    return false;
}

/* ---- start ------------------------------------------------------------------------------------------ */

bool run_all_ready(struct run *run)
{
    for (size_t i = 0; i < run->ring.count; i++)
        if (!ring_ready(&run->ring.parts[i]))
            return false;
    return true;
}

static bool all_joined(struct run *run)
{
    return run->clients.links.live == run->clients.count && run->publishers.links.live == PUBLISHERS;
}

static void spare(struct run *run, const char *kinds)
{
    for (int kind = 0; kind < PART_KINDS; kind++)
        run->killer.spared[kind] = kinds && strstr(kinds, part_kind_name((enum part_kind)kind));
}

static bool create(struct run *run, const struct run_options *options)
{
    const struct ring_options ring = {.programs = options->programs,
                                      .gateways = options->gateways,
                                      .auths = 2,
                                      .values = 2,
                                      .drain_seconds = options->drain_seconds,
                                      .users = options->clients,
                                      .users_an_industry = LEDGER_MEMBERS,
                                      .attackers = options->attackers,
                                      .sentinels = options->failover,
                                      .wait_replicas = options->wait_replicas};
    int64_t expires_s = clock_wall_ms() / 1000 + options->seconds + TOKEN_MARGIN_S;

    if (!ring_create(&run->ring, &ring, &run->report))
        return false;
    if (!ledger_create(&run->ledger, options->clients, &run->report) ||
        !witness_create(&run->witness, &run->ring, &run->report) ||
        !clients_create(&run->clients, &run->ring, &run->ledger, &run->witness, options->clients,
                        options->seed * 4 + 1, expires_s) ||
        !attackers_create(&run->attackers, &run->ring, &run->clients, options->attackers,
                          options->seed * 4 + 3, expires_s) ||
        !publishers_create(&run->publishers, &run->ring, &run->ledger, options->rate, options->seed * 4 + 2,
                           expires_s)) {
        perror("chaos");
        return false;
    }
    run->clients.values_may_fall = options->failover;
    killer_create(&run->killer, &run->ring, options->seed * 4);
    failover_create(&run->failover, &run->ring, options->seed * 4);
    spare(run, options->spare);
    run->killer.spared[PART_SENTINEL] = true; /* there are none */
    return true;
}

bool run_start(struct run *run, const struct run_options *options)
{
    *run = (struct run){.options = options, .report = {.started_ms = clock_monotonic_ms()}};
    if (!create(run, options))
        return false;
    for (size_t i = 0; i < run->ring.count; i++)
        ring_start_part(&run->ring, &run->ring.parts[i]);
    if (!run_until(run, run_all_ready, READY_LIMIT_MS)) {
        report_violation(&run->report, "the ring is not ready after %u s", READY_LIMIT_MS / 1000);
        return false;
    }
    if (!run_until(run, all_joined, JOIN_LIMIT_MS)) {
        report_violation(&run->report, "only %u of %u clients are in", run->clients.links.live,
                         run->clients.count);
        return false;
    }
    memset(run->clients.excused, 0, run->clients.count * sizeof(*run->clients.excused));
    run->clients.links.recovered = run->clients.links.unrecovered = 0;
    report_say(&run->report, "the ring is up, %u clients are in", run->clients.count);
    return true;
}

/* ---- the end of the load ---------------------------------------------------------------------------- */

static bool all_acked(struct run *run)
{
    return publishers_waiting(&run->publishers) == 0;
}

static bool stream_done(struct run *run)
{
    return stores_stream_idle(&run->ring);
}

static bool redis_settled(struct run *run)
{
    return stores_settled(&run->ring);
}

static bool all_delivered(struct run *run)
{
    return all_joined(run) && ledger_missing(&run->ledger, run->clients.excused, false) == 0;
}

/* A ring that is behind goes on delivering: what counts is that deliveries end before they are complete. */
static bool wait_for_deliveries(struct run *run)
{
    uint64_t before = UINT64_MAX;
    for (int i = 0; i < DELIVER_LIMITS && run->ledger.deliveries != before; i++) {
        before = run->ledger.deliveries;
        if (run_until(run, all_delivered, DELIVER_LIMIT_MS))
            return true;
    }
    return false;
}

static bool all_answered(struct run *run)
{
    if (run->clients.answers < run->clients.count && all_joined(run))
        clients_ask(&run->clients);
    return run->clients.answers == run->clients.count;
}

static void check_counts(struct run *run)
{
    uint32_t clients = run->clients.count;
    uint32_t *acked = calloc(3UL * clients, sizeof(*acked));
    uint32_t *submitted = acked + clients;
    uint32_t *stored = submitted + clients;

    if (!acked || !stores_counts(&run->ring, stored, clients)) {
        report_violation(&run->report, "the counts could not be read from Redis");
        free(acked);
        return;
    }
    ledger_sum(&run->ledger, acked, submitted);
    for (uint32_t i = 0; i < clients; i++) {
        const struct client *client = &run->clients.all[i];
        run->uncounted += stored[i] < acked[i] ? acked[i] - stored[i] : 0;
        run->overcounted += stored[i] > submitted[i] ? stored[i] - submitted[i] : 0;
        if (stored[i] < acked[i] || stored[i] > submitted[i])
            report_violation(&run->report, "user %u counts %u, of %u events acknowledged and %u submitted", i,
                             stored[i], acked[i], submitted[i]);
        if (client->answered != stored[i])
            report_violation(&run->report, "user %u counts %u, value.get says %lld", i, stored[i],
                             (long long)client->answered);
        if (client->count != stored[i])
            report_violation(&run->report, "user %u counts %u, its client was last told %u", i, stored[i],
                             client->count);
    }
    free(acked);
}

static void check_dead(struct run *run)
{
    uint64_t dead = 0;

    if (!stores_stream_number(&run->ring, "$JS.API.STREAM.INFO.POLLEN8_DEAD", "messages", &dead))
        report_violation(&run->report, "the stream of dead events could not be asked");
    else if (dead > 0)
        report_violation(&run->report, "%llu events are in POLLEN8_DEAD", (unsigned long long)dead);
}

void run_settle(struct run *run)
{
    run->submitting = false;
    run->loaded_s = (double)(clock_monotonic_ms() - run->load_ms) / 1000.0;
    if (!run_until(run, all_acked, ACK_LIMIT_MS))
        report_violation(&run->report, "%u events were never acknowledged",
                         publishers_waiting(&run->publishers));
    if (run->options->failover && !run_until(run, redis_settled, SETTLE_LIMIT_MS))
        report_violation(&run->report,
                         "Redis is not one primary with all its replicas, and replayed, after %u s",
                         SETTLE_LIMIT_MS / 1000);
    if (!run_until(run, stream_done, STREAM_LIMIT_MS))
        report_violation(&run->report, "the stream is not worked off after %u s", STREAM_LIMIT_MS / 1000);
    if (!wait_for_deliveries(run))
        report_say(&run->report, "not all that was acknowledged has been delivered");
    if (!run_until(run, all_answered, ANSWER_LIMIT_MS))
        report_violation(&run->report, "only %u of %u clients are in and have been answered value.get",
                         run->clients.answers, run->clients.count);
    run_for(run, 3000); /* what comes twice comes now; a session's second snapshot too */
    ledger_missing(&run->ledger, run->clients.excused, true);
    run->falsely_whole = ledger_falsely_whole(&run->ledger, run->clients.excused, run->clients.whole);
    witness_settle(&run->witness,
                   run->killer.kills[PART_NATS] + run->killer.kills[PART_VALUE] + run->failover.changes);
    check_counts(run);
    check_dead(run);
}
