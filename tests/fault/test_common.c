/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The common library with each of its allocations failing in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/bus/subject.h"
#include "common/industry.h"
#include "common/json.h"
#include "common/ops/config.h"
#include "common/ops/metrics.h"
#include "common/ops/ops_http.h"
#include "common/wire.h"
#include "fault.h"
#include "frame.pb-c.h"
#include "presence.pb-c.h"

/* ---- buf ---- */

static enum status buf_body(void)
{
    struct buf buf;
    enum status status = STATUS_OK;
    char *taken;

    buf_init(&buf, 100000);
    for (int i = 0; i < 200 && status == STATUS_OK; i++) {
        size_t before = buf.length;

        status = buf_append_format(&buf, "%d,", i);
        if (status == STATUS_OK)
            status = buf_append_json_string(&buf, SLICE_LITERAL("a\nb"));
        else
            assert_int_equal(buf.length, before); /* a failed append changes nothing */
    }
    if (buf.data)
        assert_int_equal(strlen(buf.data), buf.length);
    taken = buf_take(&buf, NULL);
    free(taken);
    buf_done(&buf);
    return status;
}

/* ---- json ---- */

static const char document[] =
    "{\"userId\":\"u1\",\"industries\":[\"tech\",\"h\\u00e9alth\"],\"n\":1,\"r\":2.5,"
    "\"o\":{\"a\":[[[]]],\"long\":\"0123456789012345678901234567890123456789\"},"
    "\"t\":true,\"z\":null}";

static enum status json_body(void)
{
    json_t *value = NULL;
    char reason[64] = "";
    enum status status = json_parse(slice_from_string(document), &value, reason, sizeof(reason));

    if (status != STATUS_OK) {
        assert_null(value);
        return status;
    }
    /* What was read is whole: never a shortened text taken for a whole one. */
    assert_int_equal(json_string_length(json_object_get(json_object_get(value, "o"), "long")), 40);
    assert_string_equal(json_string_value(json_array_get(json_object_get(value, "industries"), 1)),
                        "h\xc3\xa9"
                        "alth");
    json_decref(value);
    return STATUS_OK;
}

/* A broken text stays broken, or is out of memory: it never becomes good. */
static enum status broken_json_body(void)
{
    json_t *value = NULL;
    enum status status =
        json_parse(SLICE_LITERAL("{\"key\":[1,2,{\"key\":\"text\"}],\"key\":1}"), &value, NULL, 0);

    assert_null(value);
    return status == STATUS_MALFORMED ? STATUS_OK : status;
}

/* ---- wire ---- */

static enum status pack_frame(struct buf *buf)
{
    char *industries[] = {(char[]){"tech"}, (char[]){"health"}};
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;

    frame.event = (char[]){"connection.new"};
    frame.data = (ProtobufCBinaryData){.len = 2, .data = (uint8_t[]){'{', '}'}};
    frame.n_industries = 2;
    frame.industries = industries;
    return wire_pack(buf, &frame.base);
}

static enum status wire_body(void)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    struct buf buf;
    enum status status;

    buf_init(&buf, 1000);
    status = pack_frame(&buf);
    for (int i = 0; i < 2 && status == STATUS_OK; i++) {
        message = NULL;
        status = wire_unpack(&arena, &pollen8__outbound_frame__descriptor, buf_slice(&buf), &message);
        if (status == STATUS_OK)
            assert_string_equal(((const Pollen8__OutboundFrame *)message)->industries[1], "health");
        else
            assert_null(message);
    }
    wire_arena_done(&arena);
    buf_done(&buf);
    return status;
}

/* Large enough for several chunks: 2,000 users of 6 bytes. */
static enum status large_wire_body(void)
{
    static char bytes[2000 * 6];
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    enum status status;

    for (size_t i = 0; i < sizeof(bytes); i += 6)
        memcpy(bytes + i, "\x22\x04\x0a\x02u1", 6);
    status = wire_unpack(&arena, &pollen8__gateway_heartbeat__descriptor, slice_make(bytes, sizeof(bytes)),
                         &message);
    if (status == STATUS_OK)
        assert_int_equal(((const Pollen8__GatewayHeartbeat *)message)->n_users, 2000);
    wire_arena_done(&arena);
    return status;
}

/* ---- config ---- */

struct settings {
    char *text;
    char *secret;
    int64_t number;
};

static const struct config_setting table[] = {
    CONFIG_ROW(struct settings, text, CONFIG_TEXT, "TEXT", "", 0, 100, "A text"),
    CONFIG_ROW(struct settings, secret, CONFIG_SECRET, "SECRET", NULL, 4, 100, "A secret"),
    CONFIG_ROW(struct settings, number, CONFIG_INTEGER, "NUMBER", "1", 0, 9, "A number"),
};
static const struct config_program program = {.name = "x", .purpose = "y", .settings = table, .count = 3};

static enum status config_body(void)
{
    static const char *const texts[][2] = {{"first", "secret1"}, {"second", "secret2"}};
    struct settings settings = {0};
    char error[256] = "";
    int failed = 0;

    for (int i = 0; i < 2 && !failed; i++) {
        failed = config_parse(&table[0], texts[i][0], &settings, error, sizeof(error)) ||
                 config_parse(&table[1], texts[i][1], &settings, error, sizeof(error)) ||
                 config_parse(&table[2], "7", &settings, error, sizeof(error));
    }
    if (failed) {
        assert_non_null(strstr(error, "out of memory"));
        assert_null(strstr(error, "secret"));
    }
    config_free(&program, &settings);
    return failed ? STATUS_NO_MEMORY : STATUS_OK;
}

/* ---- metrics ---- */

static const struct metric_definition definitions[] = {
    {METRIC_COUNTER, "a_total", NULL, "A"},
    {METRIC_GAUGE, "b", "label", "B"},
    {METRIC_HISTOGRAM, "c_seconds", "label", "C"},
};

static enum status metrics_body(void)
{
    const struct metric_sample samples[] = {{"x", 1}, {"y", 2}, {"z", 3}};
    struct metrics *metrics = NULL;
    struct buf buf;
    enum status status = metrics_create(definitions, 3, &metrics);

    if (status != STATUS_OK) {
        assert_null(metrics);
        return status;
    }
    metrics_add(metrics, 0, 1);
    metric_observe_ns(metrics_cell(metrics, 2, "one"),
                      1000); /* never NULL: `other` where there is no memory */
    metric_observe_ns(metrics_cell(metrics, 2, "two"), 1000);
    status = metrics_replace(metrics, 1, samples, 3, 2);
    if (status == STATUS_OK)
        status = metrics_replace(metrics, 1, samples, 2, 2);
    buf_init(&buf, 100000);
    if (status == STATUS_OK)
        status = metrics_render(metrics, "x", &buf);
    buf_done(&buf);
    metrics_free(metrics);
    return status;
}

/* ---- ops_http: what it allocates itself; the library's own memory is not ours to fail ---- */

static enum status ops_body(void)
{
    const struct ops_options options = {.address = "127.0.0.1", .service = "x"};
    struct ops_http *ops = NULL;
    enum status status = ops_http_create(&options, &ops);

    assert_true((status == STATUS_OK) == (ops != NULL));
    ops_http_free(ops);
    return status;
}

/* ---- what must not allocate at all ---- */

static enum status pure_body(void)
{
    char subject[SUBJECT_SIZE];
    char industry[INDUSTRY_NORMALISED_SIZE];
    struct slice tail;
    size_t length;

    assert_int_equal(subject_make(subject, SUBJECT_OUT_USER, SLICE_LITERAL("u1")), STATUS_OK);
    assert_int_equal(subject_tail(slice_from_string(subject), SUBJECT_OUT_USER, &tail), STATUS_OK);
    assert_int_equal(industry_normalise(SLICE_LITERAL("  Caf\xc3\x89 "), industry, &length), STATUS_OK);
    assert_true(json_string_slice(NULL).data == NULL);
    return STATUS_OK;
}

static void buf_survives(void **state)
{
    (void)state;
    fault_sweep_strict(buf_body, 4);
}

static void json_survives(void **state)
{
    (void)state;
    fault_sweep_strict(json_body, 20);
    fault_sweep(broken_json_body, 5);
}

static void wire_survives(void **state)
{
    (void)state;
    fault_sweep_strict(wire_body, 2);
    fault_sweep_strict(large_wire_body, 4);
}

static void config_survives(void **state)
{
    (void)state;
    fault_sweep_strict(config_body, 4);
}

static void metrics_survive(void **state)
{
    (void)state;
    fault_sweep(metrics_body, 15);
}

static void the_ops_port_survives(void **state)
{
    (void)state;
    fault_sweep_strict(ops_body, 4);
}

static void pure_code_allocates_nothing(void **state)
{
    (void)state;
    fault_expect_none(pure_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_survives),
        cmocka_unit_test(json_survives),
        cmocka_unit_test(wire_survives),
        cmocka_unit_test(config_survives),
        cmocka_unit_test(metrics_survive),
        cmocka_unit_test(the_ops_port_survives),
        cmocka_unit_test(pure_code_allocates_nothing),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
