/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a session has beside it while it catches up: where it stands, what came live meanwhile, what it has
 * had from elsewhere. Made when it is needed and freed when that is over, so that an ordinary session costs
 * one pointer and one branch a frame. Loop thread.
 *
 *   CLAIMING  a recovery is asked for; the session is in no room yet
 *   READING   live frames are held; what was missed is asked for. The answer comes first, then what was held.
 *             Whatever is at or before the position at which the question was asked is the answer's part
 *   SLOW      the queue is full: newer frames are dropped; when it has drained, READING after the last frame
 *             that was queued
 *   ARRIVING  it is to come from another gateway: live frames are held until it is here
 *   OPENING   a session of /ws that may ask to resume: live frames are held for the moment in which its
 *             first message comes
 *   IDLE      frames are passed on, but those it has had. With ids noted: until what is kept has come
 *
 * While a session may still ask to resume it is given no offset: what its client keeps must not go beyond
 * what it has missed, should the connection end before that has come. One that is slow then catches up after
 * that while.
 *
 * Bounds: held frames as many bytes as a queue (past it they are dropped, and read in their turn), ids
 * FRAME_IDS_MAXIMUM (past it the session cannot resume). Memory: 848 bytes, and what is held.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_CATCHUP_H
#define POLLEN8_GATEWAY_RECOVERY_CATCHUP_H

#include <stdbool.h>

#include "base/timer_wheel.h"
#include "common/slice.h"
#include "frame/held_frames.h"
#include "frame/position.h"

struct frame;
struct gateway;
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

/* What catching up is for. Either may close the session. */
struct catchup_use {
    /* Before the missed frames (there are none where it is not complete). */
    void (*before)(struct gateway *gateway, struct session *session, bool complete);
    /* After them, before those that were held. */
    void (*after)(struct gateway *gateway, struct session *session, bool complete);
    bool joins; /* the session was not in its rooms before: frames to its user may be seen in the answer alone
                 */
};

struct recovery; /* recovery.h */

struct catchup {
    struct session *session;
    const struct catchup_use *use;
    struct recovery *recovery; /* owned; NULL: this is none */
    enum catchup_stage stage;
    bool floor;              /* IDLE: what is at or before the claim was given, here or elsewhere */
    bool behind;             /* offsets made here are not beyond the claim yet */
    bool dropped;            /* READING: what came live was too much to be held */
    bool missed_more;        /* in other lanes too, or in which is not known */
    uint64_t missed;         /* SLOW, and READING after it: in which lanes of the claim: bit n is lanes[n] */
    uint32_t held_before;    /* ARRIVING: of those held, how many came before it was asked for */
    struct held_frames held; /* what came live meanwhile */
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

/* The session's; made IDLE where there is none. NULL where memory is short. */
struct catchup *catchup_of(struct session *session);
void catchup_free(struct gateway *gateway, struct session *session);

/* A frame from the broker: held, dropped or passed on, by the session's stage. For session_events.deliver. */
void catchup_deliver(struct gateway *gateway, struct session *session, struct frame *frame);

/* One that value-svc has kept, unless it has been delivered live; and not again when it will be. False: it
 * found no room, and is to be asked for again. */
bool catchup_give_kept(struct gateway *gateway, struct session *session, struct frame *frame);

/* The session has been given the frame of this id, here or at another gateway: not again for a while. */
void catchup_note_had(struct gateway *gateway, struct session *session, uint64_t id);

/* ---- sessions of /ws ---- */

/* OPENING: for a while it may ask to resume. */
void catchup_open(struct gateway *gateway, struct session *session);

/* Whether it may still ask. */
bool catchup_may_resume(const struct gateway *gateway, const struct session *session);

/* It will not, should it still be able to: it has said something else. What is held goes out. */
void catchup_stay(struct gateway *gateway, struct session *session);

/* Holds what comes live and asks for what came after catchup->claim. The session is in its rooms. */
void catchup_read(struct gateway *gateway, struct session *session, const struct catchup_use *use);

/* ---- moves between gateways ---- */

/* Whether what it catches up with can go along: nothing is under way, or it is slow. */
bool catchup_movable(const struct session *session);

/* ARRIVING. STATUS_NO_MEMORY. And: the other gateway is asked to let it go now. */
enum status catchup_arriving(struct session *session);
void catchup_asked(struct session *session);

/* It is here: everything at or before `left` was given there. What was held follows, but that. */
void catchup_arrived(struct gateway *gateway, struct session *session, const struct position *left);

/* The same for one whose queue was full there: nothing after `last` is in it. */
void catchup_arrived_slow(struct gateway *gateway, struct session *session, const struct position *last);

/* ---- slow clients ---- */

/* The queue is full, the frame does not fit. False: what is missing cannot be told. */
bool catchup_slow(struct gateway *gateway, struct session *session, const struct frame *frame);

/* The queue has drained. */
void catchup_drained(struct gateway *gateway, struct session *session);

#endif
