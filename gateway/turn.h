/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room of the whole: the order in which the parts of the gateway work, in a turn of the loop and when the
 * loop ends.
 *
 *   in    the calls of the loop (net/loop.h), whose handlers these are
 *   out   calls of every room, in order; whether something is left to do
 *
 * Loop thread.
 */
#ifndef POLLEN8_GATEWAY_TURN_H
#define POLLEN8_GATEWAY_TURN_H

#include <stdbool.h>

struct gateway;

/* Ends a round of callbacks. Returns whether something is left to do. */
bool turn_run(struct gateway *gateway);

/* The loop has polled: waiting connections leave the library. */
void turn_polled(struct gateway *gateway);

/* The loop ends: nothing more is accepted, read or requested, and every connection is closed. */
void turn_close(struct gateway *gateway);

/* The loop has run dry: frees what was closed. */
void turn_free(struct gateway *gateway);

#endif
