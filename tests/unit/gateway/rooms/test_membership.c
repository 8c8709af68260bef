/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which industries an identity gives a session access to, and how its rooms follow when the identity is
 * replaced.
 */
#include "gateway_fixture.h"

#include "session/identity.h"

#define NOW_MS INT64_C(1700000000000)

static char ada[] = "ada";
static char user[] = "user";
static char technology[] = "technology";
static char finance[] = "finance";
static char subscribe_energy[] = "subscribe:energy";

/* In these industries (NULL ends the list), with permission for energy. */
static struct identity *identity_of(char *const *industries, int64_t expires_at_ms)
{
    Pollen8__Identity message = POLLEN8__IDENTITY__INIT;
    struct identity *identity = NULL;
    char *permissions[] = {subscribe_energy};

    message.user_id = ada;
    message.role = user;
    message.industries = (char **)(uintptr_t)industries;
    while (industries[message.n_industries])
        message.n_industries++;
    message.permissions = permissions;
    message.n_permissions = COUNT(permissions);
    message.expires_at_ms = expires_at_ms;
    assert_int_equal(identity_create(&message, &identity), STATUS_OK);
    return identity;
}

static struct session *open_as(struct gateway *gateway, struct probe *probe, char *const *industries)
{
    open_session(gateway, probe, "ada", "technology,finance");
    probe->session->identity = identity_of(industries, 0);
    return probe->session;
}

static size_t members(const struct gateway *gateway, const char *industry)
{
    const struct room *room = rooms_find(gateway->rooms, ROOM_INDUSTRY, slice_from_string(industry));

    return room ? room->count : 0;
}

static void an_industry_is_its_own_or_permitted(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static char *const own[] = {technology, NULL};
    static struct probe probe;
    const struct session *session = open_as(gateway, &probe, own);

    assert_true(membership_permitted(session, SLICE_LITERAL("technology")));
    assert_true(membership_permitted(session, SLICE_LITERAL("energy")));
    assert_false(membership_permitted(session, SLICE_LITERAL("finance")));
    assert_false(membership_permitted(session, SLICE_LITERAL("energy2")));
}

static void narrowed_is_other_than_its_own(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static char *const own[] = {technology, finance, NULL};
    char *names[MEMBERSHIP_MAXIMUM];
    static struct probe probe;
    struct session *session = open_as(gateway, &probe, own);

    assert_false(membership_narrowed(session));
    assert_int_equal(membership_join(gateway, session, SLICE_LITERAL("energy")), STATUS_OK);
    assert_int_equal(membership_join(gateway, session, SLICE_LITERAL("energy")), STATUS_OK);
    assert_int_equal(members(gateway, "energy"), 1);
    assert_true(membership_narrowed(session));
    membership_leave(gateway, session, SLICE_LITERAL("technology"));
    membership_leave(gateway, session, SLICE_LITERAL("technology"));
    assert_int_equal(members(gateway, "technology"), 0);
    assert_true(membership_narrowed(session));
    assert_int_equal(membership_industries(session, names), 2);
    membership_leave(gateway, session, SLICE_LITERAL("energy"));
    assert_int_equal(membership_join(gateway, session, SLICE_LITERAL("technology")), STATUS_OK);
    assert_false(membership_narrowed(session));
}

static void a_session_is_in_so_many_rooms(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    enum status status = STATUS_OK;
    unsigned joined = 0;
    char name[16];

    open_session(gateway, &probe, "ada", "");
    while (status == STATUS_OK) {
        snprintf(name, sizeof(name), "industry%u", joined);
        status = membership_join(gateway, probe.session, slice_from_string(name));
        joined += status == STATUS_OK;
    }
    assert_int_equal(status, STATUS_FULL);
    assert_int_equal(joined, MEMBERSHIP_MAXIMUM - MEMBERSHIP_INDUSTRIES);
}

static void the_rooms_follow_a_new_identity(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static char *const before[] = {technology, finance, NULL};
    static char *const after[] = {finance, NULL};
    static struct probe probe;
    struct session *session = open_as(gateway, &probe, before);
    struct identity *identity = identity_of(after, NOW_MS + 5000);

    clock_set_for_test(0, NOW_MS * 1000);
    assert_int_equal(membership_replace_identity(gateway, session, identity), STATUS_OK);
    identity_unref(identity);
    assert_int_equal(members(gateway, "technology"), 0);
    assert_int_equal(members(gateway, "finance"), 1);
    assert_int_equal(session->deadline_ms, gateway->now_ms + 5000);
    pass_time(gateway, 5100);
    assert_null(probe.session);
    assert_int_equal(probe.close_code, 4001);
    clock_set_for_test(-1, -1);
}

/* Neither its identity nor its rooms have changed. */
static void an_expired_identity_changes_nothing(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static char *const own[] = {technology, finance, NULL};
    static struct probe probe;
    static struct probe fresh;
    struct session *session = open_as(gateway, &probe, own);
    struct identity *before = session->identity;
    struct identity *identity = identity_of(own, NOW_MS);

    clock_set_for_test(0, NOW_MS * 1000);
    assert_int_equal(membership_replace_identity(gateway, session, identity), STATUS_AUTH_EXPIRED);
    assert_ptr_equal(session->identity, before);
    assert_int_equal(members(gateway, "technology"), 1);
    connect_session(gateway, &fresh, FRAME_JSON, 0);
    assert_int_equal(membership_enter(gateway, fresh.session, identity, SESSION_OPEN), STATUS_AUTH_EXPIRED);
    assert_int_equal(fresh.session->state, SESSION_CONNECTED);
    assert_null(fresh.session->identity);
    assert_int_equal(fresh.session->membership_count, 0);
    clock_set_for_test(-1, -1);
}

int main(void)
{
#define MEMBERSHIP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        MEMBERSHIP_TEST(an_industry_is_its_own_or_permitted),
        MEMBERSHIP_TEST(narrowed_is_other_than_its_own),
        MEMBERSHIP_TEST(a_session_is_in_so_many_rooms),
        MEMBERSHIP_TEST(the_rooms_follow_a_new_identity),
        MEMBERSHIP_TEST(an_expired_identity_changes_nothing),
    };
#undef MEMBERSHIP_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
