/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What gateways ask of histories, value-svc being a process between a real broker and a real Redis: what came
 * after a position, once and in order; and when they are told that it is gone.
 */
#include "history/history.h"

#include "history/history_batch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bus/subject.h"
#include "common/clock.h"
#include "fixture.h"
#include "presence.pb-c.h"

#define LANES_MAXIMUM 16

static struct value_process process;
static const char *const settings[] = {"ACK_WAIT=60s", "HISTORY_LENGTH=1500", "HISTORY_QUEUE=16384", NULL};

static int set_up(void **state)
{
    (void)state;
    rig = rig_start(&nats, &redis);
    value_start_ready(&process, &nats, &redis, settings);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(value_stop(&process, SIGTERM), 0);
    rig_end(rig, &nats, &redis);
    return 0;
}

/* ---- positions -------------------------------------------------------------------------------------- */

struct stand {
    uint64_t epoch;
    int64_t time_ms;
    uint64_t user_until; /* of each user; 0: all */
    size_t count;
    uint32_t lanes[LANES_MAXIMUM];
    uint64_t sequences[LANES_MAXIMUM];
};

static uint64_t epoch_now(void)
{
    return (uint64_t)redis_integer(&redis, "HGET p8:epoch epoch");
}

static void stand_advance(struct stand *stand, const struct rig_frame *frame)
{
    size_t at = 0;

    while (at < stand->count && stand->lanes[at] != frame->lane)
        at++;
    assert_true(at < LANES_MAXIMUM);
    stand->lanes[at] = frame->lane;
    stand->sequences[at] = frame->lane_sequence;
    if (at == stand->count)
        stand->count++;
}

/* Having received the first `count` frames that arrived. */
static struct stand stand_after(size_t count)
{
    struct stand stand = {.epoch = epoch_now(), .time_ms = clock_wall_ms()};
    struct rig_frame frame;

    for (size_t i = 0; i < count && rig_get(rig, NULL, NULL, i, &frame); i++)
        stand_advance(&stand, &frame);
    return stand;
}

/* ---- asking ----------------------------------------------------------------------------------------- */

static struct wire_arena arena;
static const char *refused; /* the error's code; "" otherwise */

static void pack(const struct stand *stand, const char *const *industries, const char *const *users,
                 uint32_t deadline_ms, struct buf *buf)
{
    Pollen8__HistoryRead read = POLLEN8__HISTORY_READ__INIT;
    Pollen8__Position after = POLLEN8__POSITION__INIT;
    uint64_t until[LANES_MAXIMUM];

    if (stand) {
        after.epoch = stand->epoch;
        after.time_ms = stand->time_ms;
        after.lanes = (uint32_t *)(uintptr_t)stand->lanes;
        after.n_lanes = stand->count;
        after.sequences = (uint64_t *)(uintptr_t)stand->sequences;
        after.n_sequences = stand->count;
        read.after = &after;
    }
    read.industries = (char **)(uintptr_t)industries;
    while (industries && industries[read.n_industries])
        read.n_industries++;
    read.user_ids = (char **)(uintptr_t)users;
    while (users && users[read.n_user_ids])
        until[read.n_user_ids++] = stand->user_until;
    read.user_until = until;
    read.n_user_until = stand && stand->user_until ? read.n_user_ids : 0;
    read.deadline_ms = deadline_ms;
    buf_init(buf, 1048576);
    assert_int_equal(wire_pack(buf, &read.base), STATUS_OK);
}

/* NULL where it was refused. Valid until the next call. */
static const Pollen8__HistoryFrames *ask_once(const struct stand *stand, const char *const *industries,
                                              const char *const *users)
{
    const ProtobufCMessage *unpacked;
    const Pollen8__HistoryReply *reply;
    struct slice answer;
    struct buf buf;

    pack(stand, industries, users, 2000, &buf);
    assert_int_equal(rig_ask(rig, SUBJECT_HISTORY_READ, buf.data, buf.length, &answer), STATUS_OK);
    buf_done(&buf);
    assert_int_equal(wire_unpack(&arena, &pollen8__history_reply__descriptor, answer, &unpacked), STATUS_OK);
    reply = (const Pollen8__HistoryReply *)unpacked;
    refused = "";
    if (reply->result_case == POLLEN8__HISTORY_REPLY__RESULT_FRAMES)
        return reply->frames;
    assert_int_equal(reply->result_case, POLLEN8__HISTORY_REPLY__RESULT_ERROR);
    refused = reply->error->code;
    return NULL;
}

/* As a gateway does: again where it could not be answered in time. */
static const Pollen8__HistoryFrames *ask(const struct stand *stand, const char *const *industries,
                                         const char *const *users)
{
    const Pollen8__HistoryFrames *frames;
    uint64_t end = clock_monotonic_ms() + RIG_PATIENCE_MS;

    do
        frames = ask_once(stand, industries, users);
    while (!frames && strcmp(refused, "UNAVAILABLE") == 0 && clock_monotonic_ms() < end);
    return frames;
}

static void expect_incomplete(const Pollen8__HistoryFrames *frames, const char *reason)
{
    assert_non_null(frames);
    assert_false(frames->complete);
    assert_string_equal(frames->reason, reason);
    assert_int_equal(frames->n_frames, 0);
}

/* ---- tests ------------------------------------------------------------------------------------------ */

static void everything_once_and_in_order(void **state)
{
    static const char *const both[] = {"one", "two", NULL};
    static const char *const two[] = {"two", NULL};
    static const char *const ada[] = {"ada", "nobody", NULL};
    struct stand nothing = stand_after(0);
    const Pollen8__HistoryFrames *frames;
    struct rig_frame live;

    (void)state;
    rig_clear(rig);
    rig_publish(rig, "pollen8.events.connection.new",
                "{\"userId\":\"ada\",\"industries\":[\"One\",\"two\"]}");
    rig_wait(rig, "pollen8.out.user.YWRh", NULL, 1);
    rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"bo\",\"industries\":[\"two\"]}");
    rig_wait(rig, "pollen8.out.user.Ym8", NULL, 1);
    rig_publish(rig, "pollen8.events.invite.created", "{\"inviteId\":\"i1\",\"creatorId\":\"ada\"}");
    rig_wait(rig, "pollen8.out.user.YWRh", "invite.created", 1);
    frames = ask(&nothing, both, ada);
    assert_non_null(frames);
    assert_true(frames->complete);
    assert_int_equal(frames->n_frames, 4);
    assert_string_equal(frames->frames[1]->event, "connection.new");
    assert_int_equal(frames->frames[1]->n_industries, 2);
    assert_string_equal(frames->frames[0]->event, "network.update");
    assert_string_equal(frames->frames[0]->user_id, "ada");
    assert_int_equal(frames->frames[0]->data.len, strlen("{\"userId\":\"ada\",\"newValue\":3.14}"));
    assert_memory_equal(frames->frames[0]->data.data, "{\"userId\":\"ada\",\"newValue\":3.14}", 31);
    assert_true(rig_get(rig, "pollen8.out.user.YWRh", "network.update", 0, &live));
    assert_true(frames->frames[0]->event_id == live.event_id && frames->frames[0]->version == live.version);
    assert_true(frames->frames[0]->epoch == live.epoch && frames->frames[0]->lane == live.lane);
    assert_true(frames->frames[0]->lane_sequence == live.lane_sequence);
    assert_true(frames->frames[0]->user_sequence == 1 && live.user_sequence == 1);
    assert_true(frames->frames[0]->history_epoch == live.history_epoch && live.history_epoch > 0);
    assert_int_equal(frames->frames[0]->policy, live.policy);
    assert_memory_equal(frames->frames[2]->data.data, "{\"userId\":\"bo\"", 14);
    assert_string_equal(frames->frames[3]->event, "invite.created");
    assert_int_equal(frames->frames[3]->policy, POLLEN8__DELIVERY_POLICY__DELIVERY_KEEP);
    assert_true(frames->frames[3]->user_sequence == 2);
    frames = ask(&nothing, two, NULL);
    assert_int_equal(frames->n_frames, 2);
    nothing.user_until = 1;
    frames = ask(&nothing, both, ada);
    assert_true(frames->complete);
    assert_int_equal(frames->n_frames, 3); /* not the invite, which is the second of ada's */
    assert_string_equal(frames->frames[0]->event, "network.update");
    nothing.user_until = 0;
    frames = ask(&nothing, NULL, NULL);
    assert_true(frames->complete && frames->n_frames == 0);
}

/* From wherever a reader stands, it gets exactly the rest. */
static void after_any_position(void **state)
{
    static const char *const industries[] = {"a", "b", "c", NULL};
    static const char *const users[] = {"u0", "u1", "u2", "u3", NULL};
    size_t count;

    (void)state;
    rig_clear(rig);
    for (int i = 0; i < 60; i++) {
        char text[128];

        snprintf(text, sizeof(text), "{\"userId\":\"u%d\",\"industries\":[\"%c\",\"%c\"]}", i % 4,
                 'a' + i % 3, 'a' + i % 2);
        rig_publish(rig, "pollen8.events.connection.new", text);
    }
    rig_wait(rig, "pollen8.out.industry", NULL, 60);
    for (int i = 0; i < 4; i++) {
        static const char *const subjects[] = {"pollen8.out.user.dTA", "pollen8.out.user.dTE",
                                               "pollen8.out.user.dTI", "pollen8.out.user.dTM"};

        rig_wait(rig, subjects[i], NULL, 15);
    }
    count = rig_count(rig, NULL, NULL);
    for (size_t at = 0; at <= count; at++) {
        struct stand stand = stand_after(at);
        const Pollen8__HistoryFrames *frames = ask(&stand, industries, users);
        size_t rest = 0;
        struct rig_frame live;

        assert_non_null(frames);
        assert_true(frames->complete);
        for (size_t i = at; i < count && rig_get(rig, NULL, NULL, i, &live); i++) {
            size_t found = 0;

            if (strcmp(live.subject, "pollen8.out.lane") == 0)
                continue;
            rest++;
            for (size_t k = 0; k < frames->n_frames; k++)
                found += frames->frames[k]->event_id == live.event_id;
            assert_int_equal(found, 1);
        }
        assert_int_equal(frames->n_frames, rest);
        for (size_t k = 0; k < frames->n_frames; k++) {
            struct rig_frame next = {.lane = frames->frames[k]->lane,
                                     .lane_sequence = frames->frames[k]->lane_sequence};

            for (size_t lane = 0; lane < stand.count; lane++)
                assert_true(stand.lanes[lane] != next.lane || stand.sequences[lane] < next.lane_sequence);
            stand_advance(&stand, &next);
        }
    }
}

/* How far an answer came in each lane, and how much it had. */
struct extent {
    struct stand stand;
    size_t count;
};

static struct extent extent_of(const Pollen8__HistoryFrames *frames)
{
    struct extent extent = {.count = frames->n_frames};

    for (size_t i = 0; i < frames->n_frames; i++) {
        const struct rig_frame frame = {.lane = frames->frames[i]->lane,
                                        .lane_sequence = frames->frames[i]->lane_sequence};

        stand_advance(&extent.stand, &frame);
    }
    return extent;
}

static size_t count_within(const Pollen8__HistoryFrames *frames, const struct stand *stand)
{
    size_t count = 0;

    for (size_t i = 0; i < frames->n_frames; i++) {
        for (size_t lane = 0; lane < stand->count; lane++)
            count += frames->frames[i]->lane == stand->lanes[lane] &&
                     frames->frames[i]->lane_sequence <= stand->sequences[lane];
    }
    return count;
}

/* What is asked while events come has all that lies before the last it has, in every room and lane. */
static void nothing_is_left_out_on_the_way(void **state)
{
    static char names[200][8];
    const char *industries[201] = {NULL};
    static const char *const users[] = {"w-0", "w-1", "w-2", "w-3", "w-4", NULL};
    static struct extent extents[4096];
    const struct stand nothing = stand_after(0);
    const Pollen8__HistoryFrames *frames;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof(names[i]), "w%d", i);
        industries[i] = names[i];
    }
    rig_clear(rig);
    for (int i = 0; i < 480; i++) {
        char text[128];

        snprintf(text, sizeof(text), "{\"userId\":\"w-%d\",\"industries\":[\"w%d\"]}", i % 5, i * 7 % 200);
        rig_publish(rig, "pollen8.events.connection.new", text);
    }
    do {
        frames = ask(&nothing, industries, users);
        assert_true(frames && frames->complete && count < 4096);
        extents[count++] = extent_of(frames);
    } while (frames->n_frames < 960);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(count_within(frames, &extents[i].stand), extents[i].count);
}

static void told_the_truth(void **state)
{
    static const char *const industries[] = {"many", NULL};
    static char name[] = "x";
    const int64_t began_ms = clock_wall_ms();
    struct stand stand = stand_after(0);
    char *too_many[(HISTORY_ROOMS_EACH + 1) + 1];
    const Pollen8__HistoryFrames *frames;

    (void)state;
    stand.epoch--;
    expect_incomplete(ask(&stand, industries, NULL), "epoch");
    stand.epoch++;
    stand.time_ms -= 121000;
    expect_incomplete(ask(&stand, industries, NULL), "age");
    stand.time_ms += 121000;
    rig_clear(rig);
    for (int i = 0; i < 1100; i++)
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"many\",\"industries\":[\"many\"]}");
    rig_wait(rig, "pollen8.out.user.bWFueQ", NULL, 1100);
    expect_incomplete(ask(&stand, industries, NULL), "size");
    for (int i = 0; i < 700; i++)
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"many\",\"industries\":[\"many\"]}");
    rig_wait(rig, "pollen8.out.user.bWFueQ", NULL, 1800);
    expect_incomplete(ask(&stand, industries, NULL), "size");
    /* One that has had nearly all of it and is not sure of the rest. */
    rig_wait(rig, "pollen8.out.industry", NULL, 1800);
    stand = stand_after(rig_count(rig, NULL, NULL) - 10);
    stand.time_ms = began_ms;
    expect_incomplete(ask(&stand, industries, NULL), "length");
    stand.time_ms += 3600000;
    frames = ask(&stand, industries, NULL);
    assert_true(frames->complete && frames->n_frames == 0);
    for (size_t i = 0; i <= (HISTORY_ROOMS_EACH + 1); i++)
        too_many[i] = i < (HISTORY_ROOMS_EACH + 1) ? name : NULL;
    assert_null(ask(&stand, (const char *const *)too_many, NULL));
    assert_string_equal(refused, "INVALID_PAYLOAD");
    assert_null(ask(NULL, industries, NULL));
    assert_string_equal(refused, "INVALID_PAYLOAD");
}

/* ---- a storm ---------------------------------------------------------------------------------------- */

struct storm {
    size_t askers;
    _Atomic size_t complete;
    _Atomic size_t other;
};

static void on_reply(void *context, enum status status, const struct bus_message *message)
{
    struct storm *storm = context;
    struct wire_arena mine = {0};
    const ProtobufCMessage *unpacked;
    bool complete = false;

    if (status == STATUS_OK &&
        wire_unpack(&mine, &pollen8__history_reply__descriptor, message->data, &unpacked) == STATUS_OK) {
        const Pollen8__HistoryReply *reply = (const Pollen8__HistoryReply *)unpacked;

        complete = reply->result_case == POLLEN8__HISTORY_REPLY__RESULT_FRAMES && reply->frames->complete;
    }
    wire_arena_done(&mine);
    atomic_fetch_add(complete ? &storm->complete : &storm->other, 1);
}

static bool storm_over(void *context)
{
    struct storm *storm = context;

    return atomic_load(&storm->complete) + atomic_load(&storm->other) == storm->askers;
}

static void storm_ask(struct storm *storm, uint32_t deadline_ms, uint32_t timeout_ms)
{
    const struct stand stand = stand_after(0);

    for (size_t i = 0; i < storm->askers; i++) {
        char industry[16];
        char user[16];
        const char *const industries[] = {"one", industry, NULL};
        const char *const users[] = {user, NULL};
        struct buf buf;

        snprintf(industry, sizeof(industry), "i%zu", i % 100);
        snprintf(user, sizeof(user), "s%zu", i % 500);
        pack(&stand, industries, users, deadline_ms, &buf);
        while (bus_request(rig_bus(rig), SUBJECT_HISTORY_READ, NULL, buf.data, buf.length, timeout_ms,
                           on_reply, storm) != STATUS_OK)
            rig_flush(rig);
        buf_done(&buf);
    }
    rig_until(storm_over, storm, "every reader heard or waited long enough");
}

/* All who come back after a gateway's death at once: each room is read once for all who ask together. */
static void many_at_once(void **state)
{
    static struct storm storm = {.askers = 10000};
    int64_t before = value_metric(&process, "pollen8_value_history_rooms_total");

    (void)state;
    storm_ask(&storm, 20000, 20000);
    assert_int_equal(storm.complete, storm.askers);
    assert_true(value_metric(&process, "pollen8_value_history_rooms_total") - before < 10000 * 3 * 2 / 3);
}

/* A rate of ten rooms a second: what cannot be read in time is dropped, the rest is answered. */
static void paced(void **state)
{
    static const char *const slow[] = {"HISTORY_RATE=10", "HISTORY_QUEUE=1000", NULL};
    static struct storm storm = {.askers = 3000};

    (void)state;
    assert_int_equal(value_stop(&process, SIGTERM), 0);
    value_start_ready(&process, &nats, &redis, slow);
    storm_ask(&storm, 2000, 6000);
    assert_true(storm.complete > 0 && storm.other > 0);
    assert_true(value_metric(&process, "pollen8_value_history_reads_total{result=\"UNAVAILABLE\"}") > 0);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
    value_start_ready(&process, &nats, &redis, settings);
}

static void while_redis_is_away(void **state)
{
    static const char *const industries[] = {"one", NULL};
    struct stand stand = stand_after(0);
    const Pollen8__HistoryFrames *frames;

    (void)state;
    redis_stop(&redis, SIGKILL);
    assert_null(ask_once(&stand, industries, NULL));
    assert_string_equal(refused, "UNAVAILABLE");
    redis_start(&redis);
    value_wait_ready(&process, 200);
    frames = ask(&stand, industries, NULL); /* the reader's own connection follows within its pause */
    expect_incomplete(frames, "epoch");
    /* Emptied under the living connection. */
    stand = stand_after(0);
    frames = ask(&stand, industries, NULL);
    assert_true(frames->complete);
    redis_integer(&redis, "FLUSHALL");
    expect_incomplete(ask(&stand, industries, NULL), "epoch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_once_and_in_order),
        cmocka_unit_test(after_any_position),
        cmocka_unit_test(nothing_is_left_out_on_the_way),
        cmocka_unit_test(told_the_truth),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(paced),
        cmocka_unit_test(while_redis_is_away),
    };
    int failed;

    signal(SIGPIPE, SIG_IGN);
    failed = cmocka_run_group_tests(tests, set_up, tear_down);
    wire_arena_done(&arena);
    return failed;
}
