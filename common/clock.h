/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Time. Deadlines use the monotonic clock, what leaves the process uses the wall clock. Tests replace both
 * with clock_set_for_test. Any thread.
 */
#ifndef POLLEN8_COMMON_CLOCK_H
#define POLLEN8_COMMON_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ns(void);
int64_t clock_wall_ms(void); /* Unix milliseconds */
int64_t clock_wall_us(void); /* Unix microseconds */

/* A condition for clock_condition_wait. As pthread_cond_init: 0 or an error number. */
int clock_condition_init(pthread_cond_t *condition);

/* Waits on such a condition, at most until that time of the monotonic clock. A frozen clock does not freeze
 * the wait. False: the time has come. */
bool clock_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t until_ms);

/* Freezes both clocks at these values; negative values give the real clocks back. Tests only, one thread. */
void clock_set_for_test(int64_t monotonic_us, int64_t wall_us);

/* "2026-01-31T12:00:00.123Z" (RFC 3339); `out` holds 25 bytes. */
void clock_format_rfc3339(int64_t wall_ms, char out[25]);

#endif
