/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a rebuild can be made of: the newest snapshot whose chunks are what was written, and the stream behind
 * it. Blocks; one thread.
 */
#ifndef POLLEN8_VALUE_SVC_UPKEEP_REBUILD_SOURCE_H
#define POLLEN8_VALUE_SVC_UPKEEP_REBUILD_SOURCE_H

#include "snapshot/snapshot_manifest.h"
#include "store/store.h"

#define REBUILD_MISSING_SIZE 256

struct rebuild_source {
    bool snapshot; /* else from the stream's first event on */
    struct snapshot_manifest manifest;
    struct store_position position;     /* behind which the stream is to be counted; sequence 0: all of it */
    uint64_t last_sequence;             /* of the stream */
    char missing[REBUILD_MISSING_SIZE]; /* what is not there; "": nothing */
};

/* STATUS_OK also where something is missing. Other statuses: the broker cannot be asked now. */
enum status rebuild_find_source(struct bus *bus, struct rebuild_source *ret_source);

#endif
