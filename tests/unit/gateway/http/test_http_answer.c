/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Responses byte for byte: what clients and proxies in front of the gateway rely on.
 */
#include "gateway_test.h"

#include "http/http_answer.h"

static const struct http_answer plain = {200, HTTP_TEXT, {"2\0363", 3}, NULL, LABEL_NONE};

static void assert_answer(const struct http_answer *answer, const struct http_shape *shape, const char *text)
{
    struct buf buf;

    buf_init(&buf, 1000);
    assert_int_equal(http_answer_append(&buf, answer, shape), STATUS_OK);
    assert_string_equal(buf.data, text);
    buf_done(&buf);
}

static void a_body_has_type_and_length(void **state)
{
    const struct http_shape keep = {.keep_alive = true};
    const struct http_shape end = {.keep_alive = false};

    (void)state;
    assert_answer(&plain, &keep,
                  "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: 3\r\n"
                  "connection: keep-alive\r\n\r\n2\0363");
    assert_answer(&plain, &end,
                  "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: 3\r\n"
                  "connection: close\r\n\r\n2\0363");
}

static void head_tells_the_length_alone(void **state)
{
    const struct http_shape head = {.keep_alive = true, .head = true};

    (void)state;
    assert_answer(&plain, &head,
                  "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: 3\r\n"
                  "connection: keep-alive\r\n\r\n");
}

static void no_content_has_neither(void **state)
{
    const struct http_answer none = {204, NULL, {NULL, 0}, "allow: GET\r\n", LABEL_NONE};
    const struct http_shape keep = {.keep_alive = true};

    (void)state;
    assert_answer(&none, &keep, "HTTP/1.1 204 No Content\r\nallow: GET\r\nconnection: keep-alive\r\n\r\n");
}

static void an_allowed_origin_is_named(void **state)
{
    const struct http_answer refusal = {400, HTTP_JSON, {"{}", 2}, NULL, LABEL_NONE};
    const struct http_shape allowed = {
        .keep_alive = true, .by_origin = true, .origin = SLICE_LITERAL("https://a.example")};
    const struct http_shape none = {.keep_alive = true, .by_origin = true};

    (void)state;
    assert_answer(&refusal, &allowed,
                  "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
                  "vary: Origin\r\ncache-control: no-store\r\n"
                  "access-control-allow-origin: https://a.example\r\n"
                  "access-control-allow-credentials: true\r\nconnection: keep-alive\r\n\r\n{}");
    assert_answer(&refusal, &none,
                  "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
                  "vary: Origin\r\ncache-control: no-store\r\nconnection: keep-alive\r\n\r\n{}");
}

static void every_status_that_is_sent_has_a_phrase(void **state)
{
    static const unsigned statuses[] = {200, 204, 400, 403, 404, 405, 408, 411, 413, 426, 429, 503, 505};
    const struct http_shape keep = {.keep_alive = true};
    struct buf buf;

    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct http_answer answer = plain;

        answer.status = statuses[i];
        buf_init(&buf, 1000);
        assert_int_equal(http_answer_append(&buf, &answer, &keep), STATUS_OK);
        assert_null(strstr(buf.data, "Unknown"));
        buf_done(&buf);
    }
}

static void it_is_whole_or_not_there(void **state)
{
    const struct http_shape keep = {.keep_alive = true};
    struct buf buf;

    (void)state;
    buf_init(&buf, 110);
    assert_int_equal(http_answer_append(&buf, &plain, &keep), STATUS_OK);
    assert_int_equal(http_answer_append(&buf, &plain, &keep), STATUS_FULL);
    buf_clear(&buf);
    buf.maximum = 100;
    assert_int_equal(http_answer_append(&buf, &plain, &keep), STATUS_FULL);
    assert_int_equal(buf.length, 0);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_has_type_and_length),
        cmocka_unit_test(head_tells_the_length_alone),
        cmocka_unit_test(no_content_has_neither),
        cmocka_unit_test(an_allowed_origin_is_named),
        cmocka_unit_test(every_status_that_is_sent_has_a_phrase),
        cmocka_unit_test(it_is_whole_or_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
