/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The broker's text protocol: what a server says, whole, cut at every byte, and wrong; what is said to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/bus/broker_protocol.h"

#define BODY_MAXIMUM 64

static enum status read_text(const char *text, struct broker_operation *ret_operation, size_t *ret_size)
{
    return broker_operation_read(slice_from_string(text), BODY_MAXIMUM, ret_operation, ret_size);
}

static void assert_slice(struct slice slice, const char *text)
{
    if (!slice_equal_string(slice, text))
        fail_msg("'%.*s' is not '%s'", (int)slice.length, slice.data, text);
}

static void test_message(void **state)
{
    struct broker_operation got;
    size_t size = 0;
    (void)state;
    assert_int_equal(read_text("MSG a.b 7 5\r\nhello\r\nPING\r\n", &got, &size), STATUS_OK);
    assert_int_equal(got.kind, BROKER_MESSAGE);
    assert_int_equal(size, 20);
    assert_int_equal(got.subscription, 7);
    assert_slice(got.subject, "a.b");
    assert_slice(got.data, "hello");
    assert_int_equal(got.reply.length + got.headers.length, 0);

    assert_int_equal(read_text("MSG a 18446744073 _INBOX.x 0\r\n\r\n", &got, &size), STATUS_OK);
    assert_slice(got.reply, "_INBOX.x");
    assert_true(got.subscription == 18446744073u);
    assert_int_equal(got.data.length, 0);
}

static void test_message_with_headers(void **state)
{
    struct broker_operation got;
    size_t size = 0;
    (void)state;
    assert_int_equal(read_text("HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", &got, &size), STATUS_OK);
    assert_slice(got.headers, "NATS/1.0\r\n\r\n");
    assert_slice(got.data, "hi");
    assert_int_equal(read_text("HMSG a 1 reply 12 12\r\nNATS/1.0\r\n\r\n\r\n", &got, &size), STATUS_OK);
    assert_slice(got.reply, "reply");
    assert_int_equal(got.data.length, 0);
}

static void test_other_lines(void **state)
{
    struct broker_operation got;
    size_t size = 0;
    (void)state;
    assert_int_equal(read_text("PING\r\nx", &got, &size), STATUS_OK);
    assert_int_equal(got.kind, BROKER_PING);
    assert_int_equal(size, 6);
    assert_int_equal(read_text("PONG\r\n", &got, &size), STATUS_OK);
    assert_int_equal(got.kind, BROKER_PONG);
    assert_int_equal(read_text("+OK\r\n", &got, &size), STATUS_OK);
    assert_int_equal(got.kind, BROKER_OK);
    assert_int_equal(read_text("INFO {\"a\":1}\r\n", &got, &size), STATUS_OK);
    assert_int_equal(got.kind, BROKER_INFO);
    assert_slice(got.text, "{\"a\":1}");
    assert_int_equal(read_text("-ERR 'Slow Consumer'\r\n", &got, &size), STATUS_OK);
    assert_int_equal(got.kind, BROKER_ERROR);
    assert_slice(got.text, "Slow Consumer");
}

/* However the bytes are cut, it is the same message, and the size asked for is never past its end. */
static void test_every_cut(void **state)
{
    static const char *const texts[] = {
        "MSG a.b 7 re 5\r\nhello\r\n", "HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "PING\r\n", "INFO {}\r\n"};
    (void)state;
    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        size_t length = strlen(texts[t]);
        for (size_t cut = 0; cut < length; cut++) {
            struct broker_operation got;
            size_t size = 0;
            char *part =
                malloc(cut + 1); /* of exactly this size, so that a sanitizer sees every byte too far */
            assert_non_null(part);
            memcpy(part, texts[t], cut);
            assert_int_equal(broker_operation_read(slice_make(part, cut), BODY_MAXIMUM, &got, &size),
                             STATUS_NOT_FOUND);
            assert_true(size > cut && size <= length);
            free(part);
        }
    }
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {
        "\r\n",
        "\n",
        "PING\n",
        "ping\r\n",
        "PINGS\r\n",
        "MSG a 1\r\n",
        "MSG a 1 2 3 4\r\n",
        "MSG  1 2\r\n\r\n",
        "MSG a x 0\r\n\r\n",
        "MSG a 1 -1\r\n",
        "MSG a 1 65\r\n",
        "MSG a 1 99999999999999999999\r\n",
        "MSG a 1 18446744073709551616\r\n",
        "MSG a 1 2\r\nhiXX",
        "MSG a 1 2 \r\nhi\r\n",
        "HMSG a 1 2\r\nhi\r\n",
        "HMSG a 1 3 2\r\nhi\r\n",
        "HMSG a 1 r s 1 2\r\nhi\r\n",
        "SUB a 1\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
    };
    struct broker_operation got;
    size_t size;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (read_text(texts[i], &got, &size) != STATUS_MALFORMED)
            fail_msg("'%s' was taken", texts[i]);
}

static void test_line_has_a_bound(void **state)
{
    char *text = malloc(BROKER_LINE_MAXIMUM);
    struct broker_operation got;
    size_t size;
    (void)state;
    assert_non_null(text);
    memset(text, 'x', BROKER_LINE_MAXIMUM);
    assert_int_equal(
        broker_operation_read(slice_make(text, BROKER_LINE_MAXIMUM - 1), BODY_MAXIMUM, &got, &size),
        STATUS_NOT_FOUND);
    assert_int_equal(broker_operation_read(slice_make(text, BROKER_LINE_MAXIMUM), BODY_MAXIMUM, &got, &size),
                     STATUS_MALFORMED);
    free(text);
}

static void test_servers(void **state)
{
    char list[] = "nats://one, NATS://ada:se:cret@two:4333/,nats://t0ken@[::1]:1";
    struct broker_server servers[BROKER_SERVERS];
    size_t count = 0;
    (void)state;
    assert_int_equal(broker_servers_parse(list, servers, &count), STATUS_OK);
    assert_int_equal(count, 3);
    assert_string_equal(servers[0].host.name, "one");
    assert_int_equal(servers[0].host.port, 4222);
    assert_null(servers[0].user);
    assert_null(servers[0].token);
    assert_string_equal(servers[1].user, "ada");
    assert_string_equal(servers[1].password, "se:cret");
    assert_int_equal(servers[1].host.port, 4333);
    assert_string_equal(servers[2].token, "t0ken");
    assert_string_equal(servers[2].host.name, "::1");
}

static void test_servers_refused(void **state)
{
    struct broker_server servers[BROKER_SERVERS];
    size_t count = 99;
    char tls[] = "nats://a,tls://b";
    char http[] = "http://a";
    char empty[] = "";
    char comma[] = "nats://a,";
    char port[] = "nats://a:0";
    char many[BROKER_SERVERS * 16 + 32] = "nats://a";
    (void)state;
    for (int i = 0; i < BROKER_SERVERS; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), ",nats://a");
    assert_int_equal(broker_servers_parse(tls, servers, &count), STATUS_NOT_FOUND);
    assert_int_equal(broker_servers_parse(http, servers, &count), STATUS_MALFORMED);
    assert_int_equal(broker_servers_parse(empty, servers, &count), STATUS_MALFORMED);
    assert_int_equal(broker_servers_parse(comma, servers, &count), STATUS_MALFORMED);
    assert_int_equal(broker_servers_parse(port, servers, &count), STATUS_MALFORMED);
    assert_int_equal(broker_servers_parse(many, servers, &count), STATUS_MALFORMED);
    assert_int_equal(count, 99);
}

static void test_what_is_said(void **state)
{
    const struct broker_server server = {.user = "a\"b", .password = "c"};
    struct buf buf;
    (void)state;
    buf_init(&buf, 1024);
    assert_int_equal(broker_connect_append(&buf, &server, "gateway g"), STATUS_OK);
    assert_non_null(strstr(buf.data, "\"name\":\"gateway g\",\"user\":\"a\\\"b\",\"pass\":\"c\"}\r\n"));
    assert_null(strstr(buf.data, "auth_token"));
    buf_clear(&buf);
    assert_int_equal(broker_subscribe_append(&buf, "x.y", 12), STATUS_OK);
    assert_int_equal(broker_unsubscribe_append(&buf, 12), STATUS_OK);
    assert_string_equal(buf.data, "SUB x.y 12\r\nUNSUB 12\r\n");
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),      cmocka_unit_test(test_message_with_headers),
        cmocka_unit_test(test_other_lines),  cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_malformed),    cmocka_unit_test(test_line_has_a_bound),
        cmocka_unit_test(test_servers),      cmocka_unit_test(test_servers_refused),
        cmocka_unit_test(test_what_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
