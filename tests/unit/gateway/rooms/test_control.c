/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the platform says about a user, from the message of the broker to the user's sessions: those that are
 * open, and those whose identity was requested before it came.
 */
#include "gateway_fixture.h"

#include "control.pb-c.h"

#include "common/bus/subject.h"
#include "common/wire.h"
#include "rooms/control.h"
#include "session/identity.h"

static char technology[] = "technology";
static char finance[] = "finance";

static int setup_controls(void **state)
{
    setup(state);
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    gateway->controls = controls_create();
    assert_non_null(gateway->controls);
    return 0;
}

static int teardown_controls(void **state)
{
    struct controls *controls = ((struct fixture *)*state)->gateway.controls;
    teardown(state);
    controls_free(controls);
    return 0;
}

static struct identity *identity_of(char *user, char *industry)
{
    Pollen8__Identity message = POLLEN8__IDENTITY__INIT;
    struct identity *identity = NULL;
    message.user_id = user;
    message.industries = &industry;
    message.n_industries = 1;
    assert_int_equal(identity_create(&message, &identity), STATUS_OK);
    return identity;
}

/* As auth-svc publishes it; `industry` and `of` describe a new identity. */
static void publish(struct gateway *gateway, const char *user, Pollen8__Control__Action action, char *of,
                    char *industry)
{
    Pollen8__Control control = POLLEN8__CONTROL__INIT;
    Pollen8__Identity identity = POLLEN8__IDENTITY__INIT;
    char subject[SUBJECT_SIZE];
    struct buf packed;
    control.action = action;
    if (of) {
        control.identity = &identity;
        identity.user_id = of;
        identity.industries = &industry;
        identity.n_industries = 1;
    }
    buf_init(&packed, 10000);
    assert_int_equal(wire_pack(&packed, &control.base), STATUS_OK);
    assert_int_equal(subject_make(subject, SUBJECT_CTL_USER, slice_from_string(user)), STATUS_OK);
    const struct bus_message message = {.subject = slice_from_string(subject), .data = buf_slice(&packed)};
    control_receive(gateway, &message);
    buf_done(&packed);
}

static void every_session_of_the_user_is_closed(void **state)
{
    static const struct {
        Pollen8__Control__Action action;
        uint16_t close_code;
    } rows[] = {
        {POLLEN8__CONTROL__ACTION__ACTION_DISCONNECT, 1012},
        {POLLEN8__CONTROL__ACTION__ACTION_REVOKE, 4003},
    };
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probes[3];
    for (size_t i = 0; i < COUNT(rows); i++) {
        open_session(gateway, &probes[0], "ada", "technology");
        open_session(gateway, &probes[1], "ada", "finance");
        open_session(gateway, &probes[2], "bo", "technology");
        publish(gateway, "ada", rows[i].action, NULL, NULL);
        assert_non_null(probes[0].session); /* not before its turn */
        egress_run(gateway);
        assert_null(probes[0].session);
        assert_null(probes[1].session);
        assert_non_null(probes[2].session);
        assert_int_equal(probes[0].close_code, rows[i].close_code);
        assert_int_equal(controls_last(gateway->controls), i + 1);
        session_close(gateway, probes[2].session, CAUSE_NORMAL);
        sessions_end_turn(gateway);
    }
}

static void a_new_identity_replaces_the_old(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static char ada[] = "ada";
    static struct probe probe;
    open_session(gateway, &probe, "ada", "technology");
    probe.session->identity = identity_of(ada, technology);
    publish(gateway, "ada", POLLEN8__CONTROL__ACTION__ACTION_IDENTITY_CHANGED, ada, finance);
    egress_run(gateway);
    assert_non_null(probe.session);
    assert_true(identity_has_industry(probe.session->identity, SLICE_LITERAL("finance")));
    assert_false(identity_has_industry(probe.session->identity, SLICE_LITERAL("technology")));
    assert_non_null(rooms_find(gateway->rooms, ROOM_INDUSTRY, SLICE_LITERAL("finance")));
}

static void what_says_nothing_is_dropped(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static char bo[] = "bo";
    struct bus_message message = {.subject = SLICE_LITERAL("pollen8.ctl.user.!!!")};
    publish(gateway, "ada", POLLEN8__CONTROL__ACTION__ACTION_UNKNOWN, NULL, NULL);
    publish(gateway, "ada", POLLEN8__CONTROL__ACTION__ACTION_IDENTITY_CHANGED, NULL, NULL);
    publish(gateway, "ada", POLLEN8__CONTROL__ACTION__ACTION_IDENTITY_CHANGED, bo,
            technology); /* of another user */
    control_receive(gateway, &message);
    assert_int_equal(mailbox_depth(gateway->mailbox, MAIL_FRAMES), 0);
}

/* The answer about a token brings an identity that a control has changed since the request. */
static void no_control_is_missed_while_a_token_is_checked(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static char ada[] = "ada";
    static struct probe probe;
    connect_session(gateway, &probe, FRAME_JSON, 0);
    publish(gateway, "ada", POLLEN8__CONTROL__ACTION__ACTION_REVOKE, NULL, NULL);
    egress_run(gateway);
    uint64_t asked = controls_last(gateway->controls);
    struct identity *identity = identity_of(ada, technology);
    assert_true(control_apply_since(gateway, probe.session, asked, &identity)); /* that one came before */
    publish(gateway, "bo", POLLEN8__CONTROL__ACTION__ACTION_REVOKE, NULL, NULL);
    publish(gateway, "ada", POLLEN8__CONTROL__ACTION__ACTION_IDENTITY_CHANGED, ada, finance);
    egress_run(gateway);
    assert_true(control_apply_since(gateway, probe.session, asked, &identity));
    assert_true(identity_has_industry(identity, SLICE_LITERAL("finance")));
    publish(gateway, "ada", POLLEN8__CONTROL__ACTION__ACTION_REVOKE, NULL, NULL);
    egress_run(gateway);
    assert_false(control_apply_since(gateway, probe.session, asked, &identity));
    assert_null(identity);
    assert_null(probe.session);
    assert_int_equal(probe.close_code, 4003);
}

/* It is then unknown whether one was about this user: the client has to try again. */
static void too_many_controls_close_a_session_whose_token_is_checked(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static char ada[] = "ada";
    static struct probe probe;
    struct identity *identity = identity_of(ada, technology);
    connect_session(gateway, &probe, FRAME_JSON, 0);
    for (unsigned i = 0; i < CONTROLS_KEPT; i++)
        publish(gateway, "bo", POLLEN8__CONTROL__ACTION__ACTION_DISCONNECT, NULL, NULL);
    while (egress_run(gateway))
        ;
    assert_true(control_apply_since(gateway, probe.session, 0, &identity));
    publish(gateway, "bo", POLLEN8__CONTROL__ACTION__ACTION_DISCONNECT, NULL, NULL);
    egress_run(gateway);
    assert_false(control_apply_since(gateway, probe.session, 0, &identity));
    assert_null(identity);
    assert_int_equal(probe.close_code, 1012);
}

int main(void)
{
#define CONTROL_TEST(test) cmocka_unit_test_setup_teardown(test, setup_controls, teardown_controls)
    const struct CMUnitTest tests[] = {
        CONTROL_TEST(every_session_of_the_user_is_closed),
        CONTROL_TEST(a_new_identity_replaces_the_old),
        CONTROL_TEST(what_says_nothing_is_dropped),
        CONTROL_TEST(no_control_is_missed_while_a_token_is_checked),
        CONTROL_TEST(too_many_controls_close_a_session_whose_token_is_checked),
    };
#undef CONTROL_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
