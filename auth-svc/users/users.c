/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The user record that every store fills and the caches share. Stores pass on what they found as it is
 * written. This file decides what is usable, in the same way for all stores.
 */
#include "users/users.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/check.h"

#define SECONDS_BELOW 100000000000.0 /* smaller numbers are seconds: the year 5138, or 1973 in milliseconds */

struct user *user_create(void)
{
    struct user *user = calloc(1, sizeof(*user));

    if (user) {
        user->tokens_valid_after_ms = INT64_MIN;
        atomic_init(&user->references, 1);
    }
    return user;
}

enum status user_add_industry(struct user *user, struct slice industry)
{
    char name[INDUSTRY_NORMALISED_SIZE];
    size_t length = 0;
    char *copy;

    if (industry_normalise(industry, name, &length) != STATUS_OK) {
        user->defects++;
        return STATUS_OK;
    }
    for (size_t i = 0; i < user->industry_count; i++)
        if (slice_equal_string(slice_make(name, length), user->industries[i]))
            return STATUS_OK;
    if (user->industry_count == INDUSTRIES_MAXIMUM) {
        user->defects++;
        return STATUS_OK;
    }
    copy = strndup(name, length);
    if (!copy)
        return STATUS_NO_MEMORY;
    user->industries[user->industry_count++] = copy;
    return STATUS_OK;
}

void user_set_role(struct user *user, struct slice role)
{
    if (role.length > TOKEN_ROLE_MAXIMUM_BYTES || !id_valid(role)) {
        user->defects++;
        role = SLICE_LITERAL("user");
    }
    memcpy(user->role, role.data, role.length);
    user->role[role.length] = '\0';
}

void user_set_valid_after_number(struct user *user, double number)
{
    double milliseconds = fabs(number) < SECONDS_BELOW ? number * 1000.0 : number;

    if (!(milliseconds > -9.0e15 && milliseconds < 9.0e15)) {
        user->defects++;
        user->tokens_valid_after_ms = INT64_MAX; /* an unreadable value refuses: it was meant to revoke */
        return;
    }
    user->tokens_valid_after_ms = (int64_t)milliseconds;
}

struct user *user_ref(struct user *user)
{
    atomic_fetch_add_explicit(&user->references, 1, memory_order_relaxed);
    return user;
}

void user_unref(struct user *user)
{
    uint32_t before;

    if (!user)
        return;
    before = atomic_fetch_sub_explicit(&user->references, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < user->industry_count; i++)
        free(user->industries[i]);
    free(user);
}
