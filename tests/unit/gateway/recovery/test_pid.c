/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Private ids: no two are the same, each can be claimed in its own namespace alone, and those of older
 * gateways, which name none, anywhere.
 */
#include "gateway_test.h"

#include "recovery/pid.h"
#include "session/session.h"

static const char *further(const struct session *session)
{
    return session->transport;
}

static const struct transport_ops root_ops = {.label = LABEL_SESSIONS_WEBSOCKET};
static const struct transport_ops further_ops = {.label = LABEL_SESSIONS_WEBSOCKET, .namespace = further};
static char chat[] = "/chat";
static char news[] = "/news";

static void is_claimed_in_its_namespace_alone(void **state)
{
    const struct session sessions[] = {
        {.ops = &root_ops},
        {.ops = &further_ops, .transport = chat},
        {.ops = &further_ops, .transport = news},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(sessions); i++) {
        char *pid = pid_make(&sessions[i]);

        assert_non_null(pid);
        for (size_t j = 0; j < COUNT(sessions); j++)
            assert_int_equal(pid_valid(&sessions[j], pid, strlen(pid)), i == j);
        free(pid);
    }
}

static void no_two_are_the_same(void **state)
{
    const struct session session = {.ops = &root_ops};
    char *one = pid_make(&session);
    char *other = pid_make(&session);

    (void)state;
    assert_non_null(one);
    assert_non_null(other);
    assert_string_not_equal(one, other);
    free(one);
    free(other);
}

static void judges_what_clients_claim(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", false},        {"ABCDEFGHIJabcdefghij", true}, /* of an older gateway */
        {"ABC DEF", false}, {"ABCDEF\"", false},
        {"-_09azAZ", true}, {"\xc3\xa9", false},
    };
    const struct session session = {.ops = &further_ops, .transport = chat};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (pid_valid(&session, rows[i].text, strlen(rows[i].text)) != rows[i].valid)
            fail_msg("row %zu", i);
    assert_false(pid_valid(&session, "abc", 4)); /* a NUL inside */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_claimed_in_its_namespace_alone),
        cmocka_unit_test(no_two_are_the_same),
        cmocka_unit_test(judges_what_clients_claim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
