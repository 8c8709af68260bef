/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What most of these tests begin with: a Redis with a connection of the service's own kind, or a broker with a
 * Redis and the client. They are the test program's; failures end the running test. One thread.
 */
#ifndef POLLEN8_TESTS_VALUE_FIXTURE_H
#define POLLEN8_TESTS_VALUE_FIXTURE_H

#include "rig.h"

extern struct nats_server nats;
extern struct redis_server redis;
extern struct rig *rig;
extern struct store_url url;
extern struct store *store;

/* Redis and `store`, in an epoch of its own. */
int store_set_up(void **state);
int store_tear_down(void **state);

/* Broker, Redis and `rig`. */
int ring_set_up(void **state);
int ring_tear_down(void **state);

/* Applies one event that counts. */
struct store_event apply_one(const struct store_rules *rules, const char *user, const char *key,
                             int64_t change, uint64_t sequence, int64_t time_ms);

/* The frame collected at `index`, which must be there. */
void expect_frame(const char *subject, const char *event, size_t index, struct rig_frame *ret_frame);

#endif
