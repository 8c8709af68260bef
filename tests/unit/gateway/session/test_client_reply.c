/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * How a client is answered, in each format, byte for byte as on the wire.
 */
#include "base_rig.h"

#include <stdio.h>

#include "session/client_reply.h"
#include "session/session.h"
#include "session/sessions.h"

static struct base_rig rig;
static struct session session;

static bool is_writable(const struct session *one)
{
    (void)one;
    return true;
}

static const struct transport_ops ops = {.label = LABEL_SESSIONS_WEBSOCKET, .writable = is_writable};

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 10);
    rig.settings.session_queue_bytes = 262144;
    rig.gateway.sessions = sessions_create();
    session = (struct session){.ops = &ops, .state = SESSION_OPEN, .valued = true};
    assert_int_equal(sessions_add(rig.gateway.sessions, &session), STATUS_OK);
    return 0;
}

static void drop_all(void)
{
    while (session.outq.count > 0) {
        struct frame *frame = outq_frames(&session.outq)[0];

        outq_pop(&session.outq, 1, frame_wire(frame, (enum frame_format)session.format)->length);
    }
}

static int teardown(void **state)
{
    (void)state;
    outq_clear(&session.outq);
    sessions_remove(rig.gateway.sessions, &session);
    sessions_free(rig.gateway.sessions);
    base_rig_stop(&rig);
    return 0;
}

/* Compares the payload of the only waiting message; NULL: none waits. */
static void assert_told(const char *expected)
{
    if (!expected) {
        assert_int_equal(session.outq.count, 0);
        return;
    }
    assert_int_equal(session.outq.count, 1);
    const struct wire *wire = frame_wire(outq_frames(&session.outq)[0], (enum frame_format)session.format);
    assert_non_null(wire);
    assert_slice(slice_make(wire->bytes + wire->header, wire->length - wire->header), expected);
    drop_all();
}

static const struct client_result done = {.data = {"{\"a\":1}", 7}};
static const struct client_result limited = {
    .status = STATUS_RATE_LIMITED, .message = {"slow \"down\"", 11}, .retry_after_ms = 250};
static const struct client_result forbidden = {.status = STATUS_FORBIDDEN};

static void answers_by_format(void **state)
{
    static const struct {
        enum frame_format format;
        const struct client_result *result;
        const char *id;
        const char *told; /* NULL: nothing */
    } rows[] = {
        {FRAME_SOCKETIO, &done, "7", "437[{\"ok\":true,\"data\":{\"a\":1}}]"},
        {FRAME_SOCKETIO, &limited, "7",
         "437[{\"ok\":false,\"error\":{\"code\":\"RATE_LIMITED\",\"message\":\"slow \\\"down\\\"\","
         "\"retryAfterMs\":250}}]"},
        {FRAME_SOCKETIO, &done, "", NULL},
        {FRAME_SOCKETIO, &limited, "",
         "42[\"error\",{\"code\":\"RATE_LIMITED\",\"message\":\"slow \\\"down\\\"\",\"event\":\"e\","
         "\"retryAfterMs\":250}]"},
        {FRAME_JSON, &done, "\"x\"", "{\"id\":\"x\",\"ok\":true,\"data\":{\"a\":1}}"},
        {FRAME_JSON, &done, "", NULL},
        {FRAME_JSON, &limited, "",
         "{\"event\":\"error\",\"data\":{\"code\":\"RATE_LIMITED\",\"message\":\"slow \\\"down\\\"\","
         "\"event\":\"e\",\"retryAfterMs\":250}}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        session.format = (uint8_t)rows[i].format;
        client_reply_client(&rig.gateway, &session, slice_from_string(rows[i].id), SLICE_LITERAL("e"),
                            rows[i].result);
        assert_told(rows[i].told);
    }
    assert_int_equal(base_rig_metric(&rig, METRIC_EVENTS, "ok"), 4);
    assert_int_equal(base_rig_metric(&rig, METRIC_EVENTS, "RATE_LIMITED"), 3);
}

static void a_refusal_has_a_sentence_of_its_own(void **state)
{
    char expected[300];

    (void)state;
    session.format = FRAME_JSON;
    client_reply_write(&rig.gateway, &session, (struct slice){0}, (struct slice){0}, &forbidden);
    snprintf(expected, sizeof(expected),
             "{\"event\":\"error\",\"data\":{\"code\":\"FORBIDDEN\",\"message\":\"%s\"}}",
             status_message(STATUS_FORBIDDEN));
    assert_told(expected);
    assert_int_equal(base_rig_metric(&rig, METRIC_EVENTS, "FORBIDDEN"), 0); /* not an event of the client */
}

/* Only the first of a run is reported by an event; a client that waits for an ack gets each one. */
static void a_run_of_refusals_is_told_once(void **state)
{
    (void)state;
    session.format = FRAME_JSON;
    session.refused_in_a_row = 2;
    client_reply_client(&rig.gateway, &session, (struct slice){0}, SLICE_LITERAL("e"), &limited);
    assert_told(NULL);
    client_reply_client(&rig.gateway, &session, (struct slice){0}, SLICE_LITERAL("e"), &forbidden);
    assert_int_equal(session.outq.count, 1);
    drop_all();
    client_reply_client(&rig.gateway, &session, SLICE_LITERAL("1"), SLICE_LITERAL("e"), &limited);
    assert_int_equal(session.outq.count, 1);
    drop_all();
    session.refused_in_a_row = 1;
    client_reply_client(&rig.gateway, &session, (struct slice){0}, SLICE_LITERAL("e"), &limited);
    assert_int_equal(session.outq.count, 1);
}

/* A frame that did not decode may have had no id: /ws answers with an ack whose id is null. */
static void what_did_not_decode(void **state)
{
    static const struct client_result malformed = {.status = STATUS_INVALID_PAYLOAD, .message = {"no", 2}};

    (void)state;
    session.format = FRAME_JSON;
    client_reply_malformed(&rig.gateway, &session, (struct slice){0}, &malformed);
    assert_told("{\"id\":null,\"ok\":false,\"error\":{\"code\":\"INVALID_PAYLOAD\",\"message\":\"no\"}}");
    session.format = FRAME_SOCKETIO;
    client_reply_malformed(&rig.gateway, &session, (struct slice){0}, &malformed);
    assert_told("42[\"error\",{\"code\":\"INVALID_PAYLOAD\",\"message\":\"no\"}]");
    client_reply_malformed(&rig.gateway, &session, SLICE_LITERAL("3"), &malformed);
    assert_told("433[{\"ok\":false,\"error\":{\"code\":\"INVALID_PAYLOAD\",\"message\":\"no\"}}]");
    assert_int_equal(base_rig_metric(&rig, METRIC_EVENTS, "INVALID_PAYLOAD"), 3);
}

int main(void)
{
#define REPLY_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        REPLY_TEST(answers_by_format),
        REPLY_TEST(a_refusal_has_a_sentence_of_its_own),
        REPLY_TEST(a_run_of_refusals_is_told_once),
        REPLY_TEST(what_did_not_decode),
    };
#undef REPLY_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
