/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * UTF-8 against a second, independent encoder: every code point, and every way to be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/utf8.h"

static size_t encode(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 63));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 63));
        out[2] = (char)(0x80 | (point & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 63));
    out[2] = (char)(0x80 | (point >> 6 & 63));
    out[3] = (char)(0x80 | (point & 63));
    return 4;
}

static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x1fffff; point++) {
        char text[4];
        size_t length = encode(point, text);
        bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);

        assert_int_equal(utf8_valid(slice_make(text, length)), valid);
        assert_int_equal(utf8_clean(slice_make(text, length)), valid && !control);
        for (size_t cut = 1; cut < length; cut++)
            assert_false(utf8_valid(slice_make(text, cut)));
    }
}

static void wrong_bytes(void **state)
{
    static const struct slice bad[] = {
        SLICE_LITERAL("\x80"),             /* a continuation alone */
        SLICE_LITERAL("a\xbf"),            /* the same after a letter */
        SLICE_LITERAL("\xc0\x80"),         /* overlong NUL */
        SLICE_LITERAL("\xc1\xbf"),         /* overlong */
        SLICE_LITERAL("\xe0\x9f\xbf"),     /* overlong */
        SLICE_LITERAL("\xf0\x8f\xbf\xbf"), /* overlong */
        SLICE_LITERAL("\xed\xa0\x80"),     /* surrogate */
        SLICE_LITERAL("\xed\xbf\xbf"),     /* surrogate */
        SLICE_LITERAL("\xf4\x90\x80\x80"), /* past U+10FFFF */
        SLICE_LITERAL("\xf5\x80\x80\x80"),
        SLICE_LITERAL("\xfe"),
        SLICE_LITERAL("\xff"),
        SLICE_LITERAL("\xc3("),
        SLICE_LITERAL("\xe2\x28\xa1"),
        SLICE_LITERAL("\xe2\x82("),
        SLICE_LITERAL("\xf0\x9f\x90"),
        SLICE_LITERAL("\xf0\x9f\x90("),
        SLICE_LITERAL("good \xc3\xa9 then \xc3"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(utf8_valid(bad[i]));
        assert_false(utf8_clean(bad[i]));
    }
}

static void empty_and_mixed_text(void **state)
{
    (void)state;
    assert_true(utf8_valid(slice_make(NULL, 0)));
    assert_true(utf8_clean(slice_make(NULL, 0)));
    assert_true(utf8_clean(slice_from_string("Bees \xf0\x9f\x90\x9d and caf\xc3\xa9 \xe2\x82\xac")));
    assert_true(utf8_valid(SLICE_LITERAL("a\0b\n")));
    assert_false(utf8_clean(SLICE_LITERAL("a\0b")));
    assert_false(utf8_clean(SLICE_LITERAL("a\nb")));
    assert_false(utf8_clean(SLICE_LITERAL("a\xc2\x85")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(wrong_bytes),
        cmocka_unit_test(empty_and_mixed_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
