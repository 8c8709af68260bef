/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Event names, ids and the hash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/names.h"

static void event_names(void **state)
{
    static const char *const good[] = {"a", "connection.new", "A-b_c:9", "a.b.c.d", "value.get", "::", "-"};
    static const char *const bad[] = {"",    ".",   ".a",  "a.",       "a..b", "a b", "a*",
                                      "a.>", "a\n", "a/b", "\xc3\xa9", "a,b",  "a\"b"};
    char name[EVENT_NAME_MAXIMUM_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(event_name_valid(slice_from_string(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(event_name_valid(slice_from_string(bad[i])));
    assert_false(event_name_valid(slice_make(NULL, 0)));
    assert_false(event_name_valid(SLICE_LITERAL("a\0b")));
    memset(name, 'a', sizeof(name));
    assert_true(event_name_valid(slice_make(name, EVENT_NAME_MAXIMUM_BYTES)));
    assert_false(event_name_valid(slice_make(name, EVENT_NAME_MAXIMUM_BYTES + 1)));
}

static void ids(void **state)
{
    static const char *const good[] = {"u", "a.b", "*", ">", "}", "a b", "\xe8\x9c\x82", "{u.x}:net"};
    char id[ID_MAXIMUM_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(id_valid(slice_from_string(good[i])));
    assert_false(id_valid(slice_make(NULL, 0)));
    assert_false(id_valid(SLICE_LITERAL("a\0b")));
    assert_false(id_valid(SLICE_LITERAL("a\n")));
    assert_false(id_valid(SLICE_LITERAL("\xc2\x80")));
    assert_false(id_valid(SLICE_LITERAL("\xff")));
    memset(id, 'x', sizeof(id));
    assert_true(id_valid(slice_make(id, ID_MAXIMUM_BYTES)));
    assert_false(id_valid(slice_make(id, ID_MAXIMUM_BYTES + 1)));
}

static void hash_is_fixed_for_ever(void **state)
{
    (void)state;
    /* Versions mix during a rolling update: another result would be another delivery's name. */
    assert_int_equal(hash64("", 0, 0), hash64(NULL, 0, 0));
    assert_int_equal(hash64("pollen8", 7, 0), 0x92715d22396ffeadu);
    assert_int_equal(hash64("connection.new", 14, 42), 0x374e4e86fb83e4fbu);
}

static void hash_tells_inputs_apart(void **state)
{
    char text[40] = {0};
    uint64_t seen[1000];

    (void)state;
    assert_true(hash64("a", 1, 0) != hash64("a", 1, 1));
    assert_true(hash64("a\0", 2, 0) != hash64("a", 1, 0)); /* trailing zeros count */
    for (size_t i = 0; i < 40; i++)
        assert_true(hash64(text, i, 0) != hash64(text, i + 1 < 40 ? i + 1 : 0, 0));
    for (uint32_t i = 0; i < 1000; i++) {
        seen[i] = hash64(&i, sizeof(i), 7);
        for (uint32_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    }
}

static void hash_spreads_each_bit(void **state)
{
    unsigned char bytes[16] = {0};
    uint64_t base = hash64(bytes, sizeof(bytes), 0);

    (void)state;
    for (unsigned bit = 0; bit < 128; bit++) {
        int changed;

        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        changed = __builtin_popcountll(base ^ hash64(bytes, sizeof(bytes), 0));
        assert_in_range(changed, 12, 52); /* 32 expected, 5 deviations */
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_names),
        cmocka_unit_test(ids),
        cmocka_unit_test(hash_is_fixed_for_ever),
        cmocka_unit_test(hash_tells_inputs_apart),
        cmocka_unit_test(hash_spreads_each_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
