/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A log-linear histogram of nanoseconds: 32 steps a power of two, so that a percentile is at most 3 % off,
 * whatever the range. One thread; zero it to start.
 */
#ifndef POLLEN8_BENCH_HISTOGRAM_H
#define POLLEN8_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 32

struct histogram {
    uint64_t counts[64 * HISTOGRAM_STEPS];
    uint64_t total;
    uint64_t maximum; /* nanoseconds, exact */
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

/* Microseconds below which `share` (0 to 1) of the samples are; 0 where there are none. */
double histogram_percentile_us(const struct histogram *histogram, double share);

#endif
