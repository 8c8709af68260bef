/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A VerifyReply says who the claims and the record describe: whose role holds, and what it may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/wire.h"
#include "identity.pb-c.h"
#include "reply.h"

static struct policy *policy;
static struct wire_arena arena;

static int setup(void **state)
{
    char error[200];

    (void)state;
    return policy_create(NULL, false, &policy, error, sizeof(error));
}

static int teardown(void **state)
{
    (void)state;
    wire_arena_done(&arena);
    policy_free(policy);
    return 0;
}

static const Pollen8__VerifyReply *unpack(struct buf *buf)
{
    const ProtobufCMessage *unpacked = NULL;

    assert_int_equal(wire_unpack(&arena, &pollen8__verify_reply__descriptor, buf_slice(buf), &unpacked),
                     STATUS_OK);
    buf_done(buf);
    return (const Pollen8__VerifyReply *)unpacked;
}

static void whose_role_holds(void **state)
{
    static const struct {
        const char *claimed;
        const char *recorded; /* NULL: no record */
        const char *role;
        bool known;
        bool permitted;
    } rows[] = {
        {"", NULL, "user", true, true},
        {"service", NULL, "service", true, true},
        {"service", "", "service", true, true},
        {"service", "user", "user", true, true},
        {"", "admin", "admin", true, true},
        {"nobody", NULL, "nobody", false, false},
        {"service", "nobody", "nobody", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct token_claims claims = {.subject = "ada"};
        struct user *user = rows[i].recorded ? user_create() : NULL;
        bool known = !rows[i].known;
        struct buf buf;

        snprintf(claims.role, sizeof(claims.role), "%s", rows[i].claimed);
        if (user)
            snprintf(user->role, sizeof(user->role), "%s", rows[i].recorded);
        buf_init(&buf, REPLY_MAXIMUM_BYTES);
        assert_int_equal(reply_pack_identity(&buf, &claims, user, policy, 1234, &known), STATUS_OK);
        const Pollen8__VerifyReply *reply = unpack(&buf);
        assert_int_equal(reply->result_case, POLLEN8__VERIFY_REPLY__RESULT_IDENTITY);
        assert_string_equal(reply->identity->user_id, "ada");
        assert_string_equal(reply->identity->role, rows[i].role);
        assert_int_equal(reply->identity->expires_at_ms, 1234);
        assert_int_equal(reply->identity->n_industries, 0);
        assert_true(known == rows[i].known);
        assert_true((reply->identity->n_permissions > 0) == rows[i].permitted);
        user_unref(user);
    }
}

static void industries_of_the_record(void **state)
{
    struct token_claims claims = {.subject = "ada"};
    struct user *user = user_create();
    bool known = false;
    struct buf buf;

    (void)state;
    assert_int_equal(user_add_industry(user, SLICE_LITERAL("technology")), STATUS_OK);
    assert_int_equal(user_add_industry(user, SLICE_LITERAL("art")), STATUS_OK);
    buf_init(&buf, REPLY_MAXIMUM_BYTES);
    assert_int_equal(reply_pack_identity(&buf, &claims, user, policy, 0, &known), STATUS_OK);
    user_unref(user);
    const Pollen8__VerifyReply *reply = unpack(&buf);
    assert_int_equal(reply->identity->n_industries, 2);
    assert_string_equal(reply->identity->industries[0], "technology");
    assert_string_equal(reply->identity->industries[1], "art");
}

static void a_refusal(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, REPLY_MAXIMUM_BYTES);
    assert_int_equal(reply_pack_error(&buf, STATUS_AUTH_EXPIRED, "the token has expired", 250), STATUS_OK);
    const Pollen8__VerifyReply *reply = unpack(&buf);
    assert_int_equal(reply->result_case, POLLEN8__VERIFY_REPLY__RESULT_ERROR);
    assert_string_equal(reply->error->code, "AUTH_EXPIRED");
    assert_string_equal(reply->error->message, "the token has expired");
    assert_int_equal(reply->error->retry_after_ms, 250);
}

static void nothing_past_the_maximum(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    assert_int_equal(reply_pack_error(&buf, STATUS_AUTH_EXPIRED, "the token has expired", 0), STATUS_FULL);
    assert_int_equal(buf.length, 0);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_role_holds),
        cmocka_unit_test(industries_of_the_record),
        cmocka_unit_test(a_refusal),
        cmocka_unit_test(nothing_past_the_maximum),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
