/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which spellings of an industry are one, what is refused, and over all of Unicode: settled in one step and
 * within the size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/industry.h"
#include "common/utf8.h"

static const char *normalised(struct slice name)
{
    static char out[INDUSTRY_NORMALISED_SIZE];
    size_t length = 0;

    assert_int_equal(industry_normalise(name, out, &length), STATUS_OK);
    assert_int_equal(strlen(out), length);
    return out;
}

static void spellings_that_are_one(void **state)
{
    static const struct {
        const char *written;
        const char *expected;
    } rows[] = {
        {"tech", "tech"},
        {"TECH", "tech"},
        {"  Tech  ", "tech"},
        {"Health Care", "health care"},                   /* space inside stays */
        {"\xc2\xa0\xe3\x80\x80Tech\xe2\x80\x89", "tech"}, /* U+00A0 U+3000 .. U+2009 */
        {"\xe1\x9a\x80x\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\x9f", "x"},
        {"\xc3\x89nergie", "\xc3\xa9nergie"},  /* E acute */
        {"E\xcc\x81nergie", "\xc3\xa9nergie"}, /* E + combining acute */
        {"Stra\xc3\x9f"
         "e",
         "strasse"}, /* sharp s */
        {"STRASSE", "strasse"},
        {"\xce\xa3\xce\x91\xce\xa3", "\xcf\x83\xce\xb1\xcf\x83"}, /* final sigma */
        {"\xcf\x83\xce\xb1\xcf\x82", "\xcf\x83\xce\xb1\xcf\x83"},
        {"\xd0\x9c\xd0\xb5\xd0\xb4", "\xd0\xbc\xd0\xb5\xd0\xb4"}, /* Cyrillic */
        {"\xe5\x8c\xbb\xe7\x99\x82", "\xe5\x8c\xbb\xe7\x99\x82"}, /* no case */
        {"{a}.*>", "{a}.*>"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(normalised(slice_from_string(rows[i].written)), rows[i].expected);
}

static void what_is_refused(void **state)
{
    static const struct slice bad[] = {
        SLICE_LITERAL(""),      SLICE_LITERAL("   "),          SLICE_LITERAL("\xe3\x80\x80\xc2\xa0"),
        SLICE_LITERAL("a\0b"),  SLICE_LITERAL("\tTech"),       SLICE_LITERAL("Tech\n"),
        SLICE_LITERAL("a\x7f"), SLICE_LITERAL("a\xc2\x85"),    SLICE_LITERAL("\xff"),
        SLICE_LITERAL("\xc3"),  SLICE_LITERAL("\xed\xa0\x80"),
    };
    char out[INDUSTRY_NORMALISED_SIZE] = "before";
    size_t length = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(industry_normalise(bad[i], out, &length), STATUS_INVALID_PAYLOAD);
    assert_int_equal(industry_normalise(slice_make(NULL, 0), out, &length), STATUS_INVALID_PAYLOAD);
    assert_string_equal(out, "before");
    assert_int_equal(length, 7);
}

static void length_counts_as_written(void **state)
{
    char name[INDUSTRY_MAXIMUM_BYTES + 2];
    char out[INDUSTRY_NORMALISED_SIZE];
    size_t length = 0;

    (void)state;
    memset(name, 'x', sizeof(name));
    assert_int_equal(industry_normalise(slice_make(name, INDUSTRY_MAXIMUM_BYTES), out, &length), STATUS_OK);
    assert_int_equal(length, INDUSTRY_MAXIMUM_BYTES);
    assert_int_equal(industry_normalise(slice_make(name, INDUSTRY_MAXIMUM_BYTES + 1), out, &length),
                     STATUS_INVALID_PAYLOAD);
    name[INDUSTRY_MAXIMUM_BYTES] = ' '; /* over-long though trimming would shorten it */
    assert_int_equal(industry_normalise(slice_make(name, INDUSTRY_MAXIMUM_BYTES + 1), out, &length),
                     STATUS_INVALID_PAYLOAD);
}

static size_t encode(uint32_t point, char out[4])
{
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 63));
        point >>= 6;
    }
    out[0] = (char)(marks[length] | point);
    return length;
}

/* One character as often as it fits, the widest case; its result must be settled: a room's name is made on
 * the gateway and again from the event's payload. */
static void check_character(uint32_t point)
{
    char name[INDUSTRY_MAXIMUM_BYTES];
    char first[INDUSTRY_NORMALISED_SIZE];
    char second[INDUSTRY_NORMALISED_SIZE];
    size_t length = 0;
    size_t first_length = 0;
    size_t second_length = 0;

    for (size_t size = encode(point, name); length + size <= sizeof(name); length += size)
        encode(point, name + length);
    if (!utf8_clean(slice_make(name, length)))
        return;
    if (industry_normalise(slice_make(name, length), first, &first_length) != STATUS_OK) {
        if (!strchr(" ", name[0]) && point != 0xa0 && point != 0x1680 &&
            !(point >= 0x2000 && point <= 0x205f) && point != 0x3000)
            fail_msg("U+%04X is refused", (unsigned)point);
        return;
    }
    assert_true(utf8_clean(slice_make(first, first_length)));
    if (first_length > INDUSTRY_MAXIMUM_BYTES)
        return; /* longer than a name may be written */
    assert_int_equal(industry_normalise(slice_make(first, first_length), second, &second_length), STATUS_OK);
    if (first_length != second_length || memcmp(first, second, first_length) != 0)
        fail_msg("U+%04X is not settled", (unsigned)point);
}

static void all_of_unicode(void **state)
{
    (void)state;
    for (uint32_t point = 1; point <= 0x10ffff; point++) {
        if (point < 0xd800 || point > 0xdfff)
            check_character(point);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_that_are_one),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(length_counts_as_written),
        cmocka_unit_test(all_of_unicode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
