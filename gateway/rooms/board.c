/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * frame -> a place, and its bit in each of its rooms -> rooms walked in slices -> members' queues.
 */
#include "rooms/board.h"

#include <stdlib.h>

#include "base/gateway.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/industry.h"
#include "frame/position.h"
#include "rooms/rooms.h"
#include "session/session.h"
#include "session/session_events.h"
#include "session/session_send.h"
#include "session/sessions.h"

/* Limits the frames of one turn, and those on the board, so that they cannot fill the queue of a client that
 * reads. */
#define SHARE       4
#define BOARD_ROOMS (BOARD_PLACES * INDUSTRIES_MAXIMUM)
#define FEW         16 /* members visited at once when a frame for their room is put on the board */
#define VISITS_LEFT 32 /* per turn, however many sessions wait to be flushed */

/* A frame on the board. */
struct place {
    struct frame *frame; /* owned reference; NULL: it has left */
    uint32_t rooms;      /* still to be walked for it */
    struct position before;
};

struct board {
    uint64_t latest;        /* number of the frame put on the board last */
    uint64_t oldest;        /* number of the oldest on the board; latest + 1: it is empty */
    uint64_t bytes;         /* of the frames on the board */
    uint64_t turn_bytes;    /* of those put there in this turn */
    uint32_t visited;       /* members, in this turn */
    uint32_t waiting_first; /* rooms that wait to be walked: a ring */
    uint32_t waiting_count;
    uint32_t cursor;                   /* members of the walked room still to be visited */
    struct room *walked;               /* borrowed, like all: rooms with frames are kept; NULL: none */
    uint64_t started;                  /* the frames it has been walked for from the top */
    struct place places[BOARD_PLACES]; /* number % BOARD_PLACES */
    struct room *waiting[BOARD_ROOMS];
};

struct board *board_create(void)
{
    struct board *board = calloc(1, sizeof(*board));
    if (board)
        board->oldest = board->latest + 1;
    return board;
}

void board_free(struct board *board)
{
    if (!board)
        return;
    for (size_t i = 0; i < BOARD_PLACES; i++)
        frame_unref(board->places[i].frame);
    free(board);
}

void board_enter(const struct board *board, struct session *session)
{
    session->boarded = board->latest;
}

/* ---- the board ---------------------------------------------------------------------------------------- */

static struct place *place_of(struct board *board, uint64_t number)
{
    return &board->places[number % BOARD_PLACES];
}

bool board_empty(const struct board *board)
{
    return board->oldest > board->latest;
}

static uint64_t bytes_allowed(const struct gateway *gateway)
{
    return (uint64_t)gateway->settings->session_queue_bytes / SHARE;
}

bool board_has_room(const struct gateway *gateway)
{
    const struct board *board = gateway->board;
    return board->latest - board->oldest + 1 < BOARD_PLACES && board->bytes < bytes_allowed(gateway) &&
           board->turn_bytes < bytes_allowed(gateway) && board->visited < BOARD_VISITS;
}

static void leave_board(struct gateway *gateway, struct place *place)
{
    struct board *board = gateway->board;
    int64_t now_us = clock_wall_us();
    int64_t published_us = place->frame->published_at_us;
    if (published_us > 0 && now_us > published_us)
        metrics_observe_ns(gateway->metrics, METRIC_FANOUT_SECONDS, (uint64_t)(now_us - published_us) * 1000);
    board->bytes -= place->frame->data_length;
    frame_unref(place->frame);
    place->frame = NULL;
    while (!board_empty(board) && !place_of(board, board->oldest)->frame)
        board->oldest++;
}

/* The room has been walked for these frames. */
static void release(struct gateway *gateway, struct room *room, uint64_t frames)
{
    room->frames &= ~frames;
    for (; frames; frames &= frames - 1) {
        struct place *place = &gateway->board->places[__builtin_ctzll(frames)];
        if (--place->rooms == 0)
            leave_board(gateway, place);
    }
}

/* ---- visits ------------------------------------------------------------------------------------------- */

_Static_assert(BOARD_PLACES == 64, "a bit a place");

static uint64_t rotate(uint64_t bits, uint64_t left)
{
    left %= BOARD_PLACES;
    return left ? bits << left | bits >> (BOARD_PLACES - left) : bits;
}

/* The places that hold a frame for the session. */
static uint64_t frames_for(const struct session *session)
{
    uint64_t frames = 0;
    for (unsigned i = 0; i < session->membership_count; i++)
        frames |= session->memberships[i].room->frames;
    return frames;
}

/* Frames put on the board for the session since its last visit: bit n is number *ret_first + n. `only`: the
 * one room with frames on the board; NULL: there may be others. */
static uint64_t frames_due(const struct board *board, const struct session *session, const struct room *only,
                           uint64_t *ret_first)
{
    uint64_t count = board->latest - session->boarded;
    uint64_t on_board = board->latest + 1 - board->oldest;
    if (count > on_board)
        count = on_board;
    *ret_first = board->latest + 1 - count;
    if (count == 0)
        return 0;
    return rotate(only ? only->frames : frames_for(session), BOARD_PLACES - *ret_first % BOARD_PLACES) &
           ~0ULL >> (BOARD_PLACES - count);
}

static inline void give(struct gateway *gateway, struct session *session, struct frame *frame)
{
    if (__builtin_expect(session->catchup != NULL || frame->keep, 0))
        gateway->events->deliver(gateway, session, frame);
    else
        session_send(gateway, session, frame);
}

static void visit(struct gateway *gateway, struct session *session, const struct room *only)
{
    struct board *board = gateway->board;
    uint64_t first;
    uint64_t frames = frames_due(board, session, only, &first);
    session->boarded = board->latest;
    for (; frames && session->memberships; frames &= frames - 1) /* one that closes leaves its rooms */
        give(gateway, session, place_of(board, first + (uint64_t)__builtin_ctzll(frames))->frame);
}

/* Visits the members of a small room at once. A session that closes takes itself out, and another takes its
 * place. */
static void visit_all(struct gateway *gateway, struct room *room)
{
    for (uint32_t i = room->count; i-- > 0;) {
        if (i < room->count)
            visit(gateway, room->members[i], NULL);
        gateway->board->visited++;
    }
}

const struct position *board_before(struct board *board, const struct session *session)
{
    uint64_t first;
    uint64_t frames = frames_due(board, session, NULL, &first);
    return frames ? &place_of(board, first + (uint64_t)__builtin_ctzll(frames))->before : NULL;
}

/* ---- walks -------------------------------------------------------------------------------------------- */

static void wait_for_walk(struct board *board, struct room *room)
{
    CHECK(board->waiting_count < BOARD_ROOMS);
    board->waiting[(board->waiting_first + board->waiting_count++) % BOARD_ROOMS] = room;
}

static bool start_walk(struct board *board)
{
    if (board->waiting_count == 0)
        return false;
    board->walked = board->waiting[board->waiting_first];
    board->waiting_first = (board->waiting_first + 1) % BOARD_ROOMS;
    board->waiting_count--;
    board->started = board->walked->frames;
    board->cursor = board->walked->count;
    return true;
}

/* Frames put on the board during the walk need another one: members visited before have not received them. */
static void end_walk(struct gateway *gateway)
{
    struct board *board = gateway->board;
    struct room *room = board->walked;
    board->walked = NULL;
    release(gateway, room, board->started);
    if (room->frames)
        wait_for_walk(board, room);
}

/* Continues the walk where the last slice ended. */
static void walk(struct gateway *gateway)
{
    struct board *board = gateway->board;
    struct room *room = board->walked;
    const struct room *only = board->waiting_count == 0 ? room : NULL;
    for (; board->visited < BOARD_VISITS; board->visited++) {
        if (board->cursor > room->count)
            board->cursor = room->count;
        if (board->cursor == 0) {
            board->visited++; /* an empty room counts too */
            end_walk(gateway);
            return;
        }
        visit(gateway, room->members[--board->cursor], only);
    }
}

/* ---- frames ------------------------------------------------------------------------------------------- */

/* Takes each room once and sets the bit of the frame. */
static uint32_t mark(struct room *const *rooms, uint32_t count, uint64_t bit,
                     struct room *ret_rooms[INDUSTRIES_MAXIMUM])
{
    uint32_t marked = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (rooms[i]->frames & bit)
            continue;
        rooms[i]->frames |= bit;
        ret_rooms[marked++] = rooms[i];
    }
    return marked;
}

void board_put(struct gateway *gateway, struct frame *frame, const struct position *before,
               struct room *const *listed, uint32_t count)
{
    struct board *board = gateway->board;
    struct room *rooms[INDUSTRIES_MAXIMUM];
    uint64_t bit = rotate(1, board->latest + 1);
    struct place *place = place_of(board, ++board->latest);
    place->frame = frame;
    uint32_t marked = mark(listed, count, bit, rooms);
    place->rooms = marked;
    place->before = *before;
    board->bytes += frame->data_length;
    board->turn_bytes += frame->data_length;
    for (uint32_t i = 0; i < marked; i++) {
        if (rooms[i]->count > FEW) {
            if (rooms[i]->frames == bit) /* otherwise it is already waiting, or being walked */
                wait_for_walk(board, rooms[i]);
            continue;
        }
        visit_all(gateway, rooms[i]);
        release(gateway, rooms[i], bit);
    }
}

/* ---- the turn ----------------------------------------------------------------------------------------- */

static uint32_t visits_taken(const struct sessions *sessions)
{
    size_t dirty = sessions_dirty(sessions);
    return dirty < BOARD_VISITS - VISITS_LEFT ? (uint32_t)dirty : BOARD_VISITS - VISITS_LEFT;
}

void board_start_turn(struct gateway *gateway)
{
    struct board *board = gateway->board;
    board->visited = visits_taken(gateway->sessions);
    board->turn_bytes = 0;
    rooms_collect(gateway->rooms);
}

void board_spend(struct board *board)
{
    board->visited++;
}

bool board_walk(struct gateway *gateway)
{
    struct board *board = gateway->board;
    if (!board->walked && !start_walk(board))
        return false;
    walk(gateway);
    return board->visited < BOARD_VISITS;
}
