/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Where messages of other gateways and of value-svc arrive: each kind goes to the part that acts on it. Also
 * what ends when another gateway is lost. Loop thread.
 *
 * SessionEvict: the session's pid was claimed by a newer session. Its transport closes; the client is sent
 * nothing that would keep a stock client from reconnecting.
 */
#ifndef POLLEN8_GATEWAY_PEER_INBOX_H
#define POLLEN8_GATEWAY_PEER_INBOX_H

struct peer_events;

extern const struct peer_events peer_inbox;

#endif
