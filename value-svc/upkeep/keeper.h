/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room upkeep/: what keeps Redis and the broker in order. Input: the state of both. Output: positions,
 * swept keys and totals (this file), and Redis recreated from a snapshot (rebuild.h).
 *
 * This file: periodic work, on one thread: that the streams and the durable exist, how far the stream is
 * acknowledged (which event keys may be forgotten, and where a lost durable would resume), the sweep over
 * idle users' keys, and the cluster's totals.
 */
#ifndef POLLEN8_VALUE_SVC_UPKEEP_KEEPER_H
#define POLLEN8_VALUE_SVC_UPKEEP_KEEPER_H

/* A thread's function; the argument is the struct service. Returns NULL after service_stop. */
void *keeper_run(void *context);

#endif
