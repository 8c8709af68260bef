/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The end of the process: sessions close a few at a time, with the word when to come back; those with an
 * answer in flight close after it; then the loop ends. The real loop, and sessions that nothing carries.
 */
#include "net_rig.h"
#include "session_rig.h"

#include "drain.h"
#include "session/session_extra.h"

enum { SESSIONS = 30 };

static struct client clients[SESSIONS];
static size_t most; /* sessions that closed within one turn */
static size_t left; /* after the last turn */
static uint64_t started_ms;
static uint64_t ended_ms;

static const struct lws_protocols protocols[] = {
    {"http", lws_callback_http_dummy, 0, 512, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static void on_stripped(struct gateway *gateway, struct session *session)
{
    (void)gateway;
    (void)session;
}

static const struct session_events events = {.stripped = on_stripped};

static bool look(struct gateway *gateway)
{
    size_t now = sessions_count(gateway->sessions);

    most = left - now > most ? left - now : most;
    left = now;
    sessions_end_turn(gateway);
    ended_ms = gateway->now_ms;
    return false;
}

static int setup(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;

    (void)state;
    net_rig_start(protocols, NULL, 100);
    net_rig.turn = look;
    net_rig.base.settings.drain_time = 400;
    net_rig.base.settings.ping_interval = 25000;
    net_rig.base.settings.session_queue_bytes = 262144;
    gateway->events = &events;
    gateway->sessions = sessions_create();
    for (size_t i = 0; i < SESSIONS; i++)
        client_connect(&net_rig.base, &clients[i], FRAME_JSON);
    most = 0;
    left = SESSIONS;
    started_ms = gateway->now_ms;
    return 0;
}

static int teardown(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;

    (void)state;
    drain_free(gateway);
    sessions_close_all(gateway);
    sessions_end_turn(gateway);
    sessions_free(gateway->sessions);
    net_rig_stop();
    return 0;
}

static void a_few_at_a_time(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;
    unsigned wait_ms = 0;

    (void)state;
    assert_int_equal(drain_start(gateway), STATUS_OK);
    assert_true(gateway->draining);
    assert_false(atomic_load(&gateway->listening)); /* nobody else comes in */
    struct drain *drain = gateway->drain;
    assert_int_equal(drain_start(gateway), STATUS_OK); /* once more changes nothing */
    assert_ptr_equal(gateway->drain, drain);
    loop_run(gateway->loop); /* until nobody is left */
    assert_int_equal(left, 0);
    assert_true(most < SESSIONS / 2);
    assert_true(ended_ms >= started_ms + 300);
    for (size_t i = 0; i < SESSIONS; i++) {
        assert_null(clients[i].session);
        assert_int_equal(clients[i].close_code, 1012);
        assert_int_equal(sscanf(clients[i].close_text, "{\"reconnectAfterMs\":%u}", &wait_ms), 1);
        assert_true(wait_ms >= 500 && wait_ms < 2000);
    }
    assert_int_equal(base_rig_metric(&net_rig.base, METRIC_CLOSES, "drain"), SESSIONS);
}

/* It takes nothing more, is answered, and closes then, as relay does. */
static bool answer_the_last(struct gateway *gateway)
{
    struct session *session = clients[7].session;

    (void)look(gateway);
    if (session && left == 1) {
        assert_true(session->leaving);
        assert_false(session_may_emit(session));
        session->in_flight = 0;
        session_close(gateway, session, CAUSE_DRAIN);
    }
    return false;
}

static void one_with_an_answer_in_flight(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;

    (void)state;
    net_rig.turn = answer_the_last;
    clients[7].session->state = SESSION_OPEN;
    clients[7].session->in_flight = 1;
    assert_int_equal(drain_start(gateway), STATUS_OK);
    loop_run(gateway->loop);
    assert_null(clients[7].session);
    assert_int_equal(clients[7].close_code, 1012);
}

/* For 2 s after the drain time, no longer. */
static void one_whose_answer_does_not_come(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;

    (void)state;
    clients[7].session->in_flight = 1;
    assert_int_equal(drain_start(gateway), STATUS_OK);
    loop_run(gateway->loop);
    assert_null(clients[7].session);
    assert_true(ended_ms >= started_ms + 2300);
}

int main(void)
{
#define DRAIN_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        DRAIN_TEST(a_few_at_a_time),
        DRAIN_TEST(one_with_an_answer_in_flight),
        DRAIN_TEST(one_whose_answer_does_not_come),
    };
#undef DRAIN_TEST

    lifecycle_init();
    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
