/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Who may send what, how often and how much at once; what may go on is heard by the service, which is the
 * test.
 */
#include "service_rig.h"

#include "frame.pb-c.h"
#include "ingress/ingress.h"

static struct service_rig rig;
static struct client client;

static const struct session_events events = {.stripped = rooms_rig_stripped};

/* ada, who may emit a.* and, if `unlimited`, as often as she likes. */
static void open_session(bool unlimited)
{
    char *permissions[] = {(char *)(uintptr_t) "emit:a.*", (char *)(uintptr_t) "rate:none"};
    Pollen8__Identity message = POLLEN8__IDENTITY__INIT;

    rooms_rig_open(&rig.base, &client, "ada", NULL);
    identity_unref(client.session->identity);
    message.user_id = (char *)(uintptr_t) "ada";
    message.role = (char *)(uintptr_t) "user";
    message.permissions = permissions;
    message.n_permissions = unlimited ? 2 : 1;
    assert_int_equal(identity_create(&message, &client.session->identity), STATUS_OK);
}

static int setup(void **state)
{
    static const char *const subjects[] = {"pollen8.in.>", NULL};

    (void)state;
    service_rig_start(&rig, &events, subjects);
    rig.base.gateway.event_rule = (struct token_rule){.per_minute = 60, .burst = 3};
    rig.base.settings.requests_per_session = 2;
    rig.base.settings.flood_limit = 3;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

static void emit(const char *event, const char *id)
{
    struct client_frame frame = {.id = slice_from_string(id), .data = SLICE_LITERAL("{\"x\":1}")};

    snprintf(frame.event, sizeof(frame.event), "%s", event);
    ingress_frame(&rig.base.gateway, client.session, &frame);
    session_rig_turn(&rig.base);
}

static void what_is_permitted_goes_on(void **state)
{
    (void)state;
    open_session(false);
    emit("a.b", "1");
    const Pollen8__InboundFrame *frame =
        (const Pollen8__InboundFrame *)service_rig_asked(&rig, 0, &pollen8__inbound_frame__descriptor);
    assert_string_equal(rig.asked.messages[0].subject, "pollen8.in.a.b");
    assert_string_equal(frame->event, "a.b");
    assert_slice(slice_make(frame->data.data, frame->data.len), "{\"x\":1}");
    assert_string_equal(frame->identity->user_id, "ada");
    assert_int_equal(client.session->in_flight, 1);
    TOLD(&client); /* the answer is the service's */
    emit("b.b", "2");
    TOLD(&client, "{\"id\":2,\"ok\":false,\"error\":{\"code\":\"FORBIDDEN\",\"message\":\"not permitted\"}}");
    assert_int_equal(service_rig_count(&rig), 1);
}

static void so_many_at_once(void **state)
{
    (void)state;
    open_session(true);
    emit("a.1", "1");
    emit("a.2", "2");
    TOLD(&client);
    emit("a.3", "3");
    assert_int_equal(client.count, 1);
    assert_non_null(strstr(client.messages[0], "\"RATE_LIMITED\""));
    assert_non_null(strstr(client.messages[0], "\"retryAfterMs\":100"));
    assert_int_equal(service_rig_count(&rig), 2);
    assert_non_null(client.session);
}

static void so_often_and_then_out(void **state)
{
    (void)state;
    open_session(false);
    for (int i = 0; i < 3; i++)
        emit("b.b", "1"); /* refused, but no flood */
    client_clear(&client);
    emit("b.b", "1");
    assert_int_equal(client.count, 1);
    assert_non_null(strstr(client.messages[0], "\"RATE_LIMITED\""));
    rig.base.gateway.now_ms += 1100; /* a token has come back: those in a row are counted again */
    emit("b.b", "1");
    assert_int_equal(client.session->refused_in_a_row, 0);
    emit("b.b", "1");
    emit("b.b", "1");
    assert_non_null(client.session);
    emit("b.b", "1");
    assert_null(client.session);
    assert_int_equal(client.close_code, 4029);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_CLOSES, "flood"), 1);
}

static void as_often_as_it_likes(void **state)
{
    (void)state;
    open_session(true);
    for (int i = 0; i < 100; i++) {
        emit("b.b", "");
        client_clear(&client);
    }
    assert_non_null(client.session);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_EVENTS, "FORBIDDEN"), 100);
}

/* What does not decode, and answers to nothing, count as well. */
static void everything_counts(void **state)
{
    const struct client_reason reason = {"no"};

    (void)state;
    open_session(false);
    ingress_malformed(&rig.base.gateway, client.session, SLICE_LITERAL("7"), STATUS_INVALID_PAYLOAD, &reason);
    session_rig_turn(&rig.base);
    TOLD(&client, "{\"id\":7,\"ok\":false,\"error\":{\"code\":\"INVALID_PAYLOAD\",\"message\":\"no\"}}");
    ingress_malformed(&rig.base.gateway, client.session, SLICE_LITERAL("8"), STATUS_NO_MEMORY, &reason);
    session_rig_turn(&rig.base);
    assert_int_equal(client.count, 1);
    assert_non_null(strstr(client.messages[0], "\"INTERNAL\""));
    client_clear(&client);
    for (int i = 0; i < 4; i++) {
        assert_non_null(client.session);
        ingress_answer(&rig.base.gateway, client.session, 99, SLICE_LITERAL("[]"), NULL);
    }
    assert_null(client.session);
    assert_int_equal(client.close_code, 4029);
}

static void who_may_say_nothing(void **state)
{
    const struct client_reason reason = {"no"};

    (void)state;
    open_session(false);
    client.session->leaving = true;
    emit("a.b", "1");
    ingress_malformed(&rig.base.gateway, client.session, SLICE_LITERAL("7"), STATUS_INVALID_PAYLOAD, &reason);
    ingress_answer(&rig.base.gateway, client.session, 99, SLICE_LITERAL("[]"), NULL);
    session_rig_turn(&rig.base);
    TOLD(&client);
    assert_int_equal(client.session->refused_in_a_row, 0);
    assert_int_equal(service_rig_count(&rig), 0);
}

static int run(void)
{
#define INGRESS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        INGRESS_TEST(what_is_permitted_goes_on), INGRESS_TEST(so_many_at_once),
        INGRESS_TEST(so_often_and_then_out),     INGRESS_TEST(as_often_as_it_likes),
        INGRESS_TEST(everything_counts),         INGRESS_TEST(who_may_say_nothing),
    };
#undef INGRESS_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
