/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A connection to the run's own broker, up when it is returned. Any thread but the library's.
 */
#ifndef POLLEN8_BENCH_BUS_OPEN_H
#define POLLEN8_BENCH_BUS_OPEN_H

#include <stdint.h>

#include "common/bus/bus.h"

/* NULL with one line on standard error. */
struct bus *bus_open(uint16_t port, const char *name);

#endif
