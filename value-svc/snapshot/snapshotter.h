/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room snapshot/: every user's state into the broker, now and then, and back out. Input: users read from
 * Redis. Output: chunks and a manifest in POLLEN8_SNAPSHOT (snapshot.h, snapshot_manifest.h), and the removal
 * of events that they make superfluous.
 *
 * This file: takes the snapshots that a rebuild starts from. They are exact although events keep arriving.
 * Before the users are read, S is noted: every event up to S is acknowledged and so is in the sums. `seen`,
 * read together with a user's sum as of one moment, says which later events are in that sum. A rebuild
 * restores both, has the stream handed out again from S + 1, and the usual script recognises what is already
 * counted. That holds while no key of an event after S may have been forgotten, so a snapshot that takes
 * longer is given up.
 *
 * One instance at a time, by a lock in Redis. A snapshot counts once it was read back. Two are kept. Events
 * are removed only if two verified snapshots contain them and they are older than EVENTS_KEEP.
 */
#ifndef POLLEN8_VALUE_SVC_SNAPSHOT_SNAPSHOTTER_H
#define POLLEN8_VALUE_SVC_SNAPSHOT_SNAPSHOTTER_H

/* A thread's function; the argument is the struct service. Returns NULL after service_stop. */
void *snapshotter_run(void *context);

#endif
