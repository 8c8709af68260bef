/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Rooms against a plain model: many sessions that enter and leave in any order, and rooms that empty while a
 * delivery looks at them. To rooms a session is only a pointer.
 */
#include "gateway_test.h"

#include <stdio.h>

#include "rooms/rooms.h"

enum { SESSIONS = 200, ROOMS = 40 };

/* Stands for a session: its place in each room of the test. */
struct session {
    struct membership places[ROOMS];
};

static struct session sessions[SESSIONS];

static void on_move(struct session *session, struct room *room, uint32_t index)
{
    for (size_t i = 0; i < ROOMS; i++) {
        if (session->places[i].room == room) {
            session->places[i].index = index;
            return;
        }
    }
    fail_msg("moved in a room it is not in");
}

static struct rooms *setup_rooms(void)
{
    struct rooms *rooms = rooms_create(42);

    assert_non_null(rooms);
    memset(sessions, 0, sizeof(sessions));
    rooms_on_move(rooms, on_move);
    return rooms;
}

static void joins_and_finds(void **state)
{
    struct rooms *rooms = setup_rooms();
    struct room *room;

    (void)state;
    assert_null(rooms_find(rooms, ROOM_INDUSTRY, SLICE_LITERAL("technology")));
    assert_int_equal(
        rooms_join(rooms, ROOM_INDUSTRY, SLICE_LITERAL("technology"), &sessions[0], &sessions[0].places[0]),
        STATUS_OK);
    room = rooms_find(rooms, ROOM_INDUSTRY, SLICE_LITERAL("technology"));
    assert_non_null(room);
    assert_int_equal(room->count, 1);
    assert_ptr_equal(room->members[0], &sessions[0]);
    assert_slice(room_key(room), "technology");
    /* the same name is a different room in a different kind */
    assert_null(rooms_find(rooms, ROOM_USER, SLICE_LITERAL("technology")));
    assert_null(rooms_find(rooms, ROOM_INDUSTRY, SLICE_LITERAL("technolog")));
    rooms_leave(rooms, &sessions[0].places[0]);
    assert_null(sessions[0].places[0].room);
    rooms_free(rooms);
    rooms_free(NULL);
}

static void keys_of_any_kind(void **state)
{
    static const char *const keys[] = {"", "a.b", "*", ">", "}", " ", "\xd0\xb6", "\xe4\xb8\xad\xe6\x96\x87"};
    struct rooms *rooms = setup_rooms();

    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_int_equal(
            rooms_join(rooms, ROOM_USER, slice_from_string(keys[i]), &sessions[i], &sessions[i].places[0]),
            STATUS_OK);
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct room *room = rooms_find(rooms, ROOM_USER, slice_from_string(keys[i]));

        assert_non_null(room);
        assert_int_equal(room->count, 1);
        assert_ptr_equal(room->members[0], &sessions[i]);
        rooms_leave(rooms, &sessions[i].places[0]);
    }
    rooms_free(rooms);
}

static void an_emptied_room_waits_for_collect(void **state)
{
    struct rooms *rooms = setup_rooms();
    struct room *room;

    (void)state;
    rooms_join(rooms, ROOM_INDUSTRY, SLICE_LITERAL("a"), &sessions[0], &sessions[0].places[0]);
    room = sessions[0].places[0].room;
    rooms_leave(rooms, &sessions[0].places[0]);
    assert_ptr_equal(rooms_find(rooms, ROOM_INDUSTRY, SLICE_LITERAL("a")), room);
    assert_int_equal(room->count, 0);
    /* if joined again before the collection it is the same room, and stays */
    rooms_join(rooms, ROOM_INDUSTRY, SLICE_LITERAL("a"), &sessions[1], &sessions[1].places[0]);
    assert_ptr_equal(sessions[1].places[0].room, room);
    rooms_collect(rooms);
    assert_ptr_equal(rooms_find(rooms, ROOM_INDUSTRY, SLICE_LITERAL("a")), room);
    rooms_leave(rooms, &sessions[1].places[0]);
    rooms_collect(rooms);
    assert_null(rooms_find(rooms, ROOM_INDUSTRY, SLICE_LITERAL("a")));
    rooms_free(rooms);
}

static void a_pinned_room_stays(void **state)
{
    struct rooms *rooms = setup_rooms();
    struct user *user = (struct user *)(void *)&sessions; /* only a marker here */
    struct room *room;

    (void)state;
    rooms_join(rooms, ROOM_USER, SLICE_LITERAL("ada"), &sessions[0], &sessions[0].places[0]);
    room = sessions[0].places[0].room;
    rooms_pin(rooms, room, user);
    rooms_leave(rooms, &sessions[0].places[0]);
    rooms_collect(rooms);
    assert_ptr_equal(rooms_find(rooms, ROOM_USER, SLICE_LITERAL("ada")), room);
    rooms_pin(rooms, room, NULL);
    rooms_collect(rooms);
    assert_null(rooms_find(rooms, ROOM_USER, SLICE_LITERAL("ada")));
    rooms_free(rooms);
}

static void count_room(void *context, const struct room *room)
{
    unsigned *counts = context;

    counts[0]++;
    counts[1] += room->count;
}

static void visits_rooms_of_a_kind(void **state)
{
    struct rooms *rooms = setup_rooms();
    unsigned counts[2] = {0};

    (void)state;
    rooms_join(rooms, ROOM_INDUSTRY, SLICE_LITERAL("a"), &sessions[0], &sessions[0].places[0]);
    rooms_join(rooms, ROOM_INDUSTRY, SLICE_LITERAL("a"), &sessions[1], &sessions[1].places[0]);
    rooms_join(rooms, ROOM_INDUSTRY, SLICE_LITERAL("b"), &sessions[0], &sessions[0].places[1]);
    rooms_join(rooms, ROOM_INDUSTRY, SLICE_LITERAL("c"), &sessions[0], &sessions[0].places[2]);
    rooms_join(rooms, ROOM_USER, SLICE_LITERAL("a"), &sessions[0], &sessions[0].places[3]);
    rooms_leave(rooms, &sessions[0].places[2]); /* emptied, not yet collected */
    rooms_each(rooms, ROOM_INDUSTRY, count_room, counts);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 3);
    rooms_leave(rooms, &sessions[0].places[0]);
    rooms_leave(rooms, &sessions[1].places[0]);
    rooms_leave(rooms, &sessions[0].places[1]);
    rooms_leave(rooms, &sessions[0].places[3]);
    rooms_free(rooms);
}

/* Every place a session has noted must be right, and each room's members must be exactly the sessions that
 * noted it. */
static void check_against_model(const struct rooms *rooms)
{
    for (size_t r = 0; r < ROOMS; r++) {
        char key[32];
        size_t believers = 0;
        const struct room *room;

        snprintf(key, sizeof(key), "industry %zu", r);
        room = rooms_find(rooms, ROOM_INDUSTRY, slice_from_string(key));
        for (size_t s = 0; s < SESSIONS; s++) {
            const struct membership *place = &sessions[s].places[r];

            if (!place->room)
                continue;
            believers++;
            assert_ptr_equal(place->room, room);
            assert_true(place->index < room->count);
            assert_ptr_equal(room->members[place->index], &sessions[s]);
        }
        assert_int_equal(room ? room->count : 0, believers);
    }
}

static void holds_under_churn(void **state)
{
    struct rooms *rooms = setup_rooms();
    uint64_t random = 88172645463325252U;

    (void)state;
    for (unsigned step = 0; step < 60000; step++) {
        struct membership *place;
        char key[32];
        size_t r;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        r = (random >> 20) % ROOMS;
        place = &sessions[(random >> 40) % SESSIONS].places[r];
        snprintf(key, sizeof(key), "industry %zu", r);
        if (place->room)
            rooms_leave(rooms, place);
        else
            assert_int_equal(rooms_join(rooms, ROOM_INDUSTRY, slice_from_string(key),
                                        &sessions[(random >> 40) % SESSIONS], place),
                             STATUS_OK);
        if (random % 16 == 0)
            rooms_collect(rooms);
        if (step % 3000 == 0)
            check_against_model(rooms);
    }
    check_against_model(rooms);
    for (size_t s = 0; s < SESSIONS; s++)
        for (size_t r = 0; r < ROOMS; r++)
            if (sessions[s].places[r].room)
                rooms_leave(rooms, &sessions[s].places[r]);
    rooms_free(rooms);
}

/* Thousands of users, so that the table grows and removals shift many followers. */
static void holds_many_rooms(void **state)
{
    enum { USERS = 5000 };
    static struct membership places[USERS];
    struct rooms *rooms = rooms_create(7);
    char key[32];

    (void)state;
    for (unsigned i = 0; i < USERS; i++) {
        snprintf(key, sizeof(key), "user-%u", i);
        assert_int_equal(rooms_join(rooms, ROOM_USER, slice_from_string(key), &sessions[0], &places[i]),
                         STATUS_OK);
    }
    for (unsigned i = 0; i < USERS; i += 2)
        rooms_leave(rooms, &places[i]);
    rooms_collect(rooms);
    for (unsigned i = 0; i < USERS; i++) {
        snprintf(key, sizeof(key), "user-%u", i);
        if (i % 2)
            assert_ptr_equal(rooms_find(rooms, ROOM_USER, slice_from_string(key)), places[i].room);
        else
            assert_null(rooms_find(rooms, ROOM_USER, slice_from_string(key)));
    }
    for (unsigned i = 1; i < USERS; i += 2)
        rooms_leave(rooms, &places[i]);
    rooms_free(rooms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_and_finds),
        cmocka_unit_test(keys_of_any_kind),
        cmocka_unit_test(an_emptied_room_waits_for_collect),
        cmocka_unit_test(a_pinned_room_stays),
        cmocka_unit_test(visits_rooms_of_a_kind),
        cmocka_unit_test(holds_under_churn),
        cmocka_unit_test(holds_many_rooms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
