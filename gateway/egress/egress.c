/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * mailbox (frame lane) -> repeats dropped -> board: a place for the frame, its bit in each of its rooms ->
 * rooms walked in slices -> members' queues. Controls come in the same lane and are acted on when the board
 * is empty, so that what was published before a revocation is delivered before it; so does another gateway's
 * word that a session is to move there.
 */
#include "egress/egress.h"

#include <stdlib.h>

#include "base/gateway.h"
#include "base/mailbox.h"
#include "broker/delivery.h"
#include "cluster/peer_message.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/industry.h"
#include "egress/dedupe.h"
#include "frame/progress.h"
#include "gaps/gaps.h"
#include "recovery/catchup.h"
#include "rooms/control.h"
#include "rooms/rooms.h"
#include "rooms/users.h"
#include "session/session.h"

/* What boards in a turn, and what is on the board, must not fill the queue of a client that reads. */
#define BOARD_SHARE 4
#define BOARD_ROOMS (EGRESS_BOARD * INDUSTRIES_MAXIMUM)
#define FEW         16 /* members of a room that are visited as something boards for it */
#define VISITS_LEFT 32 /* in a turn, however many sessions wait to be flushed */

/* A frame on the board. */
struct place {
    struct frame *frame; /* owned reference; NULL: it has left */
    uint32_t rooms;      /* that are still to be walked for it */
    struct position before;
};

struct egress {
    uint64_t latest;        /* number of the frame that boarded last */
    uint64_t oldest;        /* of the oldest on the board; latest + 1: it is empty */
    uint64_t bytes;         /* of what is on the board */
    uint64_t turn_bytes;    /* of what boarded in this turn */
    uint32_t visited;       /* members, in this turn */
    uint32_t waiting_first; /* rooms that wait to be walked: a ring */
    uint32_t waiting_count;
    uint32_t cursor;                   /* members of the room walked that are still to be visited */
    struct room *walked;               /* borrowed, as all: rooms with frames are kept; NULL: none is */
    uint64_t started;                  /* which frames it is walked for from its top */
    int64_t wall_ms;                   /* when the turn began */
    struct position before;            /* what is taken now */
    struct position merged;            /* lent by egress_position */
    struct place places[EGRESS_BOARD]; /* number % EGRESS_BOARD */
    struct room *waiting[BOARD_ROOMS];
};

struct egress *egress_create(void)
{
    struct egress *egress = calloc(1, sizeof(struct egress));
    if (egress)
        egress->oldest = egress->latest + 1;
    return egress;
}

void egress_free(struct egress *egress)
{
    if (!egress)
        return;
    for (size_t i = 0; i < EGRESS_BOARD; i++)
        frame_unref(egress->places[i].frame);
    free(egress);
}

void egress_enter(struct gateway *gateway, struct session *session)
{
    session->boarded = gateway->egress->latest;
}

/* ---- the board ---------------------------------------------------------------------------------------- */

static struct place *place_of(struct egress *egress, uint64_t number)
{
    return &egress->places[number % EGRESS_BOARD];
}

static bool board_empty(const struct egress *egress)
{
    return egress->oldest > egress->latest;
}

static uint64_t bytes_allowed(const struct gateway *gateway)
{
    return (uint64_t)gateway->settings->session_queue_bytes / BOARD_SHARE;
}

static bool may_board(const struct gateway *gateway)
{
    const struct egress *egress = gateway->egress;
    return egress->latest - egress->oldest + 1 < EGRESS_BOARD && egress->bytes < bytes_allowed(gateway) &&
           egress->turn_bytes < bytes_allowed(gateway) && egress->visited < EGRESS_VISITS;
}

static void leave_board(struct gateway *gateway, struct place *place)
{
    struct egress *egress = gateway->egress;
    int64_t now_us = clock_wall_us();
    int64_t published_us = place->frame->published_at_us;
    if (published_us > 0 && now_us > published_us)
        metrics_observe_ns(gateway->metrics, METRIC_FANOUT_SECONDS, (uint64_t)(now_us - published_us) * 1000);
    egress->bytes -= place->frame->data_length;
    frame_unref(place->frame);
    place->frame = NULL;
    while (!board_empty(egress) && !place_of(egress, egress->oldest)->frame)
        egress->oldest++;
}

/* The room has been walked for these. */
static void release(struct gateway *gateway, struct room *room, uint64_t frames)
{
    room->frames &= ~frames;
    for (; frames; frames &= frames - 1) {
        struct place *place = &gateway->egress->places[__builtin_ctzll(frames)];
        if (--place->rooms == 0)
            leave_board(gateway, place);
    }
}

/* ---- visits ------------------------------------------------------------------------------------------- */

_Static_assert(EGRESS_BOARD == 64, "a bit a place");

static uint64_t rotate(uint64_t bits, uint64_t left)
{
    left %= EGRESS_BOARD;
    return left ? bits << left | bits >> (EGRESS_BOARD - left) : bits;
}

/* Which places hold something for the session. */
static uint64_t frames_for(const struct session *session)
{
    uint64_t frames = 0;
    for (unsigned i = 0; i < session->membership_count; i++)
        frames |= session->memberships[i].room->frames;
    return frames;
}

/* What has boarded for the session since it was last visited: bit n is number *ret_first + n. `only`: the one
 * room with something on the board; NULL: there may be others. */
static uint64_t boarded_for(const struct egress *egress, const struct session *session,
                            const struct room *only, uint64_t *ret_first)
{
    uint64_t count = egress->latest - session->boarded;
    uint64_t on_board = egress->latest + 1 - egress->oldest;
    if (count > on_board)
        count = on_board;
    *ret_first = egress->latest + 1 - count;
    if (count == 0)
        return 0;
    return rotate(only ? only->frames : frames_for(session), EGRESS_BOARD - *ret_first % EGRESS_BOARD) &
           ~0ULL >> (EGRESS_BOARD - count);
}

static void visit(struct gateway *gateway, struct session *session, const struct room *only)
{
    struct egress *egress = gateway->egress;
    uint64_t first;
    uint64_t frames = boarded_for(egress, session, only, &first);
    session->boarded = egress->latest;
    for (; frames && session->memberships; frames &= frames - 1) /* one that closes leaves its rooms */
        session_deliver(gateway, session, place_of(egress, first + (uint64_t)__builtin_ctzll(frames))->frame);
}

/* The members of a small room, at once: who closes takes itself out, and its place is then another's. */
static void visit_all(struct gateway *gateway, struct room *room)
{
    for (uint32_t i = room->count; i-- > 0;) {
        if (i < room->count)
            visit(gateway, room->members[i], NULL);
        gateway->egress->visited++;
    }
}

/* ---- walks -------------------------------------------------------------------------------------------- */

static void wait_for_walk(struct egress *egress, struct room *room)
{
    CHECK(egress->waiting_count < BOARD_ROOMS);
    egress->waiting[(egress->waiting_first + egress->waiting_count++) % BOARD_ROOMS] = room;
}

static bool start_walk(struct egress *egress)
{
    if (egress->waiting_count == 0)
        return false;
    egress->walked = egress->waiting[egress->waiting_first];
    egress->waiting_first = (egress->waiting_first + 1) % BOARD_ROOMS;
    egress->waiting_count--;
    egress->started = egress->walked->frames;
    egress->cursor = egress->walked->count;
    return true;
}

/* What boarded meanwhile needs another one: whoever was visited before has not had it. */
static void end_walk(struct gateway *gateway)
{
    struct egress *egress = gateway->egress;
    struct room *room = egress->walked;
    egress->walked = NULL;
    release(gateway, room, egress->started);
    if (room->frames)
        wait_for_walk(egress, room);
}

/* Walks on from where the last slice ended. */
static void walk(struct gateway *gateway)
{
    struct egress *egress = gateway->egress;
    struct room *room = egress->walked;
    const struct room *only = egress->waiting_count == 0 ? room : NULL;
    for (; egress->visited < EGRESS_VISITS; egress->visited++) {
        if (egress->cursor > room->count)
            egress->cursor = room->count;
        if (egress->cursor == 0) {
            egress->visited++; /* a room without members counts too */
            end_walk(gateway);
            return;
        }
        visit(gateway, room->members[--egress->cursor], only);
    }
}

/* ---- boarding ----------------------------------------------------------------------------------------- */

/* The rooms the delivery is for, each once, with its bit. */
static uint32_t find_rooms(struct gateway *gateway, const struct delivery *delivery, uint64_t bit,
                           struct room *rooms[INDUSTRIES_MAXIMUM])
{
    uint32_t keys = delivery->kind == ROOM_EVERYONE ? 1 : delivery->key_count;
    uint32_t count = 0;
    for (uint32_t i = 0; i < keys; i++) {
        struct slice key = delivery->kind == ROOM_EVERYONE ? (struct slice){0} : delivery->keys[i];
        struct room *room = rooms_find(gateway->rooms, delivery->kind, key);
        if (!room || room->count == 0)
            continue;
        if (delivery->user_sequence && users_missed(room, delivery))
            gaps_user(gateway, room);
        if (room->frames & bit)
            continue;
        room->frames |= bit;
        rooms[count++] = room;
    }
    return count;
}

/* A client would take a text at the end of any event for its offset. */
static void give_offset(struct gateway *gateway, const struct delivery *delivery)
{
    struct frame *frame = delivery->frame;
    if (delivery->mark.lane)
        frame_set_offset(frame, progress_offset(gateway->progress, gateway->now_ms));
    else if (frame_ends_with_text(frame))
        frame_lend_offset(frame, progress_offset(gateway->progress, gateway->now_ms));
}

/* Whether some member wants it. Takes the reference to the frame where it does. */
static bool board(struct gateway *gateway, const struct delivery *delivery)
{
    struct egress *egress = gateway->egress;
    struct room *rooms[INDUSTRIES_MAXIMUM];
    uint64_t bit = rotate(1, egress->latest + 1);
    uint32_t count = find_rooms(gateway, delivery, bit, rooms);
    if (count == 0)
        return false;
    if (gateway->settings->connection_recovery)
        give_offset(gateway, delivery);
    struct place *place = place_of(egress, ++egress->latest);
    place->frame = delivery->frame;
    place->rooms = count;
    place->before = egress->before;
    egress->bytes += delivery->frame->data_length;
    egress->turn_bytes += delivery->frame->data_length;
    for (uint32_t i = 0; i < count; i++) {
        if (rooms[i]->count > FEW) {
            if (rooms[i]->frames == bit) /* else it waits already, or is walked */
                wait_for_walk(egress, rooms[i]);
            continue;
        }
        visit_all(gateway, rooms[i]);
        release(gateway, rooms[i], bit);
    }
    return true;
}

/* Whether it is published again and was taken the first time. */
static bool was_taken(const struct gateway *gateway, const struct frame *frame)
{
    return frame->first_lane &&
           position_covers(progress_position(gateway->progress), frame->first_lane, frame->first_sequence, 0);
}

/* To its rooms, or nowhere; frees the delivery. */
static void deliver(struct gateway *gateway, struct delivery *delivery, bool repeat)
{
    const char *result = "repeat";
    if (!delivery->frame) {
        delivery_free(delivery);
        return;
    }
    if (!repeat && !was_taken(gateway, delivery->frame) &&
        !dedupe_repeat(gateway->dedupe, delivery->frame->event_id, gateway->now_ms)) {
        result = "no_member";
        if (board(gateway, delivery)) {
            delivery->frame = NULL;
            result = "delivered";
        }
    }
    gateway_count(gateway, METRIC_BROKER_FRAMES, result);
    delivery_free(delivery);
}

static void take_delivery(struct gateway *gateway, struct delivery *delivery)
{
    gateway->egress->before = *progress_position(gateway->progress);
    enum progress_verdict verdict =
        progress_take(gateway->progress, &delivery->mark, gateway->now_ms, gateway->egress->wall_ms);
    if (verdict == PROGRESS_GAP)
        gaps_lane(gateway, delivery);
    else
        deliver(gateway, delivery, verdict == PROGRESS_REPEAT);
}

/* From a history. In its lane it may have come live meanwhile. */
static void take_missed(struct gateway *gateway, struct delivery *delivery, bool in_lane)
{
    int64_t published_ms = delivery->frame ? delivery->frame->published_at_us / 1000 : 0;
    struct position *before = &gateway->egress->before;
    *before = *progress_position(gateway->progress);
    bool repeat =
        in_lane && position_covers(before, delivery->mark.lane, delivery->mark.sequence, published_ms);
    if (in_lane)
        progress_accept(gateway->progress, &delivery->mark, gateway->now_ms);
    deliver(gateway, delivery, repeat);
}

/* One from the mailbox, or what comes before it. False: there is none that may be taken now. */
static bool take_one(struct gateway *gateway)
{
    bool in_lane = false;
    struct delivery *missed = gaps_next(gateway, &in_lane);
    if (missed) {
        take_missed(gateway, missed, in_lane);
        return true;
    }
    const struct mail *first = gaps_holds(gateway) ? NULL : mailbox_peek(gateway->mailbox, MAIL_FRAMES);
    if (!first || (first->kind != MAIL_DELIVERY && !board_empty(gateway->egress)))
        return false;
    struct mail *mail = mailbox_take(gateway->mailbox, MAIL_FRAMES);
    if (mail->kind == MAIL_CONTROL)
        control_act(gateway, (struct control *)mail);
    else if (mail->kind == MAIL_PEER)
        peer_message_take(gateway, mail);
    else
        take_delivery(gateway, (struct delivery *)mail);
    return true;
}

/* ---- the turn ----------------------------------------------------------------------------------------- */

/* The first that has boarded for the session since it was visited; NULL: none has. */
static const struct place *first_for(struct egress *egress, const struct session *session)
{
    uint64_t first;
    uint64_t frames = boarded_for(egress, session, NULL, &first);
    return frames ? place_of(egress, first + (uint64_t)__builtin_ctzll(frames)) : NULL;
}

const struct position *egress_position(struct gateway *gateway, const struct session *session)
{
    struct egress *egress = gateway->egress;
    const struct place *next = first_for(egress, session);
    const struct position *position = next ? &next->before : progress_position(gateway->progress);
    const struct catchup *catchup = session->catchup;
    if (!gateway->settings->connection_recovery || !position_known(position) ||
        (catchup && catchup->stage != CATCHUP_IDLE) || catchup_may_resume(gateway, session))
        return NULL;
    if (!catchup || !catchup->behind)
        return position;
    egress->merged = *position; /* it has had more than this gateway, elsewhere */
    return position_merge(&egress->merged, &catchup->claim) == STATUS_OK ? &egress->merged : NULL;
}

static uint32_t visits_taken(const struct sessions *sessions)
{
    size_t dirty = sessions_dirty(sessions);
    return dirty < EGRESS_VISITS - VISITS_LEFT ? (uint32_t)dirty : EGRESS_VISITS - VISITS_LEFT;
}

bool egress_run(struct gateway *gateway)
{
    struct egress *egress = gateway->egress;
    egress->visited = visits_taken(gateway->sessions);
    egress->turn_bytes = 0;
    egress->wall_ms = clock_wall_ms();
    rooms_collect(gateway->rooms);
    while (egress->visited < EGRESS_VISITS) {
        while (may_board(gateway) && take_one(gateway))
            egress->visited++; /* what nobody here wants takes time too */
        if (!egress->walked && !start_walk(egress))
            break;
        walk(gateway);
    }
    return !board_empty(egress) || (!gaps_holds(gateway) && mailbox_depth(gateway->mailbox, MAIL_FRAMES) > 0);
}
