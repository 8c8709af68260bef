/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * mailbox (frame lane) -> repeats dropped -> train boards: frame, and its bit in each of its rooms -> members
 * visited in slices -> their queues. Controls come in the same lane and are acted on between trains, so that
 * what was published before a revocation is delivered before it; so does another gateway's word that a
 * session is to move there.
 */
#include "egress.h"

#include <stdlib.h>

#include "../common/clock.h"
#include "../common/industry.h"
#include "catchup.h"
#include "control.h"
#include "dedupe.h"
#include "gateway.h"
#include "intake.h"
#include "mailbox.h"
#include "peer.h"
#include "progress.h"
#include "repair.h"
#include "rooms.h"
#include "session.h"
#include "users.h"

/* A train must not fill the queue of a client that reads: sockets are written between trains. */
#define TRAIN_SHARE 4
#define TRAIN_ROOMS (EGRESS_TRAIN * INDUSTRIES_MAXIMUM)

struct egress {
    uint32_t train; /* number of the current or last train; never 0 */
    uint32_t frame_count;
    uint64_t bytes;                     /* of its frames' data */
    uint32_t room_count;                /* rooms not yet walked to their end */
    bool single;                        /* all its frames are for the same one room */
    uint32_t cursor;                    /* members of the last room not yet visited */
    int64_t wall_ms;                    /* when the train was assembled */
    struct position completed;          /* before its first frame */
    struct position merged;             /* lent by egress_position */
    struct frame *frames[EGRESS_TRAIN]; /* owned references */
    struct room *rooms[TRAIN_ROOMS];    /* borrowed; emptied rooms live until the train has ended */
};

struct egress *egress_create(void)
{
    return calloc(1, sizeof(struct egress));
}

void egress_free(struct egress *egress)
{
    if (!egress)
        return;
    for (uint32_t i = 0; i < egress->frame_count; i++)
        frame_unref(egress->frames[i]);
    free(egress);
}

static void board_room(struct egress *egress, struct room *room, uint64_t bit)
{
    if (room->train != egress->train) {
        room->train = egress->train;
        room->frames = 0;
        egress->rooms[egress->room_count++] = room;
    }
    room->frames |= bit;
}

/* Whether some member wants it. Takes the reference to the frame where it does. */
static bool board(struct gateway *gateway, const struct delivery *delivery)
{
    struct egress *egress = gateway->egress;
    uint64_t bit = 1ULL << egress->frame_count;
    uint32_t keys = delivery->kind == ROOM_EVERYONE ? 1 : delivery->key_count;
    bool wanted = false;
    for (uint32_t i = 0; i < keys; i++) {
        struct slice key = delivery->kind == ROOM_EVERYONE ? (struct slice){0} : delivery->keys[i];
        struct room *room = rooms_find(gateway->rooms, delivery->kind, key);
        if (!room || room->count == 0)
            continue;
        if (delivery->user_sequence && users_missed(room, delivery))
            repair_user(gateway, room);
        board_room(egress, room, bit);
        wanted = true;
    }
    if (wanted && gateway->settings->connection_recovery && delivery->mark.lane)
        frame_set_offset(delivery->frame, progress_offset(gateway->progress, gateway->now_ms));
    if (wanted) {
        egress->frames[egress->frame_count++] = delivery->frame;
        egress->bytes += delivery->frame->data_length;
    }
    return wanted;
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
    enum progress_verdict verdict =
        progress_take(gateway->progress, &delivery->mark, gateway->now_ms, gateway->egress->wall_ms);
    if (verdict == PROGRESS_GAP)
        repair_lane(gateway, delivery);
    else
        deliver(gateway, delivery, verdict == PROGRESS_REPEAT);
}

/* From a history. In its lane it may have come live meanwhile. */
static void take_missed(struct gateway *gateway, struct delivery *delivery, bool in_lane)
{
    int64_t published_ms = delivery->frame ? delivery->frame->published_at_us / 1000 : 0;
    bool repeat = in_lane && position_covers(progress_position(gateway->progress), delivery->mark.lane,
                                             delivery->mark.sequence, published_ms);
    if (in_lane)
        progress_accept(gateway->progress, &delivery->mark, gateway->now_ms);
    deliver(gateway, delivery, repeat);
}

static uint64_t bytes_a_train(const struct gateway *gateway)
{
    return (uint64_t)gateway->settings->session_queue_bytes / TRAIN_SHARE;
}

/* One from the mailbox, or what comes before it. False: there is none that could go with this train; a
 * control is acted on once the train before it has gone. */
static bool take_one(struct gateway *gateway)
{
    bool in_lane = false;
    struct delivery *missed = repair_next(gateway, &in_lane);
    if (missed) {
        take_missed(gateway, missed, in_lane);
        return true;
    }
    const struct mail *first = repair_holds(gateway) ? NULL : mailbox_peek(gateway->mailbox, MAIL_FRAMES);
    if (!first || (first->kind != MAIL_DELIVERY && gateway->egress->frame_count > 0))
        return false;
    struct mail *mail = mailbox_take(gateway->mailbox, MAIL_FRAMES);
    if (mail->kind == MAIL_CONTROL)
        control_act(gateway, (struct control *)mail);
    else if (mail->kind == MAIL_PEER)
        peer_take(gateway, mail);
    else
        take_delivery(gateway, (struct delivery *)mail);
    return true;
}

/* Fills the next train. */
static void assemble(struct gateway *gateway)
{
    struct egress *egress = gateway->egress;
    uint64_t maximum = bytes_a_train(gateway);
    egress->bytes = 0;
    egress->wall_ms = clock_wall_ms();
    egress->completed = *progress_position(gateway->progress);
    rooms_collect(gateway->rooms);
    if (++egress->train == 0)
        egress->train = 1;
    while (egress->frame_count < EGRESS_TRAIN && egress->bytes < maximum && take_one(gateway))
        ;
    egress->single = egress->room_count == 1;
    if (egress->room_count > 0)
        egress->cursor = egress->rooms[egress->room_count - 1]->count;
}

/* Which frames of the train the session is to get. */
static uint64_t frames_of(const struct session *session, uint32_t train)
{
    uint64_t frames = 0;
    for (unsigned i = 0; i < session->membership_count; i++) {
        const struct room *room = session->memberships[i].room;
        if (room->train == train)
            frames |= room->frames;
    }
    return frames;
}

static void visit(struct gateway *gateway, struct session *session, uint64_t frames)
{
    for (; frames && session->memberships; frames &= frames - 1) /* one that closes leaves its rooms */
        session_deliver(gateway, session, gateway->egress->frames[__builtin_ctzll(frames)]);
}

static void arrive(struct gateway *gateway)
{
    struct egress *egress = gateway->egress;
    int64_t now_us = clock_wall_us();
    for (uint32_t i = 0; i < egress->frame_count; i++) {
        int64_t published_us = egress->frames[i]->published_at_us;
        if (published_us > 0 && now_us > published_us)
            metrics_observe_ns(gateway->metrics, METRIC_FANOUT_SECONDS,
                               (uint64_t)(now_us - published_us) * 1000);
        frame_unref(egress->frames[i]);
    }
    egress->frame_count = 0;
}

/* Walks on from where the last slice ended; returns the members visited. */
static uint32_t walk(struct gateway *gateway, uint32_t visits)
{
    struct egress *egress = gateway->egress;
    uint32_t visited = 0;
    while (egress->room_count > 0 && visited < visits) {
        struct room *room = egress->rooms[egress->room_count - 1];
        if (egress->cursor > room->count)
            egress->cursor = room->count;
        if (egress->cursor == 0) {
            egress->room_count--;
            if (egress->room_count > 0)
                egress->cursor = egress->rooms[egress->room_count - 1]->count;
            continue;
        }
        struct session *session = room->members[--egress->cursor];
        visited++;
        if (session->train == egress->train)
            continue;
        session->train = egress->train;
        visit(gateway, session, egress->single ? room->frames : frames_of(session, egress->train));
    }
    return visited;
}

const struct position *egress_position(struct gateway *gateway, const struct session *session)
{
    struct egress *egress = gateway->egress;
    bool waits = egress->frame_count > 0 && session->train != egress->train;
    const struct position *position = waits ? &egress->completed : progress_position(gateway->progress);
    const struct catchup *catchup = session->catchup;
    if (!gateway->settings->connection_recovery || position->count == 0 ||
        (catchup && catchup->stage != CATCHUP_IDLE))
        return NULL;
    if (!catchup || !catchup->behind)
        return position;
    egress->merged = *position; /* it has had more than this gateway, elsewhere */
    return position_merge(&egress->merged, &catchup->claim) == STATUS_OK ? &egress->merged : NULL;
}

bool egress_run(struct gateway *gateway)
{
    struct egress *egress = gateway->egress;
    uint32_t visited = 0;
    uint64_t bytes = 0; /* of the trains that arrived in this turn */
    while (visited < EGRESS_VISITS && bytes < bytes_a_train(gateway)) {
        if (egress->frame_count == 0) {
            assemble(gateway);
            if (egress->frame_count == 0)
                return false;
        }
        visited += walk(gateway, EGRESS_VISITS - visited);
        if (egress->room_count > 0)
            return true;
        bytes += egress->bytes;
        arrive(gateway);
        visited++; /* a train for nobody counts too */
    }
    return !repair_holds(gateway) && mailbox_depth(gateway->mailbox, MAIL_FRAMES) > 0;
}
