/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Answers for sessions that have gone to another gateway, and for those that have come from one: the other
 * one, gw-2, is the test.
 */
#include "broker_rig.h"
#include "session_rig.h"

#include "cluster/departures.h"
#include "cluster/forward.h"
#include "common/log.h"
#include "common/wire.h"
#include "peer.pb-c.h"
#include "session/identity.h"

static struct base_rig rig;
static struct bus *other;
static struct heard heard; /* by gw-2 */
static struct client client;
static struct wire_arena arena;

static void on_stripped(struct gateway *gateway, struct session *session)
{
    (void)gateway;
    (void)session;
}

static const struct session_events events = {.stripped = on_stripped};

static struct identity *identity_of(const char *permission)
{
    Pollen8__Identity message = POLLEN8__IDENTITY__INIT;
    char *permissions[] = {(char *)(uintptr_t)permission};
    struct identity *identity = NULL;

    message.user_id = (char *)(uintptr_t) "ada";
    message.role = (char *)(uintptr_t) "user";
    message.permissions = permissions;
    message.n_permissions = 1;
    assert_int_equal(identity_create(&message, &identity), STATUS_OK);
    return identity;
}

static int setup(void **state)
{
    struct departure departure = {.handle = 99, .id = 1234, .namespace = 55};

    (void)state;
    session_rig_start(&rig, &events);
    broker_rig_start(&rig);
    heard_init(&heard);
    other = heard_bus(broker_rig_server.url);
    heard_subscribe(&heard, other, "pollen8.gw.gw-2");
    rig.gateway.departures = departures_create(10, 60000);
    snprintf(departure.gateway, sizeof(departure.gateway), "gw-2");
    assert_int_equal(departures_add(rig.gateway.departures, &departure, rig.gateway.now_ms), STATUS_OK);
    client_connect(&rig, &client, FRAME_JSON);
    client.session->state = SESSION_OPEN;
    client.session->identity = identity_of("emit:*");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sessions_close_all(&rig.gateway);
    departures_free(rig.gateway.departures);
    bus_free(other);
    broker_rig_stop(&rig);
    heard_done(&heard);
    wire_arena_done(&arena);
    session_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

/* ---- gone --------------------------------------------------------------------------------------------- */

static const Pollen8__ForwardedAnswer *told(size_t number)
{
    const ProtobufCMessage *unpacked = NULL;

    wire_arena_reset(&arena);
    assert_int_equal(wire_unpack(&arena, &pollen8__gateway_message__descriptor,
                                 heard_wait(&heard, number)->data, &unpacked),
                     STATUS_OK);
    const Pollen8__GatewayMessage *message = (const Pollen8__GatewayMessage *)unpacked;
    assert_int_equal(message->message_case, POLLEN8__GATEWAY_MESSAGE__MESSAGE_FORWARDED);
    return message->forwarded;
}

static void what_is_sent_after_it(void **state)
{
    static const struct {
        struct client_result result;
        const char *code;
        const char *text;
        bool no_responders;
    } rows[] = {
        {{.data = SLICE_LITERAL("{\"a\":1}")}, "", "{\"a\":1}", false},
        {{.data = SLICE_LITERAL("[1,2]"), .arguments = true}, "", "[1,2]", false},
        {{.status = STATUS_NO_RESPONDERS}, "", "", true},
        {{.status = STATUS_FORBIDDEN, .message = SLICE_LITERAL("no")}, "FORBIDDEN", "no", false},
        {{.status = STATUS_RATE_LIMITED, .retry_after_ms = 30}, "RATE_LIMITED", "", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const Pollen8__ForwardedAnswer *answer;

        forward_answer(&rig.gateway, 99, SLICE_LITERAL("7"), SLICE_LITERAL("a.b"), &rows[i].result);
        answer = told(i);
        assert_int_equal(answer->id, 1234);
        assert_int_equal(answer->name_space, 55);
        assert_slice(slice_make(answer->ack.data, answer->ack.len), "7");
        assert_string_equal(answer->event, "a.b");
        assert_string_equal(answer->code, rows[i].code);
        assert_slice(slice_make(answer->text.data, answer->text.len), rows[i].text);
        assert_true(answer->no_responders == rows[i].no_responders);
        assert_true(answer->arguments == rows[i].result.arguments);
        assert_int_equal(answer->retry_after_ms, rows[i].result.retry_after_ms);
    }
}

static void parts_go_along(void **state)
{
    const struct attachments attachments = {.count = 1, .list = {SLICE_LITERAL("abc")}};
    const struct client_result result = {.data = SLICE_LITERAL("{\"_placeholder\":true,\"num\":0}"),
                                         .attachments = &attachments};

    (void)state;
    forward_answer(&rig.gateway, 99, SLICE_LITERAL("7"), SLICE_LITERAL("a"), &result);
    assert_int_equal(told(0)->n_attachments, 1);
    assert_slice(slice_make(told(0)->attachments[0].data, told(0)->attachments[0].len), "abc");
}

static void nobody_knows_where_it_is(void **state)
{
    const struct client_result result = {.data = SLICE_LITERAL("1")};

    (void)state;
    forward_answer(&rig.gateway, 98, SLICE_LITERAL("7"), SLICE_LITERAL("a"), &result);
    broker_rig_settle(&rig, other);
    assert_int_equal(heard_count(&heard), 0);
}

/* ---- here --------------------------------------------------------------------------------------------- */

static Pollen8__ForwardedAnswer answer_for(const struct session *session)
{
    Pollen8__ForwardedAnswer answer = POLLEN8__FORWARDED_ANSWER__INIT;

    answer.id = session->handle;
    answer.name_space = forward_name(session);
    answer.ack.data = (uint8_t *)(uintptr_t) "7";
    answer.ack.len = 1;
    answer.event = (char *)(uintptr_t) "a.b";
    answer.text.data = (uint8_t *)(uintptr_t) "\"x\"";
    answer.text.len = 3;
    return answer;
}

static void take(const Pollen8__ForwardedAnswer *answer)
{
    forward_take(&rig.gateway, answer);
    session_rig_turn(&rig);
}

static void what_the_client_is_told(void **state)
{
    Pollen8__ForwardedAnswer answer = answer_for(client.session);

    (void)state;
    take(&answer);
    TOLD(&client, "{\"id\":7,\"ok\":true,\"data\":\"x\"}");
    answer.code = (char *)(uintptr_t) "FORBIDDEN";
    answer.text.data = (uint8_t *)(uintptr_t) "no";
    answer.text.len = 2;
    answer.retry_after_ms = 9;
    take(&answer);
    TOLD(&client, "{\"id\":7,\"ok\":false,\"error\":{\"code\":\"FORBIDDEN\",\"message\":\"no\","
                  "\"retryAfterMs\":9}}");
}

/* What a missing service means depends on who asks. */
static void nobody_takes_the_event(void **state)
{
    Pollen8__ForwardedAnswer answer = answer_for(client.session);

    (void)state;
    answer.no_responders = true;
    take(&answer);
    assert_int_equal(client.count, 1);
    assert_non_null(strstr(client.messages[0], "\"ok\":false"));
    assert_null(strstr(client.messages[0], "INTERNAL"));
}

static void one_that_is_not_meant(void **state)
{
    Pollen8__ForwardedAnswer answer = answer_for(client.session);

    (void)state;
    answer.name_space++;
    take(&answer);
    TOLD(&client);
    answer = answer_for(client.session);
    answer.id++;
    take(&answer);
    TOLD(&client);
    answer = answer_for(client.session);
    answer.n_attachments = ATTACHMENTS_MAXIMUM + 1;
    take(&answer);
    TOLD(&client);
    answer = answer_for(client.session);
    client.session->state = SESSION_CONNECTED; /* it has left meanwhile */
    take(&answer);
    TOLD(&client);
}

static int run(void)
{
#define FORWARD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        FORWARD_TEST(what_is_sent_after_it),    FORWARD_TEST(parts_go_along),
        FORWARD_TEST(nobody_knows_where_it_is), FORWARD_TEST(what_the_client_is_told),
        FORWARD_TEST(nobody_takes_the_event),   FORWARD_TEST(one_that_is_not_meant),
    };
#undef FORWARD_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
