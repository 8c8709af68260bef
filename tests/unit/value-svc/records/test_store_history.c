/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Histories in a real Redis: what an event leaves in its user's, what repeats and duplicates do not, and what
 * is told when the oldest entries are gone.
 */
#include "records/store_history.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "fixture.h"

#define LENGTH 100

static const struct store_rules rules = {.window_ms = 1000,
                                         .retention_ms = 5000,
                                         .ack_floor = UINT32_MAX,
                                         .history_length = LENGTH,
                                         .history_window_ms = 120000};

/* ---- what was read ---------------------------------------------------------------------------------- */

static struct store_entry entries[4 * LENGTH];
static char frames[4 * LENGTH][64];
static size_t entry_count;

static void collect(void *context, size_t room, const struct store_entry *entry)
{
    (void)context;
    (void)room;
    assert_true(entry_count < 4 * LENGTH);
    entries[entry_count] = *entry;
    snprintf(frames[entry_count], sizeof(frames[0]), "%.*s", (int)entry->frame.length, entry->frame.data);
    entry_count++;
}

static struct store_room read_room(enum store_room_kind kind, const char *name, int64_t from_ms)
{
    struct store_room room = {.kind = kind, .name = name, .from_ms = from_ms};
    int64_t moment_ms = 0;
    uint64_t epoch = 0;

    entry_count = 0;
    assert_int_equal(store_read(store, &room, 1, collect, NULL, &moment_ms, &epoch), STATUS_OK);
    assert_true(epoch == store_epoch(store));
    return room;
}

/* ---- users ------------------------------------------------------------------------------------------ */

static struct store_event connection(const char *user, const char *key, uint64_t sequence, uint32_t lane,
                                     uint64_t number)
{
    return (struct store_event){.user_id = user,
                                .key = key,
                                .counts = true,
                                .change = 1,
                                .sequence = sequence,
                                .time_ms = 1000,
                                .lane = lane,
                                .user_number = number + 1,
                                .industry_number = number,
                                .stamp_us = 1790000000000000,
                                .update = {.number = number + 1, .event_id = UINT64_MAX - sequence}};
}

static void apply(struct store_event *event)
{
    if (store_apply(store, &rules, event, 1) != STATUS_OK)
        fail_msg("%s", store_error(store));
}

static void an_event_is_in_its_users_history(void **state)
{
    struct store_event first = connection("ada", "a", 1, 4000000000, 1);
    struct store_event second = connection("ada", "b", 2, 4000000000, 3);
    struct store_room room;

    (void)state;
    apply(&first);
    apply(&second);
    assert_int_equal(first.outcome, STORE_APPLIED);
    assert_true(first.user_sequence == 1 && second.user_sequence == 2);
    room = read_room(ROOM_USER, "ada", 0);
    assert_int_equal(entry_count, 2);
    assert_int_equal(room.length, 2);
    assert_true(room.oldest_ms > clock_wall_ms() - 60000);
    assert_true(entries[0].lane == 4000000000 && entries[0].number == 2 && entries[1].number == 4);
    assert_true(entries[0].event_id == UINT64_MAX - 1);
    assert_true(entries[0].stamp_us == 1790000000000000);
    assert_true(entries[0].user_sequence == 1 && entries[1].user_sequence == 2);
    assert_true(entries[0].version == 1 && entries[1].version == 2 && entries[1].sum == 2);
    assert_int_equal(entries[0].frame.length, 0);
    assert_true(entries[0].first_lane == 0);
    assert_true(redis_integer(&redis, "PTTL p8:{u.YWRh}:history") > 120000);
    assert_int_equal(redis_integer(&redis, "HGET p8:{u.YWRh}:net h"), 2);
}

/* The answer was lost and the same is sent again: nothing is appended. Another worker that is handed the
 * event: appended under its numbers, with those it had first. A duplicate: nothing. */
static void repeats_and_duplicates(void **state)
{
    struct store_event event = connection("rep", "k", 10, 7, 5);
    struct store_event next = connection("rep", "l", 11, 7, 7);
    struct store_event other = connection("rep", "k", 10, 8, 21);
    struct store_event duplicate = connection("rep", "k", 12, 8, 23);

    (void)state;
    apply(&event);
    apply(&next);
    apply(&event);
    assert_int_equal(event.outcome, STORE_REPEATED);
    assert_true(event.mine && event.user_sequence == 1 && event.version == 2 && event.sum == 2);
    read_room(ROOM_USER, "rep", 0);
    assert_int_equal(entry_count, 2);
    apply(&other);
    assert_int_equal(other.outcome, STORE_REPEATED);
    assert_false(other.mine);
    assert_true(other.first_lane == 7 && other.first_user == 6 && other.first_industry == 5);
    assert_true(other.user_sequence == 1 && other.version == 2 && other.sum == 2); /* as they are now */
    read_room(ROOM_USER, "rep", 0);
    assert_int_equal(entry_count, 3);
    assert_true(entries[2].lane == 8 && entries[2].number == 22 && entries[2].user_sequence == 1);
    assert_true(entries[2].first_lane == 7 && entries[2].first_number == 6 && entries[2].version == 2);
    apply(&duplicate);
    assert_int_equal(duplicate.outcome, STORE_DUPLICATE);
    read_room(ROOM_USER, "rep", 0);
    assert_int_equal(entry_count, 3);
    assert_int_equal(redis_integer(&redis, "HGET p8:{u.cmVw}:net h"), 2);
}

/* What a replay applies is in the history with the number its network.update is published under, which says
 * nothing of its other frames: the worker that is handed the event then tells no first numbers, but its own
 * are those that are told when it is handed out once more. */
static void replays_tell_no_first_numbers(void **state)
{
    struct store_event replayed = connection("replay", "k", 10, 7, 5);
    struct store_event again = connection("replay", "k", 10, 8, 21);
    struct store_event later = connection("replay", "k", 10, 9, 1);
    struct store_event once_more = connection("replay", "k", 10, 11, 40);

    (void)state;
    replayed.replay = true;
    apply(&replayed);
    apply(&replayed);
    assert_int_equal(replayed.outcome, STORE_REPEATED);
    assert_true(replayed.mine);
    later.replay = true;
    apply(&later);
    assert_int_equal(later.outcome, STORE_REPEATED);
    assert_false(later.mine);
    read_room(ROOM_USER, "replay", 0);
    assert_int_equal(entry_count, 1);
    assert_true(entries[0].lane == 7 && entries[0].number == 6);
    apply(&again);
    assert_true(again.first_lane == 0 && again.user_sequence == 1);
    read_room(ROOM_USER, "replay", 0);
    assert_int_equal(entry_count, 2);
    assert_true(entries[1].lane == 8 && entries[1].first_lane == 0);
    apply(&once_more);
    assert_true(once_more.outcome == STORE_REPEATED && once_more.first_lane == 8);
    assert_true(once_more.first_user == 22 && once_more.first_industry == 21);
    read_room(ROOM_USER, "replay", 0);
    assert_int_equal(entry_count, 3);
    assert_true(entries[2].lane == 11 && entries[2].first_lane == 8 && entries[2].first_number == 22);
}

static void payloads_and_kept_frames(void **state)
{
    struct store_event invite = {.user_id = "inv",
                                 .key = "k",
                                 .sequence = 1,
                                 .time_ms = clock_wall_ms(),
                                 .lane = 7,
                                 .user_number = 1,
                                 .payload = {.number = 1, .event_id = 99},
                                 .frame = {.data = "a\0b", .length = 3},
                                 .keep = "an id with spaces",
                                 .keep_id = 99};

    (void)state;
    apply(&invite);
    apply(&invite);
    assert_true(invite.user_sequence == 1 && invite.version == 0);
    read_room(ROOM_USER, "inv", 0);
    assert_int_equal(entry_count, 1);
    assert_int_equal(entries[0].frame.length, 3);
    assert_true(entries[0].event_id == 99 && entries[0].user_sequence == 1);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{u.aW52}:kept"), 1);
    assert_true(redis_integer(&redis, "PTTL p8:{u.aW52}:kept") > 2000000000);
}

/* ---- industries ------------------------------------------------------------------------------------- */

static void append(const char *industry, int from, int count)
{
    for (int i = from; i < from + count; i++) {
        char text[32];
        struct store_append one = {.industry = industry,
                                   .frame = {.data = text, .length = (size_t)sprintf(text, "f%d", i)}};

        assert_int_equal(store_append(store, &rules, &one, 1), STATUS_OK);
    }
}

static void industries_in_order(void **state)
{
    struct store_room rooms[40];
    int64_t moment_ms;
    uint64_t epoch;

    (void)state;
    append("a.b*c>}{ \xc3\xa9", 0, 3);
    read_room(ROOM_INDUSTRY, "a.b*c>}{ \xc3\xa9", 0);
    assert_int_equal(entry_count, 3);
    assert_string_equal(frames[0], "f0");
    assert_string_equal(frames[2], "f2");
    read_room(ROOM_INDUSTRY, "a.b*c>}{ \xc3\xa9", clock_wall_ms() + 60000);
    assert_int_equal(entry_count, 0);
    read_room(ROOM_INDUSTRY, "nothing", 0);
    assert_int_equal(entry_count, 0);
    /* More rooms than go into one pipeline. */
    for (size_t i = 0; i < 40; i++)
        rooms[i] = (struct store_room){.kind = ROOM_INDUSTRY, .name = "a.b*c>}{ \xc3\xa9"};
    entry_count = 0;
    assert_int_equal(store_read(store, rooms, 40, collect, NULL, &moment_ms, &epoch), STATUS_OK);
    assert_int_equal(entry_count, 120);
    assert_int_equal(rooms[39].length, 3);
}

/* A stream as long as is kept is whole; one longer may lack what is older than its oldest entry. */
static void trimming_is_told(void **state)
{
    struct store_room room;
    int64_t began_ms = clock_wall_ms();

    (void)state;
    append("trim", 0, LENGTH);
    room = read_room(ROOM_INDUSTRY, "trim", 0);
    assert_int_equal(room.length, LENGTH);
    assert_true(store_room_whole(&room, 0, LENGTH));
    append("trim", LENGTH, 200);
    room = read_room(ROOM_INDUSTRY, "trim", 0);
    assert_true(room.length > LENGTH && room.length < LENGTH + 200);
    assert_false(store_room_whole(&room, began_ms - 1000, LENGTH));
    assert_true(store_room_whole(&room, room.oldest_ms + 1, LENGTH));
    assert_string_equal(frames[entry_count - 1], "f299");
}

static void users_are_trimmed_too(void **state)
{
    struct store_room room;

    (void)state;
    for (uint64_t i = 0; i < 4 * LENGTH; i++) {
        char key[16];
        struct store_event event;

        snprintf(key, sizeof(key), "k%d", (int)i);
        event = connection("long", key, i + 1, 7, 2 * i + 1);
        apply(&event);
    }
    room = read_room(ROOM_USER, "long", 0);
    assert_true(room.length > LENGTH && room.length <= LENGTH + 65);
    assert_false(store_room_whole(&room, room.oldest_ms, LENGTH));
}

static void entries_leave_with_age(void **state)
{
    struct store_rules brief = rules;
    struct store_append one = {.industry = "age", .frame = SLICE_LITERAL("later")};
    struct store_event event = connection("age", "k", 2, 7, 3);

    (void)state;
    for (int i = 0; i < 50; i++) {
        redis_integer(&redis, "XADD p8:{i.YWdl}:history %d-1 f old%0200d", i + 1, i);
        redis_integer(&redis, "XADD p8:{u.YWdl}:history %d-1 e old", i + 1);
    }
    brief.history_window_ms = 5000;
    assert_int_equal(store_append(store, &brief, &one, 1), STATUS_OK);
    assert_true(redis_integer(&redis, "XLEN p8:{i.YWdl}:history") < 25); /* whole blocks of entries leave */
    assert_int_equal(store_apply(store, &brief, &event, 1), STATUS_OK);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{u.YWdl}:history"), 1);
}

/* A key of another type harms its own readers alone, who are told. */
static void a_broken_history(void **state)
{
    struct store_append appends[2] = {{.industry = "broken", .frame = SLICE_LITERAL("x")},
                                      {.industry = "sound", .frame = SLICE_LITERAL("x")}};
    struct store_event event = connection("broken", "k", 1, 7, 1);
    struct store_room room;

    (void)state;
    redis_integer(&redis, "SET p8:{i.YnJva2Vu}:history text");
    redis_integer(&redis, "SET p8:{u.YnJva2Vu}:history text");
    assert_int_equal(store_append(store, &rules, appends, 2), STATUS_OK);
    assert_true(appends[0].broken && !appends[1].broken);
    room = read_room(ROOM_INDUSTRY, "broken", 0);
    assert_true(room.broken);
    assert_false(store_room_whole(&room, 0, LENGTH));
    read_room(ROOM_INDUSTRY, "sound", 0);
    assert_int_equal(entry_count, 1);
    /* Counted once, whatever becomes of its history: that fails no event. */
    apply(&event);
    assert_int_equal(event.outcome, STORE_APPLIED);
    assert_true(event.history_broken);
    apply(&event);
    assert_int_equal(event.outcome, STORE_REPEATED);
    assert_int_equal(redis_sum(&redis, "broken"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_in_its_users_history),
        cmocka_unit_test(repeats_and_duplicates),
        cmocka_unit_test(replays_tell_no_first_numbers),
        cmocka_unit_test(payloads_and_kept_frames),
        cmocka_unit_test(industries_in_order),
        cmocka_unit_test(trimming_is_told),
        cmocka_unit_test(users_are_trimmed_too),
        cmocka_unit_test(entries_leave_with_age),
        cmocka_unit_test(a_broken_history),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, store_set_up, store_tear_down);
}
