/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sample → its power of two and one of 32 steps within it → a counter. Percentiles walk the counters.
 */
#include "histogram.h"

#include <stddef.h>

static size_t step_of(uint64_t value)
{
    unsigned power;

    if (value < HISTOGRAM_STEPS)
        return (size_t)value;
    power = 63U - (unsigned)__builtin_clzll(value);
    return (size_t)(power - 4) * HISTOGRAM_STEPS + (size_t)((value >> (power - 5)) & (HISTOGRAM_STEPS - 1));
}

static double value_of(size_t step)
{
    size_t power = step / HISTOGRAM_STEPS + 4;

    if (step < HISTOGRAM_STEPS)
        return (double)step;
    return (double)((HISTOGRAM_STEPS + (uint64_t)(step % HISTOGRAM_STEPS)) << (power - 5));
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
    histogram->counts[step_of(nanoseconds)]++;
    histogram->total++;
    if (nanoseconds > histogram->maximum)
        histogram->maximum = nanoseconds;
}

double histogram_percentile_us(const struct histogram *histogram, double share)
{
    uint64_t seen = 0;

    if (histogram->total == 0)
        return 0;
    for (size_t step = 0; step < sizeof(histogram->counts) / sizeof(histogram->counts[0]); step++) {
        seen += histogram->counts[step];
        if ((double)seen >= share * (double)histogram->total)
            return value_of(step) / 1000.0;
    }
    return 0;
}
