/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A worker: takes batches off the stream and has them handled, until the service stops. Waits for Redis,
 * broker, stream and durable as long as it takes, and makes the latter two again where they are gone. A
 * Redis that cannot be reached, or takes no writes, stops the fetching.
 */
#ifndef POLLEN8_VALUE_SVC_CONSUME_CONSUMER_H
#define POLLEN8_VALUE_SVC_CONSUME_CONSUMER_H

/* A thread's function; the argument is the struct service. Returns NULL after service_stop, its batch done.
 */
void *consumer_run(void *context);

#endif
