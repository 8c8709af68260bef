/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * mailbox (lane of frames) -> repeats dropped -> gaps filled from history -> the rooms it is for -> board
 */
#include "egress/egress.h"

#include "base/gateway.h"
#include "base/mailbox.h"
#include "broker/delivery.h"
#include "common/clock.h"
#include "common/industry.h"
#include "egress/dedupe.h"
#include "frame/progress.h"
#include "gaps/gaps.h"
#include "rooms/board.h"
#include "rooms/rooms.h"
#include "rooms/users.h"

/* ---- to the board ------------------------------------------------------------------------------------- */

/* Finds the rooms with members that the delivery is for. Some may be listed twice. */
static uint32_t find_rooms(struct gateway *gateway, const struct delivery *delivery,
                           struct room *ret_rooms[INDUSTRIES_MAXIMUM])
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
        ret_rooms[count++] = room;
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

/* Puts the frame on the board if it has a receiver here, and returns whether it has. If so, takes the
 * reference to the frame. */
static bool put_on_board(struct gateway *gateway, const struct delivery *delivery,
                         const struct position *before)
{
    struct room *rooms[INDUSTRIES_MAXIMUM];
    uint32_t count = find_rooms(gateway, delivery, rooms);
    if (count == 0)
        return false;
    if (gateway->settings->connection_recovery)
        give_offset(gateway, delivery);
    board_put(gateway, delivery->frame, before, rooms, count);
    return true;
}

/* ---- deliveries --------------------------------------------------------------------------------------- */

/* Whether it is published again and was taken the first time. */
static bool was_taken(const struct gateway *gateway, const struct frame *frame)
{
    return frame->first_lane &&
           position_covers(progress_position(gateway->progress), frame->first_lane, frame->first_sequence, 0);
}

/* Delivers to its rooms, or nowhere; frees the delivery. `before`: the position without it. */
static void deliver(struct gateway *gateway, struct delivery *delivery, const struct position *before,
                    bool repeat)
{
    enum gateway_label result = LABEL_BROKER_FRAMES_REPEAT;
    if (!delivery->frame) {
        delivery_free(delivery);
        return;
    }
    if (!repeat && !was_taken(gateway, delivery->frame) &&
        !dedupe_repeat(gateway->dedupe, delivery->frame->event_id, gateway->now_ms)) {
        result = LABEL_BROKER_FRAMES_NO_MEMBER;
        if (put_on_board(gateway, delivery, before)) {
            delivery->frame = NULL;
            result = LABEL_BROKER_FRAMES_DELIVERED;
        }
    }
    gateway_count(gateway, result);
    delivery_free(delivery);
}

static void take_delivery(struct gateway *gateway, struct delivery *delivery, int64_t wall_ms)
{
    struct position before = *progress_position(gateway->progress);
    enum progress_verdict verdict =
        progress_take(gateway->progress, &delivery->mark, gateway->now_ms, wall_ms);
    if (verdict == PROGRESS_GAP)
        gaps_lane(gateway, delivery);
    else
        deliver(gateway, delivery, &before, verdict == PROGRESS_REPEAT);
}

/* Takes a frame from a history. A frame of a lane may have come live meanwhile. */
static void take_missed(struct gateway *gateway, struct delivery *delivery, bool in_lane)
{
    int64_t published_ms = delivery->frame ? delivery->frame->published_at_us / 1000 : 0;
    struct position before = *progress_position(gateway->progress);
    bool repeat =
        in_lane && position_covers(&before, delivery->mark.lane, delivery->mark.sequence, published_ms);
    if (in_lane)
        progress_accept(gateway->progress, &delivery->mark, gateway->now_ms);
    deliver(gateway, delivery, &before, repeat);
}

/* Takes one delivery from the mailbox, or one that comes before it. False: none may be taken now. */
static bool take_one(struct gateway *gateway, int64_t wall_ms)
{
    bool in_lane = false;
    struct delivery *missed = gaps_next(gateway, &in_lane);
    if (missed) {
        take_missed(gateway, missed, in_lane);
        return true;
    }
    const struct mail *first = gaps_holds(gateway) ? NULL : mailbox_peek(gateway->mailbox, MAIL_FRAMES);
    if (!first || (first->kind->after_board && !board_empty(gateway->board)))
        return false;
    struct mail *mail = mailbox_take(gateway->mailbox, MAIL_FRAMES);
    if (mail->kind == &delivery_mail)
        take_delivery(gateway, (struct delivery *)mail, wall_ms);
    else
        mail->kind->act(gateway, mail);
    return true;
}

bool egress_run(struct gateway *gateway)
{
    int64_t wall_ms = clock_wall_ms();
    board_start_turn(gateway);
    do {
        while (board_has_room(gateway) && take_one(gateway, wall_ms))
            board_spend(gateway->board); /* a frame without a receiver here takes time too */
    } while (board_walk(gateway));
    return !board_empty(gateway->board) ||
           (!gaps_holds(gateway) && mailbox_depth(gateway->mailbox, MAIL_FRAMES) > 0);
}
