/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What is said to this gateway alone, on pollen8.gw.<gateway>: unpacked on the delivery thread, acted on by
 * the loop in a mailbox lane of its own, so that it does not wait behind frames.
 *
 * SessionEvict: the session's pid was claimed by a newer one. Its transport closes; nothing is told that
 * would keep a stock client from coming back.
 */
#ifndef POLLEN8_GATEWAY_PEER_H
#define POLLEN8_GATEWAY_PEER_H

#include <stdbool.h>

#include "../common/bus.h"
#include "mailbox.h"

struct gateway;

/* Listens until the bus goes. */
enum status peer_subscribe(struct gateway *gateway);

/* A share of what waits; whether there is more. */
bool peer_run(struct gateway *gateway);

/* Frees one that nobody will act on. */
void peer_dispose(struct mail *mail);

#endif
