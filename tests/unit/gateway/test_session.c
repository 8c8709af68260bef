/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table of session states: which moves there are, and what each state may do. The rows are written out
 * here once more on purpose: a change of the table must be meant twice.
 */
#include "gateway_test.h"

#include "../../../gateway/session.h"

static void moves_are_these_and_no_others(void **state)
{
    static const struct {
        enum session_state from;
        enum session_state to;
    } legal[] = {
        {SESSION_CONNECTED, SESSION_AUTHENTICATING},
        {SESSION_AUTHENTICATING, SESSION_CONNECTED},
        {SESSION_AUTHENTICATING, SESSION_OPEN},
        {SESSION_OPEN, SESSION_CONNECTED},
        {SESSION_CONNECTED, SESSION_CLOSING},
        {SESSION_AUTHENTICATING, SESSION_CLOSING},
        {SESSION_OPEN, SESSION_CLOSING},
    };

    (void)state;
    for (int from = 0; from < SESSION_STATES; from++) {
        for (int to = 0; to < SESSION_STATES; to++) {
            bool expected = false;

            for (size_t i = 0; i < COUNT(legal); i++)
                expected |= (int)legal[i].from == from && (int)legal[i].to == to;
            if (session_may_move((enum session_state)from, (enum session_state)to) != expected)
                fail_msg("from %d to %d", from, to);
        }
    }
}

static void nothing_leaves_closing(void **state)
{
    (void)state;
    for (int to = 0; to < SESSION_STATES; to++)
        assert_false(session_may_move(SESSION_CLOSING, (enum session_state)to));
}

/* No identity, no rooms, no events: only an open session has them. */
static void only_open_sessions_take_part(void **state)
{
    (void)state;
    for (int at = 0; at < SESSION_STATES; at++) {
        struct session session = {.state = (uint8_t)at};

        assert_int_equal(session_is_member(&session), at == SESSION_OPEN);
        assert_int_equal(session_may_emit(&session), at == SESSION_OPEN);
    }
}

/* An idle client costs what the header promises. */
static void a_session_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct session) <= 352);
    assert_true(sizeof(struct outq) <= 40);
    assert_true(sizeof(struct membership) <= 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_are_these_and_no_others),
        cmocka_unit_test(nothing_leaves_closing),
        cmocka_unit_test(only_open_sessions_take_part),
        cmocka_unit_test(a_session_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
