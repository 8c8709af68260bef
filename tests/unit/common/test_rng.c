/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Random numbers: bounds, evenness coarse enough never to fail by chance, and ids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64url.h"
#include "common/rng.h"

static void below_stays_below(void **state)
{
    (void)state;
    assert_int_equal(rng_below(0), 0);
    assert_int_equal(rng_below(1), 0);
    for (int i = 0; i < 2000; i++) {
        assert_true(rng_below(7) < 7);
        assert_true(rng_below(UINT64_MAX) < UINT64_MAX);
        assert_true(rng_below((uint64_t)1 << 63) < (uint64_t)1 << 63);
    }
}

static void below_reaches_every_value(void **state)
{
    unsigned seen[7] = {0};

    (void)state;
    for (int i = 0; i < 7000; i++)
        seen[rng_below(7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 500, 1500); /* 1000 expected; more than 16 deviations away */
}

static void bytes_fill_exactly(void **state)
{
    unsigned char bytes[1026] = {0};
    unsigned zeros = 0;

    (void)state;
    rng_bytes(bytes + 1, 1024);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(bytes[1025], 0);
    for (int i = 1; i <= 1024; i++)
        zeros += bytes[i] == 0;
    assert_true(zeros < 100); /* 4 expected */
    rng_bytes(bytes, 0);
    assert_true(rng_u64() != rng_u64());
}

static void ids_are_base64url_of_the_bytes_asked_for(void **state)
{
    char id[BASE64URL_LENGTH(48) + 1];
    char other[BASE64URL_LENGTH(48) + 1];
    unsigned char bytes[48];
    size_t length = 0;

    (void)state;
    rng_id(id, 0);
    assert_string_equal(id, "");
    for (size_t size = 1; size <= 48; size++) {
        rng_id(id, size);
        assert_int_equal(strlen(id), BASE64URL_LENGTH(size));
        assert_int_equal(base64url_decode(bytes, sizeof(bytes), slice_from_string(id), &length), STATUS_OK);
        assert_int_equal(length, size);
    }
    rng_id(other, 48);
    assert_string_not_equal(id, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_stays_below),
        cmocka_unit_test(below_reaches_every_value),
        cmocka_unit_test(bytes_fill_exactly),
        cmocka_unit_test(ids_are_base64url_of_the_bytes_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
