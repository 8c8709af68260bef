/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Where events go that cannot be processed because their content is wrong, or could not be in all their tries
 * (tries.h): pollen8.dead.<event>, body as it was, with the header Pollen8-Reason. Stored by JetStream before
 * the original may be acknowledged. Those that were tried have the header Pollen8-Event too,
 * "<sequence>-<Unix ms>" in the stream: sent again as what they are, they count once (`dead replay`).
 */
#ifndef POLLEN8_VALUE_SVC_CONSUME_DEAD_H
#define POLLEN8_VALUE_SVC_CONSUME_DEAD_H

#include "common/bus/bus.h"

struct dead_letter {
    struct slice name; /* the subject's tail; anything not an event name goes to pollen8.dead.unknown */
    struct slice body;
    const char *reason;
    uint64_t stream_sequence; /* with the time it names the event, so that a repeat is stored once */
    int64_t timestamp_ms;
    bool tried; /* its content is right */

    bool repeated; /* result: it was stored already, by another instance or by a replay */
    void *burial;  /* dead.c's */
};

/* Stores all of them, waits for the stream to say so. STATUS_DISCONNECTED: not all are known to be stored;
 * bury them again. Blocks; worker threads. */
enum status dead_bury(struct bus *bus, struct dead_letter *letters, size_t count);

#endif
