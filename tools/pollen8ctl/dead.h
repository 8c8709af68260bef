/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One message of POLLEN8_DEAD, as `dead` shows and replays it. Borrows from the library's message. One
 * thread.
 */
#ifndef POLLEN8_TOOLS_DEAD_H
#define POLLEN8_TOOLS_DEAD_H

#include "common/buf.h"
#include "common/bus/bus.h"

#define DEAD_STREAM  "POLLEN8_DEAD"
#define DEAD_SUBJECT "pollen8.dead."
#define DEAD_ANY     DEAD_SUBJECT ">"

struct dead_entry {
    struct bus_message message;
    uint64_t sequence;
    int64_t time_ms;
    struct slice event; /* within message.subject; empty if the subject has no tail */
    char reason[512];
};

void dead_entry_fill(struct dead_entry *entry, const struct bus_message *message, uint64_t sequence,
                     int64_t time_ms);

/* One line: text, or one JSON object. */
void dead_entry_print_line(const struct dead_entry *entry, bool json);

/* Headers and body, or one JSON object of both. */
void dead_entry_print_whole(const struct dead_entry *entry, bool json);

/* Publishes the body as the event it was, waits until it is stored, deletes the dead letter. 0, or the exit
 * status of a failure that has been reported. */
int dead_entry_replay(struct bus *bus, const struct dead_entry *entry);

#endif
