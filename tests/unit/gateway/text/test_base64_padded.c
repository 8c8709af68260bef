/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The vectors of RFC 4648 both ways, and what is refused: wrong, missing or excess padding, bits left over,
 * foreign characters.
 */
#include "gateway_test.h"

#include "text/base64_padded.h"

static void vectors_both_ways(void **state)
{
    static const struct {
        const char *bytes;
        const char *text;
    } rows[] = {{"f", "Zg=="},        {"fo", "Zm8="},          {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},   {"foobar", "Zm9vYmFy"},
                {"\xfb\xff", "+/8="}, {"\xff\xef\xbe", "/+++"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice bytes = exact_string(rows[i].bytes);
        struct slice text = exact_string(rows[i].text);
        struct buf buf;

        buf_init(&buf, 1 + text.length); /* exactly */
        assert_int_equal(buf_append_char(&buf, '>'), STATUS_OK);
        assert_int_equal(base64_padded_append(&buf, bytes), STATUS_OK);
        assert_int_equal(buf.length, 1 + text.length);
        assert_memory_equal(buf.data + 1, rows[i].text, text.length + 1);
        buf_done(&buf);
        buf_init(&buf, 1 + bytes.length);
        assert_int_equal(buf_append_char(&buf, '>'), STATUS_OK);
        assert_int_equal(base64_padded_decode(text, &buf), STATUS_OK);
        assert_int_equal(buf.length, 1 + bytes.length);
        assert_memory_equal(buf.data + 1, rows[i].bytes, bytes.length + 1);
        buf_done(&buf);
        exact_free(bytes);
        exact_free(text);
    }
}

static void nothing_is_nothing(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 8);
    assert_int_equal(base64_padded_append(&buf, (struct slice){0}), STATUS_OK);
    assert_int_equal(base64_padded_decode((struct slice){0}, &buf), STATUS_OK);
    assert_int_equal(buf.length, 0);
    buf_done(&buf);
}

static void what_is_no_base64(void **state)
{
    static const char *const rows[] = {
        /* lengths that are not multiples of four */
        "Z",    "Zg",   "Zg=",      "Zm8",     "Zm9vY",     "Zg==\n",
        "====", "A===", "Zm=9",     "=Zm9",    "Z===",      "Zg==Zg==", /* misplaced or excess padding */
        "Zh==", "Zm9=", "Zm9v/x==",                                     /* bits left over */
        "Zm 9", "Zm9-", "Zm9_",     "Zm9\xc3", "Zm9vYmF\n",             /* foreign characters */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice text = exact_string(rows[i]);
        struct buf buf;

        buf_init(&buf, 100);
        assert_int_equal(buf_append_string(&buf, "kept"), STATUS_OK);
        if (base64_padded_decode(text, &buf) != STATUS_MALFORMED)
            fail_msg("accepted: %s", rows[i]);
        assert_int_equal(buf.length, 4);
        assert_memory_equal(buf.data, "kept", 4);
        buf_done(&buf);
        exact_free(text);
    }
}

static void nothing_is_written_past_the_maximum(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 7);
    assert_int_equal(base64_padded_append(&buf, SLICE_LITERAL("foob")), STATUS_FULL);
    assert_int_equal(buf.length, 0);
    assert_int_equal(base64_padded_append(&buf, SLICE_LITERAL("foo")), STATUS_OK);
    assert_int_equal(base64_padded_decode(SLICE_LITERAL("Zm9vYg=="), &buf), STATUS_FULL);
    assert_buf(&buf, "Zm9v");
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_both_ways),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(what_is_no_base64),
        cmocka_unit_test(nothing_is_written_past_the_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
