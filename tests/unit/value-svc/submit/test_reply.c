/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Answers as they arrive over a real broker.
 */
#include "submit/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/wire.h"
#include "presence.pb-c.h"
#include "service_fixture.h"

#define REPLY_SUBJECT "test.reply"

static struct bus_subscription *subscription;
static struct wire_arena arena;
static char answer[8192];
static size_t answer_length;
static atomic_uint answers;

static void on_reply(void *context, const struct bus_message *message)
{
    (void)context;
    assert_true(message->data.length <= sizeof(answer));
    answer_length = message->data.length;
    memcpy(answer, message->data.data, answer_length);
    atomic_fetch_add(&answers, 1);
}

static bool answered(void *context)
{
    return atomic_load(&answers) == *(const unsigned *)context;
}

/* The next answer. */
static const ProtobufCMessage *take(const ProtobufCMessageDescriptor *descriptor)
{
    static unsigned expected;
    const ProtobufCMessage *message = NULL;

    expected++;
    rig_until(answered, &expected, "an answer arrived");
    assert_int_equal(wire_unpack(&arena, descriptor, slice_make(answer, answer_length), &message), STATUS_OK);
    return message;
}

static const Pollen8__FrameReply *take_frame(void)
{
    return (const Pollen8__FrameReply *)take(&pollen8__frame_reply__descriptor);
}

static int set_up(void **state)
{
    service_set_up(state);
    assert_int_equal(bus_subscribe(rig_bus(rig), REPLY_SUBJECT, NULL, on_reply, NULL, &subscription),
                     STATUS_OK);
    rig_flush(rig);
    return 0;
}

static int tear_down(void **state)
{
    wire_arena_done(&arena);
    return service_tear_down(state);
}

static void data_is_handed_over(void **state)
{
    const Pollen8__FrameReply *reply;

    (void)state;
    assert_int_equal(reply_frame(service.bus, SLICE_LITERAL(REPLY_SUBJECT), SLICE_LITERAL("{\"a\":1}")),
                     STATUS_OK);
    reply = take_frame();
    assert_int_equal(reply->result_case, POLLEN8__FRAME_REPLY__RESULT_DATA);
    assert_true(slice_equal_string(slice_make(reply->data.data, reply->data.len), "{\"a\":1}"));
}

/* Waiting helps only if the service is not available now. */
static void refusals_say_what_and_whether_to_wait(void **state)
{
    const struct slice to = SLICE_LITERAL(REPLY_SUBJECT);
    const Pollen8__FrameReply *reply;

    (void)state;
    assert_int_equal(reply_frame_refused(service.bus, to, STATUS_FORBIDDEN, NULL), STATUS_OK);
    reply = take_frame();
    assert_int_equal(reply->result_case, POLLEN8__FRAME_REPLY__RESULT_ERROR);
    assert_string_equal(reply->error->code, "FORBIDDEN");
    assert_string_equal(reply->error->message, status_message(STATUS_FORBIDDEN));
    assert_int_equal(reply->error->retry_after_ms, 0);
    assert_int_equal(reply_frame_refused(service.bus, to, STATUS_INVALID_PAYLOAD, "a reason"), STATUS_OK);
    assert_string_equal(take_frame()->error->message, "a reason");
    assert_int_equal(reply_frame_refused(service.bus, to, STATUS_UNAVAILABLE, NULL), STATUS_OK);
    assert_int_equal(take_frame()->error->retry_after_ms, REPLY_RETRY_MS);
}

static void readers_of_histories_are_refused(void **state)
{
    const Pollen8__HistoryReply *reply;

    (void)state;
    assert_int_equal(reply_history_refused(service.bus, SLICE_LITERAL(REPLY_SUBJECT), STATUS_UNAVAILABLE),
                     STATUS_OK);
    reply = (const Pollen8__HistoryReply *)take(&pollen8__history_reply__descriptor);
    assert_int_equal(reply->result_case, POLLEN8__HISTORY_REPLY__RESULT_ERROR);
    assert_string_equal(reply->error->code, "UNAVAILABLE");
}

static void who_wants_no_answer_gets_none(void **state)
{
    const struct slice nobody = {0};

    (void)state;
    assert_int_equal(reply_frame(service.bus, nobody, SLICE_LITERAL("{}")), STATUS_OK);
    assert_int_equal(reply_frame_refused(service.bus, nobody, STATUS_INTERNAL, NULL), STATUS_OK);
    /* The next one on the same connection is the next one that arrives. */
    assert_int_equal(reply_frame(service.bus, SLICE_LITERAL(REPLY_SUBJECT), SLICE_LITERAL("next")),
                     STATUS_OK);
    assert_true(slice_equal_string(slice_make(take_frame()->data.data, 4), "next"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_handed_over),
        cmocka_unit_test(refusals_say_what_and_whether_to_wait),
        cmocka_unit_test(readers_of_histories_are_refused),
        cmocka_unit_test(who_wants_no_answer_gets_none),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
