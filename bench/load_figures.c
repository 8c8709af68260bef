/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Events → counters and the histogram of their latency → the members of a report.
 */
#include "load_figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clock.h"

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void load_figures_reset(struct load_figures *figures)
{
    memset(figures, 0, sizeof(*figures));
    figures->cpu_started = cpu_seconds();
}

void load_figures_event(struct load_figures *figures, uint64_t sent)
{
    uint64_t now = clock_monotonic_ns();

    figures->events++;
    if (!figures->first_event)
        figures->first_event = now;
    figures->last_event = now;
    if (sent && sent <= now)
        histogram_add(&figures->latency, now - sent);
}

bool load_figures_received(struct load_figures *figures, uint32_t number, uint32_t sessions)
{
    uint32_t *received = &figures->received[number % FIGURES_SEQUENCE_SLOTS];

    if (++*received < sessions)
        return false;
    *received = 0;
    return true;
}

void load_figures_print(const struct load_figures *figures)
{
    const struct histogram *latency = &figures->latency;

    printf("\"events\":%" PRIu64 ",\"seconds\":%.3f,\"bytes\":%" PRIu64 ",\"reads\":%" PRIu64
           ",\"last_event_ns\":%" PRIu64 ",\"client_cpu_s\":%.3f",
           figures->events, (double)(figures->last_event - figures->first_event) / 1e9, figures->bytes,
           figures->reads, figures->last_event, cpu_seconds() - figures->cpu_started);
    printf(",\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f,\"max_us\":%.0f",
           histogram_percentile_us(latency, 0.5), histogram_percentile_us(latency, 0.9),
           histogram_percentile_us(latency, 0.99), histogram_percentile_us(latency, 0.999),
           (double)latency->maximum / 1000.0);
}
