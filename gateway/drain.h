/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The orderly end: no new connections, replies in flight are awaited, sessions are closed evenly over
 * DRAIN_SECONDS (1012 and a hint when to reconnect), then the loop ends. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_DRAIN_H
#define POLLEN8_GATEWAY_DRAIN_H

#include "common/status.h"

struct gateway;

/* STATUS_NO_MEMORY: nothing is drained, end the loop. Calling it again changes nothing. */
enum status drain_start(struct gateway *gateway);

/* Frees what drain_start made. */
void drain_free(struct gateway *gateway);

#endif
