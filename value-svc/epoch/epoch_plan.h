/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The rules of epochs, without a server: whether this Redis is the one that the stream is counted in, whether
 * an epoch may be begun in it, and what is known then. Pure.
 *
 *   the newest record   this Redis                           is
 *   none                any                                  an epoch begins
 *   of this data        in that epoch, on that server        settled
 *                       in that epoch or a later one, on     the same: it was restarted or follows the one
 * that another server                       died, or it is a copy of one that lives in an earlier epoch a
 * copy that was left behind: an epoch begins if the sentinels name it, or nobody counts elsewhere of other
 * data       empty, or without an identity        an epoch begins if nobody counts elsewhere of its own
 * refused: only a rebuild moves the stream to it
 */
#ifndef POLLEN8_VALUE_SVC_EPOCH_EPOCH_PLAN_H
#define POLLEN8_VALUE_SVC_EPOCH_EPOCH_PLAN_H

#include "common/bus/bus_stream.h"
#include "epoch/epoch_record.h"

struct epoch_facts {
    const struct store_world *world;
    const struct epoch_record *record;
    const struct bus_stream_state *stream; /* POLLEN8_EVENTS */
    bool sentinels;                        /* are configured... */
    bool elected;                          /* ...and name this server */
    int64_t silent_ms;                     /* nobody else was heard to count in the record's data */
    bool tail_lost;                        /* the stream does not have an event that was counted */
    const struct store_position
        *held;         /* then: the newest that Redis noted of which it has the event, or NULL */
    bool drained;      /* the newest epoch's durable is there: events are delivered from it */
    int64_t window_ms; /* DEDUPE_WINDOW */
    int64_t now_ms;    /* Unix time: a lower bound for epochs, nothing is compared with it */
};

enum epoch_verdict { EPOCH_SETTLED, EPOCH_RAISE, EPOCH_WAIT };

/* *ret_why: one line for EPOCH_WAIT; static. */
enum epoch_verdict epoch_judge(const struct epoch_facts *facts, const char **ret_why);

/* The stream is another than the one that Redis noted a position of. */
bool epoch_stream_anew(const struct store_world *world, const struct bus_stream_state *stream);

/* What Redis and the broker are to say of the epoch that begins. Data without an identity gets that of the
 * record, for it takes its place, or `identity` where there is none. */
void epoch_plan(const struct epoch_facts *facts, const char *identity, struct store_world *ret_world,
                struct epoch_record *ret_record);

#endif
