/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sending to a session: frames not meant for it, frames that are no news, frames that may not wait, and a
 * full queue, which only the parts above the session can help.
 */
#include "session_rig.h"

static struct base_rig rig;
static struct client client;
static struct {
    unsigned full;
    unsigned asks;
    const struct frame *frame; /* the last one */
    bool later;                /* what is missing can be given later */
} heard;

static bool on_full(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    (void)gateway;
    assert_ptr_equal(session, client.session);
    heard.full++;
    heard.frame = frame;
    if (heard.later)
        session->slow = true;
    return heard.later;
}

static void on_ask(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    (void)gateway;
    assert_ptr_equal(session, client.session);
    heard.asks++;
    heard.frame = frame;
}

static void on_stripped(struct gateway *gateway, struct session *session)
{
    (void)gateway;
    (void)session;
}

static const struct session_events events = {.full = on_full, .ask = on_ask, .stripped = on_stripped};

static int setup(void **state)
{
    (void)state;
    session_rig_start(&rig, &events);
    memset(&heard, 0, sizeof(heard));
    client_connect(&rig, &client, FRAME_JSON);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    session_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

static struct frame *frame_of(const char *data, const struct frame_rule *rule)
{
    struct frame *frame = NULL;

    assert_int_equal(frame_create_event(SLICE_LITERAL("e"), slice_from_string(data), rule, &frame),
                     STATUS_OK);
    return frame;
}

/* Whether there was room for it. */
static bool send(struct frame *frame)
{
    bool room = session_send(&rig.gateway, client.session, frame);

    frame_unref(frame);
    return room;
}

static bool send_sized(size_t bytes)
{
    char *data = repeated("7", bytes, "", "");
    bool room = send(frame_of(data, NULL));

    free(data);
    return room;
}

static void in_order_at_the_end_of_the_turn(void **state)
{
    (void)state;
    assert_true(send(frame_of("1", NULL)));
    assert_true(send(frame_of("2", NULL)));
    assert_int_equal(client.flushes, 0);
    session_rig_turn(&rig);
    TOLD(&client, "{\"event\":\"e\",\"data\":1}", "{\"event\":\"e\",\"data\":2}");
    assert_int_equal(client.flushes, 1);
    session_rig_turn(&rig);
    assert_int_equal(client.flushes, 1);
}

static void only_in_its_namespace(void **state)
{
    static const struct {
        const char *session; /* NULL: "/" */
        const char *frame;   /* NULL: all */
        bool meant;
    } rows[] = {
        {NULL, NULL, true},       {NULL, "/", true},     {NULL, "/news", false},   {"/news", NULL, true},
        {"/news", "/news", true}, {"/news", "/", false}, {"/news", "/new", false}, {"/new", "/news", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct frame *frame = frame_of("1", NULL);

        client.namespace = rows[i].session;
        frame->namespace = rows[i].frame ? strdup(rows[i].frame) : NULL;
        assert_true(send(frame)); /* being for other sessions is not a lack of room */
        assert_int_equal(client.session->outq.count, rows[i].meant);
        session_rig_turn(&rig);
        client_clear(&client);
    }
}

/* A version that found no room has not been sent: it is news when it comes again. */
static void a_version_is_had_once_it_is_in_the_queue(void **state)
{
    const struct frame_rule rule = {.coalesce = 7, .epoch = 1, .version = 3};
    char *data;

    (void)state;
    heard.later = true;
    client.stuck = true;
    while (send_sized(60000)) {
    }
    while (send_sized(1000)) {
    }
    data = repeated("7", 1000, "", "");
    assert_false(send(frame_of(data, &rule)));
    free(data);
    assert_false(session_has(client.session, &rule));
    assert_true(session_is_news(client.session, &rule));
    client.stuck = false;
    session_rig_turn(&rig);
    client_clear(&client);
    assert_true(send(frame_of("8", &rule)));
    assert_true(session_has(client.session, &rule));
    assert_false(session_is_news(client.session, &rule));
    assert_true(send(frame_of("9", &rule)));
    session_rig_turn(&rig);
    TOLD(&client, "{\"event\":\"e\",\"data\":8}");
}

/* A full queue is first written from. Then the parts above are asked; the session is closed if they cannot
 * help. */
static void a_full_queue(void **state)
{
    (void)state;
    while (client.flushes == 0)
        assert_true(send_sized(60000)); /* the socket takes more than this turn had tried to write */
    assert_int_equal(heard.full, 0);
    client.stuck = true;
    heard.later = true;
    while (send_sized(60000)) {
    }
    assert_int_equal(heard.full, 1);
    assert_non_null(client.session);
    heard.later = false;
    assert_false(send_sized(60000));
    assert_int_equal(heard.full, 2);
    assert_null(client.session);
    assert_int_equal(client.close_code, 4008);
    assert_int_equal(base_rig_metric(&rig, METRIC_CLOSES, "slow"), 1);
}

/* Acks and heartbeats still find room in a queue that has been full. */
static void a_slow_session_has_an_allowance(void **state)
{
    unsigned before;
    unsigned more = 0;

    (void)state;
    client.stuck = true;
    heard.later = true;
    while (send_sized(1000)) {
    }
    before = client.session->outq.bytes;
    assert_true(client.session->slow);
    while (send_sized(1000))
        more++;
    assert_true(more >= 10 && more <= 16);
    assert_true(client.session->outq.bytes > before);
}

/* What the kernel holds of a stuck socket counts too. */
static void a_stuck_socket_has_less_room(void **state)
{
    uint32_t whole;

    (void)state;
    client.stuck = true;
    heard.later = true;
    while (send_sized(1000)) {
    }
    whole = client.session->outq.bytes;
    client.session->slow = false;
    client.stuck = false;
    session_rig_turn(&rig);
    client_clear(&client);
    client.stuck = true;
    session_wrote(&rig.gateway, client.session, false);
    while (send_sized(1000)) {
    }
    assert_true(client.session->outq.bytes <= whole / 4 * 3);
    assert_true(client.session->outq.bytes > whole / 4 * 3 - 2000);
}

static void what_asks_is_made_for_each_session(void **state)
{
    struct frame *frame = frame_of("1", NULL);

    (void)state;
    frame->ask = calloc(1, 64); /* only the parts above know its content */
    assert_true(session_send(&rig.gateway, client.session, frame));
    assert_int_equal(heard.asks, 1);
    assert_ptr_equal(heard.frame, frame);
    assert_int_equal(client.session->outq.count, 0);
    frame->is_volatile = true; /* and is not even asked if it would have to wait */
    client.stuck = true;
    assert_true(session_send(&rig.gateway, client.session, frame));
    assert_int_equal(heard.asks, 1);
    assert_int_equal(base_rig_metric(&rig, METRIC_VOLATILE_DROPPED, NULL), 1);
    frame_unref(frame);
}

static void messages_of_its_own(void **state)
{
    static char text[] = "{\"a\":1}";

    (void)state;
    session_send_message(&rig.gateway, client.session, slice_from_string(text));
    memset(text, '-', strlen(text)); /* the bytes were copied */
    session_rig_turn(&rig);
    TOLD(&client, "{\"a\":1}");
}

static void nothing_after_the_end(void **state)
{
    struct session *session = client.session;
    struct frame *frame = frame_of("1", NULL);

    (void)state;
    session_close(&rig.gateway, session, CAUSE_NORMAL);
    assert_false(session_send(&rig.gateway, session, frame));
    assert_int_equal(session->outq.count, 0);
    assert_int_equal(heard.full, 0);
    frame_unref(frame);
}

static void what_waits_goes_over_the_new_transport(void **state)
{
    static const struct transport_ops other_ops = {.label = LABEL_SESSIONS_SOCKETIO_POLLING,
                                                   .flush = client_flush,
                                                   .writable = client_writable,
                                                   .close = client_close};
    static struct client other;

    (void)state;
    client.stuck = true;
    assert_true(send(frame_of("1", NULL)));
    session_rig_turn(&rig);
    assert_int_equal(base_rig_metric(&rig, METRIC_SESSIONS, "websocket"), 1);
    other = (struct client){.session = client.session};
    session_change_transport(&rig.gateway, client.session, &other_ops, &other);
    session_rig_turn(&rig);
    TOLD(&other, "{\"event\":\"e\",\"data\":1}");
    assert_int_equal(client.count, 0);
    assert_int_equal(base_rig_metric(&rig, METRIC_SESSIONS, "websocket"), 0);
    assert_int_equal(base_rig_metric(&rig, METRIC_SESSIONS, "socketio_polling"), 1);
}

int main(void)
{
#define SEND_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SEND_TEST(in_order_at_the_end_of_the_turn),
        SEND_TEST(only_in_its_namespace),
        SEND_TEST(a_version_is_had_once_it_is_in_the_queue),
        SEND_TEST(a_full_queue),
        SEND_TEST(a_slow_session_has_an_allowance),
        SEND_TEST(a_stuck_socket_has_less_room),
        SEND_TEST(what_asks_is_made_for_each_session),
        SEND_TEST(messages_of_its_own),
        SEND_TEST(nothing_after_the_end),
        SEND_TEST(what_waits_goes_over_the_new_transport),
    };
#undef SEND_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
