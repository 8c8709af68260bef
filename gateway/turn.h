/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The order in which the parts of the gateway work: in a turn of the loop, and when the loop ends. These are
 * the handlers of net/loop.h. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_TURN_H
#define POLLEN8_GATEWAY_TURN_H

#include <stdbool.h>

struct gateway;

/* Ends a round of callbacks. Returns whether something is left to do. */
bool turn_run(struct gateway *gateway);

/* The loop has polled: connections that wait leave the library. */
void turn_polled(struct gateway *gateway);

/* The loop ends: nothing more is accepted, read or asked, and every connection is closed. */
void turn_close(struct gateway *gateway);

/* The loop has run dry: what was closed is freed. */
void turn_free(struct gateway *gateway);

#endif
