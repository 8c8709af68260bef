/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Dead letters: events that cannot be processed because their content is wrong, or that failed in all their
 * tries (tries.h). They are published to pollen8.dead.<event> with an unchanged body and the header
 * Pollen8-Reason, and stored by JetStream before the original may be acknowledged. Those that were tried also
 * have the header Pollen8-Event, "<sequence>-<Unix ms>" in the stream: `dead replay` sends them again under
 * that name, so that they count once.
 */
#ifndef POLLEN8_VALUE_SVC_CONSUME_DEAD_H
#define POLLEN8_VALUE_SVC_CONSUME_DEAD_H

#include "common/bus/bus.h"

struct dead_letter {
    struct slice name; /* the subject's tail; anything not an event name goes to pollen8.dead.unknown */
    struct slice body;
    const char *reason;
    uint64_t stream_sequence; /* with the time it identifies the event, so that a repeat is stored once */
    int64_t timestamp_ms;
    bool tried; /* its content is right */

    bool repeated; /* result: it was stored already, by another instance or by a replay */
    void *burial;  /* dead.c's */
};

/* Stores all of them and waits for the stream's answers. STATUS_DISCONNECTED: some may not be stored; bury
 * them again. Blocks; worker threads. */
enum status dead_bury(struct bus *bus, struct dead_letter *letters, size_t count);

#endif
