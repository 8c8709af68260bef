/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The ops port over real sockets: answers, methods, checks, draining, IPv4 and IPv6, and a port that is
 * taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ops/ops_http.h"
#include "common/rng.h"

/* Below the ports that the kernel gives to clients. */
#define PORT_FIRST 20000
#define PORT_COUNT 12000

static const struct metric_definition definitions[] = {
    {METRIC_GAUGE, "pollen8_level", NULL, "Level"},
};

static _Atomic bool nats_up;
static _Atomic bool loop_turns;
static struct metrics *metrics;
static struct ops_http *ops;
static uint16_t ops_port;
static char response[262144];

static bool read_flag(void *context)
{
    return *(_Atomic bool *)context;
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void refresh(void *context)
{
    metrics_set(context, 0, 42);
}

static enum status start(const char *address, uint16_t port, struct ops_http **ret)
{
    const struct ops_check ready[] = {
        {"nats", read_flag, &nats_up}, {"always", always, NULL}, {"loop", read_flag, &loop_turns}};
    const struct ops_check alive[] = {{"loop", read_flag, &loop_turns}};
    const struct ops_options options = {.address = address,
                                        .port = port,
                                        .service = "gateway",
                                        .metrics = metrics,
                                        .refresh = refresh,
                                        .refresh_context = metrics,
                                        .ready = ready,
                                        .ready_count = 3,
                                        .alive = alive,
                                        .alive_count = 1};

    return ops_http_create(&options, ret);
}

/* On a port that nobody has. */
static enum status start_anywhere(const char *address, uint16_t *ret_port, struct ops_http **ret)
{
    enum status status = STATUS_DISCONNECTED;

    errno = EADDRINUSE;
    for (int i = 0; i < 100 && status == STATUS_DISCONNECTED && errno == EADDRINUSE; i++) {
        *ret_port = (uint16_t)(PORT_FIRST + rng_below(PORT_COUNT));
        status = start(address, *ret_port, ret);
    }
    return status;
}

static int make(void **state)
{
    (void)state;
    nats_up = true;
    loop_turns = true;
    if (metrics_create(definitions, 1, &metrics) != STATUS_OK)
        return -1;
    return start_anywhere("127.0.0.1", &ops_port, &ops) == STATUS_OK ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    ops_http_free(ops);
    metrics_free(metrics);
    return 0;
}

static int connect_ipv4(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(descriptor >= 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    return descriptor;
}

/* Sends the bytes and reads until the server closes; returns the HTTP status, 0 for none. */
static int exchange(int descriptor, const char *request, size_t length)
{
    size_t got = 0;
    ssize_t more;

    assert_int_equal(send(descriptor, request, length, MSG_NOSIGNAL), (ssize_t)length);
    while ((more = recv(descriptor, response + got, sizeof(response) - 1 - got, 0)) > 0)
        got += (size_t)more;
    response[got] = '\0';
    close(descriptor);
    return strncmp(response, "HTTP/1.1 ", 9) == 0 ? (int)strtol(response + 9, NULL, 10) : 0;
}

static int ask(const char *method, const char *path)
{
    char request[256];
    int length = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                          method, path);

    return exchange(connect_ipv4(ops_port), request, (size_t)length);
}

static const char *body(void)
{
    const char *end = strstr(response, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

static void metrics_are_refreshed_and_served(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/metrics"), 200);
    assert_non_null(strstr(response, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(response, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(body(), "\npollen8_level 42\n"));
    assert_non_null(strstr(body(), "process_open_fds "));
    assert_non_null(strstr(body(), "pollen8_build_info{service=\"gateway\""));
    assert_int_equal(ask("GET", "/metrics?x=1"), 200);
}

static void health(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/healthz"), 200);
    assert_string_equal(body(), "ok\n");
    nats_up = false; /* not ready is not dead */
    assert_int_equal(ask("GET", "/healthz"), 200);
    loop_turns = false;
    assert_int_equal(ask("GET", "/healthz"), 503);
    assert_string_equal(body(), "loop: failing\n");
}

static void readiness(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/readyz"), 200);
    assert_string_equal(body(), "ready\n");
    nats_up = false;
    assert_int_equal(ask("GET", "/readyz"), 503);
    assert_string_equal(body(), "nats: failing\n");
    loop_turns = false;
    assert_int_equal(ask("GET", "/readyz"), 503);
    assert_string_equal(body(), "nats: failing\nloop: failing\n");
    nats_up = true;
    loop_turns = true;
    assert_int_equal(ask("GET", "/readyz"), 200);
    ops_http_drain(ops);
    assert_int_equal(ask("GET", "/readyz"), 503);
    assert_string_equal(body(), "draining\n");
    assert_int_equal(ask("GET", "/healthz"), 200);
}

static void head_has_no_body(void **state)
{
    (void)state;
    assert_int_equal(ask("HEAD", "/readyz"), 200);
    assert_string_equal(body(), "");
    assert_non_null(strstr(response, "Content-Length: 6\r\n"));
    nats_up = false;
    assert_int_equal(ask("HEAD", "/readyz"), 503);
    assert_string_equal(body(), "");
    assert_int_equal(ask("HEAD", "/metrics"), 200);
    assert_string_equal(body(), "");
}

static void other_methods_and_paths(void **state)
{
    static const char *const paths[] = {"/",          "/metrics/", "/Metrics",
                                        "/readyz/..", "//metrics", "/../etc/passwd"};
    static const char *const methods[] = {"PUT", "DELETE", "PATCH", "TRACE", "BREW", "get"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(ask("GET", paths[i]), 404);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        assert_int_equal(ask(methods[i], "/metrics"), 405);
        assert_non_null(strstr(response, "\r\nAllow: GET, HEAD\r\n"));
        assert_null(strstr(response, "pollen8_level"));
    }
}

static void a_body_is_not_waited_for(void **state)
{
    static const char request[] =
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc";

    (void)state;
    assert_int_equal(exchange(connect_ipv4(ops_port), request, sizeof(request) - 1), 405);
}

static void nonsense_and_early_leavers(void **state)
{
    static const char garbage[] = "\x16\x03\x01\x02\x00\x01\x00 not http\r\n\r\n";
    static char endless[65536];

    (void)state;
    assert_int_not_equal(exchange(connect_ipv4(ops_port), garbage, sizeof(garbage) - 1), 200);
    for (int i = 0; i < 50; i++)
        close(connect_ipv4(ops_port));
    /* a header past the connection's memory; the server may close while it is still being sent */
    memset(endless, 'a', sizeof(endless));
    memcpy(endless, "GET /metrics HTTP/1.1\r\nX: ", 26);
    {
        int descriptor = connect_ipv4(ops_port);

        (void)send(descriptor, endless, sizeof(endless), MSG_NOSIGNAL);
        (void)recv(descriptor, response, sizeof(response), 0);
        close(descriptor);
    }
    assert_int_equal(ask("GET", "/healthz"), 200);
}

static void a_connection_serves_several_requests(void **state)
{
    static const char requests[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    (void)state;
    assert_int_equal(exchange(connect_ipv4(ops_port), requests, sizeof(requests) - 1), 200);
    assert_non_null(strstr(response, "ok\n"));
    assert_non_null(strstr(response, "ready\n"));
}

static void ipv6_serves_both_families(void **state)
{
    struct ops_http *both = NULL;
    uint16_t port = 0;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0)
        skip(); /* this machine has no IPv6 */
    close(descriptor);
    assert_int_equal(start_anywhere("::", &port, &both), STATUS_OK);
    address.sin6_port = htons(port);
    descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(exchange(descriptor, request, sizeof(request) - 1), 200);
    assert_int_equal(exchange(connect_ipv4(port), request, sizeof(request) - 1), 200);
    ops_http_free(both);
}

static void a_port_that_cannot_be_had(void **state)
{
    struct ops_http *second = NULL;

    (void)state;
    assert_int_equal(start("127.0.0.1", ops_port, &second), STATUS_DISCONNECTED);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(start("localhost", 0, &second),
                     STATUS_DISCONNECTED); /* addresses only: no name lookup */
    assert_int_equal(errno, EADDRNOTAVAIL);
    assert_int_equal(start("256.0.0.1", 0, &second), STATUS_DISCONNECTED);
    assert_int_equal(start("", 0, &second), STATUS_DISCONNECTED);
    assert_null(second);
    ops_http_free(NULL);
}

#define WITH_OPS(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_OPS(metrics_are_refreshed_and_served),
        WITH_OPS(health),
        WITH_OPS(readiness),
        WITH_OPS(head_has_no_body),
        WITH_OPS(other_methods_and_paths),
        WITH_OPS(a_body_is_not_waited_for),
        WITH_OPS(nonsense_and_early_leavers),
        WITH_OPS(a_connection_serves_several_requests),
        WITH_OPS(ipv6_serves_both_families),
        WITH_OPS(a_port_that_cannot_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
