/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Events that ask a client for an answer: the service that asks is the test, and hears exactly one
 * ClientAnswer for each, whatever the client does.
 */
#include "service_rig.h"

#include "frame.pb-c.h"
#include "frame/frame_ask.h"
#include "ingress/client_ask.h"

static struct service_rig rig;
static struct client client;

static void on_stripped(struct gateway *gateway, struct session *session)
{
    client_asks_end(gateway, session);
    rooms_rig_stripped(gateway, session);
}

static const struct session_events events = {.ask = client_ask_send, .stripped = on_stripped};

static int setup(void **state)
{
    static const char *const subjects[] = {"t.answers", NULL};

    (void)state;
    service_rig_start(&rig, &events, subjects);
    rooms_rig_open(&rig.base, &client, "ada", NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

static void ask(uint32_t timeout_ms)
{
    static const char reply[] = "t.answers";
    struct frame *frame = NULL;

    assert_int_equal(frame_create_event(SLICE_LITERAL("e"), SLICE_LITERAL("1"), NULL, &frame), STATUS_OK);
    frame->ask = calloc(1, sizeof(*frame->ask) + sizeof(reply));
    assert_non_null(frame->ask);
    frame->ask->timeout_ms = timeout_ms;
    memcpy(frame->ask->reply, reply, sizeof(reply));
    assert_true(session_send(&rig.base.gateway, client.session, frame));
    frame_unref(frame);
    session_rig_turn(&rig.base);
}

/* What the service is told as number `number`: an error, or with `code` NULL this data. */
static void assert_answer(size_t number, const char *code, const char *data)
{
    const Pollen8__ClientAnswer *answer =
        (const Pollen8__ClientAnswer *)service_rig_asked(&rig, number, &pollen8__client_answer__descriptor);

    assert_string_equal(answer->user_id, "ada");
    assert_true(strlen(answer->session) > 0);
    assert_int_equal(answer->result_case,
                     code ? POLLEN8__CLIENT_ANSWER__RESULT_ERROR : POLLEN8__CLIENT_ANSWER__RESULT_DATA);
    if (code)
        assert_string_equal(answer->error->code, code);
    else
        assert_slice(slice_make(answer->data.data, answer->data.len), data);
}

static bool answer(uint64_t number, const char *array)
{
    return client_ask_answered(&rig.base.gateway, client.session, number, slice_from_string(array), NULL);
}

static void each_has_a_number_of_its_own(void **state)
{
    (void)state;
    ask(1000);
    ask(1000);
    TOLD(&client, "{\"event\":\"e\",\"data\":1,\"ask\":1}", "{\"event\":\"e\",\"data\":1,\"ask\":2}");
    assert_true(answer(2, "[\"two\"]"));
    assert_true(answer(1, "[]"));
    assert_answer(0, NULL, "[\"two\"]");
    assert_answer(1, NULL, "[]");
    assert_false(answer(1, "[]")); /* once each, */
    assert_false(answer(3, "[]")); /* and only what was asked */
    base_rig_pass(&rig.base, 2000);
    assert_int_equal(service_rig_count(&rig), 2);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_ASKS, "answered"), 2);
}

static void parts_go_along(void **state)
{
    struct attachments attachments = {.count = 1, .list = {SLICE_LITERAL("abc")}};

    (void)state;
    ask(1000);
    assert_true(client_ask_answered(&rig.base.gateway, client.session, 1,
                                    SLICE_LITERAL("[{\"_placeholder\":true,\"num\":0}]"), &attachments));
    const Pollen8__ClientAnswer *told =
        (const Pollen8__ClientAnswer *)service_rig_asked(&rig, 0, &pollen8__client_answer__descriptor);
    assert_int_equal(told->n_attachments, 1);
    assert_slice(slice_make(told->attachments[0].data, told->attachments[0].len), "abc");
}

static void no_answer_in_time(void **state)
{
    (void)state;
    ask(500);
    base_rig_pass(&rig.base, 490);
    assert_int_equal(service_rig_count(&rig), 0);
    base_rig_pass(&rig.base, 20);
    assert_answer(0, "UNAVAILABLE", NULL);
    assert_false(answer(1, "[]"));
    assert_int_equal(base_rig_metric(&rig.base, METRIC_ASKS, "timeout"), 1);
}

static void an_answer_that_is_no_json(void **state)
{
    (void)state;
    ask(1000);
    assert_true(answer(1, "[{\"a\":1,\"a\":2}]"));
    assert_answer(0, "INVALID_PAYLOAD", NULL);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_ASKS, "invalid"), 1);
}

static void too_many_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < ASKS_MAXIMUM; i++)
        ask(60000);
    client_clear(&client);
    ask(60000);
    TOLD(&client); /* it was not asked */
    assert_answer(0, "RATE_LIMITED", NULL);
    assert_true(answer(7, "[]"));
    ask(60000); /* there is room again */
    TOLD(&client, "{\"event\":\"e\",\"data\":1,\"ask\":65}");
    assert_int_equal(base_rig_metric(&rig.base, METRIC_ASKS, "refused"), 1);
}

static void the_session_ends(void **state)
{
    (void)state;
    ask(60000);
    ask(60000);
    session_close(&rig.base.gateway, client.session, CAUSE_CLIENT);
    session_rig_turn(&rig.base);
    assert_answer(0, "UNAVAILABLE", NULL);
    assert_answer(1, "UNAVAILABLE", NULL);
    base_rig_pass(&rig.base, 70000);
    assert_int_equal(service_rig_count(&rig), 2);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_ASKS, "ended"), 2);
}

/* ---- on its way to another gateway --------------------------------------------------------------------- */

static struct {
    unsigned count;
    uint64_t number;
    uint32_t left_ms;
    char reply[32];
} seen;

static void look(void *context, uint64_t number, const char *reply, uint32_t left_ms)
{
    (void)context;
    seen.count++;
    seen.number = number;
    seen.left_ms = left_ms;
    snprintf(seen.reply, sizeof(seen.reply), "%s", reply);
}

static void what_is_awaited_moves(void **state)
{
    struct gateway *gateway = &rig.base.gateway;

    (void)state;
    memset(&seen, 0, sizeof(seen));
    ask(5000);
    base_rig_pass(&rig.base, 2000);
    client_asks_each(gateway, client.session, look, NULL);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.number, 1);
    assert_string_equal(seen.reply, "t.answers");
    assert_true(seen.left_ms >= 3000 && seen.left_ms <= 3000 + TIMER_WHEEL_TICK_MS);
    client_asks_forget(gateway, client.session);
    assert_false(answer(1, "[]"));
    assert_int_equal(service_rig_count(&rig), 0); /* without a word */
    assert_int_equal(client_ask_resume(gateway, client.session, 1, seen.reply, seen.left_ms), STATUS_OK);
    base_rig_pass(&rig.base, 2900);
    assert_int_equal(service_rig_count(&rig), 0);
    base_rig_pass(&rig.base, 200);
    assert_answer(0, "UNAVAILABLE", NULL);
}

static int run(void)
{
#define ASK_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ASK_TEST(each_has_a_number_of_its_own), ASK_TEST(parts_go_along),   ASK_TEST(no_answer_in_time),
        ASK_TEST(an_answer_that_is_no_json),    ASK_TEST(too_many_at_once), ASK_TEST(the_session_ends),
        ASK_TEST(what_is_awaited_moves),
    };
#undef ASK_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
