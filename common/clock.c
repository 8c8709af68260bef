/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reads the kernel's clocks (through the vDSO: no system call), unless a test has frozen them.
 */
#include "common/clock.h"

#include <stdatomic.h>

/* Frozen readings in microseconds; negative: the real clock. Atomic, because threads of the code under test
 * read them. */
static _Atomic int64_t frozen_monotonic_us = -1;
static _Atomic int64_t frozen_wall_us = -1;

static uint64_t real_monotonic_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock and a valid pointer */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    int64_t frozen = atomic_load_explicit(&frozen_monotonic_us, memory_order_relaxed);
    return frozen >= 0 ? (uint64_t)frozen * 1000u : real_monotonic_ns();
}

uint64_t clock_monotonic_us(void)
{
    return clock_monotonic_ns() / 1000u;
}

uint64_t clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000u;
}

int64_t clock_wall_us(void)
{
    int64_t frozen = atomic_load_explicit(&frozen_wall_us, memory_order_relaxed);
    if (frozen >= 0)
        return frozen;
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

int clock_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error != 0)
        return error;
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return error;
}

bool clock_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t until_ms)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                                   .tv_nsec = (long)(until_ms % 1000) * 1000000};
    return pthread_cond_timedwait(condition, mutex, &until) == 0;
}

void clock_set_for_test(int64_t monotonic_us, int64_t wall_us)
{
    atomic_store(&frozen_monotonic_us, monotonic_us);
    atomic_store(&frozen_wall_us, wall_us);
}

/* Writes `value` as exactly `digits` decimal digits; returns the end. */
static char *put_digits(char *out, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + digits;
}

static char *put_part(char *out, int64_t value, int digits, char after)
{
    out = put_digits(out, value, digits);
    *out = after;
    return out + 1;
}

void clock_format_rfc3339(int64_t wall_ms, char out[25])
{
    static const int64_t last_ms = 253402300799999; /* 9999-12-31T23:59:59.999Z: four digits of year */
    if (wall_ms < 0)
        wall_ms = 0;
    if (wall_ms > last_ms)
        wall_ms = last_ms;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    out = put_part(out, parts.tm_year + 1900, 4, '-');
    out = put_part(out, parts.tm_mon + 1, 2, '-');
    out = put_part(out, parts.tm_mday, 2, 'T');
    out = put_part(out, parts.tm_hour, 2, ':');
    out = put_part(out, parts.tm_min, 2, ':');
    out = put_part(out, parts.tm_sec, 2, '.');
    out = put_part(out, wall_ms % 1000, 3, 'Z');
    *out = '\0';
}
