/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Numbers out of an event's JSON, without reading the JSON. Pure.
 */
#ifndef POLLEN8_BENCH_LOAD_NUMBER_H
#define POLLEN8_BENCH_LOAD_NUMBER_H

#include <stdint.h>

/* The digits at *at, which is moved past them; 0 where there are none. */
uint64_t read_number(const char **at, const char *end);

/* A decimal in hundredths: "9.42" -> 942, "15.7" -> 1570, "314" -> 31400. */
uint64_t read_hundredths(const char *at, const char *end);

#endif
