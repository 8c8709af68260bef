/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Text → standard error or output, at once.
 */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"

void report_say(const struct report *report, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%7.1f s  ", (double)(clock_monotonic_ms() - report->started_ms) / 1000.0);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void report_violation(struct report *report, const char *format, ...)
{
    va_list arguments;

    if (report->violations++ >= REPORT_VIOLATIONS_SHOWN)
        return;
    printf("VIOLATION %.1f s: ", (double)(clock_monotonic_ms() - report->started_ms) / 1000.0);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}
