/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a run says: lines of progress on standard error, a line for each of the first violations on standard
 * output. One thread.
 */
#ifndef POLLEN8_CHAOS_REPORT_H
#define POLLEN8_CHAOS_REPORT_H

#include <stdint.h>

#define REPORT_VIOLATIONS_SHOWN 20

struct report {
    uint64_t started_ms; /* monotonic */
    uint32_t violations;
};

/* "  12.3 s  <text>" */
void report_say(const struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "VIOLATION <text>"; counted, shown while few. */
void report_violation(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
