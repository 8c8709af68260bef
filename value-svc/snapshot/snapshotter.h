/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Takes the snapshots that a rebuild begins with, and removes what they make superfluous. Exact while events
 * come in: before the users are read, S is noted, up to which every event is acknowledged and so in the sums.
 * Of later events `seen` tells, which is read with the sum at one moment: a rebuild restores both, has the
 * stream handed out again from S + 1, and the same script as ever knows what it counted. That holds while no
 * key of an event after S may have been forgotten: a snapshot that takes longer is given up.
 *
 * One instance at a time, by a lock in Redis; read back before it counts as one. Two are kept. Events are
 * removed only where two verified snapshots have them and they are older than EVENTS_KEEP.
 */
#ifndef POLLEN8_VALUE_SVC_SNAPSHOT_SNAPSHOTTER_H
#define POLLEN8_VALUE_SVC_SNAPSHOT_SNAPSHOTTER_H

/* A thread's function; the argument is the struct service. Returns NULL after service_stop. */
void *snapshotter_run(void *context);

#endif
