/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Both alphabets: each reads what it wrote, of every length, and nothing of the other's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64.h"

static const enum base64_alphabet alphabets[] = {BASE64_STANDARD, BASE64_URL};

static void every_length_comes_back(void **state)
{
    (void)state;
    for (size_t a = 0; a < 2; a++) {
        for (size_t length = 0; length <= 64; length++) {
            unsigned char bytes[64];
            unsigned char decoded[64];
            char text[BASE64_LENGTH(64)];
            size_t count = 99;

            for (size_t i = 0; i < length; i++)
                bytes[i] = (unsigned char)(i * 37 + length * 101);
            assert_int_equal(base64_encode(text, bytes, length, alphabets[a]), BASE64_LENGTH(length));
            assert_int_equal(
                base64_decode(decoded, length, slice_make(text, BASE64_LENGTH(length)), alphabets[a], &count),
                STATUS_OK);
            assert_int_equal(count, length);
            assert_memory_equal(decoded, bytes, length);
        }
    }
}

static void the_last_two_characters_differ(void **state)
{
    static const unsigned char bytes[] = {0xfb, 0xff, 0xfe};
    unsigned char decoded[3];
    char text[4];
    size_t count;

    (void)state;
    base64_encode(text, bytes, 3, BASE64_STANDARD);
    assert_memory_equal(text, "+//+", 4);
    assert_int_equal(base64_decode(decoded, 3, slice_make(text, 4), BASE64_URL, &count), STATUS_MALFORMED);
    base64_encode(text, bytes, 3, BASE64_URL);
    assert_memory_equal(text, "-__-", 4);
    assert_int_equal(base64_decode(decoded, 3, slice_make(text, 4), BASE64_STANDARD, &count),
                     STATUS_MALFORMED);
}

/* Each of the 256 bytes, at each place of a group. */
static void foreign_characters(void **state)
{
    static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const char *const own[] = {"+/", "-_"};

    (void)state;
    for (size_t a = 0; a < 2; a++) {
        for (int c = 0; c < 256; c++) {
            bool good = c && (strchr(common, c) || strchr(own[a], c));

            for (size_t place = 0; place < 4; place++) {
                char text[] = "AAAA";
                unsigned char decoded[3];
                size_t count = 99;

                text[place] = (char)c;
                assert_int_equal(base64_decode(decoded, 3, slice_make(text, 4), alphabets[a], &count),
                                 good ? STATUS_OK : STATUS_MALFORMED);
                assert_int_equal(count, good ? 3 : 99);
            }
        }
    }
}

static void lengths_bits_and_bounds(void **state)
{
    static const struct {
        const char *text;
        size_t capacity;
        enum status status;
    } rows[] = {
        {"A", 8, STATUS_MALFORMED},  {"AAAAA", 8, STATUS_MALFORMED}, {"AA", 1, STATUS_OK},
        {"AB", 8, STATUS_MALFORMED}, {"AAA", 2, STATUS_OK},          {"AAB", 8, STATUS_MALFORMED},
        {"AA", 0, STATUS_FULL},      {"AAA", 1, STATUS_FULL},        {"AAAA", 2, STATUS_FULL},
        {"", 0, STATUS_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char decoded[8];
        size_t count;

        assert_int_equal(base64_decode(decoded, rows[i].capacity, slice_from_string(rows[i].text),
                                       BASE64_STANDARD, &count),
                         rows[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(the_last_two_characters_differ),
        cmocka_unit_test(foreign_characters),
        cmocka_unit_test(lengths_bits_and_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
