/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The rules of epochs, without a server: whether this Redis is the one in which the stream is counted,
 * whether an epoch may be begun in it, and what is known then. Pure.
 *
 *   the newest record   this Redis                        verdict
 *   none                any                               begin an epoch
 *   of this data        unchanged since                   settled
 *                       the same process, but changed     begin
 *                       another process: restarted,       begin if the sentinels name it, or nobody else
 *                       a follower, or a copy             counts: else it is a copy that was left behind
 *   of other data       without an identity, or empty     begin if nobody else counts
 *                       with its own identity             refused: only a rebuild moves the stream to it
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
    int64_t silent_ms;                     /* no other instance counts in the record's data */
    bool tail_lost;                        /* the stream lacks an event that was counted */
    const struct store_position
        *held;         /* then: the newest position noted by Redis whose event the stream has, or NULL */
    bool drained;      /* the newest epoch's durable exists: events are delivered from it */
    int64_t window_ms; /* DEDUPE_WINDOW */
    int64_t now_ms;    /* Unix time: a lower bound for epochs; nothing is compared with it */
};

enum epoch_verdict { EPOCH_SETTLED, EPOCH_RAISE, EPOCH_WAIT };

/* *ret_why: one line for EPOCH_WAIT; static. */
enum epoch_verdict epoch_judge(const struct epoch_facts *facts, const char **ret_why);

/* Whether the stream is not the one of which Redis noted a position. */
bool epoch_stream_anew(const struct store_world *world, const struct bus_stream_state *stream);

/* The state that Redis and the broker are to record for the new epoch. Data without an identity gets the
 * record's, because it takes its place, or `identity` if the record has none. */
void epoch_plan(const struct epoch_facts *facts, const char *identity, struct store_world *ret_world,
                struct epoch_record *ret_record);

#endif
