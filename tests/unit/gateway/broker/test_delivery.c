/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What services publish becomes deliveries in the mailbox, whole and checked; malformed messages are counted
 * and delivered to nobody.
 */
#include "base_rig.h"

#include "broker/delivery.h"
#include "common/base64url.h"
#include "common/bus/subject.h"
#include "common/log.h"
#include "common/wire.h"
#include "frame/frame.h"

enum { MAILS = 4 };

static struct base_rig rig;

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, MAILS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    base_rig_stop(&rig);
    return 0;
}

static struct delivery *take(void)
{
    return (struct delivery *)(void *)mailbox_take(rig.gateway.mailbox, MAIL_FRAMES);
}

/* Passes the frame to `callback` as if it had arrived with that subject; the bytes end directly behind it. */
static void come(bus_message_fn *callback, const char *subject, const char *reply,
                 const Pollen8__OutboundFrame *frame)
{
    struct bus_message message = {.subject = exact_string(subject), .reply = exact_string(reply)};
    struct buf packed;

    buf_init(&packed, 100000);
    assert_int_equal(wire_pack(&packed, &frame->base), STATUS_OK);
    message.data = exact(packed.data, packed.length);
    buf_done(&packed);
    callback(&rig.gateway, &message);
    exact_free(message.subject);
    exact_free(message.reply);
    exact_free(message.data);
}

static Pollen8__OutboundFrame frame_of(const char *event, const char *data)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;

    frame.event = (char *)(uintptr_t)event;
    frame.data.data = (uint8_t *)(uintptr_t)data;
    frame.data.len = strlen(data);
    return frame;
}

static void everything_is_taken_over(void **state)
{
    char *industries[] = {(char *)(uintptr_t) "technology", (char *)(uintptr_t) "art & craft"};
    Pollen8__OutboundFrame message = frame_of("network.update", "{\"a\":1}");
    struct delivery *delivery;

    (void)state;
    message.industries = industries;
    message.n_industries = 2;
    message.event_id = 77;
    message.lane = 5;
    message.lane_sequence = 40;
    message.lane_previous = 38;
    message.history_epoch = 3;
    message.user_sequence = 9; /* not in the history of an industry */
    message.first_lane = 4;
    message.first_lane_sequence = 12;
    message.published_at_us = 1234567;
    message.policy = POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST;
    message.coalesce_key = (char *)(uintptr_t) "key";
    message.epoch = 2;
    message.version = 6;
    message.name_space = (char *)(uintptr_t) "/news";
    come(delivery_industry_frame, SUBJECT_OUT_INDUSTRY, "", &message);
    delivery = take();
    assert_non_null(delivery);
    assert_int_equal(delivery->kind, ROOM_INDUSTRY);
    assert_int_equal(delivery->key_count, 2);
    assert_slice(delivery->keys[0], "technology");
    assert_slice(delivery->keys[1], "art & craft");
    assert_int_equal(delivery->mark.lane, 5);
    assert_true(delivery->mark.heard);
    assert_int_equal(delivery->mark.sequence, 40);
    assert_int_equal(delivery->mark.previous, 38);
    assert_int_equal(delivery->mark.epoch, 3);
    assert_int_equal(delivery->user_sequence, 0);
    const struct frame *frame = delivery->frame;
    assert_slice(frame_event(frame).event, "network.update");
    assert_slice(frame_event(frame).data, "{\"a\":1}");
    assert_int_equal(frame->event_id, 77);
    assert_int_equal(frame->lane, 5);
    assert_int_equal(frame->lane_sequence, 40);
    assert_int_equal(frame->first_lane, 4);
    assert_int_equal(frame->first_sequence, 12);
    assert_int_equal(frame->published_at_us, 1234567);
    assert_true(frame->rule.coalesce != 0);
    assert_int_equal(frame->rule.epoch, 2);
    assert_int_equal(frame->rule.version, 6);
    assert_string_equal(frame->namespace, "/news");
    assert_false(frame->keep || frame->is_volatile || frame->arguments);
    delivery_free(delivery);
    assert_int_equal(rig.wakes, 1);
}

static void policies(void **state)
{
    static const struct {
        Pollen8__DeliveryPolicy policy;
        const char *key;
        bool coalesces;
        bool keep;
        bool is_volatile;
    } rows[] = {
        {POLLEN8__DELIVERY_POLICY__DELIVERY_QUEUE, "key", false, false, false},
        {POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST, "key", true, false, false},
        {POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST, "", false, false, false},
        {POLLEN8__DELIVERY_POLICY__DELIVERY_KEEP, "key", false, true, false},
        {POLLEN8__DELIVERY_POLICY__DELIVERY_VOLATILE, "key", false, false, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        Pollen8__OutboundFrame message = frame_of("e", "1");
        struct delivery *delivery;

        message.policy = rows[i].policy;
        message.coalesce_key = (char *)(uintptr_t)rows[i].key;
        message.version = 1;
        come(delivery_all_frame, SUBJECT_OUT_ALL, "", &message);
        delivery = take();
        assert_int_equal(delivery->kind, ROOM_EVERYONE);
        assert_int_equal(delivery->key_count, 0);
        assert_true((delivery->frame->rule.coalesce != 0) == rows[i].coalesces);
        assert_true((delivery->frame->rule.version != 0) == rows[i].coalesces);
        assert_true(delivery->frame->keep == rows[i].keep);
        assert_true(delivery->frame->is_volatile == rows[i].is_volatile);
        delivery_free(delivery);
    }
}

/* The subject names the user, not the body. */
static void a_user_is_the_subjects(void **state)
{
    Pollen8__OutboundFrame message = frame_of("e", "1");
    char subject[SUBJECT_SIZE];
    struct delivery *delivery;

    (void)state;
    message.user_id = (char *)(uintptr_t) "mallory";
    message.user_sequence = 9;
    message.lane = 5;
    message.lane_sequence = 40;
    assert_int_equal(subject_make(subject, SUBJECT_OUT_USER, SLICE_LITERAL("ada lovelace")), STATUS_OK);
    come(delivery_user_frame, subject, "", &message);
    delivery = take();
    assert_int_equal(delivery->kind, ROOM_USER);
    assert_int_equal(delivery->key_count, 1);
    assert_slice(delivery->keys[0], "ada lovelace");
    assert_int_equal(delivery->user_sequence, 9);
    assert_false(delivery->mark.heard); /* only this user's gateways hear it */
    delivery_free(delivery);

    assert_int_equal(delivery_make(&message, &delivery), STATUS_OK); /* from a history: there is no subject */
    assert_slice(delivery->keys[0], "mallory");
    delivery_free(delivery);
}

static void answers_that_are_wanted(void **state)
{
    static const struct {
        uint32_t timeout_ms;
        const char *reply;
        bool wanted;
    } rows[] = {
        {500, "_INBOX.abc.7", true},
        {500, "", false},
        {0, "_INBOX.abc.7", false},
        {UINT32_MAX, "_INBOX.abc.7", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        Pollen8__OutboundFrame message = frame_of("e", "1");
        struct delivery *delivery;

        message.answer_timeout_ms = rows[i].timeout_ms;
        come(delivery_all_frame, SUBJECT_OUT_ALL, rows[i].reply, &message);
        delivery = take();
        assert_true((delivery->frame->ask != NULL) == rows[i].wanted);
        delivery_free(delivery);
    }
}

static void a_mark_has_no_frame(void **state)
{
    Pollen8__OutboundFrame message = POLLEN8__OUTBOUND_FRAME__INIT;
    struct delivery *mark;

    (void)state;
    message.lane = 5;
    message.lane_sequence = 41;
    message.lane_previous = 40;
    message.history_epoch = 3;
    come(delivery_lane_mark, SUBJECT_OUT_LANE, "", &message);
    mark = take();
    assert_non_null(mark);
    assert_null(mark->frame);
    assert_int_equal(mark->key_count, 0);
    assert_int_equal(mark->mark.sequence, 41);
    assert_true(mark->mark.heard);
    delivery_free(mark);
    message.lane_sequence = 0; /* the lane counts for nothing without a number */
    come(delivery_lane_mark, SUBJECT_OUT_LANE, "", &message);
    mark = take();
    assert_int_equal(mark->mark.lane, 0);
    delivery_free(mark);
}

static void parts_fit_their_places(void **state)
{
    ProtobufCBinaryData parts[] = {{2, (uint8_t *)(uintptr_t) "ab"}, {1, (uint8_t *)(uintptr_t) "c"}};
    Pollen8__OutboundFrame message =
        frame_of("e", "[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    struct delivery *delivery;

    (void)state;
    message.arguments = true;
    message.attachments = parts;
    message.n_attachments = 2;
    come(delivery_all_frame, SUBJECT_OUT_ALL, "", &message);
    delivery = take();
    assert_true(delivery->frame->arguments);
    assert_int_equal(attachments_count(delivery->frame->attachments), 2);
    assert_slice(delivery->frame->attachments->list[0], "ab");
    assert_slice(delivery->frame->attachments->list[1], "c");
    delivery_free(delivery);
    message.n_attachments = 1;
    come(delivery_all_frame, SUBJECT_OUT_ALL, "", &message);
    assert_null(take());
    assert_int_equal(base_rig_metric(&rig, METRIC_BROKER_FRAMES, "malformed"), 1);
}

static void what_is_malformed_reaches_nobody(void **state)
{
    static const struct {
        const char *event;
        const char *data;
        const char *subject; /* of a user; NULL: to all */
        bool arguments;
    } rows[] = {
        {"", "1", NULL, false},
        {"a b", "1", NULL, false},
        {"e", "", NULL, false},
        {"e", "{\"a\":", NULL, false},
        {"e", "1 2", NULL, false},
        {"e", "\"\xff\"", NULL, false},
        {"e", "{\"a\":1}", NULL, true}, /* arguments are an array */
        {"e", "1", "pollen8.out.user.", false},
        {"e", "1", "pollen8.out.user.*", false},
        {"e", "1", "pollen8.out.user.AA", false}, /* the id is a NUL */
        {"e", "1", "pollen8.out.industry", false},
    };
    const struct bus_message garbage = {.subject = SLICE_LITERAL("t"), .data = SLICE_LITERAL("\xff\xff")};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        Pollen8__OutboundFrame message = frame_of(rows[i].event, rows[i].data);

        message.arguments = rows[i].arguments;
        if (rows[i].subject)
            come(delivery_user_frame, rows[i].subject, "", &message);
        else
            come(delivery_all_frame, SUBJECT_OUT_ALL, "", &message);
        if (mailbox_depth(rig.gateway.mailbox, MAIL_FRAMES) > 0)
            fail_msg("row %zu was delivered", i);
        assert_int_equal(base_rig_metric(&rig, METRIC_BROKER_FRAMES, "malformed"), i + 1);
    }
    delivery_all_frame(&rig.gateway, &garbage);
    delivery_lane_mark(&rig.gateway, &garbage);
    assert_int_equal(base_rig_metric(&rig, METRIC_BROKER_FRAMES, "malformed"), i + 2);
    assert_int_equal(rig.wakes, 0);
}

/* If the mailbox is full the frame is dropped, counted and freed; the mailbox marks the gap. */
static void a_full_mailbox(void **state)
{
    const Pollen8__OutboundFrame message = frame_of("e", "1");
    struct delivery *delivery;

    (void)state;
    for (int i = 0; i < MAILS + 2; i++)
        come(delivery_all_frame, SUBJECT_OUT_ALL, "", &message);
    assert_int_equal(base_rig_metric(&rig, METRIC_BROKER_FRAMES, "dropped"), 2);
    assert_true(mailbox_gap(rig.gateway.mailbox));
    for (int i = 0; i < MAILS; i++) {
        delivery = take();
        assert_non_null(delivery);
        delivery_free(delivery);
    }
    assert_null(take());
}

int main(void)
{
#define DELIVERY_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        DELIVERY_TEST(everything_is_taken_over),
        DELIVERY_TEST(policies),
        DELIVERY_TEST(a_user_is_the_subjects),
        DELIVERY_TEST(answers_that_are_wanted),
        DELIVERY_TEST(a_mark_has_no_frame),
        DELIVERY_TEST(parts_fit_their_places),
        DELIVERY_TEST(what_is_malformed_reaches_nobody),
        DELIVERY_TEST(a_full_mailbox),
    };
#undef DELIVERY_TEST

    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
