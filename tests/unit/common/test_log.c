/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Lines of text and JSON: shapes, keys, escaping, cutting, one write a line, and the rate limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/utf8.h"

static struct captured captured;

static void freeze(void)
{
    clock_set_for_test(5000000, 1769860800123000);
}

static void write_text(void *context)
{
    (void)context;
    freeze();
    log_init("gateway", LOG_DEBUG, LOG_TEXT);
    log_event(LOG_INFO, "ready", LOG_I("port", 3001));
    log_event(LOG_ERROR, "cannot listen", LOG_S("reason", "address in use"),
              LOG_U("tries", 18446744073709551615u));
    log_event(LOG_WARN, "slow", LOG_F("seconds", 0.25));
    log_event(LOG_DEBUG, "nothing");
    log_event(LOG_INFO, "values", LOG_S("null", NULL), LOG_S("empty", ""),
              LOG_SLICE("slice", slice_make(NULL, 0)), LOG_I("negative", INT64_MIN), LOG_S("equals", "a=b"),
              LOG_S("plain", "a.b/c"));
}

static void text_lines(void **state)
{
    (void)state;
    capture(write_text, NULL, &captured);
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(
        captured.err, "2026-01-31T12:00:00.123Z \xe2\x96\xa1 gateway ready port=3001\n"
                      "2026-01-31T12:00:00.123Z \xe2\x96\xa0 gateway cannot listen reason=\"address in use\" "
                      "tries=18446744073709551615\n"
                      "2026-01-31T12:00:00.123Z \xe2\x96\xa3 gateway slow seconds=0.25\n"
                      "2026-01-31T12:00:00.123Z \xc2\xb7 gateway nothing\n"
                      "2026-01-31T12:00:00.123Z \xe2\x96\xa1 gateway values null=\"\" empty=\"\" slice=\"\" "
                      "negative=-9223372036854775808 equals=\"a=b\" plain=a.b/c\n");
    assert_string_equal(captured.out, "");
}

static void write_json(void *context)
{
    (void)context;
    freeze();
    log_init("auth-svc", LOG_INFO, LOG_AUTO); /* not a terminal */
    log_event(LOG_INFO, "ready", LOG_I("port", 9002), LOG_S("text", "a\"b\\c\nd\x1b[31m"),
              LOG_F("infinite", 1.0 / 0.0), LOG_F("real", 1.5),
              LOG_SLICE("bytes", slice_make("ok\xff\0\xc3\xa9", 6)));
    log_event(LOG_DEBUG, "below the level");
}

static void json_lines(void **state)
{
    json_error_t error;
    json_t *line;
    const char *key;
    json_t *value;
    char keys[128] = "";

    (void)state;
    capture(write_json, NULL, &captured);
    line = json_loads(captured.err, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                      &error); /* exactly one line: no trailing text */
    assert_non_null(line);
    json_object_foreach(line, key, value)
        snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%s ", key);
    assert_string_equal(keys, "ts level service msg port text infinite real bytes ");
    assert_string_equal(json_string_value(json_object_get(line, "ts")), "2026-01-31T12:00:00.123Z");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(line, "service")), "auth-svc");
    assert_string_equal(json_string_value(json_object_get(line, "msg")), "ready");
    assert_int_equal(json_integer_value(json_object_get(line, "port")), 9002);
    assert_string_equal(json_string_value(json_object_get(line, "text")), "a\"b\\c\nd\x1b[31m");
    assert_true(json_is_null(json_object_get(line, "infinite")));
    assert_non_null(strstr(captured.err, "ok\\\\xff\\u0000\xc3\xa9"));
    assert_null(strchr(captured.err, 0x1b));
    json_decref(line);
}

static void write_hostile(void *context)
{
    log_init("gateway", LOG_INFO, *(const enum log_format *)context);
    log_event(LOG_INFO, "x", LOG_S("a", "\n2026-01-31T12:00:00.123Z \xe2\x96\xa0 gateway forged"));
    log_event(LOG_INFO, "x",
              LOG_S("a", "\r\x1b[2K\x7f\xc2\x9b"
                         "31m"));
    log_event(LOG_INFO, "x", LOG_S("a", "\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6\xef\xbf\xbe"));
    log_event(LOG_INFO, "x\ny", LOG_S("a\"b\nc", "\",\"level\":\"error"));
    log_event(LOG_INFO, "x", LOG_S("a", "\xed\xa0\x80 \xc0\x80 \xf8"));
}

static void nobody_forges_a_line(void **state)
{
    static const enum log_format formats[] = {LOG_TEXT, LOG_JSON};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t lines = 0;

        capture(write_hostile, (void *)(uintptr_t)&formats[i], &captured);
        for (const char *c = captured.err; *c; c++) {
            assert_true(*c == '\n' || ((unsigned char)*c >= 0x20 && *c != 0x7f));
            lines += *c == '\n';
        }
        assert_int_equal(lines, 5);
        assert_true(utf8_valid(slice_from_string(captured.err)));
        assert_null(strstr(captured.err, "\xe2\x80\xae"));
        assert_null(strstr(captured.err, "\xe2\x80\xa8"));
        assert_null(strstr(captured.err, "\xc2\x9b"));
        if (formats[i] == LOG_TEXT)
            continue;
        for (char *line = strtok(captured.err, "\n"); line; line = strtok(NULL, "\n")) {
            json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

            assert_non_null(object);
            assert_string_equal(json_string_value(json_object_get(object, "level")), "info");
            json_decref(object);
        }
    }
}

static void write_long(void *context)
{
    static char value[20000];

    (void)context;
    log_init("gateway", LOG_INFO, LOG_JSON);
    memset(value, 'x', sizeof(value) - 1);
    log_event(LOG_INFO, "long", LOG_S("value", value));
    for (size_t i = 1; i + 1 < sizeof(value); i += 2)
        memcpy(value + i, "\xc3\xa9", 2); /* a character that does not end at the 512th byte */
    log_event(LOG_INFO, "long", LOG_S("value", value));
    memset(value, 1, sizeof(value) - 1); /* six characters each when escaped: 512 bytes are 3 KB */
    log_event(LOG_INFO, value, LOG_S("a", value), LOG_S("b", value), LOG_S("c", value), LOG_I("d", 1));
}

static void long_values_are_cut(void **state)
{
    json_t *lines[3];
    char *at;
    const char *value;

    (void)state;
    capture(write_long, NULL, &captured);
    at = strtok(captured.err, "\n");
    for (int i = 0; i < 3; i++) {
        assert_non_null(at);
        assert_true(strlen(at) < 8192);
        lines[i] = json_loads(at, 0, NULL);
        assert_non_null(lines[i]);
        at = strtok(NULL, "\n");
    }
    value = json_string_value(json_object_get(lines[0], "value"));
    assert_int_equal(strlen(value), 512 + 3);
    assert_string_equal(value + 510, "xx\xe2\x80\xa6");
    value = json_string_value(json_object_get(lines[1], "value"));
    assert_int_equal(strlen(value), 511 + 3); /* no half character */
    assert_true(json_is_true(json_object_get(lines[2], "cut")));
    assert_non_null(json_object_get(lines[2], "a"));
    assert_null(json_object_get(lines[2], "d"));
    for (int i = 0; i < 3; i++)
        json_decref(lines[i]);
}

static void write_secrets(void *context)
{
    (void)context;
    log_init("gateway", LOG_INFO, LOG_TEXT);
    log_event(LOG_INFO, "x", LOG_S("token", "hunter2"), LOG_SLICE("Authorization", SLICE_LITERAL("hunter2")),
              LOG_S("jwt_secret", "hunter2"), LOG_S("passwordHash", "hunter2"), LOG_I("token_bytes", 7));
}

static void secrets_are_hidden(void **state)
{
    (void)state;
    capture(write_secrets, NULL, &captured);
    assert_null(strstr(captured.err, "hunter2"));
    assert_non_null(strstr(captured.err, "token=(hidden) "));
    assert_non_null(strstr(captured.err, "token_bytes=7"));
}

/* Each line must arrive as one datagram: that is one write(). */
static void a_line_is_one_write(void **state)
{
    int pair[2];
    int saved = dup(STDERR_FILENO);
    char line[9000];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    log_init("gateway", LOG_INFO, LOG_JSON);
    assert_true(dup2(pair[1], STDERR_FILENO) >= 0);
    log_event(LOG_INFO, "one", LOG_S("a", "b"), LOG_I("c", 1));
    log_event(LOG_INFO, "two");
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    for (int i = 0; i < 2; i++) {
        ssize_t got = recv(pair[0], line, sizeof(line), MSG_DONTWAIT);

        assert_true(got > 0);
        assert_int_equal(line[0], '{');
        assert_int_equal(line[got - 1], '\n');
        assert_ptr_equal(memchr(line, '\n', (size_t)got), line + got - 1);
    }
    assert_true(recv(pair[0], line, sizeof(line), MSG_DONTWAIT) < 0);
    close(saved);
    close(pair[0]);
    close(pair[1]);
}

static void write_limited(void *context)
{
    (void)context;
    log_init("gateway", LOG_INFO, LOG_TEXT);
    for (int i = 0; i < 30; i++) {
        clock_set_for_test((int64_t)(i / 10) * 1000000, 0);
        log_event_limited(LOG_WARN, "bad input", LOG_I("i", i));
        log_event_limited(LOG_DEBUG, "below the level");
    }
}

static void repeats_are_counted_not_written(void **state)
{
    (void)state;
    capture(write_limited, NULL, &captured);
    assert_string_equal(captured.err,
                        "1970-01-01T00:00:00.000Z \xe2\x96\xa3 gateway bad input suppressed=0 i=0\n"
                        "1970-01-01T00:00:00.000Z \xe2\x96\xa3 gateway bad input suppressed=9 i=10\n"
                        "1970-01-01T00:00:00.000Z \xe2\x96\xa3 gateway bad input suppressed=9 i=20\n");
}

static struct log_site shared_site;
static _Atomic uint64_t allowed;
static _Atomic uint64_t accounted;

static void *hammer_site(void *argument)
{
    (void)argument;
    for (int i = 0; i < 10000; i++) {
        uint64_t suppressed = 0;

        if (log_site_allows(&shared_site, &suppressed)) {
            allowed++;
            accounted += suppressed;
        }
    }
    return NULL;
}

static void a_site_counts_every_repeat_once(void **state)
{
    pthread_t threads[4];

    (void)state;
    clock_set_for_test(0, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer_site, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    clock_set_for_test(-1, -1);
    assert_int_equal(allowed, 1);
    assert_int_equal(allowed + accounted + shared_site.suppressed, 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lines),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(nobody_forges_a_line),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(secrets_are_hidden),
        cmocka_unit_test(a_line_is_one_write),
        cmocka_unit_test(repeats_are_counted_not_written),
        cmocka_unit_test(a_site_counts_every_repeat_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
