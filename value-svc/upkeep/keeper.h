/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What has to be seen to every second, on one thread: that streams and durable are there, how far the stream
 * is acknowledged (which event keys may be forgotten, and where a lost durable would begin again), the sweep
 * over idle users' keys, and the cluster's totals.
 */
#ifndef POLLEN8_VALUE_SVC_UPKEEP_KEEPER_H
#define POLLEN8_VALUE_SVC_UPKEEP_KEEPER_H

/* A thread's function; the argument is the struct service. Returns NULL after service_stop. */
void *keeper_run(void *context);

#endif
