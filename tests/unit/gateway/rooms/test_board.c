/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The board alone: what fills it and what empties it, and up to where a member has been given frames. Order,
 * and members that enter and leave: test_egress.
 */
#include "gateway_fixture.h"

#include "frame/position.h"
#include "rooms/board.h"
#include "rooms/rooms.h"

enum { CROWD = 2 * BOARD_VISITS };
static struct probe crowd[CROWD];

static void open_crowd(struct gateway *gateway)
{
    for (size_t i = 0; i < CROWD; i++)
        open_session(gateway, &crowd[i], "ada", "finance");
}

/* Puts a frame with number `number` on the board for the room, which is listed `times` times. */
static void put(struct gateway *gateway, unsigned number, const char *industry, uint32_t times)
{
    struct position before = {.time_ms = number};
    struct frame *frame = NULL;
    struct room *room = rooms_find(gateway->rooms, ROOM_INDUSTRY, slice_from_string(industry));
    struct room *rooms[] = {room, room, room};
    char data[16];

    assert_non_null(room);
    assert_in_range(times, 1, COUNT(rooms));
    assert_true(board_has_room(gateway));
    snprintf(data, sizeof(data), "%u", number);
    assert_int_equal(frame_create_event(SLICE_LITERAL("test"), slice_from_string(data), NULL, &frame),
                     STATUS_OK);
    board_put(gateway, frame, &before, rooms, times);
}

/* Walks in turns until the board is empty; returns how many turns that took. */
static unsigned walk_all(struct gateway *gateway)
{
    unsigned turns = 0;

    do {
        board_start_turn(gateway);
        while (board_walk(gateway))
            continue;
        sessions_flush(gateway);
        assert_true(++turns < 100);
    } while (!board_empty(gateway->board));
    return turns;
}

static void a_small_room_is_visited_at_once(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe ada;

    open_session(gateway, &ada, "ada", "media");
    board_start_turn(gateway);
    put(gateway, 1, "media", 1);
    assert_true(board_empty(gateway->board));
    assert_false(board_walk(gateway));
    sessions_flush(gateway);
    assert_int_equal(ada.count, 1);
    assert_int_equal(ada.numbers[0], 1);
}

static void a_room_listed_twice_gets_a_frame_once(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe ada;

    open_session(gateway, &ada, "ada", "media");
    open_crowd(gateway);
    board_start_turn(gateway);
    put(gateway, 1, "media", 3);
    put(gateway, 2, "finance", 3);
    assert_int_equal(walk_all(gateway), 3); /* the last one visits nobody and ends the walk */
    assert_int_equal(ada.count, 1);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(crowd[i].count, 1);
}

/* The last member is visited first. A member that has not been visited is at the position before its first
 * frame. */
static void who_was_not_visited_stands_before_its_first_frame(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe late;

    open_crowd(gateway);
    board_start_turn(gateway);
    put(gateway, 1, "finance", 1);
    put(gateway, 2, "finance", 1);
    assert_false(board_walk(gateway)); /* the turn may visit no more */
    open_session(gateway, &late, "bo", "finance");
    assert_int_equal(board_before(gateway->board, crowd[0].session)->time_ms, 1);
    assert_null(board_before(gateway->board, crowd[CROWD - 1].session));
    assert_null(board_before(gateway->board, late.session));
    board_start_turn(gateway);
    put(gateway, 3, "finance", 1);
    assert_int_equal(board_before(gateway->board, crowd[0].session)->time_ms, 1);
    assert_int_equal(board_before(gateway->board, crowd[CROWD - 1].session)->time_ms, 3);
    assert_int_equal(board_before(gateway->board, late.session)->time_ms, 3);
    walk_all(gateway);
    assert_null(board_before(gateway->board, crowd[0].session));
    assert_int_equal(crowd[0].count, 3);
    assert_int_equal(late.count, 1);
}

static void a_full_board_takes_no_more_until_it_was_walked(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;

    open_crowd(gateway);
    board_start_turn(gateway);
    for (unsigned i = 0; i < BOARD_PLACES; i++)
        put(gateway, i, "finance", 1);
    assert_false(board_has_room(gateway));
    walk_all(gateway);
    board_start_turn(gateway);
    assert_true(board_has_room(gateway));
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(crowd[i].count, BOARD_PLACES);
}

/* A quarter of a client's queue, on the board and in one turn: a frame for few members has left the board by
 * then. */
static void bytes_are_bounded_on_the_board_and_in_a_turn(void **state)
{
    struct fixture *fixture = *state;
    struct gateway *gateway = &fixture->gateway;
    static struct probe ada;

    fixture->settings.session_queue_bytes = 8;
    open_session(gateway, &ada, "ada", "media");
    open_crowd(gateway);
    board_start_turn(gateway);
    put(gateway, 10, "media", 1);
    assert_true(board_empty(gateway->board));
    assert_false(board_has_room(gateway));
    board_start_turn(gateway);
    put(gateway, 20, "finance", 1);
    board_start_turn(gateway);
    assert_false(board_has_room(gateway));
    walk_all(gateway);
    board_start_turn(gateway);
    assert_true(board_has_room(gateway));
}

static void a_turn_ends_after_so_many_visits(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;

    board_start_turn(gateway);
    for (unsigned i = 0; i < BOARD_VISITS; i++) {
        assert_true(board_has_room(gateway));
        board_spend(gateway->board);
    }
    assert_false(board_has_room(gateway));
    board_start_turn(gateway);
    assert_true(board_has_room(gateway));
}

int main(void)
{
#define BOARD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        BOARD_TEST(a_small_room_is_visited_at_once),
        BOARD_TEST(a_room_listed_twice_gets_a_frame_once),
        BOARD_TEST(who_was_not_visited_stands_before_its_first_frame),
        BOARD_TEST(a_full_board_takes_no_more_until_it_was_walked),
        BOARD_TEST(bytes_are_bounded_on_the_board_and_in_a_turn),
        BOARD_TEST(a_turn_ends_after_so_many_visits),
    };
#undef BOARD_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
