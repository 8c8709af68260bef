/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the load client has counted since the start of a phase, and which events every session has. One
 * thread.
 */
#ifndef POLLEN8_BENCH_LOAD_FIGURES_H
#define POLLEN8_BENCH_LOAD_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

#define FIGURES_SEQUENCE_SLOTS 65536

struct load_figures {
    uint64_t events;
    uint64_t bytes;
    uint64_t reads;
    uint64_t first_event; /* monotonic ns; 0: none yet */
    uint64_t last_event;
    double cpu_started; /* this process's CPU seconds at the start */
    struct histogram latency;
    uint32_t received[FIGURES_SEQUENCE_SLOTS]; /* by an event's number: sessions that have it */
};

void load_figures_reset(struct load_figures *figures);

/* An event read now that was sent at `sent` (monotonic ns, 0: unknown). */
void load_figures_event(struct load_figures *figures, uint64_t sent);

/* One more session has the event with this number; true once all `sessions` have it. */
bool load_figures_received(struct load_figures *figures, uint32_t number, uint32_t sessions);

/* The figures as members of a JSON object, on standard output. */
void load_figures_print(const struct load_figures *figures);

#endif
