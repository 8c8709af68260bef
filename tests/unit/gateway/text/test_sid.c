/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Session ids: what is written reads back, whatever the gateway's name; nothing else does.
 */
#include "gateway_test.h"

#include <stdio.h>

#include "text/sid.h"

static void test_written_and_read(void **state)
{
    static const char *const names[] = {"gw-0", "_", "-", "0123456789abcdefghijklmnopqrstuv"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char key[SID_KEY_SIZE];
        char text[SID_SIZE];
        struct sid sid;
        sid_make_key(0x01020304u + (uint32_t)i, key);
        sid_write(text, key, names[i]);
        assert_int_equal(sid_read(slice_from_string(text), &sid), STATUS_OK);
        assert_int_equal(sid.place, 0x01020304u + (uint32_t)i);
        assert_true(slice_equal_string(sid.gateway, names[i]));
        assert_true(sid_key_equal(key, sid.key));
        assert_true(slice_equal_string(sid.text, text));
    }
}

static void test_keys_are_random(void **state)
{
    char one[SID_KEY_SIZE];
    char other[SID_KEY_SIZE];
    (void)state;
    sid_make_key(7, one);
    sid_make_key(7, other);
    assert_string_not_equal(one + 6, other + 6);
    assert_false(sid_key_equal(one, slice_from_string(other)));
    assert_false(sid_key_equal(one, slice_make(one, 19)));
    assert_true(sid_key_equal(one, slice_from_string(one)));
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "AAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAA.",
        "AAAAAAAAAAAAAAAAAAA.gw",
        "AAAAAAAAAAAAAAAAAAAAA.gw",
        "AAAAAAAAAAAAAAAAAAAAgw",
        "AAAAAAAAA+AAAAAAAAAA.gw",
        "AAAAAAAAAAAAAAAAAAAA.g.w",
        "AAAAAAAAAAAAAAAAAAAA.g>",
        "AAAAAAAAAAAAAAAAAAAA.g*",
        "AAAAAAAAAAAAAAAAAAAA.g w",
        "AAAAAAAAAAAAAAAAAAAA.g\xc3\xa4",
        "AAAAAAAAAAAAAAAAAAAA.0123456789abcdefghijklmnopqrstuvw",
    };
    struct sid sid;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(sid_read(slice_from_string(texts[i]), &sid), STATUS_MALFORMED);
    assert_int_equal(sid_read(SLICE_LITERAL("AAAAAAAAAAAAAAAAAAAA.g\0w"), &sid), STATUS_MALFORMED);
    assert_int_equal(sid_read(SLICE_LITERAL("AAAAAAAAAAAAAAAAAAAA.gw"), &sid), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_and_read),
        cmocka_unit_test(test_keys_are_random),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
