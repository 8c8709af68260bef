/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The manifests on pollen8.snapshot.manifest. One is stored once all chunks of a snapshot were read back as
 * written; it names the one before it. The newest is the last message on the subject. Blocks; any thread.
 */
#ifndef POLLEN8_VALUE_SVC_SNAPSHOT_SNAPSHOT_MANIFEST_H
#define POLLEN8_VALUE_SVC_SNAPSHOT_SNAPSHOT_MANIFEST_H

#include "snapshot/snapshot.h"

#define SNAPSHOT_MARKS_MAXIMUM 256

/* An earlier snapshot: every event up to `sequence` was in it. */
struct snapshot_mark {
    uint64_t sequence; /* of POLLEN8_EVENTS */
    int64_t taken_at_ms;
};

struct snapshot_manifest {
    struct snapshot_body body;
    uint64_t sequence; /* of POLLEN8_EVENTS: every event up to it is in the sums; `seen` has the later ones */
    int64_t taken_at_ms;
    int64_t stream_created_ms; /* of POLLEN8_EVENTS */
    uint64_t epoch;            /* in which it was taken; 0: by a version before 0.2 */
    uint64_t previous;         /* sequence in POLLEN8_SNAPSHOT of the manifest before it; 0: none */
    size_t mark_count;
    struct snapshot_mark marks[SNAPSHOT_MARKS_MAXIMUM]; /* oldest first */
};

/* STATUS_NOT_FOUND: there is none. *ret_place is its sequence in POLLEN8_SNAPSHOT. */
enum status snapshot_newest(struct bus *bus, struct snapshot_manifest *manifest, uint64_t *ret_place);
enum status snapshot_at(struct bus *bus, uint64_t place, struct snapshot_manifest *manifest);

enum status snapshot_publish(struct bus *bus, const struct snapshot_manifest *manifest);

#endif
