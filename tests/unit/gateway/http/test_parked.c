/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Connections that wait without the library: for an answer, for the kernel to take it, for the next request,
 * with which the library has them back.
 */
#include "net_rig.h"

#include "http/parked.h"

static unsigned requests; /* that the library was given */

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
    const struct gateway *gateway = lws_context_user(lws_get_context(wsi));

    (void)user;
    (void)in;
    (void)length;
    if (reason == LWS_CALLBACK_WSI_DESTROY)
        listener_closed(gateway->listener, wsi);
    if (reason != LWS_CALLBACK_HTTP)
        return 0;
    requests++;
    return -1;
}

static const struct lws_protocols protocols[] = {
    {"http", callback, 0, 512, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};
static const struct lws_http_mount mount = {
    .mountpoint = "/", .mountpoint_len = 1, .origin = "http", .origin_protocol = LWSMPRO_CALLBACK};

static int client;            /* one end; the client's thread */
static int server;            /* the other one, which the library would have */
static struct parked *parked; /* the loop's */
static unsigned gone;         /* told by the loop */
static size_t answer_length;
static bool keep_alive;

static bool end_turn(struct gateway *gateway)
{
    parking_end_turn(gateway);
    return false;
}

static void end_parking(struct gateway *gateway)
{
    parking_end_turn(gateway);
}

static int setup(void **state)
{
    struct gateway *gateway = &net_rig.base.gateway;

    (void)state;
    net_rig_start(protocols, &mount, 100);
    net_rig.turn = end_turn;
    net_rig.close = parking_stop;
    net_rig.free = end_parking;
    assert_int_equal(parking_create(gateway, loop_uv(gateway->loop), &gateway->parking), STATUS_OK);
    gone = requests = 0;
    parked = NULL;
    client = server = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    parking_free(net_rig.base.gateway.parking);
    if (client >= 0)
        close(client);
    net_rig_stop();
    return 0;
}

static void on_gone(void *owner)
{
    assert_ptr_equal(owner, &parked);
    gone++;
    parked = NULL;
}

static bool is_gone(void)
{
    return gone == 1;
}

static bool has_request(void)
{
    return requests == 1;
}

static bool is_nothing_due(void)
{
    return timer_wheel_next(net_rig.base.gateway.wheel) == TIMER_WHEEL_NEVER;
}

/* Both ends of a connection, of which neither is the library's. */
static bool connect_pair(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(listening, (struct sockaddr *)&address, length) != 0 || listen(listening, 1) != 0 ||
        getsockname(listening, (struct sockaddr *)&address, &length) != 0)
        return false;
    client = net_connect(ntohs(address.sin_port));
    server = accept(listening, NULL, NULL);
    close(listening);
    return client >= 0 && server >= 0;
}

/* It waits for an answer; and that the descriptor was duplicated. */
static void hold(void)
{
    parked = parked_take(&net_rig.base.gateway, server, on_gone, &parked);
    close(server);
}

/* It waits for the next request. */
static void idle(void)
{
    parked = parked_take(&net_rig.base.gateway, server, NULL, NULL);
    close(server);
}

static void answer(void)
{
    struct buf bytes;

    buf_init(&bytes, answer_length);
    for (size_t i = 0; i < answer_length; i++)
        (void)buf_append_char(&bytes, i + 1 == answer_length ? '.' : 'a');
    parked_answer(parked, &bytes, keep_alive);
}

static const char *answered_and_closed(void)
{
    char text[64];

    EXPECT(connect_pair());
    net_do(hold);
    EXPECT(parked);
    answer_length = 10;
    keep_alive = false;
    net_do(answer);
    EXPECT(net_receive(client, text, sizeof(text), "."));
    EXPECT(strlen(text) == 10);
    EXPECT(net_closed(client));
    EXPECT(gone == 0); /* by an answer nobody is told */
    return NULL;
}

static void an_answer_that_ends_it(void **state)
{
    (void)state;
    net_rig_run(answered_and_closed);
}

static const char *answered_and_kept(void)
{
    char text[64];

    EXPECT(connect_pair());
    net_do(hold);
    answer_length = 10;
    keep_alive = true;
    net_do(answer);
    EXPECT(net_receive(client, text, sizeof(text), "."));
    EXPECT(requests == 0);
    EXPECT(net_send(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT(net_until(has_request)); /* the library's again */
    EXPECT(net_closed(client));     /* where the test hangs up */
    EXPECT(gone == 0);
    return NULL;
}

static void the_next_request_is_the_librarys(void **state)
{
    (void)state;
    net_rig_run(answered_and_kept);
}

static const char *hung_up(void)
{
    EXPECT(connect_pair());
    net_do(hold);
    close(client);
    client = -1;
    EXPECT(net_until(is_gone));
    return NULL;
}

static const char *sent_too_early(void)
{
    EXPECT(connect_pair());
    net_do(hold);
    EXPECT(net_send(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT(net_until(is_gone));
    EXPECT(net_closed(client));
    EXPECT(requests == 0);
    return NULL;
}

static void a_client_that_hangs_up(void **state)
{
    (void)state;
    net_rig_run(hung_up);
}

static void a_client_that_does_not_wait(void **state)
{
    (void)state;
    net_rig_run(sent_too_early);
}

/* More than the kernel takes at once. */
static const char *long_answer(void)
{
    static char text[20u << 20];

    EXPECT(connect_pair());
    net_do(hold);
    answer_length = 16u << 20;
    keep_alive = true;
    net_do(answer);
    EXPECT(base_rig_metric(&net_rig.base, METRIC_PARTIAL_WRITES, NULL) == 1);
    EXPECT(net_receive(client, text, sizeof(text), "."));
    EXPECT(strlen(text) == answer_length);
    EXPECT(net_send(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT(net_until(has_request));
    return NULL;
}

static void what_the_kernel_does_not_take_at_once(void **state)
{
    (void)state;
    net_rig_run(long_answer);
}

/* The client reads nothing of it for as long as WRITE_TIMEOUT, which is short here. */
static const char *long_answer_unread(void)
{
    static char text[65536];
    ssize_t got;

    EXPECT(connect_pair());
    net_do(hold);
    answer_length = 16u << 20;
    net_do(answer);
    EXPECT(net_until(is_nothing_due));
    do
        got = recv(client, text, sizeof(text), 0);
    while (got > 0);
    EXPECT(got == 0 || errno == ECONNRESET);
    return NULL;
}

static void the_client_reads_nothing(void **state)
{
    (void)state;
    net_rig.base.settings.write_timeout = 100;
    net_rig_run(long_answer_unread);
    assert_int_equal(gone, 0);
}

static const char *stay(void)
{
    EXPECT(connect_pair());
    net_do(hold);
    return NULL; /* the loop ends */
}

static void the_end_is_told(void **state)
{
    (void)state;
    net_rig_run(stay);
    assert_int_equal(gone, 1);
}

static void close_it(void)
{
    parked_close(parked);
}

static const char *closed_by_its_owner(void)
{
    EXPECT(connect_pair());
    net_do(hold);
    net_do(close_it);
    EXPECT(net_closed(client));
    EXPECT(gone == 0);
    return NULL;
}

static void its_owner_closes_it(void **state)
{
    (void)state;
    net_rig_run(closed_by_its_owner);
}

/* Time passes for the wheel alone. */
static void pass_59_s(void)
{
    timer_wheel_advance(net_rig.base.gateway.wheel, net_rig.base.gateway.now_ms + 59000);
}

static void pass_2_s_more(void)
{
    timer_wheel_advance(net_rig.base.gateway.wheel, net_rig.base.gateway.now_ms + 61000);
}

static const char *wait_idly(void)
{
    char byte;

    EXPECT(connect_pair());
    net_do(idle);
    net_do(pass_59_s);
    EXPECT(recv(client, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    net_do(pass_2_s_more);
    EXPECT(net_closed(client));
    return NULL;
}

static void one_that_is_idle_for_long_is_closed(void **state)
{
    (void)state;
    net_rig_run(wait_idly);
}

int main(void)
{
#define PARKED_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        PARKED_TEST(an_answer_that_ends_it),
        PARKED_TEST(the_next_request_is_the_librarys),
        PARKED_TEST(a_client_that_hangs_up),
        PARKED_TEST(a_client_that_does_not_wait),
        PARKED_TEST(what_the_kernel_does_not_take_at_once),
        PARKED_TEST(the_client_reads_nothing),
        PARKED_TEST(the_end_is_told),
        PARKED_TEST(its_owner_closes_it),
        PARKED_TEST(one_that_is_idle_for_long_is_closed),
    };
#undef PARKED_TEST

    lifecycle_init();
    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
