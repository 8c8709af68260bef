/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The port: connections up to a bound, taken over by the library, and some that go on without it.
 */
#include "net_rig.h"

static bool lets_go; /* the library lets the next connection go, at the end of the turn */
static struct lws *leaving;
static int outside = -1; /* its descriptor */

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
    static unsigned char answer[LWS_PRE + 100];
    static const char text[] = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
    struct gateway *gateway = lws_context_user(lws_get_context(wsi));

    (void)user;
    (void)in;
    (void)length;
    if (reason == LWS_CALLBACK_WSI_DESTROY)
        listener_closed(gateway->listener, wsi);
    if (reason != LWS_CALLBACK_HTTP)
        return 0;
    memcpy(answer + LWS_PRE, text, sizeof(text));
    if (lws_write(wsi, answer + LWS_PRE, sizeof(text) - 1, LWS_WRITE_HTTP) < 0)
        return -1;
    if (lets_go)
        leaving = wsi;
    lets_go = false;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static bool let_go(struct gateway *gateway)
{
    if (leaving) {
        outside = listener_duplicate(gateway->listener, lws_get_socket_fd(leaving));
        listener_let_go(gateway->listener, leaving);
    }
    leaving = NULL;
    return false;
}

static const struct lws_protocols protocols[] = {
    {"http", callback, 0, 512, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};
static const struct lws_http_mount mount = {
    .mountpoint = "/", .mountpoint_len = 1, .origin = "http", .origin_protocol = LWSMPRO_CALLBACK};

static uint16_t port;

static int setup(void **state)
{
    (void)state;
    net_rig_start(protocols, &mount, 2);
    net_rig.turn = let_go;
    port = listener_port(net_rig.base.gateway.listener);
    outside = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (outside >= 0)
        close(outside);
    net_rig_stop();
    return 0;
}

static bool request(int descriptor)
{
    char answer[200];

    return net_send(descriptor, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") &&
           net_receive(descriptor, answer, sizeof(answer), "ok\n");
}

static size_t connections(void)
{
    return listener_connections(net_rig.base.gateway.listener);
}

static bool are_none(void)
{
    return connections() == 0;
}

static bool are_two(void)
{
    return connections() == 2;
}

static bool is_one(void)
{
    return connections() == 1;
}

static const char *come_and_go(void)
{
    int first = net_connect(port);
    int second = net_connect(port);
    int third;

    EXPECT(first >= 0 && second >= 0);
    EXPECT(request(first) && request(second) && request(first));
    EXPECT(net_until(are_two));
    third = net_connect(port);
    EXPECT(third >= 0);
    EXPECT(net_closed(third)); /* one too many */
    close(third);
    EXPECT(request(first));
    close(second);
    EXPECT(net_until(is_one));
    third = net_connect(port); /* there is room again */
    EXPECT(third >= 0 && request(third));
    close(first);
    close(third);
    EXPECT(net_until(are_none));
    return NULL;
}

static void up_to_a_bound(void **state)
{
    (void)state;
    assert_true(port > 0);
    assert_true(atomic_load(&net_rig.base.gateway.listening));
    net_rig_run(come_and_go);
    assert_int_equal(base_rig_metric(&net_rig.base, METRIC_ACCEPTS, "accepted"), 3);
    assert_int_equal(base_rig_metric(&net_rig.base, METRIC_ACCEPTS, "full"), 1);
}

static bool is_outside(void)
{
    return outside >= 0;
}

static void take_back(void)
{
    listener_take_back(net_rig.base.gateway.listener, outside);
    outside = -1;
}

static void lose(void)
{
    close(outside);
    outside = -1;
    listener_closed(net_rig.base.gateway.listener, NULL);
}

/* What it sends meanwhile the library reads when it has it back. */
static const char *go_outside(void)
{
    int descriptor = net_connect(port);
    char answer[200];

    EXPECT(descriptor >= 0);
    lets_go = true;
    EXPECT(request(descriptor));
    EXPECT(net_until(is_outside));
    EXPECT(net_until(is_one)); /* still */
    EXPECT(net_send(descriptor, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    net_do(take_back);
    EXPECT(net_receive(descriptor, answer, sizeof(answer), "ok\n"));
    EXPECT(request(descriptor));
    EXPECT(net_until(is_one));
    lets_go = true;
    EXPECT(request(descriptor));
    EXPECT(net_until(is_outside));
    net_do(lose); /* it ends there */
    EXPECT(net_closed(descriptor));
    EXPECT(net_until(are_none));
    close(descriptor);
    return NULL;
}

static void one_that_goes_on_without_the_library(void **state)
{
    (void)state;
    net_rig_run(go_outside);
}

static void stop_listening(void)
{
    listener_stop(net_rig.base.gateway.listener);
}

static const char *come_too_late(void)
{
    int before = net_connect(port);

    EXPECT(before >= 0 && request(before));
    net_do(stop_listening);
    EXPECT(net_connect(port) < 0);
    EXPECT(request(before)); /* who is here stays */
    EXPECT(!atomic_load(&net_rig.base.gateway.listening));
    close(before);
    return NULL;
}

static void no_more_connections(void **state)
{
    (void)state;
    net_rig_run(come_too_late);
}

int main(void)
{
#define LISTENER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LISTENER_TEST(up_to_a_bound),
        LISTENER_TEST(one_that_goes_on_without_the_library),
        LISTENER_TEST(no_more_connections),
    };
#undef LISTENER_TEST

    lifecycle_init();
    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
