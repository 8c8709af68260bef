/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests to value-svc for histories, and what becomes of its answers: over a real broker; the test is
 * value-svc. First the order into which frames are put.
 */
#include "broker_rig.h"

#include "common/log.h"
#include "common/wire.h"
#include "frame/frame.h"
#include "frame/position.h"
#include "gaps/history.h"
#include "presence.pb-c.h"

/* ---- order -------------------------------------------------------------------------------------------- */

/* Each lane's frames are sorted by number, within the places that the lane has. Lane and number of each, as
 * lane * 100 + number. */
static void each_lane_in_the_places_it_has(void **state)
{
    static const struct {
        unsigned before[8];
        unsigned after[8];
    } rows[] = {
        {{0}, {0}},
        {{101}, {101}},
        {{101, 102, 103}, {101, 102, 103}},
        {{103, 101, 102}, {101, 102, 103}},
        {{201, 103, 202, 101, 102}, {201, 101, 202, 102, 103}},
        {{302, 203, 101, 301, 201, 202}, {301, 201, 101, 302, 202, 203}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct delivery deliveries[8];
        struct delivery *frames[8];
        size_t count = 0;

        for (; count < 8 && rows[i].before[count]; count++) {
            memset(&deliveries[count], 0, sizeof(deliveries[count]));
            deliveries[count].mark.lane = rows[i].before[count] / 100;
            deliveries[count].mark.sequence = rows[i].before[count] % 100;
            frames[count] = &deliveries[count];
        }
        assert_int_equal(history_order(frames, count), STATUS_OK);
        for (size_t at = 0; at < count; at++)
            if (frames[at]->mark.lane * 100 + frames[at]->mark.sequence != rows[i].after[at])
                fail_msg("row %zu, place %zu", i, at);
    }
}

/* Equal numbers: the earlier frame stays first. */
static void equal_numbers_keep_their_order(void **state)
{
    struct delivery deliveries[4];
    struct delivery *frames[4];

    (void)state;
    memset(deliveries, 0, sizeof(deliveries));
    for (size_t i = 0; i < 4; i++) {
        deliveries[i].mark.sequence = i == 3 ? 1 : 7;
        frames[i] = &deliveries[i];
    }
    assert_int_equal(history_order(frames, 4), STATUS_OK);
    assert_ptr_equal(frames[0], &deliveries[3]);
    for (size_t i = 1; i < 4; i++)
        assert_ptr_equal(frames[i], &deliveries[i - 1]);
}

/* ---- the request -------------------------------------------------------------------------------------- */

static struct base_rig rig;
static struct bus *other;
static struct heard heard; /* by value-svc */
static struct {
    unsigned count;
    uint64_t context;
    enum status status;
    bool complete;
    bool by_room;
    int64_t moment_ms;
    size_t frames;
    char texts[4][16];
} done;

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 10);
    broker_rig_start(&rig);
    heard_init(&heard);
    other = heard_bus(broker_rig_server.url);
    heard_subscribe(&heard, other, SUBJECT_HISTORY_READ);
    broker_rig_settle(&rig, other);
    memset(&done, 0, sizeof(done));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bus_free(other);
    broker_rig_stop(&rig);
    heard_done(&heard);
    base_rig_stop(&rig);
    return 0;
}

static void on_done(struct gateway *gateway, uint64_t context, struct history_answer *answer)
{
    assert_ptr_equal(gateway, &rig.gateway);
    done.count++;
    done.context = context;
    done.status = answer->status;
    done.complete = answer->complete;
    done.by_room = answer->by_room;
    done.moment_ms = answer->moment_ms;
    done.frames = answer->status == STATUS_OK ? answer->count : 0;
    for (size_t i = 0; i < done.frames && i < COUNT(done.texts); i++) {
        struct slice data = frame_event(answer->frames[i]->frame).data;

        snprintf(done.texts[i], sizeof(done.texts[i]), "%.*s", (int)data.length, data.data);
    }
    if (done.frames > 1) { /* `done` may keep one */
        delivery_free(answer->frames[1]);
        answer->frames[1] = NULL;
    }
}

static void ask(const struct history_query *query)
{
    assert_int_equal(history_read(&rig.gateway, query, on_done, 99), STATUS_OK);
}

static void reply(size_t number, const Pollen8__HistoryReply *message)
{
    struct buf packed;

    buf_init(&packed, 100000);
    assert_int_equal(wire_pack(&packed, &message->base), STATUS_OK);
    assert_int_equal(bus_publish(other, heard_wait(&heard, number)->reply, packed.data, packed.length),
                     STATUS_OK);
    assert_int_equal(bus_flush(other, HEARD_LIMIT_MS), STATUS_OK);
    buf_done(&packed);
    base_rig_act(&rig, MAIL_REPLIES);
}

static void what_is_asked(void **state)
{
    const struct position after = {.count = 1, .epoch = 4, .lanes = {{.lane = 5, .sequence = 40}}};
    static const uint32_t lanes[] = {5, 6};
    static const uint64_t until[] = {17};
    char *industries[] = {(char *)(uintptr_t) "technology", (char *)(uintptr_t) "art"};
    char *users[] = {(char *)(uintptr_t) "ada"};
    const ProtobufCMessage *unpacked = NULL;
    struct wire_arena arena = {0};
    Pollen8__HistoryReply nothing = POLLEN8__HISTORY_REPLY__INIT;

    (void)state;
    ask(&(struct history_query){.after = &after,
                                .industries = industries,
                                .industry_count = 2,
                                .users = users,
                                .user_count = 1,
                                .missed_lanes = lanes,
                                .missed_count = 2,
                                .user_until = until,
                                .until_ms = 1234});
    assert_int_equal(
        wire_unpack(&arena, &pollen8__history_read__descriptor, heard_wait(&heard, 0)->data, &unpacked),
        STATUS_OK);
    const Pollen8__HistoryRead *read = (const Pollen8__HistoryRead *)unpacked;
    assert_string_equal(read->gateway, "gw-1");
    assert_int_equal(read->after->epoch, 4);
    assert_int_equal(read->after->n_lanes, 1);
    assert_int_equal(read->after->lanes[0], 5);
    assert_int_equal(read->after->sequences[0], 40);
    assert_int_equal(read->n_industries, 2);
    assert_string_equal(read->industries[1], "art");
    assert_int_equal(read->n_user_ids, 1);
    assert_string_equal(read->user_ids[0], "ada");
    assert_int_equal(read->n_user_until, 1);
    assert_int_equal(read->user_until[0], 17);
    assert_int_equal(read->n_missed_lanes, 2);
    assert_int_equal(read->missed_lanes[1], 6);
    assert_int_equal(read->until_ms, 1234);
    assert_int_equal(read->deadline_ms, HISTORY_WAIT_MS);
    wire_arena_done(&arena);
    reply(0, &nothing); /* neither frames nor an error */
    assert_int_equal(done.count, 1);
    assert_int_equal(done.context, 99);
    assert_int_equal(done.status, STATUS_UNAVAILABLE);
    assert_int_equal(base_rig_metric(&rig, METRIC_HISTORY_READS, "failed"), 1);
}

static const struct position nowhere;

static Pollen8__OutboundFrame frame_of(const char *data, uint32_t lane, uint64_t sequence)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;

    frame.event = (char *)(uintptr_t) "e";
    frame.data.data = (uint8_t *)(uintptr_t)data;
    frame.data.len = strlen(data);
    frame.user_id = (char *)(uintptr_t) "ada";
    frame.lane = lane;
    frame.lane_sequence = sequence;
    return frame;
}

static void frames_in_order(void **state)
{
    Pollen8__OutboundFrame frames[] = {frame_of("12", 1, 2), frame_of("21", 2, 1), frame_of("11", 1, 1)};
    Pollen8__OutboundFrame *list[] = {&frames[0], &frames[1], &frames[2]};
    Pollen8__HistoryFrames body = POLLEN8__HISTORY_FRAMES__INIT;
    Pollen8__HistoryReply message = POLLEN8__HISTORY_REPLY__INIT;

    (void)state;
    body.complete = true;
    body.moment_ms = 5678;
    body.frames = list;
    body.n_frames = 3;
    message.result_case = POLLEN8__HISTORY_REPLY__RESULT_FRAMES;
    message.frames = &body;
    ask(&(struct history_query){.after = &nowhere});
    reply(0, &message);
    assert_int_equal(done.status, STATUS_OK);
    assert_true(done.complete);
    assert_int_equal(done.moment_ms, 5678);
    assert_int_equal(done.frames, 3);
    assert_string_equal(done.texts[0], "11");
    assert_string_equal(done.texts[1], "21");
    assert_string_equal(done.texts[2], "12");
    assert_int_equal(base_rig_metric(&rig, METRIC_HISTORY_READS, "complete"), 1);
    frames[1].event = (char *)(uintptr_t) "no event"; /* an invalid one: there is no answer */
    ask(&(struct history_query){.after = &nowhere});
    reply(1, &message);
    assert_int_not_equal(done.status, STATUS_OK);
    assert_int_equal(base_rig_metric(&rig, METRIC_HISTORY_READS, "failed"), 1);
}

static void why_it_is_not_complete(void **state)
{
    static const struct {
        const char *reason;
        bool by_room;
    } rows[] = {{"length", true}, {"size", true}, {"age", false}, {"", false}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        Pollen8__OutboundFrame frame = frame_of("1", 1, 1);
        Pollen8__OutboundFrame *list[] = {&frame};
        Pollen8__HistoryFrames body = POLLEN8__HISTORY_FRAMES__INIT;
        Pollen8__HistoryReply message = POLLEN8__HISTORY_REPLY__INIT;

        body.reason = (char *)(uintptr_t)rows[i].reason;
        body.frames = list;
        body.n_frames = 1;
        message.result_case = POLLEN8__HISTORY_REPLY__RESULT_FRAMES;
        message.frames = &body;
        ask(&(struct history_query){.after = &nowhere});
        reply(i, &message);
        assert_int_equal(done.status, STATUS_OK);
        assert_false(done.complete);
        assert_true(done.by_room == rows[i].by_room);
        assert_int_equal(done.frames, 0); /* a part of what was missed is useless */
    }
    assert_int_equal(base_rig_metric(&rig, METRIC_HISTORY_READS, "incomplete"), COUNT(rows));
}

static int run(void)
{
#define HISTORY_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lane_in_the_places_it_has),
        cmocka_unit_test(equal_numbers_keep_their_order),
        HISTORY_TEST(what_is_asked),
        HISTORY_TEST(frames_in_order),
        HISTORY_TEST(why_it_is_not_complete),
    };
#undef HISTORY_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
