/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What few sessions need is made once, and freed when it is empty.
 */
#include "gateway_test.h"

#include "codec/sio_assembly.h"
#include "session/session.h"
#include "session/session_extra.h"

static struct client_token token_of(const char *text)
{
    struct client_token token = {0};

    assert_int_equal(client_token_from_value(slice_from_string(text), &token), STATUS_OK);
    return token;
}

static void it_is_made_once(void **state)
{
    struct session session = {0};
    struct session_extra *extra = session_extra(&session);

    (void)state;
    assert_non_null(extra);
    assert_ptr_equal(session_extra(&session), extra);
    assert_ptr_equal(session.extra, extra);
    session_extra_done(&session);
    assert_null(session.extra);
    session_extra_done(&session); /* there is none */
}

static void a_token_is_taken(void **state)
{
    struct session session = {0};
    struct client_token token = token_of("abc.def.ghi");

    (void)state;
    assert_int_equal(session_extra_keep_token(&session, &token, STATUS_OK), STATUS_OK);
    assert_null(token.text);
    assert_string_equal(session.extra->token.text, "abc.def.ghi");
    session_extra_trim(&session);
    assert_non_null(session.extra);
    client_token_wipe(&session.extra->token);
    session_extra_trim(&session);
    assert_null(session.extra);
}

/* A missing token costs nothing; the reason why one cannot be used is kept. */
static void no_token_costs_nothing(void **state)
{
    struct session session = {0};
    struct client_token none = {0};

    (void)state;
    assert_int_equal(session_extra_keep_token(&session, &none, STATUS_OK), STATUS_OK);
    assert_null(session.extra);
    assert_int_equal(session_extra_keep_token(&session, &none, STATUS_AUTH_INVALID), STATUS_OK);
    assert_int_equal(session.extra->token_status, STATUS_AUTH_INVALID);
    session_extra_trim(&session);
    assert_non_null(session.extra);
    session_extra_done(&session);
}

static void it_stays_while_it_holds_something(void **state)
{
    struct namespace *anything = (struct namespace *)(uintptr_t)8; /* only its address is used */

    (void)state;
    for (int held = 0; held < 4; held++) {
        struct session session = {0};
        struct session_extra *extra = session_extra(&session);

        if (held == 0)
            assert_int_equal(sio_assembly_create(SLICE_LITERAL("2"), 1, 100, &extra->assembly), STATUS_OK);
        extra->namespaces = held == 1 ? anything : NULL;
        extra->asked = held == 2;
        session_extra_trim(&session);
        assert_true((session.extra != NULL) == (held < 3));
        if (!session.extra)
            continue;
        extra->namespaces = NULL; /* the namespaces must have been closed; the assembly goes with it */
        session_extra_done(&session);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_made_once),
        cmocka_unit_test(a_token_is_taken),
        cmocka_unit_test(no_token_costs_nothing),
        cmocka_unit_test(it_stays_while_it_holds_something),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
