/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A run of appends is whole or absent, whichever of its steps finds no room.
 */
#include "gateway_test.h"

#include "text/append.h"

static enum status write_all(struct buf *buf)
{
    struct append out = append_start(buf);

    append_text(&out, "{\"id\":");
    append_number(&out, 1207);
    append_slice(&out, SLICE_LITERAL(",\"text\":"));
    append_json_string(&out, SLICE_LITERAL("a \"b\"\n"));
    append_slice(&out, (struct slice){0}); /* nothing, which is not a failure */
    append_text(&out, "}");
    return append_end(&out);
}

static void all_steps_in_their_order(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    assert_int_equal(buf_append_string(&buf, "before "), STATUS_OK);
    assert_int_equal(write_all(&buf), STATUS_OK);
    assert_buf(&buf, "before {\"id\":1207,\"text\":\"a \\\"b\\\"\\n\"}");
    buf_done(&buf);
}

/* Every length that is too short fails in a different step. */
static void nothing_stays_of_what_does_not_fit(void **state)
{
    const size_t whole = strlen("kept{\"id\":1207,\"text\":\"a \\\"b\\\"\\n\"}");

    (void)state;
    for (size_t maximum = 4; maximum <= whole; maximum++) {
        struct buf buf;

        buf_init(&buf, maximum);
        assert_int_equal(buf_append_string(&buf, "kept"), STATUS_OK);
        assert_int_equal(write_all(&buf), maximum < whole ? STATUS_FULL : STATUS_OK);
        if (maximum < whole)
            assert_buf(&buf, "kept");
        buf_done(&buf);
    }
}

static void nothing_follows_a_failure(void **state)
{
    struct append out;
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    out = append_start(&buf);
    append_text(&out, "first");
    append_status(&out, STATUS_OK);
    append_status(&out, STATUS_MALFORMED);
    append_status(&out, STATUS_NO_MEMORY); /* the first one is returned */
    append_text(&out, "second");
    append_json_string(&out, SLICE_LITERAL("third"));
    assert_int_equal(buf.length, 5);
    assert_int_equal(append_end(&out), STATUS_MALFORMED);
    assert_buf(&buf, "");
    buf_done(&buf);
}

static void a_failure_in_an_empty_buf(void **state)
{
    struct append out;
    struct buf buf;

    (void)state;
    buf_init(&buf, 2);
    out = append_start(&buf);
    append_text(&out, "abc");
    assert_int_equal(append_end(&out), STATUS_FULL);
    assert_int_equal(buf.length, 0);
    buf_done(&buf);
}

static void numbers(void **state)
{
    static const struct {
        uint64_t number;
        const char *text;
    } rows[] = {
        {0, "0"}, {9, "9"}, {10, "10"}, {4294967296, "4294967296"}, {UINT64_MAX, "18446744073709551615"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct append out;
        struct buf buf;

        buf_init(&buf, 20);
        out = append_start(&buf);
        append_number(&out, rows[i].number);
        assert_int_equal(append_end(&out), STATUS_OK);
        assert_buf(&buf, rows[i].text);
        buf_done(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_steps_in_their_order),
        cmocka_unit_test(nothing_stays_of_what_does_not_fit),
        cmocka_unit_test(nothing_follows_a_failure),
        cmocka_unit_test(a_failure_in_an_empty_buf),
        cmocka_unit_test(numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
