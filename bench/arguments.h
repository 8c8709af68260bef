/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What every program of the benchmark does with its command line and its limits. Any thread.
 */
#ifndef POLLEN8_BENCH_ARGUMENTS_H
#define POLLEN8_BENCH_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number `text` is, within bounds; else one line on standard error and exit status 2. */
long argument_number(const char *name, const char *text, long minimum, long maximum);
double argument_decimal(const char *name, const char *text, double minimum, double maximum);

/* `template` with %d as the number and %t as the token (NULL: left as it is); false where it does not fit. */
bool argument_expand(const char *template, uint32_t number, const char *token, char *out, size_t capacity);

/* Raises the limit of open files as far as it goes. */
void raise_file_limit(void);

#endif
