/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Tokens and events on their way to services, which are the test, and what becomes of their answers.
 */
#include "service_rig.h"

#include "frame.pb-c.h"
#include "ingress/relay.h"
#include "text/client_token.h"

static struct service_rig rig;
static struct client client;

static struct {
    unsigned count;
    uint64_t handle;
    enum status status;
    char id[16];
    char event[32];
    char data[32];
} orphan;

static void on_orphan(struct gateway *gateway, uint64_t handle, struct slice id, struct slice event,
                      const struct client_result *result)
{
    (void)gateway;
    orphan.count++;
    orphan.handle = handle;
    orphan.status = result->status;
    snprintf(orphan.id, sizeof(orphan.id), "%.*s", (int)id.length, id.data);
    snprintf(orphan.event, sizeof(orphan.event), "%.*s", (int)event.length, event.data);
    snprintf(orphan.data, sizeof(orphan.data), "%.*s", (int)result->data.length, result->data.data);
}

static const struct session_events events = {.stripped = rooms_rig_stripped, .orphan = on_orphan};

static int setup(void **state)
{
    static const char *const subjects[] = {"pollen8.in.>", "pollen8.auth.verify", "pollen8.session.open",
                                           NULL};

    (void)state;
    service_rig_start(&rig, &events, subjects);
    memset(&orphan, 0, sizeof(orphan));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

/* ---- tokens ------------------------------------------------------------------------------------------- */

static void authenticate(const char *text, const char *auth)
{
    struct client_token token = {0};

    client_connect(&rig.base, &client, FRAME_JSON);
    if (text[0])
        assert_int_equal(client_token_from_value(slice_from_string(text), &token), STATUS_OK);
    relay_authenticate(&rig.base.gateway, client.session, &token, slice_from_string(auth),
                       SLICE_LITERAL("1"));
    assert_null(token.text); /* it has been taken */
    assert_int_equal(client.session->state, SESSION_AUTHENTICATING);
    assert_int_equal(client.session->in_flight, 1);
}

static const Pollen8__VerifyRequest *verify_request(size_t number)
{
    return (const Pollen8__VerifyRequest *)service_rig_asked(&rig, number,
                                                             &pollen8__verify_request__descriptor);
}

static void accept(size_t number, const char *user)
{
    Pollen8__VerifyReply reply = POLLEN8__VERIFY_REPLY__INIT;
    Pollen8__Identity identity = POLLEN8__IDENTITY__INIT;

    identity.user_id = (char *)(uintptr_t)user;
    identity.role = (char *)(uintptr_t) "user";
    reply.result_case = POLLEN8__VERIFY_REPLY__RESULT_IDENTITY;
    reply.identity = &identity;
    service_rig_answer(&rig, number, &reply.base);
}

static void refuse(size_t number, const char *code)
{
    Pollen8__VerifyReply reply = POLLEN8__VERIFY_REPLY__INIT;
    Pollen8__Error error = POLLEN8__ERROR__INIT;

    error.code = (char *)(uintptr_t)code;
    reply.result_case = POLLEN8__VERIFY_REPLY__RESULT_ERROR;
    reply.error = &error;
    service_rig_answer(&rig, number, &reply.base);
}

static void a_good_token_opens_the_session(void **state)
{
    (void)state;
    authenticate("a.b.c", "{\"token\":\"a.b.c\",\"more\":1}");
    assert_string_equal(verify_request(0)->token, "a.b.c");
    assert_int_equal(verify_request(0)->deadline_ms, 5000);
    assert_int_equal(verify_request(0)->auth.len, 0); /* unless the setting says so */
    accept(0, "ada");
    assert_int_equal(client.session->state, SESSION_OPEN);
    assert_string_equal(client.session->identity->message.user_id, "ada");
    assert_int_equal(client.opened, 1);
    assert_int_equal(rooms_rig_members(&rig.base, ROOM_USER, "ada"), 1);
    assert_int_equal(client.session->in_flight, 0);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_AUTHENTICATIONS, "ok"), 1);
}

static void all_that_came_with_it_goes_along(void **state)
{
    (void)state;
    rig.base.settings.auth_payload = AUTH_PAYLOAD_WHOLE;
    authenticate("", "{\"ticket\":7}");
    assert_string_equal(verify_request(0)->token, "");
    assert_slice(slice_make(verify_request(0)->auth.data, verify_request(0)->auth.len), "{\"ticket\":7}");
    accept(0, "ada");
    assert_int_equal(client.session->state, SESSION_OPEN);
}

static void a_refusal_goes_to_the_transport(void **state)
{
    static const struct {
        const char *code;
        const char *counted;
    } rows[] = {
        {"AUTH_EXPIRED", "AUTH_EXPIRED"},
        {"AUTH_UNAVAILABLE", "AUTH_UNAVAILABLE"},
        {"UNAVAILABLE", "AUTH_UNAVAILABLE"},
        {"a code of tomorrow", "INTERNAL"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t before = base_rig_metric(&rig.base, METRIC_AUTHENTICATIONS, rows[i].counted);

        authenticate("a.b.c", "");
        refuse(i, rows[i].code);
        assert_int_equal(client.refused, 1);
        assert_int_equal(client.opened, 0);
        assert_int_equal(client.session->state, SESSION_CONNECTED);
        assert_int_equal(base_rig_metric(&rig.base, METRIC_AUTHENTICATIONS, rows[i].counted), before + 1);
        session_close(&rig.base.gateway, client.session, CAUSE_CLIENT);
    }
}

/* What is revoked while auth-svc is asked does not open a session. */
static void a_control_that_came_meanwhile(void **state)
{
    Pollen8__VerifyReply nobody = POLLEN8__VERIFY_REPLY__INIT;
    const struct bus_message revoke = {.subject = SLICE_LITERAL("pollen8.ctl.user.YWRh"),
                                       .data = SLICE_LITERAL("\x08\x02")};
    struct mail *mail;

    (void)state;
    authenticate("a.b.c", "");
    control_receive(&rig.base.gateway, &revoke);
    mail = mailbox_take(rig.base.gateway.mailbox, MAIL_FRAMES);
    assert_non_null(mail);
    mail->kind->act(&rig.base.gateway, mail);
    accept(0, "ada");
    assert_null(client.session);
    assert_int_equal(client.close_code, 4003);
    authenticate("a.b.c", ""); /* one that is asked about afterwards is not concerned */
    accept(1, "ada");
    assert_int_equal(client.session->state, SESSION_OPEN);
    authenticate("a.b.c", "");
    service_rig_answer(&rig, 3, &nobody.base); /* 2 was the opening's question; neither identity nor error */
    assert_int_equal(client.refused, 1);
}

static void a_verdict_for_a_session_that_has_gone(void **state)
{
    (void)state;
    authenticate("a.b.c", "");
    session_close(&rig.base.gateway, client.session, CAUSE_CLIENT);
    session_rig_turn(&rig.base);
    accept(0, "ada");
    assert_int_equal(client.opened + client.refused, 0);
    assert_int_equal(rooms_rig_members(&rig.base, ROOM_USER, "ada"), 0);
    assert_int_equal(orphan.count, 0);
}

/* ---- events ------------------------------------------------------------------------------------------- */

static enum status emit(const char *event, const char *data)
{
    struct client_frame frame = {.id = SLICE_LITERAL("7"), .data = slice_from_string(data)};

    snprintf(frame.event, sizeof(frame.event), "%s", event);
    return relay_event(&rig.base.gateway, client.session, &frame);
}

static void answer_data(size_t number, const char *data)
{
    Pollen8__FrameReply reply = POLLEN8__FRAME_REPLY__INIT;

    reply.result_case = POLLEN8__FRAME_REPLY__RESULT_DATA;
    reply.data.data = (uint8_t *)(uintptr_t)data;
    reply.data.len = strlen(data);
    service_rig_answer(&rig, number, &reply.base);
    session_rig_turn(&rig.base);
}

static void what_a_service_hears(void **state)
{
    struct attachments attachments = {.count = 1, .list = {SLICE_LITERAL("abc")}};
    struct client_frame frame = {.data = SLICE_LITERAL("1,{\"_placeholder\":true,\"num\":0}"),
                                 .arguments = true,
                                 .attachments = &attachments};
    const Pollen8__InboundFrame *heard;

    (void)state;
    rooms_rig_open(&rig.base, &client, "ada", NULL);
    client.namespace = "/news";
    snprintf(frame.event, sizeof(frame.event), "a.b");
    assert_int_equal(relay_event(&rig.base.gateway, client.session, &frame), STATUS_OK);
    heard = (const Pollen8__InboundFrame *)service_rig_asked(&rig, 0, &pollen8__inbound_frame__descriptor);
    assert_string_equal(rig.asked.messages[0].subject, "pollen8.in.a.b");
    assert_slice(slice_make(heard->data.data, heard->data.len), "[1,{\"_placeholder\":true,\"num\":0}]");
    assert_true(heard->arguments);
    assert_int_equal(heard->n_attachments, 1);
    assert_slice(slice_make(heard->attachments[0].data, heard->attachments[0].len), "abc");
    assert_string_equal(heard->name_space, "/news");
    assert_string_equal(heard->session, client.session->id);
    assert_string_equal(heard->identity->user_id, "ada");
    assert_int_equal(heard->deadline_ms, 5000);
    client.namespace = NULL;
    assert_int_equal(emit("c", ""), STATUS_OK);
    heard = (const Pollen8__InboundFrame *)service_rig_asked(&rig, 1, &pollen8__inbound_frame__descriptor);
    assert_slice(slice_make(heard->data.data, heard->data.len), "{}"); /* no data is an empty object */
    assert_false(heard->arguments);
    assert_string_equal(heard->name_space, "");
}

static void what_a_client_is_answered(void **state)
{
    static const struct {
        const char *data;
        const char *told;
    } rows[] = {
        {"{\"a\":1}", "{\"id\":7,\"ok\":true,\"data\":{\"a\":1}}"},
        {"", "{\"id\":7,\"ok\":true,\"data\":{}}"},
        {"{\"a\":",
         "{\"id\":7,\"ok\":false,\"error\":{\"code\":\"INTERNAL\",\"message\":\"an internal error\"}}"},
    };

    (void)state;
    rooms_rig_open(&rig.base, &client, "ada", NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(emit("a", "1"), STATUS_OK);
        assert_int_equal(client.session->in_flight, 1);
        answer_data(i, rows[i].data);
        TOLD(&client, rows[i].told);
        assert_int_equal(client.session->in_flight, 0);
    }
}

static void a_service_refuses(void **state)
{
    Pollen8__FrameReply reply = POLLEN8__FRAME_REPLY__INIT;
    Pollen8__Error error = POLLEN8__ERROR__INIT;

    (void)state;
    rooms_rig_open(&rig.base, &client, "ada", NULL);
    assert_int_equal(emit("a", "1"), STATUS_OK);
    error.code = (char *)(uintptr_t) "RATE_LIMITED";
    error.message = (char *)(uintptr_t) "not now";
    error.retry_after_ms = 40;
    reply.result_case = POLLEN8__FRAME_REPLY__RESULT_ERROR;
    reply.error = &error;
    service_rig_answer(&rig, 0, &reply.base);
    session_rig_turn(&rig.base);
    TOLD(&client, "{\"id\":7,\"ok\":false,\"error\":{\"code\":\"RATE_LIMITED\",\"message\":\"not now\","
                  "\"retryAfterMs\":40}}");
}

/* It may have moved to another gateway: those above know. */
static void the_session_has_gone(void **state)
{
    uint64_t handle;

    (void)state;
    rooms_rig_open(&rig.base, &client, "ada", NULL);
    handle = client.session->handle;
    assert_int_equal(emit("a", "1"), STATUS_OK);
    session_close(&rig.base.gateway, client.session, CAUSE_MOVED);
    session_rig_turn(&rig.base);
    answer_data(0, "{\"a\":1}");
    assert_int_equal(orphan.count, 1);
    assert_true(orphan.handle == handle);
    assert_int_equal(orphan.status, STATUS_OK);
    assert_string_equal(orphan.id, "7");
    assert_string_equal(orphan.event, "a");
    assert_string_equal(orphan.data, "{\"a\":1}");
}

/* While the gateway drains: with its last answer a session ends. */
static void the_last_answer_of_one_that_leaves(void **state)
{
    (void)state;
    rooms_rig_open(&rig.base, &client, "ada", NULL);
    assert_int_equal(emit("a", "1"), STATUS_OK);
    assert_int_equal(emit("b", "1"), STATUS_OK);
    client.session->leaving = true;
    answer_data(0, "1");
    assert_non_null(client.session);
    answer_data(1, "2");
    assert_null(client.session);
    assert_int_equal(client.close_code, 1012);
    TOLD(&client, "{\"id\":7,\"ok\":true,\"data\":1}", "{\"id\":7,\"ok\":true,\"data\":2}");
}

static int run(void)
{
#define RELAY_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        RELAY_TEST(a_good_token_opens_the_session),
        RELAY_TEST(all_that_came_with_it_goes_along),
        RELAY_TEST(a_refusal_goes_to_the_transport),
        RELAY_TEST(a_control_that_came_meanwhile),
        RELAY_TEST(a_verdict_for_a_session_that_has_gone),
        RELAY_TEST(what_a_service_hears),
        RELAY_TEST(what_a_client_is_answered),
        RELAY_TEST(a_service_refuses),
        RELAY_TEST(the_session_has_gone),
        RELAY_TEST(the_last_answer_of_one_that_leaves),
    };
#undef RELAY_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
