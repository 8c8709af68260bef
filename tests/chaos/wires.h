/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The network between Redis servers and those that use them: a process that hands on bytes, and stops doing
 * so for some while a wire is cut. Nothing is lost by a cut, and no connection ends: what was sent comes when
 * it is mended, as from a network that was away. One thread.
 */
#ifndef POLLEN8_CHAOS_WIRES_H
#define POLLEN8_CHAOS_WIRES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRES_MAXIMUM 3
/* Who connects from this address is another Redis or a sentinel, not a service. */
#define WIRES_SERVER_ADDRESS "127.0.7.1"

enum wire_cut { WIRE_WHOLE = 0, WIRE_CUT_SERVERS = 1, WIRE_CUT_SERVICES = 2, WIRE_CUT_ALL = 3 };

struct wires {
    pid_t pid; /* 0: not started */
    int control;
};

/* Hands on what comes to 127.0.0.1:outer[n] to 127.0.0.1:inner[n]. false with errno. */
bool wires_start(struct wires *wires, const uint16_t *outer, const uint16_t *inner, uint32_t count);

/* Cuts the nth, or mends it. */
void wires_cut(struct wires *wires, uint32_t number, enum wire_cut cut);

void wires_end(struct wires *wires);

#endif
