/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What this gateway missed, and how it gets it: value-svc, whose histories are asked, is the test.
 */
#include "service_rig.h"

#include "broker/delivery.h"
#include "frame/frame.h"
#include "gaps/gaps.h"
#include "presence.pb-c.h"

static struct service_rig rig;
static struct client ada;
static struct client bo;

static const char *const technology[] = {"technology", NULL};

static const struct session_events events = {.stripped = rooms_rig_stripped};

/* ada is in technology, bo in none; lane 7 has come to 40. */
static int setup(void **state)
{
    static const char *const subjects[] = {"pollen8.history.read", NULL};
    const struct lane_mark mark = {.lane = 7, .heard = true, .sequence = 40, .previous = 39, .epoch = 1};

    (void)state;
    service_rig_start(&rig, &events, subjects);
    assert_int_equal(gaps_create(&rig.base.gateway, &rig.base.gateway.gaps), STATUS_OK);
    assert_int_equal(progress_take(rig.base.gateway.progress, &mark, rig.base.gateway.now_ms, 1000000),
                     PROGRESS_NEW);
    rooms_rig_open(&rig.base, &ada, "ada", technology);
    rooms_rig_open(&rig.base, &bo, "bo", NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gaps_free(&rig.base.gateway, rig.base.gateway.gaps);
    rig.base.gateway.gaps = NULL;
    service_rig_stop(&rig);
    return 0;
}

static const Pollen8__HistoryRead *question(size_t number)
{
    return (const Pollen8__HistoryRead *)service_rig_asked(&rig, number, &pollen8__history_read__descriptor);
}

/* Lane 7, whose data is the number. */
static Pollen8__OutboundFrame frame_of(const char *number, char **industries)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;

    frame.event = (char *)(uintptr_t) "e";
    frame.data.data = (uint8_t *)(uintptr_t)number;
    frame.data.len = strlen(number);
    frame.lane = 7;
    frame.lane_sequence = strtoull(number, NULL, 10);
    frame.industries = industries;
    frame.n_industries = 1;
    return frame;
}

/* With these numbers of lane 7 (NULL ends the list), or incomplete for this reason. */
static void answer(size_t number, const char *reason, const char *const *numbers)
{
    static char *industries[] = {(char *)(uintptr_t) "technology"};
    Pollen8__HistoryReply reply = POLLEN8__HISTORY_REPLY__INIT;
    Pollen8__HistoryFrames body = POLLEN8__HISTORY_FRAMES__INIT;
    Pollen8__OutboundFrame frames[8];
    Pollen8__OutboundFrame *list[8];

    for (; numbers && numbers[body.n_frames]; body.n_frames++) {
        frames[body.n_frames] = frame_of(numbers[body.n_frames], industries);
        list[body.n_frames] = &frames[body.n_frames];
    }
    body.frames = list;
    body.complete = !reason;
    if (reason)
        body.reason = (char *)(uintptr_t)reason;
    body.moment_ms = 1234567;
    reply.result_case = POLLEN8__HISTORY_REPLY__RESULT_FRAMES;
    reply.frames = &body;
    service_rig_answer(&rig, number, &reply.base);
}

static const char *const nothing[] = {NULL};

/* The question that is about users, or about industries, of the two numbered from `first` on. */
static size_t question_of(size_t first, bool users)
{
    return (question(first)->n_user_ids > 0) == users ? first : first + 1;
}

/* 43 has come, and says that 42 came before it. */
static void show_gap(void)
{
    static char *industries[] = {(char *)(uintptr_t) "technology"};
    Pollen8__OutboundFrame frame = frame_of("43", industries);
    struct delivery *delivery = NULL;

    frame.lane_previous = 42;
    frame.history_epoch = 1;
    assert_int_equal(delivery_make(&frame, &delivery), STATUS_OK);
    gaps_lane(&rig.base.gateway, delivery);
    assert_true(gaps_holds(&rig.base.gateway));
}

/* What is given next: these numbers (NULL ends the list), in the lane. */
static void assert_given(const char *const *numbers)
{
    bool in_lane = false;

    for (; *numbers; numbers++) {
        struct delivery *delivery = gaps_next(&rig.base.gateway, &in_lane);

        if (!delivery)
            fail_msg("not given: %s", *numbers);
        assert_slice(frame_event(delivery->frame).data, *numbers);
        assert_true(in_lane);
        delivery_free(delivery);
    }
    assert_null(gaps_next(&rig.base.gateway, &in_lane));
}

#define GIVEN(...) assert_given((const char *const[]){__VA_ARGS__, NULL})

/* The example of the header: what lies in the gap is given, then what showed it. */
static void a_gap_in_a_lane(void **state)
{
    static const char *const frames[] = {"44", "42", NULL};
    size_t users;

    (void)state;
    show_gap();
    (void)question(0);
    assert_int_equal(service_rig_count(&rig), 1); /* one alone, until it says as of which moment */
    assert_int_equal(question(0)->after->n_lanes, 1);
    assert_int_equal(question(0)->after->lanes[0], 7);
    assert_int_equal(question(0)->after->sequences[0], 40);
    assert_int_equal(question(0)->n_missed_lanes, 1);
    assert_int_equal(question(0)->missed_lanes[0], 7);
    assert_int_equal(question(0)->until_ms, 0);
    users = question_of(0, true);
    answer(0, NULL, users == 0 ? nothing : frames);
    assert_int_equal(question(1)->until_ms, 1234567);
    assert_int_equal(question(0)->n_user_ids + question(1)->n_user_ids, 2);
    assert_true(gaps_holds(&rig.base.gateway));
    answer(1, NULL, users == 1 ? nothing : frames);
    assert_false(gaps_holds(&rig.base.gateway));
    GIVEN("42", "43"); /* 44 is not before 43: it comes live */
    assert_non_null(ada.session);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_GAPS, NULL), 1);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_GAP_REPAIRS, "repaired"), 1);
}

/* Where the history of a room is incomplete its sessions are closed, and no others. */
static void a_history_that_is_incomplete(void **state)
{
    (void)state;
    show_gap();
    for (size_t i = 0; i < 2; i++)
        answer(i, question(i)->n_industries ? "age" : NULL, nothing);
    assert_null(ada.session);
    assert_int_equal(ada.close_code, 1012);
    assert_non_null(bo.session);
    GIVEN("43");
    assert_int_equal(base_rig_metric(&rig.base, METRIC_GAP_REPAIRS, "lost"), 1);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_CLOSES, "gap"), 1);
}

/* Too much for one answer: each half is asked for alone. */
static void an_answer_that_would_be_too_long(void **state)
{
    size_t users;

    (void)state;
    show_gap();
    users = question_of(0, true);
    if (users != 0)
        answer(0, NULL, nothing);
    assert_int_equal(question(users)->n_user_ids, 2);
    answer(users, "size", nothing);
    for (size_t i = users + 1; i < 4;
         i++) { /* two for users, and that for industries if it is still to come */
        assert_true(question(i)->n_industries == 1 || question(i)->n_user_ids == 1);
        answer(i, NULL, nothing);
    }
    assert_false(gaps_holds(&rig.base.gateway));
    assert_int_equal(service_rig_count(&rig), 4);
    assert_non_null(ada.session);
    assert_non_null(bo.session);
    GIVEN("43");
}

/* It is asked again, but not for ever. */
static void value_svc_fails(void **state)
{
    Pollen8__HistoryReply none = POLLEN8__HISTORY_REPLY__INIT;
    size_t asked = 0;

    (void)state;
    show_gap();
    service_rig_answer(&rig, asked++, &none.base);
    assert_true(gaps_holds(&rig.base.gateway));
    assert_non_null(ada.session);
    base_rig_pass(&rig.base, 1000);
    (void)question(asked);
    rig.base.gateway.now_ms += 5000; /* past recovery_timeout */
    service_rig_answer(&rig, asked++, &none.base);
    service_rig_answer(&rig, asked++, &none.base); /* the other kind of rooms */
    assert_false(gaps_holds(&rig.base.gateway));
    assert_null(ada.session);
    assert_null(bo.session);
    GIVEN("43");
}

/* The broker was away: all after the position is asked for, but what waits to be taken comes live. */
static void a_gap_everywhere(void **state)
{
    static char *industries[] = {(char *)(uintptr_t) "technology"};
    static const char *const frames[] = {"41", "42", "43", NULL};
    Pollen8__OutboundFrame live = frame_of("43", industries);
    struct delivery *delivery = NULL;

    (void)state;
    gaps_everywhere(&rig.base.gateway);
    assert_true(gaps_holds(&rig.base.gateway));
    assert_int_equal(service_rig_count(&rig), 0); /* the broker has to know the subscriptions again */
    live.lane_previous = 42;
    assert_int_equal(delivery_make(&live, &delivery), STATUS_OK);
    delivery->mark.heard = true;
    assert_int_equal(mailbox_post(rig.base.gateway.mailbox, MAIL_FRAMES, &delivery->mail), STATUS_OK);
    base_rig_pass(&rig.base, 1000);
    assert_int_equal(question(0)->n_missed_lanes, 0);
    for (size_t i = 0; i < 2; i++)
        answer(i, NULL, question(i)->n_industries ? frames : nothing);
    assert_false(gaps_holds(&rig.base.gateway));
    GIVEN("41", "42");
    delivery_free((struct delivery *)(void *)mailbox_take(rig.base.gateway.mailbox, MAIL_FRAMES));
}

/* One that comes while another is being asked for is asked for after it. */
static void one_gap_after_the_other(void **state)
{
    (void)state;
    show_gap();
    gaps_everywhere(&rig.base.gateway);
    answer(0, NULL, nothing);
    answer(1, NULL, nothing);
    GIVEN("43");
    assert_true(gaps_holds(&rig.base.gateway));
    base_rig_pass(&rig.base, 1000);
    answer(2, NULL, nothing);
    answer(3, NULL, nothing);
    assert_false(gaps_holds(&rig.base.gateway));
    assert_int_equal(service_rig_count(&rig), 4);
}

/* ---- users -------------------------------------------------------------------------------------------- */

static void come_to_ada(struct room *room, uint64_t sequence)
{
    const struct delivery delivery = {.mark.epoch = 1, .user_sequence = sequence};

    if (users_missed(room, &delivery))
        gaps_user(&rig.base.gateway, room);
}

/* Two publishers may overtake each other: what comes within a moment is not asked for. */
static void users_whose_frames_are_missing(void **state)
{
    static const char *const frames[] = {"12", NULL};
    struct room *room = rooms_find(rig.base.gateway.rooms, ROOM_USER, SLICE_LITERAL("ada"));
    struct delivery *delivery;
    bool in_lane = true;

    (void)state;
    assert_int_equal(users_enter(&rig.base.gateway, room), STATUS_OK);
    come_to_ada(room, 10);
    come_to_ada(room, 12);
    come_to_ada(room, 11); /* overtaken */
    base_rig_pass(&rig.base, 500);
    assert_int_equal(service_rig_count(&rig), 0);
    come_to_ada(room, 15);
    assert_false(gaps_holds(&rig.base.gateway)); /* nothing is held up */
    base_rig_pass(&rig.base, 140);
    assert_int_equal(service_rig_count(&rig), 0);
    base_rig_pass(&rig.base, 20);
    assert_int_equal(question(0)->n_user_ids, 1);
    assert_string_equal(question(0)->user_ids[0], "ada");
    assert_int_equal(question(0)->n_user_until, 1);
    assert_int_equal(question(0)->user_until[0], 15);
    answer(0, NULL, frames);
    delivery = gaps_next(&rig.base.gateway, &in_lane);
    assert_non_null(delivery);
    assert_slice(frame_event(delivery->frame).data, "12");
    assert_false(in_lane); /* it fills a hole behind the position */
    delivery_free(delivery);
    assert_null(gaps_next(&rig.base.gateway, &in_lane));
    assert_non_null(ada.session);
    come_to_ada(room, 17);
    base_rig_pass(&rig.base, 200);
    answer(1, "age", nothing);
    assert_null(ada.session);
    assert_non_null(bo.session);
}

static int run(void)
{
#define GAPS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        GAPS_TEST(a_gap_in_a_lane),
        GAPS_TEST(a_history_that_is_incomplete),
        GAPS_TEST(an_answer_that_would_be_too_long),
        GAPS_TEST(value_svc_fails),
        GAPS_TEST(a_gap_everywhere),
        GAPS_TEST(one_gap_after_the_other),
        GAPS_TEST(users_whose_frames_are_missing),
    };
#undef GAPS_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
