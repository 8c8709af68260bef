/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What is usable of a record as stores find it written, and what counts as a defect.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "users/users.h"

static void add(struct user *user, const char *industry)
{
    assert_int_equal(user_add_industry(user, slice_from_string(industry)), STATUS_OK);
}

static void industries_are_normalised_and_once_each(void **state)
{
    struct user *user = user_create();

    (void)state;
    assert_non_null(user);
    add(user, "  Art & Craft ");
    add(user, "technology");
    add(user, "TECHNOLOGY");
    add(user, "");
    add(user, "\xff");
    assert_int_equal(user->industry_count, 2);
    assert_string_equal(user->industries[0], "art & craft");
    assert_string_equal(user->industries[1], "technology");
    assert_int_equal(user->defects, 2);
    user_unref(user);
}

static void industries_are_bounded(void **state)
{
    struct user *user = user_create();
    char name[32];

    (void)state;
    for (int i = 0; i < INDUSTRIES_MAXIMUM; i++) {
        snprintf(name, sizeof(name), "industry %d", i);
        add(user, name);
    }
    assert_int_equal(user->defects, 0);
    add(user, "industry 3"); /* is there */
    assert_int_equal(user->defects, 0);
    add(user, "one more");
    assert_int_equal(user->defects, 1);
    assert_int_equal(user->industry_count, INDUSTRIES_MAXIMUM);
    user_unref(user);
}

/* What cannot be read is the least that a user can be, never more. */
static void roles(void **state)
{
    char longest[TOKEN_ROLE_MAXIMUM_BYTES + 2];
    struct user *user = user_create();

    (void)state;
    assert_string_equal(user->role, "");
    user_set_role(user, SLICE_LITERAL("service"));
    assert_string_equal(user->role, "service");
    assert_int_equal(user->defects, 0);
    memset(longest, 'r', sizeof(longest));
    user_set_role(user, slice_make(longest, TOKEN_ROLE_MAXIMUM_BYTES));
    assert_int_equal(strlen(user->role), TOKEN_ROLE_MAXIMUM_BYTES);
    assert_int_equal(user->defects, 0);
    user_set_role(user, slice_make(longest, TOKEN_ROLE_MAXIMUM_BYTES + 1));
    assert_string_equal(user->role, "user");
    user_set_role(user, SLICE_LITERAL("service"));
    user_set_role(user, SLICE_LITERAL(""));
    assert_string_equal(user->role, "user");
    user_set_role(user, SLICE_LITERAL("admin\n"));
    assert_string_equal(user->role, "user");
    assert_int_equal(user->defects, 3);
    user_unref(user);
}

static void revocations_as_numbers(void **state)
{
    static const struct {
        double number;
        int64_t milliseconds;
        unsigned defects;
    } rows[] = {
        {0, 0, 0},
        {1700000000, 1700000000000, 0},    /* seconds */
        {1700000000.25, 1700000000250, 0}, /* with a fraction */
        {1700000000123, 1700000000123, 0}, /* milliseconds */
        {99999999999, 99999999999000, 0},  /* the last that are seconds */
        {100000000000, 100000000000, 0},   /* the first that are not */
        {-1700000000, -1700000000000, 0},
        {1e300, INT64_MAX, 1}, /* was meant to revoke, and does */
        {-1e300, INT64_MAX, 1},
        {(double)NAN, INT64_MAX, 1},
        {(double)INFINITY, INT64_MAX, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct user *user = user_create();

        assert_true(user->tokens_valid_after_ms == INT64_MIN);
        user_set_valid_after_number(user, rows[i].number);
        if (user->tokens_valid_after_ms != rows[i].milliseconds || user->defects != rows[i].defects)
            fail_msg("%f: %lld", rows[i].number, (long long)user->tokens_valid_after_ms);
        user_unref(user);
    }
}

static void a_record_lives_as_long_as_its_last_holder(void **state)
{
    struct user *user = user_create();

    (void)state;
    add(user, "technology");
    assert_ptr_equal(user_ref(user), user);
    user_unref(user);
    assert_string_equal(user->industries[0], "technology");
    user_unref(user); /* the sanitizer sees what is left */
    user_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(industries_are_normalised_and_once_each),
        cmocka_unit_test(industries_are_bounded),
        cmocka_unit_test(roles),
        cmocka_unit_test(revocations_as_numbers),
        cmocka_unit_test(a_record_lives_as_long_as_its_last_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
