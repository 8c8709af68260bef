/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The number on a network: max(0, connections) x 3.14, in integer hundredths, printed as the shortest JSON
 * number (3 -> 9.42, 5 -> 15.7, 100 -> 314). No binary floating point on its way. Pure; any thread.
 */
#ifndef POLLEN8_VALUE_SVC_EVENT_VALUE_H
#define POLLEN8_VALUE_SVC_EVENT_VALUE_H

#include <stddef.h>
#include <stdint.h>

#define VALUE_HUNDREDTHS_EACH 314 /* a connection is worth 3.14 */

/* Largest count that is kept: Redis scripts compute with doubles, which are exact up to 2^53. */
#define VALUE_CONNECTIONS_MAXIMUM INT64_C(9007199254740991)

/* Longest text: 26 digits and a NUL would do for every int64. */
#define VALUE_TEXT_SIZE 32

/* What is shown of a signed sum: never below 0. */
int64_t value_connections(int64_t sum);

/* The worth in hundredths; larger sums than VALUE_CONNECTIONS_MAXIMUM count as that. */
int64_t value_hundredths(int64_t sum);

/* Writes the shortest JSON number and a NUL; returns its length. */
size_t value_format(int64_t sum, char out[VALUE_TEXT_SIZE]);

#endif
