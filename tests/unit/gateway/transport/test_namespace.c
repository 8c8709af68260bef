/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Further namespaces: whose queue their frames go through, and who ends whom.
 */
#include "gateway_fixture.h"

#include "session/session_send.h"
#include "session/sessions.h"
#include "transport/namespace.h"

/* A session that can carry others, as Engine.IO's transports tell that it has ended. */
static void connect_carrier(struct gateway *gateway, struct probe *probe, uint64_t deadline_ms)
{
    static struct transport_ops carrying;

    carrying = ops;
    carrying.ended = namespaces_close;
    connect_session(gateway, probe, FRAME_SOCKETIO, deadline_ms);
    probe->session->ops = &carrying;
}

static struct session *open_further(struct gateway *gateway, struct session *carrier, int index,
                                    const char *name)
{
    struct session *session = NULL;

    assert_int_equal(namespace_open(gateway, carrier, index, slice_from_string(name), &session), STATUS_OK);
    return session;
}

static void its_frames_go_through_the_carriers_queue(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct frame *frame = NULL;
    struct session *session;

    connect_carrier(gateway, &probe, 0);
    session = open_further(gateway, probe.session, 0, "/a");
    assert_slice(session_namespace(session), "/a");
    assert_string_equal(session_namespace_text(session), "/a");
    assert_slice(session_namespace(probe.session), "/");
    assert_string_equal(session_namespace_text(probe.session), "");
    assert_ptr_equal(namespace_find(probe.session, SLICE_LITERAL("/a")), session);
    assert_ptr_equal(namespace_find(probe.session, SLICE_LITERAL("/")), probe.session);
    assert_null(namespace_find(probe.session, SLICE_LITERAL("/b")));
    assert_int_equal(frame_create_event(SLICE_LITERAL("n"), SLICE_LITERAL("1"), NULL, &frame), STATUS_OK);
    probe.stuck = true;
    session_send(gateway, session, frame);
    session_send(gateway, open_further(gateway, probe.session, 1, "/b"), frame);
    sessions_flush(gateway);
    assert_int_equal(session->outq.count, 0);
    assert_int_equal(probe.session->outq.count, 2);
    for (int i = 0; i < 2; i++) {
        const struct wire *wire = outq_frames(&probe.session->outq)[i]->wires[FRAME_SOCKETIO];

        assert_memory_equal(wire->bytes + wire->header, i ? "42/b,[\"n\",1]" : "42/a,[\"n\",1]", 12);
    }
    session_send(gateway, session, frame);
    sessions_flush(gateway);
    assert_ptr_equal(outq_frames(&probe.session->outq)[0],
                     outq_frames(&probe.session->outq)[2]); /* made once */
    frame_unref(frame);
    session_close(gateway, probe.session, CAUSE_NORMAL);
    assert_int_equal(sessions_count(gateway->sessions), 0);
}

static void replaces_within_its_namespace(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    const struct frame_rule rule = {.coalesce = 7, .epoch = 1, .version = 1};
    const struct frame_rule newer = {.coalesce = 7, .epoch = 1, .version = 2};
    struct frame *frames[2] = {NULL, NULL};
    struct session *session;
    static struct probe probe;

    connect_carrier(gateway, &probe, 0);
    session = open_further(gateway, probe.session, 0, "/a");
    session->valued = true;
    probe.stuck = true;
    assert_int_equal(frame_create_event(SLICE_LITERAL("n"), SLICE_LITERAL("1"), &rule, &frames[0]),
                     STATUS_OK);
    assert_int_equal(frame_create_event(SLICE_LITERAL("n"), SLICE_LITERAL("2"), &newer, &frames[1]),
                     STATUS_OK);
    for (int i = 0; i < 2; i++) {
        session_send(gateway, probe.session, frames[i]);
        session_send(gateway, session, frames[i]);
        sessions_flush(gateway);
    }
    session_send(gateway, session, frames[0]); /* it has had a newer one */
    sessions_flush(gateway);
    assert_int_equal(probe.session->outq.count, 2);
    frame_unref(frames[0]);
    frame_unref(frames[1]);
}

static void the_carrier_ends_with_one_the_gateway_ends(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct session *first;

    connect_carrier(gateway, &probe, 0);
    first = open_further(gateway, probe.session, 0, "/a");
    open_further(gateway, probe.session, 1, "/b");
    session_close(gateway, first, CAUSE_CLIENT); /* the client left it */
    assert_int_equal(sessions_count(gateway->sessions), 2);
    assert_true(namespace_any(probe.session));
    session_close(gateway, namespace_find(probe.session, SLICE_LITERAL("/b")), CAUSE_REVOKED);
    assert_null(probe.session);
    assert_int_equal(probe.close_code, 4003);
    assert_int_equal(sessions_count(gateway->sessions), 0);
}

static void they_end_with_a_carrier_whose_socket_is_gone(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    connect_carrier(gateway, &probe, 0);
    open_further(gateway, probe.session, 0, "/a");
    open_further(gateway, probe.session, 1, "/b");
    probe.session->transport = NULL; /* as a socket leaves it: there is nothing to close */
    session_close(gateway, probe.session, CAUSE_CLIENT);
    assert_int_equal(probe.close_code, 0);
    assert_int_equal(sessions_count(gateway->sessions), 0);
}

static void the_deadline_waits_while_one_is_joined(void **state)
{
    struct fixture *fixture = *state;
    struct gateway *gateway = &fixture->gateway;
    struct session *session;
    static struct probe probe;

    fixture->settings.connect_timeout = 1000;
    connect_carrier(gateway, &probe, gateway->now_ms + 1000);
    session = open_further(gateway, probe.session, 0, "/a");
    namespace_joined(gateway, session);
    pass_time(gateway, 5000);
    assert_non_null(probe.session);
    session_close(gateway, session, CAUSE_CLIENT);
    pass_time(gateway, 900);
    assert_non_null(probe.session);
    pass_time(gateway, 200);
    assert_null(probe.session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_frames_go_through_the_carriers_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(replaces_within_its_namespace, setup, teardown),
        cmocka_unit_test_setup_teardown(the_carrier_ends_with_one_the_gateway_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(they_end_with_a_carrier_whose_socket_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_deadline_waits_while_one_is_joined, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
