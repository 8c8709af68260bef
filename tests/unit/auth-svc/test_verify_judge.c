/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a token and a user are worth, one row a case: a verifier without queue, cache and threads, whose reply
 * is caught, and a store of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth_test.h"
#include "common/clock.h"
#include "common/log.h"
#include "process.h"
#include "verify_internal.h"

#define NOW_MS 1700000000000
#define NOW_NS 5000000000

static struct verifier verifier;
static struct answer answer;
static unsigned answers;

static struct {
    struct users users; /* first: the store */
    enum status says;
    unsigned asked;
    uint32_t defects;
} store;

static enum status find(struct users *users, struct slice id, struct user **ret_user)
{
    assert_ptr_equal(users, &store.users);
    assert_true(slice_equal_string(id, "ada"));
    store.asked++;
    if (store.says != STATUS_OK)
        return store.says;
    *ret_user = user_create();
    (*ret_user)->defects = store.defects;
    return STATUS_OK;
}

static void respond(void *context, struct slice reply, const void *data, size_t length)
{
    (void)context;
    assert_true(slice_equal_string(reply, "inbox"));
    read_answer(slice_make(data, length), &answer);
    answers++;
}

static int setup(void **state)
{
    static const struct users_ops ops = {.name = "test", .find = find};
    char error[200];

    (void)state;
    memset(&verifier, 0, sizeof(verifier));
    memset(&answer, 0, sizeof(answer));
    answers = 0;
    store.users.ops = &ops;
    store.says = STATUS_OK;
    store.asked = store.defects = 0;
    verifier.options.users = &store.users;
    verifier.options.respond = respond;
    verifier.options.rules.leeway_ms = 5000;
    verifier.store_up = true;
    assert_int_equal(metrics_create(measures, MEASURE_COUNT, &verifier.options.metrics), STATUS_OK);
    measure_cells_init(&verifier.cells, verifier.options.metrics);
    pthread_rwlock_init(&verifier.settings_lock, NULL);
    assert_int_equal(keys_create(TEST_SECRET, NULL, &verifier.keys, error, sizeof(error)), STATUS_OK);
    assert_int_equal(policy_create(NULL, false, &verifier.policy, error, sizeof(error)), STATUS_OK);
    assert_int_equal(verdicts_create(10, &verifier.verdicts), STATUS_OK);
    clock_set_for_test(NOW_NS / 1000, NOW_MS * 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_set_for_test(-1, -1);
    verdicts_free(verifier.verdicts);
    policy_free(verifier.policy);
    keys_free(verifier.keys);
    pthread_rwlock_destroy(&verifier.settings_lock);
    metrics_free(verifier.options.metrics);
    return 0;
}

static const struct request request = {.reply = SLICE_LITERAL("inbox"), .deadline_ns = UINT64_MAX};

static uint64_t counted(size_t id, const char *label)
{
    return metric_value(metrics_cell(verifier.options.metrics, id, label));
}

static void the_end_of_every_request(void **state)
{
    static const struct {
        enum status status; /* of the store */
        bool disabled;
        int64_t valid_after_ms;
        int64_t issued_at_ms;
        const char *code;
        uint32_t retry_after_ms;
    } rows[] = {
        {STATUS_OK, false, INT64_MIN, -1, "ok", 0},
        {STATUS_NOT_FOUND, false, 0, 0, "AUTH_USER_UNKNOWN", 0},
        {STATUS_DISCONNECTED, false, 0, 0, "AUTH_UNAVAILABLE", 1000},
        {STATUS_TIMEOUT, false, 0, 0, "AUTH_UNAVAILABLE", 1000},
        {STATUS_OK, true, INT64_MIN, NOW_MS, "AUTH_USER_DISABLED", 0},
        {STATUS_OK, true, NOW_MS, -1, "AUTH_USER_DISABLED", 0},
        {STATUS_OK, false, NOW_MS, NOW_MS - 1000, "AUTH_EXPIRED", 0},
        {STATUS_OK, false, NOW_MS + 900, NOW_MS, "ok", 0}, /* of the very second */
        {STATUS_OK, false, NOW_MS, NOW_MS + 1000, "ok", 0},
        {STATUS_OK, false, NOW_MS, -1, "AUTH_EXPIRED", 0}, /* it does not say when it was issued */
        {STATUS_OK, false, INT64_MAX, NOW_MS, "AUTH_EXPIRED", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct token_claims claims = {.subject = "ada", .issued_at_ms = rows[i].issued_at_ms};
        struct user_result result = {.status = rows[i].status};
        uint64_t before = counted(METRIC_VERIFICATIONS, rows[i].code);

        if (rows[i].status == STATUS_OK) {
            result.user = user_create();
            result.user->disabled = rows[i].disabled;
            result.user->tokens_valid_after_ms = rows[i].valid_after_ms;
        }
        verify_decide(&verifier, &request, &claims, &result);
        assert_int_equal(answers, i + 1);
        if (strcmp(answer.code, rows[i].code) != 0)
            fail_msg("row %zu: %s", i, answer.code);
        assert_int_equal(answer.retry_after_ms, rows[i].retry_after_ms);
        assert_int_equal(counted(METRIC_VERIFICATIONS, rows[i].code), before + 1);
        user_unref(result.user);
    }
}

/* A token accepted past its exp, within the leeway, lasts to the leeway's end. */
static void when_the_session_ends(void **state)
{
    static const struct {
        int64_t expires_at_ms;
        int64_t ends_at_ms;
    } rows[] = {
        {0, 0},
        {NOW_MS + 1, NOW_MS + 1},
        {NOW_MS, NOW_MS + 5000},
        {NOW_MS - 3000, NOW_MS + 2000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct token_claims claims = {.subject = "ada", .expires_at_ms = rows[i].expires_at_ms};

        verify_accept(&verifier, &request, &claims, NULL);
        assert_string_equal(answer.code, "ok");
        assert_string_equal(answer.user_id, "ada");
        assert_int_equal(answer.expires_at_ms, rows[i].ends_at_ms);
    }
}

static void a_role_that_no_table_names(void **state)
{
    const struct token_claims claims = {.subject = "ada", .role = "nobody"};

    (void)state;
    verify_accept(&verifier, &request, &claims, NULL);
    assert_string_equal(answer.code, "ok");
    assert_string_equal(answer.role, "nobody");
    assert_string_equal(answer.permissions, "");
    assert_int_equal(counted(METRIC_UNKNOWN_ROLES, NULL), 1);
}

/* What is wrong here is never the token's fault; a sentence of its own is used where there is one. */
static void refusals(void **state)
{
    (void)state;
    verify_refuse(&verifier, &request, STATUS_NO_MEMORY, NULL);
    assert_string_equal(answer.code, "AUTH_UNAVAILABLE");
    assert_string_equal(answer.message, status_message(STATUS_AUTH_UNAVAILABLE));
    assert_int_equal(answer.retry_after_ms, 1000);
    verify_refuse(&verifier, &request, STATUS_AUTH_INVALID, "no");
    assert_string_equal(answer.code, "AUTH_INVALID");
    assert_string_equal(answer.message, "no");
    assert_int_equal(answer.retry_after_ms, 0);
}

static void who_needs_no_record(void **state)
{
    (void)state;
    assert_true(verify_needs_no_record(&(struct token_claims){.role = "service"}));
    assert_false(verify_needs_no_record(&(struct token_claims){.role = "services"}));
    assert_false(verify_needs_no_record(&(struct token_claims){.role = "admin"}));
    assert_false(verify_needs_no_record(&(struct token_claims){.role = ""}));
}

static void nobody_waits_past_the_deadline(void **state)
{
    struct request one = request;

    (void)state;
    one.deadline_ns = NOW_NS + 1;
    assert_false(verify_late(&verifier, &one));
    assert_int_equal(counted(METRIC_REQUESTS_DROPPED, "late"), 0);
    one.deadline_ns = NOW_NS;
    assert_true(verify_late(&verifier, &one));
    assert_int_equal(counted(METRIC_REQUESTS_DROPPED, "late"), 1);
}

static void what_the_store_says_is_counted(void **state)
{
    struct user_result result;

    (void)state;
    store.defects = 3;
    result = verify_ask_store(&verifier, SLICE_LITERAL("ada"));
    assert_int_equal(result.status, STATUS_OK);
    assert_int_equal(counted(METRIC_USER_RECORD_DEFECTS, NULL), 3);
    user_unref(result.user);
    store.says = STATUS_NOT_FOUND;
    assert_int_equal(verify_ask_store(&verifier, SLICE_LITERAL("ada")).status, STATUS_NOT_FOUND);
    assert_int_equal(counted(METRIC_USER_STORE_ERRORS, NULL), 0);
    store.says = STATUS_TIMEOUT;
    assert_int_equal(verify_ask_store(&verifier, SLICE_LITERAL("ada")).status, STATUS_TIMEOUT);
    assert_int_equal(counted(METRIC_USER_STORE_ERRORS, NULL), 1);
    verifier.store_up = false; /* it is not asked */
    assert_int_equal(verify_ask_store(&verifier, SLICE_LITERAL("ada")).status, STATUS_DISCONNECTED);
    assert_int_equal(store.asked, 3);
}

/* A verdict is remembered where the token holds, and only there. */
static void verdicts_of_signatures(void **state)
{
    char *good = make_user_token("{\"sub\":\"ada\"}");
    struct verdict_digest digest = {{1}};
    struct token_claims claims = {0};
    const char *message = NULL;

    (void)state;
    assert_int_equal(verify_signature(&verifier, SLICE_LITERAL("a.b.c"), &digest, &claims, &message),
                     STATUS_AUTH_INVALID);
    assert_int_equal(verdicts_get(verifier.verdicts, &digest, &claims), STATUS_NOT_FOUND);
    assert_int_equal(verify_signature(&verifier, slice_from_string(good), &digest, &claims, &message),
                     STATUS_OK);
    assert_string_equal(claims.subject, "ada");
    memset(&claims, 0, sizeof(claims));
    assert_int_equal(verdicts_get(verifier.verdicts, &digest, &claims), STATUS_OK);
    assert_string_equal(claims.subject, "ada");
    free(good);
}

int main(void)
{
#define JUDGE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        JUDGE_TEST(the_end_of_every_request),
        JUDGE_TEST(when_the_session_ends),
        JUDGE_TEST(a_role_that_no_table_names),
        JUDGE_TEST(refusals),
        JUDGE_TEST(who_needs_no_record),
        JUDGE_TEST(nobody_waits_past_the_deadline),
        JUDGE_TEST(what_the_store_says_is_counted),
        JUDGE_TEST(verdicts_of_signatures),
    };
#undef JUDGE_TEST

    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
