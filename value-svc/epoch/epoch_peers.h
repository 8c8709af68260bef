/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Who else counts: every instance announces once per second, over core NATS, in which data it counts. An
 * instance with a different or an empty Redis must not take the stream from them. Callbacks on the bus's
 * threads.
 */
#ifndef POLLEN8_VALUE_SVC_EPOCH_EPOCH_PEERS_H
#define POLLEN8_VALUE_SVC_EPOCH_EPOCH_PEERS_H

#include "service/service.h"

struct epoch_peers; /* opaque */

/* STATUS_NO_MEMORY, or what bus_subscribe says. */
enum status epoch_peers_create(struct service *service, struct epoch_peers **ret_peers);
void epoch_peers_free(struct epoch_peers *peers); /* after the bus; NULL is accepted */

/* Announces that this instance counts in the epoch, in the data of that identity. The next call makes up for
 * a lost message. */
void epoch_peers_tell(struct epoch_peers *peers, uint64_t epoch, const char *identity);

/* For how long no other instance has announced that it counts in data of this identity; at most since the
 * start, or since the last disconnection from the broker. */
int64_t epoch_peers_silent_ms(struct epoch_peers *peers, const char *identity);

#endif
