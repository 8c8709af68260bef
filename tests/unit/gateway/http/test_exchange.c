/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A request and its answer, at the real port: answered at once, held, with a body that is read first, kept
 * alive or not, and hung up on. The owner is the test.
 */
#include "net_rig.h"

#include "http/exchange.h"
#include "http/http_request.h"
#include "http/origin.h"
#include "http/parked.h"

/* What is done with the next request. */
static enum { ANSWER_AT_ONCE, HOLD, READ_BODY, READ_BODY_AND_HOLD } plan;
static struct exchange *held;
static unsigned gone;
static char body_read[64];

static const struct http_answer ok = {200, HTTP_TEXT, {"ok\n", 3}, NULL, LABEL_NONE};

static void on_body(struct gateway *gateway, void *owner, struct exchange *exchange, struct slice body);

static void on_gone(struct gateway *gateway, void *owner)
{
    (void)gateway;
    assert_ptr_equal(owner, &held);
    held = NULL;
    gone++;
}

static const struct exchange_owner holds = {.gone = on_gone};
static const struct exchange_owner reads = {.body = on_body, .gone = on_gone};

static void on_body(struct gateway *gateway, void *owner, struct exchange *exchange, struct slice body)
{
    (void)gateway;
    assert_ptr_equal(owner, &held);
    snprintf(body_read, sizeof(body_read), "%.*s", (int)body.length, body.data);
    if (plan == READ_BODY) {
        exchange_answer(exchange, &ok);
        return;
    }
    held = exchange;
    exchange_own(exchange, &holds, &held);
}

static int on_request(struct gateway *gateway, struct lws *wsi)
{
    struct exchange *exchange = exchange_start(gateway, wsi);

    if (!exchange)
        return -1;
    if (plan == ANSWER_AT_ONCE) {
        exchange_answer(exchange, &ok);
    } else {
        held = exchange;
        exchange_own(exchange, plan == HOLD ? &holds : &reads, &held);
    }
    return exchange_started(exchange);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
    struct gateway *gateway = lws_context_user(lws_get_context(wsi));

    (void)user;
    switch (reason) {
    case LWS_CALLBACK_HTTP: return on_request(gateway, wsi);
    case LWS_CALLBACK_HTTP_BODY: return exchange_body(wsi, in, length);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION: return exchange_body_end(wsi);
    case LWS_CALLBACK_CLOSED_HTTP: exchange_closed(wsi); return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        exchange_closed(wsi);
        listener_closed(gateway->listener, wsi);
        return 0;
    default: return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {"http", callback, 0, 512, 0, NULL, 65536},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};
static const struct lws_http_mount mount = {
    .mountpoint = "/", .mountpoint_len = 1, .origin = "http", .origin_protocol = LWSMPRO_CALLBACK};

static bool end_turn(struct gateway *gateway)
{
    exchanges_end_turn(gateway);
    parking_end_turn(gateway);
    return false;
}

static void end_all(struct gateway *gateway)
{
    (void)end_turn(gateway);
}

static uint16_t port;

static int setup(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;
    char error[200];

    (void)state;
    net_rig_start(protocols, &mount, 100);
    net_rig.turn = end_turn;
    net_rig.polled = exchanges_polled;
    net_rig.close = parking_stop;
    net_rig.free = end_all;
    gateway->exchanges = exchanges_create();
    assert_int_equal(parking_create(gateway, loop_uv(gateway->loop), &gateway->parking), STATUS_OK);
    assert_int_equal(origin_policy_create("https://a.example", &gateway->origins, error, sizeof(error)),
                     STATUS_OK);
    port = listener_port(gateway->listener);
    held = NULL;
    gone = 0;
    body_read[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;

    (void)state;
    parking_free(gateway->parking);
    exchanges_free(gateway->exchanges);
    origin_policy_free(gateway->origins);
    net_rig_stop();
    return 0;
}

static bool is_held(void)
{
    return held != NULL;
}

static bool is_gone(void)
{
    return gone == 1;
}

static void answer_held(void)
{
    exchange_answer(held, &ok);
    held = NULL;
}

static bool receive_ok(int descriptor, bool keep_alive)
{
    char text[1000];

    return net_receive(descriptor, text, sizeof(text), "\r\n\r\nok\n") &&
           strncmp(text, "HTTP/1.1 200 ", 13) == 0 &&
           (strstr(text, "connection: close") == NULL) == keep_alive;
}

#define REQUEST "GET /x HTTP/1.1\r\nHost: a\r\n"

/* Several on one connection, the last of which ends it. */
static const char *ask_and_ask_again(void)
{
    int descriptor = net_connect(port);

    plan = ANSWER_AT_ONCE;
    for (int i = 0; i < 3; i++) {
        EXPECT(net_send(descriptor, REQUEST "\r\n"));
        EXPECT(receive_ok(descriptor, true));
    }
    EXPECT(net_send(descriptor, REQUEST "Connection: close\r\n\r\n"));
    EXPECT(receive_ok(descriptor, false));
    EXPECT(net_closed(descriptor));
    close(descriptor);
    return NULL;
}

static void answered_at_once(void **state)
{
    (void)state;
    net_rig_run(ask_and_ask_again);
}

/* The connection waits without the library, and for the next request too. */
static const char *wait_for_an_answer(void)
{
    int descriptor = net_connect(port);

    plan = HOLD;
    for (int i = 0; i < 3; i++) {
        EXPECT(net_send(descriptor, REQUEST "\r\n"));
        EXPECT(net_until(is_held));
        net_do(answer_held);
        EXPECT(receive_ok(descriptor, true));
    }
    EXPECT(net_send(descriptor, REQUEST "Connection: close\r\n\r\n"));
    EXPECT(net_until(is_held));
    net_do(answer_held);
    EXPECT(receive_ok(descriptor, false));
    EXPECT(net_closed(descriptor));
    EXPECT(gone == 0);
    close(descriptor);
    return NULL;
}

static void held_and_answered_later(void **state)
{
    (void)state;
    net_rig_run(wait_for_an_answer);
}

static const char *hang_up_while_held(void)
{
    int descriptor = net_connect(port);

    plan = HOLD;
    EXPECT(net_send(descriptor, REQUEST "\r\n"));
    EXPECT(net_until(is_held));
    close(descriptor);
    EXPECT(net_until(is_gone));
    return NULL;
}

static void the_client_hangs_up(void **state)
{
    (void)state;
    net_rig_run(hang_up_while_held);
}

/* In pieces; what it says of its length is believed. */
static const char *send_bodies(void)
{
    int descriptor = net_connect(port);

    plan = READ_BODY;
    EXPECT(net_send(descriptor, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"));
    EXPECT(net_until(is_held)); /* it waits for the rest */
    EXPECT(body_read[0] == '\0');
    EXPECT(net_send(descriptor, "56789"));
    EXPECT(receive_ok(descriptor, true));
    EXPECT(strcmp(body_read, "0123456789") == 0);
    plan = READ_BODY_AND_HOLD;
    held = NULL;
    EXPECT(net_send(descriptor, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"));
    EXPECT(net_until(is_held));
    net_do(answer_held);
    EXPECT(receive_ok(descriptor, true));
    EXPECT(strcmp(body_read, "abc") == 0);
    close(descriptor);
    return NULL;
}

static void a_body_is_read_first(void **state)
{
    (void)state;
    net_rig_run(send_bodies);
}

static const char *break_off(void)
{
    int descriptor = net_connect(port);

    plan = READ_BODY;
    EXPECT(net_send(descriptor, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"));
    EXPECT(net_until(is_held));
    close(descriptor);
    EXPECT(net_until(is_gone));
    return NULL;
}

static void a_body_that_breaks_off(void **state)
{
    (void)state;
    net_rig_run(break_off);
    assert_string_equal(body_read, "");
}

static const char *come_late(void)
{
    int descriptor = net_connect(port);
    char text[1000];

    plan = READ_BODY;
    EXPECT(net_send(descriptor, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"));
    EXPECT(net_receive(descriptor, text, sizeof(text), "late\n"));
    EXPECT(strncmp(text, "HTTP/1.1 408 ", 13) == 0);
    EXPECT(net_closed(descriptor));
    EXPECT(net_until(is_gone));
    close(descriptor);
    return NULL;
}

static void a_body_that_is_late(void **state)
{
    (void)state;
    net_rig.base.settings.body_timeout = 100;
    net_rig_run(come_late);
}

static void disown_held(void)
{
    exchange_disown(held);
}

/* Its owner has gone: what comes is refused. */
static const char *nobody_wants_it(void)
{
    int descriptor = net_connect(port);
    char text[1000];

    plan = READ_BODY;
    EXPECT(net_send(descriptor, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"));
    EXPECT(net_until(is_held));
    net_do(disown_held);
    EXPECT(net_send(descriptor, "56789"));
    EXPECT(net_receive(descriptor, text, sizeof(text), "}"));
    EXPECT(strncmp(text, "HTTP/1.1 400 ", 13) == 0);
    EXPECT(body_read[0] == '\0');
    close(descriptor);
    return NULL;
}

static void a_body_that_nobody_wants(void **state)
{
    (void)state;
    net_rig_run(nobody_wants_it);
}

/* Only an Origin that may connect is told that it may read. */
static const char *ask_from_origins(void)
{
    int descriptor = net_connect(port);
    char text[1000];

    plan = ANSWER_AT_ONCE;
    EXPECT(net_send(descriptor, REQUEST "Origin: https://a.example\r\n\r\n"));
    EXPECT(net_receive(descriptor, text, sizeof(text), "ok\n"));
    EXPECT(strstr(text, "access-control-allow-origin: https://a.example\r\n"));
    EXPECT(net_send(descriptor, REQUEST "Origin: https://b.example\r\n\r\n"));
    EXPECT(net_receive(descriptor, text, sizeof(text), "ok\n"));
    EXPECT(!strstr(text, "access-control-allow-origin"));
    EXPECT(net_send(descriptor, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT(net_receive(descriptor, text, sizeof(text), "\r\n\r\n"));
    EXPECT(strstr(text, "content-length: 3\r\n"));
    close(descriptor);
    return NULL;
}

static void what_shapes_an_answer(void **state)
{
    (void)state;
    net_rig_run(ask_from_origins);
}

/* ---- requests that have arrived at another gateway ----------------------------------------------------- */

static unsigned answered;

static void on_answer(struct gateway *gateway, void *context, const struct http_answer *answer)
{
    (void)gateway;
    assert_ptr_equal(context, &answered);
    assert_ptr_equal(answer, &ok);
    answered++;
}

static void one_from_elsewhere(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;
    struct exchange *exchange = exchange_create_elsewhere(gateway, on_answer, &answered);

    (void)state;
    answered = 0;
    assert_ptr_equal(exchange_elsewhere(exchange), &answered);
    exchange_own(exchange, &holds, &held);
    exchange_answer(exchange, &ok);
    assert_int_equal(answered, 1);
    plan = READ_BODY;
    exchange = exchange_create_elsewhere(gateway, on_answer, &answered);
    exchange_own(exchange, &reads, &held);
    exchange_whole(exchange, SLICE_LITERAL("all of it"));
    assert_string_equal(body_read, "all of it");
    assert_int_equal(answered, 2);
    exchange = exchange_create_elsewhere(gateway, on_answer, &answered);
    exchange_own(exchange, &holds, &held);
    exchange_lost(exchange);
    assert_int_equal(gone, 1);
    assert_int_equal(answered, 2);
    net_rig_run(ask_and_ask_again); /* the loop has to end */
}

int main(void)
{
#define EXCHANGE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EXCHANGE_TEST(answered_at_once),         EXCHANGE_TEST(held_and_answered_later),
        EXCHANGE_TEST(the_client_hangs_up),      EXCHANGE_TEST(a_body_is_read_first),
        EXCHANGE_TEST(a_body_that_breaks_off),   EXCHANGE_TEST(a_body_that_is_late),
        EXCHANGE_TEST(a_body_that_nobody_wants), EXCHANGE_TEST(what_shapes_an_answer),
        EXCHANGE_TEST(one_from_elsewhere),
    };
#undef EXCHANGE_TEST

    lifecycle_init();
    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
