/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sessions that have left are found by key and by handle until their time is up, or until too many have left
 * after them.
 */
#include "gateway_test.h"

#include <stdio.h>

#include "cluster/departures.h"

enum { KEEP_MS = 1000, MAXIMUM = 100 };

static struct departure departure_of(uint32_t place, uint32_t generation)
{
    struct departure departure = {.handle = (uint64_t)generation << 32 | place, .id = place * 3};
    sid_make_key(place, departure.key);
    snprintf(departure.gateway, sizeof(departure.gateway), "gw-%u", place);
    return departure;
}

static void test_found_until_the_end(void **state)
{
    struct departures *departures = departures_create(MAXIMUM, KEEP_MS);
    struct departure one = departure_of(7, 1);
    (void)state;
    assert_int_equal(departures_add(departures, &one, 5000), STATUS_OK);
    const struct departure *found = departures_by_key(departures, slice_from_string(one.key), 5999);
    assert_non_null(found);
    assert_string_equal(found->gateway, "gw-7");
    assert_int_equal(found->id, 21);
    assert_ptr_equal(departures_by_handle(departures, one.handle, 5999), found);
    assert_null(departures_by_key(departures, slice_from_string(one.key), 6000));
    assert_null(departures_by_handle(departures, one.handle, 6000));
    departures_free(departures);
}

static void test_a_sid_that_has_left(void **state)
{
    struct departures *departures = departures_create(MAXIMUM, KEEP_MS);
    struct departure one = departure_of(7, 1);
    struct departure other = departure_of(8, 1);
    struct sid sid = {.key = slice_from_string(one.key)};
    (void)state;
    assert_false(departures_has(departures, &sid, 5000));
    assert_int_equal(departures_add(departures, &one, 5000), STATUS_OK);
    assert_true(departures_has(departures, &sid, 5999));
    assert_false(departures_has(departures, &sid, 6000));
    assert_false(departures_has(departures, &(struct sid){.key = slice_from_string(other.key)}, 5999));
    assert_false(departures_has(NULL, &sid, 5999));
    departures_free(departures);
}

static void test_only_the_same(void **state)
{
    struct departures *departures = departures_create(MAXIMUM, KEEP_MS);
    struct departure one = departure_of(7, 1);
    struct departure again = departure_of(7, 2);
    struct departure other = departure_of(8, 1);
    (void)state;
    assert_int_equal(departures_add(departures, &one, 0), STATUS_OK);
    assert_null(departures_by_key(departures, slice_from_string(again.key), 0));
    assert_null(departures_by_handle(departures, again.handle, 0));
    assert_null(departures_by_key(departures, slice_from_string(other.key), 0));
    assert_null(departures_by_key(departures, SLICE_LITERAL(""), 0));
    assert_null(departures_by_key(departures, SLICE_LITERAL("no key"), 0));
    assert_int_equal(departures_add(departures, &again, 0), STATUS_OK);
    assert_string_equal(departures_by_key(departures, slice_from_string(one.key), 0)->key, one.key);
    assert_string_equal(departures_by_handle(departures, again.handle, 0)->key, again.key);
    departures_free(departures);
}

static void test_bounded(void **state)
{
    struct departures *departures = departures_create(MAXIMUM, KEEP_MS);
    struct departure all[2 * MAXIMUM];
    (void)state;
    for (uint32_t i = 0; i < 2 * MAXIMUM; i++) {
        all[i] = departure_of(i * 64, i); /* all in one chain */
        assert_int_equal(departures_add(departures, &all[i], i), STATUS_OK);
    }
    for (uint32_t i = 0; i < 2 * MAXIMUM; i++)
        assert_true((departures_by_handle(departures, all[i].handle, 2 * MAXIMUM) != NULL) == (i >= MAXIMUM));
    struct departure late = departure_of(1, 1);
    assert_int_equal(departures_add(departures, &late, 5000), STATUS_OK); /* the others' time is up */
    assert_non_null(departures_by_handle(departures, late.handle, 5000));
    departures_free(departures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_until_the_end),
        cmocka_unit_test(test_a_sid_that_has_left),
        cmocka_unit_test(test_only_the_same),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
