/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The state of a session that catches up: where it stands, the live frames held meanwhile, and the frames it
 * has already received elsewhere. Allocated when needed and freed when done, so that an ordinary session
 * costs one pointer and one branch per frame.
 *
 *   CLAIMING   a recovery has been requested; the session is in no room yet
 *   READING    live frames are held while the missed ones are read from the histories. Everything at or
 *              before `joined`, the position at the time of the request, is left to the answer
 *   REPLAYING  the answer is being given, then the held frames
 *   SLOW       the queue is full: newer frames are dropped. Once it has drained: READING, after the last
 *              frame that was queued
 *   ARRIVING   the session is on its way from another gateway: live frames are held until it is here
 *   OPENING    a session of /ws that may ask to resume: live frames are held for a moment, until its first
 *              message arrives
 *   IDLE       frames are passed on, except those the session has received before. If ids are noted: until
 *              the kept frames of the user have arrived
 *
 * Example: a client claims lane 7 up to 37, and its session is READING.
 *
 *   held      40 comes live before the histories are asked, and is held.
 *   asked     This gateway has taken lane 7 up to 40: `joined` is {7: 40}. value-svc is asked for everything
 *             after {7: 37}. 41 comes live and is held.
 *   answered  38, 39, 40, and 41, which has been stored by now.
 *   given     38, 39 and 40, with the offsets {7: 38}, {7: 39} and {7: 40}. 41 is after `joined`: it is left
 *             to the live frames.
 *   released  Of the held frames, 40 is dropped, because it is at or before `joined`; 41 is given.
 *   IDLE      The claim is {7: 40} now. It is the floor (catchup_floor.h): a late 39 is not given again.
 *
 * While a session may still ask to resume, it gets no offsets: the offset that its client keeps must not pass
 * what it has missed, in case the connection ends before that has been delivered. If it becomes slow, it
 * catches up after that period.
 *
 * catchup.c is the object, catchup_live.h handles live frames, catchup_read.h reads from the histories; each
 * uses only those before it. Every stage arms the one timer itself, with catchup_wait. Loop thread.
 *
 * Bounds: held frames take at most as many bytes as a queue (more are dropped, and read later), noted ids are
 * at most FRAME_IDS_MAXIMUM (with more, the session cannot resume). Memory: 848 bytes, and the held frames.
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

/* Why the session catches up. `before` and `after` may close the session. */
struct catchup_use {
    /* Called before the missed frames, of which there are none unless it is complete. */
    void (*before)(struct gateway *gateway, struct session *session, bool complete);
    /* Called after them, and before the held frames. */
    void (*after)(struct gateway *gateway, struct session *session, bool complete);
    /* Frees catchup->recovery, if it is set when this use ends. */
    void (*drop)(struct recovery *recovery);
    bool joins; /* the session was in no room before: only the answer may have its user's frames */
};

struct catchup {
    struct session *session;
    const struct catchup_use *use;
    struct recovery *recovery; /* owned; NULL: not a recovery. Set only while `use` drops it */
    enum catchup_stage stage;
    bool floor;              /* IDLE: everything at or before the claim has been given, here or elsewhere */
    bool behind;             /* offsets made here are not past the claim yet */
    bool dropped;            /* READING: more came live than could be held */
    bool missed_more;        /* in other lanes too, or in unknown ones */
    uint64_t missed;         /* SLOW, and READING after it: bit n: missed frames in lanes[n] of the claim */
    uint32_t held_before;    /* ARRIVING: how many of the held frames came before the session was asked for */
    struct held_frames held; /* live frames that came meanwhile */
    struct frame_ids had;    /* given elsewhere; while kept frames are awaited, also those given here */
    uint64_t give_up_ms;
    uint64_t resume_ms;      /* until then it may ask to resume, and ids of live frames are noted */
    uint64_t end_ms;         /* IDLE: when the ids are no longer needed */
    uint64_t floor_ms;       /* when the claim became the floor */
    struct position *joined; /* what comes live is after it; NULL: not known yet */
    int64_t asked_ms;        /* when that was, in Unix milliseconds */
    struct position claim;   /* what the client says it has; while it may resume: what it was given here */
    struct wheel_timer timer;
};
_Static_assert(sizeof(struct catchup) <= 848, "stated above");

/* The catchup of the session; creates an IDLE one if there is none. NULL when out of memory. */
struct catchup *catchup_of(struct session *session);
void catchup_free(struct gateway *gateway, struct session *session);

/* Sets the use; NULL: none. A recovery that belongs to a different use is dropped. */
void catchup_set_use(struct catchup *catchup, const struct catchup_use *use);

/* Arms the timer: `over` is what the stage does when its time is up. The next stage arms it again or cancels
 * it. In `over`, catchup_of_timer finds the catchup. */
void catchup_wait(struct gateway *gateway, struct catchup *catchup, timer_wheel_fire_fn *over,
                  uint64_t due_ms);
static inline struct catchup *catchup_of_timer(struct wheel_timer *timer)
{
    return TIMER_OWNER(timer, struct catchup, timer);
}

/* SLOW: notes that the session missed the frame, which the histories have. */
void catchup_miss(struct catchup *catchup, const struct frame *frame);

/* Whether the session (of /ws) may still ask to resume. */
bool catchup_may_resume(const struct gateway *gateway, const struct session *session);

/* Whether the session can move to another gateway with what it catches up with: it is IDLE or SLOW. */
bool catchup_movable(const struct session *session);

#endif
