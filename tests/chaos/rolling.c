/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * SIGTERM → sessions leave evenly → exit 0 → start → ready → the next one. Who comes back is counted in
 * tenths of a second.
 */
#include "rolling.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "common/clock.h"

#define GATEWAYS       3
#define DRAIN_SECONDS  8
#define GRACE_MS       20000 /* on top of it until the process must be gone */
#define PAUSE_MS       3000
#define READY_LIMIT_MS 30000
#define SPIKE          2  /* times the paced rate */
#define WINDOW         10 /* buckets: a second */

void rolling_options(struct run_options *options)
{
    options->gateways = GATEWAYS;
    options->drain_seconds = DRAIN_SECONDS;
}

static uint32_t sessions_on(const struct run *run, uint32_t gateway)
{
    uint32_t sessions = 0;

    for (uint32_t i = 0; i < run->clients.count; i++)
        sessions += run->clients.list[i]->state == LINK_LIVE && run->clients.list[i]->gateway == gateway;
    return sessions;
}

static uint64_t bucket_now(const struct run *run)
{
    return (clock_monotonic_ms() - run->report.started_ms) / 100;
}

/* Most that came back within one second, between two buckets. */
static uint32_t most_joins(const struct run *run, uint64_t from, uint64_t to)
{
    uint32_t most = 0;

    for (uint64_t start = from; start + WINDOW <= to && start + WINDOW <= LINK_BUCKETS; start++) {
        uint32_t sum = 0;
        for (uint64_t i = start; i < start + WINDOW; i++)
            sum += run->clients.links.joins[i];
        if (sum > most)
            most = sum;
    }
    return most;
}

static void wait_for_end(struct run *run, struct part *part)
{
    uint64_t end_ms = clock_monotonic_ms() + DRAIN_SECONDS * 1000UL + GRACE_MS;
    int status = 0;

    while (!process_ended(&part->process, &status) && clock_monotonic_ms() < end_ms) {
        run->watched_ms = clock_monotonic_ms(); /* its end is for this function alone */
        run_turn(run);
    }
    if (part->process.pid) {
        report_violation(&run->report, "%s did not end", part->process.name);
        process_kill(&part->process);
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        report_violation(&run->report, "%s ended with status %d", part->process.name, status);
    }
}

static bool is_ready(struct run *run)
{
    return ring_ready(run->awaited);
}

static void restart(struct run *run, uint32_t gateway)
{
    struct part *part = run->ring.gateways[gateway];
    uint32_t sessions = sessions_on(run, gateway);
    uint32_t paced = (sessions + DRAIN_SECONDS - 1) / DRAIN_SECONDS;
    uint64_t from = bucket_now(run);
    uint32_t most;

    report_say(&run->report, "SIGTERM to %s with %u sessions: %u a second", part->process.name, sessions,
               paced);
    if (kill(part->process.pid, SIGTERM) != 0)
        report_violation(&run->report, "%s: %s", part->process.name, strerror(errno));
    wait_for_end(run, part);
    report_say(&run->report, "%s has ended, and is started again", part->process.name);
    ring_start_part(&run->ring, part);
    run->awaited = part;
    if (!run_until(run, is_ready, READY_LIMIT_MS))
        report_violation(&run->report, "%s is not ready again", part->process.name);
    run_for(run, PAUSE_MS);
    most = most_joins(run, from, bucket_now(run));
    report_say(&run->report, "at most %u came back in a second", most);
    if (most > SPIKE * paced)
        report_violation(&run->report, "%u clients came back in a second while %s drained %u a second", most,
                         part->process.name, paced);
}

void rolling_run(struct run *run)
{
    run->load_ms = clock_monotonic_ms();
    run->submitting = true;
    run_for(run, PAUSE_MS);
    for (uint32_t gateway = 0; gateway < GATEWAYS; gateway++)
        restart(run, gateway);
}
