/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a session has beside it while it catches up: where it stands, live frames that are held meanwhile, and
 * the frames it has been given elsewhere. Allocated when needed and freed when that is over, so that an
 * ordinary session costs one pointer and one branch a frame. Loop thread.
 *
 *   CLAIMING  a recovery is asked for; the session is in no room yet
 *   READING   live frames are held; what was missed is asked for. The answer comes first, then what was held.
 *             Whatever is at or before the position at which the question was asked is the answer's part
 *   SLOW      the queue is full: newer frames are dropped; when it has drained, READING after the last frame
 *             that was queued
 *   ARRIVING  it is to come from another gateway: live frames are held until it is here
 *   OPENING   a session of /ws that may ask to resume: live frames are held for the moment in which its
 *             first message comes
 *   IDLE      frames are passed on, except those it has been given before. With ids noted: until what is
 *             kept for the user has come
 *
 * While a session may still ask to resume it is given no offset: the offset that its client keeps must not go
 * beyond what it has missed, in case the connection ends before that has come. If it becomes slow, it catches
 * up after that while.
 *
 * This file is the object; catchup_live.h is what live frames go through, catchup_read.h reads from history.
 * Each uses only those before it. Every stage sets and arms the one timer itself, with catchup_wait.
 *
 * Bounds: held frames as many bytes as a queue (past it they are dropped, and read in their turn), ids
 * FRAME_IDS_MAXIMUM (past it the session cannot resume). Memory: 848 bytes, and the frames held.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_CATCHUP_H
#define POLLEN8_GATEWAY_RECOVERY_CATCHUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/timer_wheel.h"
#include "frame/held_frames.h"
#include "frame/position.h"

struct frame;
struct gateway;
struct recovery; /* recovery.c */
struct session;

enum catchup_stage {
    CATCHUP_IDLE,
    CATCHUP_OPENING,
    CATCHUP_CLAIMING,
    CATCHUP_READING,
    CATCHUP_REPLAYING,
    CATCHUP_SLOW,
    CATCHUP_ARRIVING
};

/* What catching up is for. Either of the first two may close the session. */
struct catchup_use {
    /* Before the missed frames (there are none unless it is complete). */
    void (*before)(struct gateway *gateway, struct session *session, bool complete);
    /* After them, before those that were held. */
    void (*after)(struct gateway *gateway, struct session *session, bool complete);
    /* Frees catchup->recovery, if it is set when this use ends. */
    void (*drop)(struct recovery *recovery);
    bool joins; /* the session was in no room before: only the answer may have frames to its user */
};

struct catchup {
    struct session *session;
    const struct catchup_use *use;
    struct recovery *recovery; /* owned; NULL: this is none. Set only while `use` drops it */
    enum catchup_stage stage;
    bool floor;              /* IDLE: what is at or before the claim was given, here or elsewhere */
    bool behind;             /* offsets made here are not beyond the claim yet */
    bool dropped;            /* READING: what came live was too much to be held */
    bool missed_more;        /* in other lanes too, or it is not known in which */
    uint64_t missed;         /* SLOW, and READING after it: in which lanes of the claim: bit n is lanes[n] */
    uint32_t held_before;    /* ARRIVING: of those held, how many came before it was asked for */
    struct held_frames held; /* live frames that came meanwhile */
    struct frame_ids had;    /* given from elsewhere; of what is kept: given any way, while that is awaited */
    uint64_t give_up_ms;
    uint64_t resume_ms;      /* until then the session may ask to resume, and ids of live frames are noted */
    uint64_t end_ms;         /* IDLE: the ids are of no use any more */
    uint64_t floor_ms;       /* when it stood on its claim first */
    struct position *joined; /* what comes live is after it; NULL: not yet */
    int64_t asked_ms;        /* Unix milliseconds: when that was */
    struct position claim;   /* what the client says it has; while it may resume: what it was given here */
    struct wheel_timer timer;
};
_Static_assert(sizeof(struct catchup) <= 848, "stated above");

/* The session's; made IDLE if it has none. NULL when out of memory. */
struct catchup *catchup_of(struct session *session);
void catchup_free(struct gateway *gateway, struct session *session);

/* The use from now on; NULL: none. A recovery that belongs to another use is dropped. */
void catchup_set_use(struct catchup *catchup, const struct catchup_use *use);

/* Arms the timer with what the stage does when it is over; before another stage waits it is armed again or
 * cancelled. And, in there: whose it is.
 */
void catchup_wait(struct gateway *gateway, struct catchup *catchup, timer_wheel_fire_fn *over,
                  uint64_t due_ms);
static inline struct catchup *catchup_of_timer(struct wheel_timer *timer)
{
    return (struct catchup *)(void *)((char *)timer - offsetof(struct catchup, timer));
}

/* SLOW: the frame, which histories have, is not given to the session now. */
void catchup_miss(struct catchup *catchup, const struct frame *frame);

/* Whether the session (of /ws) may still ask to resume. */
bool catchup_may_resume(const struct gateway *gateway, const struct session *session);

/* Whether a move to another gateway can take along what it catches up with: it is IDLE or SLOW. */
bool catchup_movable(const struct session *session);

#endif
