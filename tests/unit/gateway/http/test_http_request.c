/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests as they come in from a socket, read by the library and asked about in its callback, which then
 * hangs up.
 */
#include "base_rig.h"

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_request.h"
#include "http/origin.h"
#include "text/client_token.h"

#define LIMIT_MS 10000

static struct base_rig rig;
static struct lws_context *context;

/* What is asked in the callback, by each test; `wsi` is good for nothing afterwards. */
static void (*ask)(struct lws *wsi);
static unsigned asked;

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
    (void)user;
    (void)in;
    (void)length;
    if (reason != LWS_CALLBACK_HTTP && reason != LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
        return 0;
    asked++;
    ask(wsi);
    return -1;
}

static const struct lws_protocols protocols[] = {
    {"http", callback, 0, 512, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};
static const struct lws_http_mount mount = {
    .mountpoint = "/", .mountpoint_len = 1, .origin = "http", .origin_protocol = LWSMPRO_CALLBACK};

static int setup(void **state)
{
    static char path[] = "/socket.io";
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols,
                                             .mounts = &mount,
                                             .gid = (gid_t)-1,
                                             .uid = (uid_t)-1,
                                             .max_http_header_data = 12288};
    char error[200];

    (void)state;
    base_rig_start(&rig, 10);
    rig.settings.socketio_path = path;
    rig.gateway.proxies = networks_parse("127.0.0.1,10.0.0.0/8");
    assert_int_equal(origin_policy_create("https://a.example", &rig.gateway.origins, error, sizeof(error)),
                     STATUS_OK);
    lws_set_log_level(0, NULL);
    context = lws_create_context(&info);
    assert_non_null(context);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lws_context_destroy(context);
    networks_free(rig.gateway.proxies);
    origin_policy_free(rig.gateway.origins);
    base_rig_stop(&rig);
    return 0;
}

/* Both ends of a connection over the loopback. */
static void connect_pair(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listening, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &length), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&address, length), 0);
    ends[1] = accept(listening, NULL, NULL);
    assert_true(ends[1] >= 0);
    close(listening);
}

/* `question` is asked about one request with these headers. */
static void request(const char *line, const char *headers, void (*question)(struct lws *wsi))
{
    char text[4096];
    int ends[2];
    int length = snprintf(text, sizeof(text), "%s\r\nHost: gateway.example\r\n%s\r\n", line, headers);

    ask = question;
    asked = 0;
    connect_pair(ends);
    assert_int_equal(send(ends[0], text, (size_t)length, 0), length);
    assert_non_null(lws_adopt_socket(context, ends[1]));
    for (uint64_t limit = clock_monotonic_ms() + LIMIT_MS; asked == 0 && clock_monotonic_ms() < limit;)
        lws_service(context, -1);
    close(ends[0]);
    if (asked != 1)
        fail_msg("not asked: %s", line);
}

/* ---- what the request is ------------------------------------------------------------------------------ */

static struct {
    enum http_request_route route;
    enum http_request_method method;
    bool version_known;
    bool keep_alive;
    bool binary;
    uint64_t length;
} seen;

static void ask_what(struct lws *wsi)
{
    seen.route = http_request_route(&rig.gateway, wsi);
    seen.method = http_request_method(wsi);
    seen.version_known = http_request_version_known(wsi);
    seen.keep_alive = http_request_keep_alive(wsi);
    seen.binary = http_request_body_binary(wsi);
    seen.length = http_request_body_length(wsi);
}

static void routes_and_methods(void **state)
{
    static const struct {
        const char *line;
        enum http_request_route route;
        enum http_request_method method;
    } rows[] = {
        {"GET / HTTP/1.1", ROUTE_ROOT, METHOD_GET},
        {"HEAD / HTTP/1.1", ROUTE_ROOT, METHOD_HEAD},
        {"GET /ws HTTP/1.1", ROUTE_WS, METHOD_GET},
        {"GET /ws/ HTTP/1.1", ROUTE_WS, METHOD_GET},
        {"GET /ws?token=x HTTP/1.1", ROUTE_WS, METHOD_GET},
        {"GET /ws2 HTTP/1.1", ROUTE_NONE, METHOD_GET},
        {"GET /ws/a HTTP/1.1", ROUTE_NONE, METHOD_GET},
        {"GET /socket.io/?EIO=4 HTTP/1.1", ROUTE_SOCKETIO, METHOD_GET},
        {"POST /socket.io HTTP/1.1", ROUTE_SOCKETIO, METHOD_POST},
        {"OPTIONS /socket.io/ HTTP/1.1", ROUTE_SOCKETIO, METHOD_OPTIONS},
        {"GET /socket.io/a HTTP/1.1", ROUTE_NONE, METHOD_GET},
        {"GET /socket.ioo HTTP/1.1", ROUTE_NONE, METHOD_GET},
        {"PUT /socket.io/ HTTP/1.1", ROUTE_SOCKETIO, METHOD_OTHER},
        {"DELETE /ws HTTP/1.1", ROUTE_WS, METHOD_OTHER},
        {"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1",
         ROUTE_NONE, METHOD_GET},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        request(rows[i].line, "", ask_what);
        if (seen.route != rows[i].route || seen.method != rows[i].method)
            fail_msg("%s: route %d, method %d", rows[i].line, seen.route, seen.method);
    }
}

static void the_connection_afterwards(void **state)
{
    static const struct {
        const char *line;
        const char *headers;
        bool known;
        bool keep_alive;
    } rows[] = {
        {"GET / HTTP/1.1", "", true, true},
        {"GET / HTTP/1.1", "Connection: close\r\n", true, false},
        {"GET / HTTP/1.1", "Connection: Close\r\n", true, false},
        {"GET / HTTP/1.1", "Connection: keep-alive\r\n", true, true},
        {"GET / HTTP/1.0", "", true, false},
        {"GET / HTTP/1.0", "Connection: Keep-Alive\r\n", true, true},
        {"GET / HTTP/1.9", "", false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        request(rows[i].line, rows[i].headers, ask_what);
        if (seen.version_known != rows[i].known || seen.keep_alive != rows[i].keep_alive)
            fail_msg("%s %s: known %d, keep-alive %d", rows[i].line, rows[i].headers, seen.version_known,
                     seen.keep_alive);
    }
}

static void how_much_body_comes(void **state)
{
    static const struct {
        const char *line;
        const char *headers;
        uint64_t length;
    } rows[] = {
        {"GET / HTTP/1.1", "", 0},
        {"POST / HTTP/1.1", "Content-Length: 0\r\n", 0},
        {"POST / HTTP/1.1", "Content-Length: 12345\r\n", 12345},
        {"POST / HTTP/1.1", "", HTTP_REQUEST_BODY_UNKNOWN},
        {"PUT / HTTP/1.1", "", HTTP_REQUEST_BODY_UNKNOWN},
        {"POST / HTTP/1.1", "Content-Length: -1\r\n", HTTP_REQUEST_BODY_UNKNOWN},
        {"POST / HTTP/1.1", "Content-Length: 12a\r\n", HTTP_REQUEST_BODY_UNKNOWN},
        {"POST / HTTP/1.1", "Content-Length: 99999999999999999999999\r\n", HTTP_REQUEST_BODY_UNKNOWN},
        {"POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n", HTTP_REQUEST_BODY_UNKNOWN},
        {"POST / HTTP/1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HTTP_REQUEST_BODY_UNKNOWN},
        {"GET / HTTP/1.1", "Content-Length: 7\r\n", 7},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        request(rows[i].line, rows[i].headers, ask_what);
        if (seen.length != rows[i].length)
            fail_msg("%s %s: %llu", rows[i].line, rows[i].headers, (unsigned long long)seen.length);
    }
}

static void bodies_that_are_none_of_engineio(void **state)
{
    (void)state;
    request("POST / HTTP/1.1", "Content-Type: application/octet-stream\r\n", ask_what);
    assert_true(seen.binary);
    request("POST / HTTP/1.1", "Content-Type: Application/Octet-Stream\r\n", ask_what);
    assert_true(seen.binary);
    request("POST / HTTP/1.1", "Content-Type: text/plain;charset=UTF-8\r\n", ask_what);
    assert_false(seen.binary);
    request("POST / HTTP/1.1", "", ask_what);
    assert_false(seen.binary);
}

/* ---- what it says ------------------------------------------------------------------------------------- */

static struct {
    bool given;
    bool read;
    char text[16];
} argument;

static void ask_argument(struct lws *wsi)
{
    argument.given = http_request_argument_given(wsi, "sid=");
    argument.read = http_request_argument(wsi, "sid=", argument.text, sizeof(argument.text));
}

static void arguments_of_the_query(void **state)
{
    static const struct {
        const char *line;
        bool given;
        const char *text; /* NULL: not read */
    } rows[] = {
        {"GET / HTTP/1.1", false, NULL},
        {"GET /?sid HTTP/1.1", false, NULL},
        {"GET /?sid= HTTP/1.1", true, ""},
        {"GET /?EIO=4&sid=abc&transport=polling HTTP/1.1", true, "abc"},
        {"GET /?xsid=abc HTTP/1.1", false, NULL},
        {"GET /?sid=a%2Fb HTTP/1.1", true, "a/b"},
        {"GET /?sid=123456789012345 HTTP/1.1", true, "123456789012345"},
        {"GET /?sid=1234567890123456 HTTP/1.1", true, NULL}, /* a byte more than there is room for */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&argument, 0, sizeof(argument));
        request(rows[i].line, "", ask_argument);
        if (argument.given != rows[i].given || argument.read != (rows[i].text != NULL))
            fail_msg("%s: given %d, read %d", rows[i].line, argument.given, argument.read);
        assert_string_equal(argument.text, rows[i].text ? rows[i].text : "");
    }
}

static struct {
    bool allowed;
    char origin[64];
    char wanted[64];
} headers;

static void ask_headers(struct lws *wsi)
{
    char out[64];
    struct slice text = http_request_origin(wsi, out, sizeof(out));

    snprintf(headers.origin, sizeof(headers.origin), "%.*s", text.data ? (int)text.length : 4,
             text.data ? text.data : "NULL");
    text = http_request_wanted_headers(wsi, out, sizeof(out));
    snprintf(headers.wanted, sizeof(headers.wanted), "%.*s", text.data ? (int)text.length : 4,
             text.data ? text.data : "NULL");
    headers.allowed = http_request_origin_allowed(&rig.gateway, wsi);
}

static void origins(void **state)
{
    static const struct {
        const char *headers;
        const char *origin;
        bool allowed;
    } rows[] = {
        {"", "NULL", true},
        {"Origin: https://a.example\r\n", "https://a.example", true},
        {"Origin: https://b.example\r\n", "https://b.example", false},
        {"Origin: https://a.\xc3\xa4xample\r\n", "NULL", false}, /* is in no answer */
        {"Origin: https://a.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", "NULL",
         false}, /* too long to be repeated */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        request("GET / HTTP/1.1", rows[i].headers, ask_headers);
        assert_string_equal(headers.origin, rows[i].origin);
        assert_true(headers.allowed == rows[i].allowed);
    }
    request("OPTIONS / HTTP/1.1", "Access-Control-Request-Headers: x-a, x-b\r\n", ask_headers);
    assert_string_equal(headers.wanted, "x-a, x-b");
}

static char address[INET6_ADDRSTRLEN];

static void ask_address(struct lws *wsi)
{
    struct sockaddr_storage storage;
    const void *bytes = &((const struct sockaddr_in *)(const void *)&storage)->sin_addr;

    http_request_address(&rig.gateway, wsi, &storage);
    if (storage.ss_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)&storage)->sin6_addr;
    assert_non_null(inet_ntop(storage.ss_family, bytes, address, sizeof(address)));
}

/* 127.0.0.1 and 10.0.0.0/8 are trusted, nobody else: what is further in front anybody may have written. */
static void addresses_that_proxies_say(void **state)
{
    static const struct {
        const char *headers;
        const char *address;
    } rows[] = {
        {"", "127.0.0.1"},
        {"X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"},
        {"X-Forwarded-For: 203.0.113.7, 10.1.2.3\r\n", "203.0.113.7"},
        {"X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n", "203.0.113.7"},
        {"X-Forwarded-For: 198.51.100.1,203.0.113.7 ,10.1.2.3\r\n", "203.0.113.7"},
        {"X-Forwarded-For: nobody, 10.1.2.3\r\n", "10.1.2.3"},
        {"X-Forwarded-For: nobody\r\n", "127.0.0.1"},
        {"X-Forwarded-For: 10.9.9.9, 10.1.2.3\r\n", "10.9.9.9"},
        {"X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        request("GET / HTTP/1.1", rows[i].headers, ask_address);
        assert_string_equal(address, rows[i].address);
    }
}

/* ---- upgrades ----------------------------------------------------------------------------------------- */

static struct {
    enum status format_status;
    enum frame_format format;
    enum status token_status;
    char token[64]; /* empty: none */
} upgrade;

static void ask_upgrade(struct lws *wsi)
{
    struct client_token token = {0};

    upgrade.format = FRAME_FORMATS;
    upgrade.format_status = http_request_format(wsi, &upgrade.format);
    upgrade.token_status = http_request_token(wsi, &token);
    snprintf(upgrade.token, sizeof(upgrade.token), "%s", token.text ? token.text : "");
    client_token_wipe(&token);
}

#define UPGRADE                                                                                              \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                             \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void formats_that_are_offered(void **state)
{
    static const struct {
        const char *headers;
        enum status status;
        enum frame_format format;
    } rows[] = {
        {UPGRADE, STATUS_OK, FRAME_JSON},
        {UPGRADE "Sec-WebSocket-Protocol: pollen8.v1.json\r\n", STATUS_OK, FRAME_JSON},
        {UPGRADE "Sec-WebSocket-Protocol: pollen8.v1.protobuf\r\n", STATUS_OK, FRAME_PROTOBUF},
        {UPGRADE "Sec-WebSocket-Protocol: mqtt, pollen8.v1.protobuf, pollen8.v1.json\r\n", STATUS_OK,
         FRAME_PROTOBUF},
        {UPGRADE "Sec-WebSocket-Protocol: mqtt\r\n", STATUS_NOT_FOUND, FRAME_FORMATS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        request("GET /ws HTTP/1.1", rows[i].headers, ask_upgrade);
        assert_int_equal(upgrade.format_status, rows[i].status);
        assert_int_equal(upgrade.format, rows[i].format);
    }
}

static void tokens_of_header_and_query(void **state)
{
    static const struct {
        const char *line;
        const char *headers;
        enum status status;
        const char *token;
    } rows[] = {
        {"GET /ws HTTP/1.1", UPGRADE, STATUS_OK, ""},
        {"GET /ws HTTP/1.1", UPGRADE "Authorization: Bearer a.b.c\r\n", STATUS_OK, "a.b.c"},
        {"GET /ws?token=d.e.f HTTP/1.1", UPGRADE, STATUS_OK, "d.e.f"},
        {"GET /ws?token=d.e.f HTTP/1.1", UPGRADE "Authorization: Bearer a.b.c\r\n", STATUS_OK, "a.b.c"},
        {"GET /ws HTTP/1.1", UPGRADE "Authorization: Basic YTpi\r\n", STATUS_OK, ""},
        {"GET /ws?token=a%20b HTTP/1.1", UPGRADE, STATUS_AUTH_INVALID, ""},
        {"GET /ws HTTP/1.1", UPGRADE "Authorization: Bearer a b\r\n", STATUS_AUTH_INVALID, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        request(rows[i].line, rows[i].headers, ask_upgrade);
        if (upgrade.token_status != rows[i].status || strcmp(upgrade.token, rows[i].token) != 0)
            fail_msg("%s (%zu): %s, %s", rows[i].line, i, status_code(upgrade.token_status), upgrade.token);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_and_methods),         cmocka_unit_test(the_connection_afterwards),
        cmocka_unit_test(how_much_body_comes),        cmocka_unit_test(bodies_that_are_none_of_engineio),
        cmocka_unit_test(arguments_of_the_query),     cmocka_unit_test(origins),
        cmocka_unit_test(addresses_that_proxies_say), cmocka_unit_test(formats_that_are_offered),
        cmocka_unit_test(tokens_of_header_and_query),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
