/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room consume/: events from the stream take effect. Input: batches that the durable hands out. Output:
 * counts and histories in Redis, frames to the gateways, dead letters, and acknowledgements. A batch is
 * applied by batch.h, dead letters are stored by dead.h.
 *
 * This file: a worker. It takes batches off the stream and has them handled, until the service stops. It
 * waits for Redis, broker, stream and durable as long as it takes, and creates stream and durable again if
 * they are gone. While Redis is unreachable or takes no writes, it fetches nothing.
 */
#ifndef POLLEN8_VALUE_SVC_CONSUME_CONSUMER_H
#define POLLEN8_VALUE_SVC_CONSUME_CONSUMER_H

/* A thread's function; the argument is the struct service. Returns NULL after service_stop, once its
 * batch is done. */
void *consumer_run(void *context);

#endif
