/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Clients that do not read: what finds no room in a queue is read from the histories, which are the test's,
 * once the queue has drained.
 */
#include "service_rig.h"

#include "frame/position.h"
#include "presence.pb-c.h"
#include "recovery/catchup.h"
#include "recovery/catchup_live.h"
#include "recovery/catchup_read.h"

static struct service_rig rig;
static struct client client;

static void on_stripped(struct gateway *gateway, struct session *session)
{
    rooms_rig_stripped(gateway, session);
    catchup_free(gateway, session);
}

static const struct session_events events = {
    .deliver = catchup_deliver, .full = catchup_slow, .drained = catchup_drained, .stripped = on_stripped};

static void take_mark(uint32_t lane, uint64_t sequence)
{
    const struct lane_mark mark = {
        .lane = lane, .heard = true, .sequence = sequence, .previous = sequence - 1, .epoch = 1};

    (void)progress_take(rig.base.gateway.progress, &mark, rig.base.gateway.now_ms, 1000000);
}

/* ada's client reads nothing; one message of lane 7 waits for it, and no other finds room. */
static int setup(void **state)
{
    static const char *const subjects[] = {"pollen8.history.read", NULL};
    static const char *const industries[] = {"technology", NULL};

    (void)state;
    service_rig_start(&rig, &events, subjects);
    rig.base.settings.connection_recovery = true;
    take_mark(7, 40);
    take_mark(8, 10);
    rig.base.gateway.now_ms += 10000; /* every lane that lives has been heard */
    rooms_rig_open(&rig.base, &client, "ada", industries);
    client.stuck = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client.stuck = false;
    service_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

/* A frame of the lane as this gateway gives it: with the position that it completes. */
static void give(uint32_t lane, uint64_t sequence, bool in_history)
{
    char offset[POSITION_TEXT_SIZE];
    struct frame *frame = NULL;
    char data[24];

    snprintf(data, sizeof(data), "%llu", (unsigned long long)sequence);
    assert_int_equal(frame_create_event(SLICE_LITERAL("e"), slice_from_string(data), NULL, &frame),
                     STATUS_OK);
    frame->lane = in_history ? lane : 0;
    frame->lane_sequence = in_history ? sequence : 0;
    if (in_history) {
        take_mark(lane, sequence);
        frame_set_offset(
            frame, slice_make(offset, position_write(progress_position(rig.base.gateway.progress), offset)));
    }
    if (client.session->catchup)
        catchup_deliver(&rig.base.gateway, client.session, frame);
    else
        session_send(&rig.base.gateway, client.session, frame);
    frame_unref(frame);
}

/* 41 waits; 42 and 43 of lane 7 found no room. */
static void become_slow(void)
{
    give(7, 41, true);
    rig.base.settings.session_queue_bytes = client.session->outq.bytes;
    give(7, 42, true);
    give(7, 43, true);
    assert_non_null(client.session);
    assert_true(client.session->slow);
    assert_int_equal(client.session->catchup->stage, CATCHUP_SLOW);
    assert_int_equal(client.session->outq.count, 1);
    rig.base.settings.session_queue_bytes = 262144;
}

/* The client reads: its transport says that the queue has drained. */
static void drain(void)
{
    client.stuck = false;
    client_flush(&rig.base.gateway, client.session);
    catchup_drained(&rig.base.gateway, client.session);
}

static const Pollen8__HistoryRead *question(size_t number)
{
    return (const Pollen8__HistoryRead *)service_rig_asked(&rig, number, &pollen8__history_read__descriptor);
}

/* Complete, with 42 and 43 of lane 7, or not. */
static void answer(size_t number, bool complete)
{
    static char *industries[] = {(char *)(uintptr_t) "technology"};
    static const char *const texts[] = {"42", "43"};
    Pollen8__HistoryReply reply = POLLEN8__HISTORY_REPLY__INIT;
    Pollen8__HistoryFrames body = POLLEN8__HISTORY_FRAMES__INIT;
    Pollen8__OutboundFrame frames[2];
    Pollen8__OutboundFrame *list[] = {&frames[0], &frames[1]};

    for (size_t i = 0; i < 2; i++) {
        frames[i] = (Pollen8__OutboundFrame)POLLEN8__OUTBOUND_FRAME__INIT;
        frames[i].event = (char *)(uintptr_t) "e";
        frames[i].data.data = (uint8_t *)(uintptr_t)texts[i];
        frames[i].data.len = 2;
        frames[i].lane = 7;
        frames[i].lane_sequence = 42 + i;
        frames[i].industries = industries;
        frames[i].n_industries = 1;
    }
    body.complete = complete;
    body.frames = list;
    body.n_frames = 2;
    reply.result_case = POLLEN8__HISTORY_REPLY__RESULT_FRAMES;
    reply.frames = &body;
    service_rig_answer(&rig, number, &reply.base);
    if (client.session)
        client_flush(&rig.base.gateway, client.session);
}

/* It was told these numbers, in this order and no others. */
static void assert_numbers(const unsigned *numbers, size_t count)
{
    assert_int_equal(client.count, count);
    for (size_t i = 0; i < count; i++) {
        char start[40];

        snprintf(start, sizeof(start), "{\"event\":\"e\",\"data\":%u", numbers[i]);
        if (strncmp(client.messages[i], start, strlen(start)) != 0)
            fail_msg("%s instead of %u", client.messages[i], numbers[i]);
    }
}

static void what_found_no_room_is_read(void **state)
{
    static const unsigned numbers[] = {41, 42, 43, 44};

    (void)state;
    become_slow();
    assert_int_equal(service_rig_count(&rig), 0); /* not before it reads */
    drain();
    assert_int_equal(question(0)->n_missed_lanes, 1);
    assert_int_equal(question(0)->missed_lanes[0], 7);
    assert_int_equal(question(0)->after->n_lanes, 2);
    assert_int_equal(question(0)->after->sequences[0], 41);
    assert_int_equal(question(0)->after->sequences[1], 10);
    give(7, 44, true); /* meanwhile */
    answer(0, true);
    assert_numbers(numbers, COUNT(numbers));
    assert_false(client.session->slow);
}

static void a_history_that_is_incomplete(void **state)
{
    (void)state;
    become_slow();
    drain();
    (void)question(0);
    answer(0, false);
    assert_null(client.session);
    assert_int_equal(client.close_code, 4008);
}

/* What no history has cannot be given later. */
static void a_frame_that_cannot_be_read_later(void **state)
{
    (void)state;
    give(7, 41, true);
    rig.base.settings.session_queue_bytes = client.session->outq.bytes;
    give(0, 42, false);
    assert_null(client.session);
    assert_int_equal(client.close_code, 4008);
}

/* Of other lanes: all that missed something are asked about. */
static void two_lanes(void **state)
{
    (void)state;
    become_slow();
    rig.base.settings.session_queue_bytes = client.session->outq.bytes;
    give(8, 11, true);
    rig.base.settings.session_queue_bytes = 262144;
    drain();
    assert_int_equal(question(0)->n_missed_lanes, 2);
    answer(0, true);
    assert_non_null(client.session);
}

/* A queue that has not drained is not filled up again. */
static void not_before_it_has_drained(void **state)
{
    (void)state;
    become_slow();
    catchup_drained(&rig.base.gateway, client.session);
    base_rig_pass(&rig.base, 5000);
    assert_int_equal(service_rig_count(&rig), 0);
    assert_int_equal(client.session->catchup->stage, CATCHUP_SLOW);
}

/* value-svc does not answer: it is asked again, not for ever. */
static void value_svc_fails(void **state)
{
    Pollen8__HistoryReply nothing = POLLEN8__HISTORY_REPLY__INIT;

    (void)state;
    become_slow();
    drain();
    service_rig_answer(&rig, 0, &nothing.base);
    assert_non_null(client.session);
    base_rig_pass(&rig.base, 500);
    (void)question(1);
    rig.base.gateway.now_ms += 5000;
    service_rig_answer(&rig, 1, &nothing.base);
    assert_null(client.session);
    assert_int_equal(client.close_code, 4008);
}

static int run(void)
{
#define READ_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READ_TEST(what_found_no_room_is_read),        READ_TEST(a_history_that_is_incomplete),
        READ_TEST(a_frame_that_cannot_be_read_later), READ_TEST(two_lanes),
        READ_TEST(not_before_it_has_drained),         READ_TEST(value_svc_fails),
    };
#undef READ_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
