/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * pollen8.session.open, once taken from the queue: a snapshot with the user's kept frames, the claim of a
 * pid, the record of a pid. If several sessions claim one pid the last one gets it; its gateway asks the
 * other session's gateway to close that session. Reader thread.
 */
#ifndef POLLEN8_VALUE_SVC_QUERY_OPENING_H
#define POLLEN8_VALUE_SVC_QUERY_OPENING_H

#include "common/bus/batch.h"
#include "common/bus/bus.h"
#include "common/industry.h"
#include "common/names.h"
#include "common/wire.h"
#include "presence.pb-c.h"
#include "records/store_session.h"

#define OPENING_NAME_SIZE  65  /* of a gateway */
#define OPENING_ID_SIZE    129 /* of a session */
#define OPENING_ROOMS_SIZE 4096

struct opening {
    struct slice reply; /* borrowed; empty: no answer is wanted */
    uint64_t id;        /* among those of one message; 0: it came alone */
    Pollen8__SessionOpen__Purpose purpose;
    uint32_t lease_ms; /* 0: not said */
    bool narrowed;
    bool fresh; /* nobody but this session can know the pid */
    size_t rooms_length;
    char user_id[ID_MAXIMUM_BYTES + 1];
    char gateway[OPENING_NAME_SIZE]; /* empty: not named, or not a valid name */
    char session[OPENING_ID_SIZE];
    char pid[STORE_PID_MAXIMUM + 1]; /* empty: none, or not a valid one */
    char rooms[OPENING_ROOMS_SIZE];  /* separated by newlines, not NUL-terminated; if narrowed */
};

/* Reads a SessionOpen; STATUS_INVALID_PAYLOAD. */
enum status opening_read(struct wire_arena *arena, struct slice bytes, struct opening *opening);

/* Whether the user's value is wanted. */
static inline bool opening_wants_value(const struct opening *opening)
{
    return opening->purpose == POLLEN8__SESSION_OPEN__PURPOSE__SNAPSHOT;
}

/* Fills the store's request, which borrows from the opening. A pid is recorded for its lease
 * and the window. */
void opening_ask(const struct opening *opening, int64_t history_window_ms, struct store_opening *ret_asked);

/* SessionsEnded: their pids can be claimed for the window. STATUS_MALFORMED, or the store's status. */
enum status opening_ended(struct store *store, struct wire_arena *arena, struct slice bytes,
                          int64_t history_window_ms);

/* Adds the store's result, read in that epoch, to the answers. `snapshot` is NULL unless it was wanted. */
enum status opening_answer(struct bus *bus, struct batch_answers *answers, const struct opening *opening,
                           const struct store_opened *opened, uint64_t epoch,
                           const Pollen8__OutboundFrame *snapshot);

#endif
