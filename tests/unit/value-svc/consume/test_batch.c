/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What one batch leaves behind, value-svc being a process between a real broker and a real Redis: the numbers
 * of its lane, histories, and what comes of a worker that died in the middle of one.
 */
#include "consume/batch.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bus/subject.h"
#include "event/event.h"
#include "fixture.h"
#include "records/store_history.h"

/* Long enough that nothing comes again only because the machine is slow. */
static const char *const patient[] = {"ACK_WAIT=60s", NULL};
static const char *const after_a_death[] = {"ACK_WAIT=4s", NULL};

static void start(struct value_process *process, const char *const *settings)
{
    value_start_ready(process, &nats, &redis, settings);
}

/* The chain of what every gateway hears of one lane, marks included: each names the one before it. */
static void expect_chain(uint32_t lane, size_t *ret_marks)
{
    struct rig_frame found;
    uint64_t last = 0;

    *ret_marks = 0;
    for (size_t i = 0; rig_get(rig, NULL, NULL, i, &found); i++) {
        if (found.lane != lane || strncmp(found.subject, "pollen8.out.user.", 17) == 0)
            continue;
        assert_true(found.lane_previous == last);
        assert_true(found.lane_sequence > last);
        last = found.lane_sequence;
        *ret_marks += strcmp(found.subject, "pollen8.out.lane") == 0;
    }
}

/* Two lanes have marked twice behind the frames they had published: with all that is acknowledged, all that
 * was published has arrived. */
static bool two_lanes_marked(void *context)
{
    struct rig_frame found;
    uint32_t lanes[8] = {0};
    size_t marks[8] = {0};
    size_t twice = 0;

    (void)context;
    for (size_t i = 0; rig_get(rig, "pollen8.out.lane", NULL, i, &found); i++) {
        size_t at = 0;

        while (at < 8 && lanes[at] != 0 && lanes[at] != found.lane)
            at++;
        assert_true(at < 8);
        lanes[at] = found.lane;
        twice += ++marks[at] == 2;
    }
    return twice >= 2;
}

static void lanes_number_what_they_publish(void **state)
{
    struct value_process process;
    struct rig_frame found;
    uint32_t lanes[8];
    size_t lane_count = 0;
    size_t marked_count = 0;
    uint64_t users_last = 0;

    (void)state;
    rig_clear(rig);
    start(&process, patient);
    for (int i = 0; i < 300; i++) {
        char text[128];

        snprintf(text, sizeof(text), "{\"userId\":\"lane\",\"industries\":[\"l\"],\"eventId\":\"%d\"}",
                 i % 200);
        rig_publish(rig, "pollen8.events.connection.new", text);
    }
    rig_wait(rig, "pollen8.out.industry", "connection.new", 200);
    rig_settle(rig);
    rig_until(two_lanes_marked, NULL, "silent lanes mark that they live");
    for (size_t i = 0; rig_get(rig, NULL, NULL, i, &found); i++) {
        size_t at = 0;

        while (at < lane_count && lanes[at] != found.lane)
            at++;
        if (at == lane_count) {
            assert_true(lane_count < 8 && found.lane != 0);
            lanes[lane_count++] = found.lane;
        }
    }
    assert_true(lane_count >= 2);
    for (size_t i = 0; i < lane_count; i++) {
        size_t marks;

        expect_chain(lanes[i], &marks);
        marked_count += marks > 0;
    }
    assert_true(marked_count >= 2);
    /* Numbers of the user's history: each once. */
    for (size_t i = 0; rig_get(rig, "pollen8.out.user.bGFuZQ", NULL, i, &found); i++)
        users_last = found.user_sequence > users_last ? found.user_sequence : users_last;
    assert_true(users_last == 200);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{u.bGFuZQ}:history"), 200);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{i.bA}:history"), 200);
    assert_true(redis_integer(&redis, "PTTL p8:{i.bA}:history") > 120000);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

enum death { DIED_AFTER_SCRIPT, DIED_AFTER_APPEND, DIED_AFTER_PUBLISH };

#define DEAD_LANE 77

/* As the dead worker packed it: numbers of a lane that nobody has any more. */
static void pack_industry(const char *industry, struct buf *buf)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    char *industries[] = {(char *)(uintptr_t)industry};

    frame.event = (char[]){"connection.new"};
    frame.data.data = (uint8_t *)(uintptr_t)("{}");
    frame.data.len = 2;
    frame.event_id = 1;
    frame.lane = DEAD_LANE;
    frame.lane_sequence = 5;
    frame.industries = industries;
    frame.n_industries = 1;
    buf_init(buf, 1024);
    assert_int_equal(wire_pack(buf, &frame.base), STATUS_OK);
}

struct fetch {
    struct bus_consumer *consumer;
    struct bus_batch *batch;
};

static bool fetched(void *context)
{
    struct fetch *fetch = context;

    return bus_fetch(fetch->consumer, 1, 1000, &fetch->batch) == STATUS_OK;
}

/* A worker that died on the way: fetched and applied here, as far as `death` says, not acknowledged. */
static void die(enum death death, const char *industry, const char *text, struct store_event *applied)
{
    char durable[RIG_DURABLE_SIZE];
    const struct bus_consumer_options options = {.stream = STREAM_EVENTS,
                                                 .durable = durable,
                                                 .filter = SUBJECT_EVENTS_ANY,
                                                 .ack_wait_ms = 4000,
                                                 .maximum_ack_pending = 8192};
    const struct store_rules rules = {
        .window_ms = 600000, .retention_ms = 1800000, .history_length = 1000, .history_window_ms = 120000};
    static struct event event;
    const struct store_options store_options = {.url = &url, .timeout_ms = 2000};
    static char key[EVENT_KEY_SIZE];
    struct wire_arena arena = {0};
    struct fetch fetch = {0};
    struct bus_message message;
    struct bus_delivery delivery;
    struct buf frame_bytes;
    char text_out[256];

    rig_publish(rig, "pollen8.events.connection.new", text);
    rig_flush(rig);
    assert_true(rig_durable(rig, durable));
    assert_int_equal(bus_consumer_create(rig_bus(rig), &options, &fetch.consumer, text_out, sizeof(text_out)),
                     STATUS_OK);
    rig_until(fetched, &fetch, "the event is handed out");
    bus_batch_message(fetch.batch, 0, &message);
    assert_int_equal(bus_batch_delivery(fetch.batch, 0, &delivery), STATUS_OK);
    assert_int_equal(
        event_from_stream(SLICE_LITERAL("connection.new"), message.data, &arena, &event, text_out),
        STATUS_OK);
    event_key(&event, delivery.stream_sequence, delivery.timestamp_ms, key);
    *applied = (struct store_event){.user_id = event.user_id,
                                    .key = key,
                                    .counts = true,
                                    .change = 1,
                                    .sequence = delivery.stream_sequence,
                                    .time_ms = delivery.timestamp_ms,
                                    .lane = DEAD_LANE,
                                    .user_number = 6,
                                    .industry_number = 5,
                                    .update = {.number = 6, .event_id = 1}};
    assert_int_equal(store_url_parse(redis.url, &url, text_out, sizeof(text_out)), STATUS_OK);
    assert_int_equal(store_create(&store_options, &store), STATUS_OK);
    assert_int_equal(store_connect(store), STATUS_OK);
    assert_int_equal(store_apply(store, &rules, applied, 1), STATUS_OK);
    assert_int_equal(applied->outcome, STORE_APPLIED);
    pack_industry(industry, &frame_bytes);
    if (death >= DIED_AFTER_APPEND) {
        struct store_append append = {.industry = industry, .frame = buf_slice(&frame_bytes)};

        assert_int_equal(store_append(store, &rules, &append, 1), STATUS_OK);
    }
    if (death >= DIED_AFTER_PUBLISH)
        assert_int_equal(
            bus_publish(rig_bus(rig), SUBJECT_OUT_INDUSTRY, frame_bytes.data, frame_bytes.length), STATUS_OK);
    buf_done(&frame_bytes);
    store_free(store);
    bus_batch_free(fetch.batch);
    bus_consumer_free(fetch.consumer);
    wire_arena_done(&arena);
}

/* Whatever the worker came to: counted once, in both histories under the numbers of the one who has it now,
 * published once more, telling the numbers it had. */
static void a_death_on_the_way(enum death death, const char *user, const char *token)
{
    struct value_process process;
    struct store_event applied;
    struct rig_frame found;
    char subject[96];
    char text[128];
    size_t before;

    rig_clear(rig);
    snprintf(text, sizeof(text), "{\"userId\":\"%s\",\"industries\":[\"%s\"]}", user, user);
    snprintf(subject, sizeof(subject), "pollen8.out.user.%s", token);
    die(death, user, text, &applied);
    before = death == DIED_AFTER_PUBLISH;
    rig_wait(rig, "pollen8.out.industry", NULL, before);
    assert_int_equal(rig_count(rig, "pollen8.out.industry", NULL), before);
    assert_int_equal(rig_count(rig, subject, NULL), 0);
    start(&process, after_a_death);
    /* Redis did not change: value-svc did, so nothing is replayed; the stream hands the event out again. */
    rig_wait(rig, subject, "network.update", 1);
    rig_wait(rig, "pollen8.out.industry", "connection.new", before + 1);
    rig_settle(rig);
    expect_frame(subject, "network.update", 0, &found);
    snprintf(text, sizeof(text), "{\"userId\":\"%s\",\"newValue\":3.14}", user);
    assert_string_equal(found.data, text);
    assert_true(found.version == applied.version);
    assert_true(found.lane != DEAD_LANE && found.first_lane == DEAD_LANE && found.first_lane_sequence == 6);
    assert_true(found.user_sequence == applied.user_sequence && found.history_epoch == found.epoch);
    assert_int_equal(rig_count(rig, "pollen8.out.industry", "connection.new"), before + 1);
    expect_frame("pollen8.out.industry", "connection.new", before, &found);
    assert_true(found.lane != DEAD_LANE && found.first_lane == DEAD_LANE && found.first_lane_sequence == 5);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{u.%s}:history", token), 2);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{i.%s}:history", token),
                     death >= DIED_AFTER_APPEND ? 2 : 1);
    assert_int_equal(redis_sum(&redis, user), 1);
    assert_int_equal(value_metric(&process, "pollen8_value_events_repeated_total"), 1);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

static void a_death_between_script_and_append(void **state)
{
    (void)state;
    a_death_on_the_way(DIED_AFTER_SCRIPT, "half", "aGFsZg");
}

static void a_death_between_append_and_publish(void **state)
{
    (void)state;
    a_death_on_the_way(DIED_AFTER_APPEND, "more", "bW9yZQ");
}

static void a_death_between_publish_and_ack(void **state)
{
    (void)state;
    a_death_on_the_way(DIED_AFTER_PUBLISH, "most", "bW9zdA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lanes_number_what_they_publish, value_end),
        cmocka_unit_test_teardown(a_death_between_script_and_append, value_end),
        cmocka_unit_test_teardown(a_death_between_append_and_publish, value_end),
        cmocka_unit_test_teardown(a_death_between_publish_and_ack, value_end),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, ring_set_up, ring_tear_down);
}
