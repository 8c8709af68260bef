/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * RFC 4648 vectors, every length, every foreign character, spare bits and bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64url.h"

static void encodes_the_rfc_vectors(void **state)
{
    static const struct {
        const char *bytes;
        const char *text;
    } rows[] = {{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
                {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t length = strlen(rows[i].bytes);
        char text[16];
        char bytes[16];
        size_t decoded = 99;

        assert_int_equal(base64url_encode(text, rows[i].bytes, length), BASE64URL_LENGTH(length));
        assert_string_equal(text, rows[i].text);
        assert_int_equal(base64url_decode(bytes, sizeof(bytes), slice_from_string(text), &decoded),
                         STATUS_OK);
        assert_int_equal(decoded, length);
        assert_memory_equal(bytes, rows[i].bytes, length);
    }
}

static void every_byte_and_length_comes_back(void **state)
{
    unsigned char bytes[257];
    unsigned char back[257];
    char text[BASE64URL_LENGTH(257) + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 167 + 13);
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        size_t decoded = 0;
        size_t written = base64url_encode(text, bytes, length);

        assert_int_equal(strlen(text), written);
        assert_int_equal(base64url_decode(back, length, slice_make(text, written), &decoded), STATUS_OK);
        assert_int_equal(decoded, length);
        assert_memory_equal(back, bytes, length);
        if (length > 0)
            assert_int_equal(base64url_decode(back, length - 1, slice_make(text, written), &decoded),
                             STATUS_FULL);
    }
}

static void foreign_characters_are_refused(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char bytes[4];
    size_t length = 77;

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[4] = {'A', (char)c, 'A', 'A'};
        bool legal = c != 0 && strchr(alphabet, c);

        assert_int_equal(base64url_decode(bytes, 4, slice_make(text, 4), &length),
                         legal ? STATUS_OK : STATUS_MALFORMED);
    }
}

static void impossible_lengths_and_spare_bits_are_refused(void **state)
{
    static const char *const bad[] = {"A", "AAAAA", "Zh", "Zm9", "Zg=", "Zg==", " Zg", "Zg\n", "_", "AB"};
    char bytes[8];
    size_t length = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(base64url_decode(bytes, sizeof(bytes), slice_from_string(bad[i]), &length),
                         STATUS_MALFORMED);
    assert_int_equal(length, 77); /* untouched on failure */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_the_rfc_vectors),
        cmocka_unit_test(every_byte_and_length_comes_back),
        cmocka_unit_test(foreign_characters_are_refused),
        cmocka_unit_test(impossible_lengths_and_spare_bits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
