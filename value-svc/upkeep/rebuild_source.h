/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The sources of a rebuild: the newest snapshot whose chunks are intact, and the stream after it. Blocks; one
 * thread.
 */
#ifndef POLLEN8_VALUE_SVC_UPKEEP_REBUILD_SOURCE_H
#define POLLEN8_VALUE_SVC_UPKEEP_REBUILD_SOURCE_H

#include "snapshot/snapshot_manifest.h"
#include "store/store.h"

#define REBUILD_MISSING_SIZE 256

struct rebuild_source {
    bool snapshot; /* else from the stream's first event on */
    struct snapshot_manifest manifest;
    struct store_position position;     /* after which the stream is to be counted; sequence 0: all of it */
    uint64_t last_sequence;             /* of the stream */
    char missing[REBUILD_MISSING_SIZE]; /* what is missing; "": nothing */
};

/* STATUS_OK also if something is missing. STATUS_NOT_FOUND: there is no stream of events. Other statuses: the
 * broker cannot be asked now. */
enum status rebuild_find_source(struct bus *bus, struct rebuild_source *ret_source);

#endif
