/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Who a session is: a checked copy that outlives its message, and what exceeds its bounds.
 */
#include "gateway_test.h"

#include "session/identity.h"

struct source {
    char user[200];
    char role[200];
    char *industries[64];
    char *permissions[300];
    Pollen8__Identity message;
};

static char technology[] = "technology";
static char finance[] = "finance";
static char emit[] = "emit:value.get";
static char no_rate[] = "rate:none";

static void source_init(struct source *source)
{
    *source = (struct source){.user = "a.*>} \xd0\xb6", .role = "user"};
    pollen8__identity__init(&source->message);
    source->message.user_id = source->user;
    source->message.role = source->role;
    source->industries[0] = technology;
    source->industries[1] = finance;
    source->message.industries = source->industries;
    source->message.n_industries = 2;
    source->permissions[0] = emit;
    source->message.permissions = source->permissions;
    source->message.n_permissions = 1;
    source->message.expires_at_ms = 123456;
}

static enum status create(const struct source *source, struct identity **ret_identity)
{
    *ret_identity = NULL;
    return identity_create(&source->message, ret_identity);
}

static void is_a_copy_of_its_own(void **state)
{
    struct source source;
    struct identity *identity;

    (void)state;
    source_init(&source);
    assert_int_equal(create(&source, &identity), STATUS_OK);
    memset(source.user, 'x', 5);
    source.industries[0] = NULL;
    assert_slice(identity_user(identity), "a.*>} \xd0\xb6");
    assert_string_equal(identity->message.role, "user");
    assert_int_equal(identity->message.n_industries, 2);
    assert_string_equal(identity->message.industries[1], "finance");
    assert_string_equal(identity->message.permissions[0], "emit:value.get");
    assert_int_equal(identity->message.expires_at_ms, 123456);
    assert_false(identity->unlimited);
    assert_true(identity_has_industry(identity, SLICE_LITERAL("technology")));
    assert_false(identity_has_industry(identity, SLICE_LITERAL("techno")));
    assert_false(identity_has_industry(identity, (struct slice){0}));
    assert_ptr_equal(identity_ref(identity), identity);
    identity_unref(identity);
    assert_string_equal(identity->message.role, "user");
    identity_unref(identity);
    identity_unref(NULL);
}

static void equal_means_every_field(void **state)
{
    struct source source;
    struct source other;
    struct identity *a;
    struct identity *b;

    (void)state;
    source_init(&source);
    assert_int_equal(create(&source, &a), STATUS_OK);
    for (int field = 0; field < 6; field++) {
        source_init(&other);
        switch (field) {
        case 1: other.user[0] = 'b'; break;
        case 2: other.role[0] = 'x'; break;
        case 3: other.industries[0] = finance; break;
        case 4: other.message.n_permissions = 0; break;
        case 5: other.message.expires_at_ms++; break;
        default: break;
        }
        assert_int_equal(create(&other, &b), STATUS_OK);
        assert_int_equal(identity_equal(a, b), field == 0);
        identity_unref(b);
    }
    identity_unref(a);
}

static void rate_none_is_unlimited(void **state)
{
    struct source source;
    struct identity *identity;

    (void)state;
    source_init(&source);
    source.permissions[1] = no_rate;
    source.message.n_permissions = 2;
    assert_int_equal(create(&source, &identity), STATUS_OK);
    assert_true(identity->unlimited);
    identity_unref(identity);
}

static void refuses_what_breaks_its_bounds(void **state)
{
    char *long_text = repeated("x", 400, "", "");
    char empty[] = "";
    struct source source;
    struct identity *identity;

    (void)state;
    for (int row = 0; row < 8; row++) {
        source_init(&source);
        switch (row) {
        case 0: source.user[0] = '\0'; break;
        case 1: memset(source.user, 'u', 129); break;
        case 2: source.user[0] = '\n'; break;
        case 3: memset(source.role, 'r', 129); break;
        case 4: source.industries[0] = empty; break;
        case 5: source.industries[0] = long_text; break;
        case 6: source.permissions[0] = long_text; break;
        default:
            for (size_t i = 0; i < 33; i++)
                source.industries[i] = technology;
            source.message.n_industries = 33;
            break;
        }
        if (create(&source, &identity) != STATUS_MALFORMED)
            fail_msg("row %d was accepted", row);
        assert_null(identity);
    }
    source_init(&source);
    for (size_t i = 0; i < 257; i++)
        source.permissions[i] = emit;
    source.message.n_permissions = 257;
    assert_int_equal(create(&source, &identity), STATUS_MALFORMED);
    free(long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_a_copy_of_its_own),
        cmocka_unit_test(equal_means_every_field),
        cmocka_unit_test(rate_none_is_unlimited),
        cmocka_unit_test(refuses_what_breaks_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
