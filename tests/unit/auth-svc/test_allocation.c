/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Every allocation of auth-svc and of the common library fails once: each call is repeated with its first,
 * second, third ... allocation failing until it gets through. What fails must say so, leak nothing (the
 * address sanitizer looks) and never let anybody in or call a good token bad.
 *
 * The linker sends the allocation functions of the statically linked code to the __wrap_ ones here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth_test.h"
#include "base/measures.h"
#include "common/json.h"
#include "common/wire.h"
#include "identity.pb-c.h"
#include "process.h"
#include "token/verdicts.h"
#include "users/user_cache.h"
#include "verify.h"

#define TRIES 3000

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

/* Of the thread that sweeps: how many further allocations succeed; negative: all. */
static _Thread_local long left = -1;
static _Thread_local bool failed;

static bool fails(void)
{
    if (left < 0)
        return false;
    if (left > 0) {
        left--;
        return false;
    }
    left = -1; /* one failure a try: what follows it must cope and finish */
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
    return fails() ? NULL : __real_strndup(text, length);
}

struct fixture {
    char folder[64];
    char users[128], roles[128];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    EVP_PKEY *pair = make_rsa_key(2048);
    char *pem = public_pem(pair);

    assert_non_null(fixture);
    make_folder(fixture->folder);
    (void)snprintf(fixture->users, sizeof(fixture->users), "%s/users.json", fixture->folder);
    (void)snprintf(fixture->roles, sizeof(fixture->roles), "%s/roles.json", fixture->folder);
    write_file(fixture->folder, "k.pem", pem);
    write_file(fixture->folder, "users.json",
               "{\"users\":[{\"_id\":\"ada\",\"industries\":[\"a\",\"b\"]},{\"_id\":\"eve\"}]}");
    write_file(fixture->folder, "roles.json", "{\"roles\":{\"user\":[\"emit:a\",\"emit:b\"],\"x\":[]}}");
    free(pem);
    EVP_PKEY_free(pair);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

typedef enum status step_fn(const struct fixture *fixture);

/* Repeats the step with a later allocation failing each time; a failure must be told as one. */
static void sweep(const struct fixture *fixture, step_fn *step, bool may_cope)
{
    for (long n = 0; n < TRIES; n++) {
        enum status status;

        left = n;
        failed = false;
        status = step(fixture);
        left = -1;
        if (!failed) {
            assert_int_equal(status, STATUS_OK);
            assert_true(n > 0);
            return;
        }
        if (status == STATUS_OK ? !may_cope : status != STATUS_NO_MEMORY && status != STATUS_AUTH_UNAVAILABLE)
            fail_msg("allocation %ld failing gave %s", n, status_code(status));
    }
    fail_msg("no end after %d allocations", TRIES);
}

static enum status step_keys(const struct fixture *fixture)
{
    struct keys *keys = NULL;
    char error[512];
    enum status status = keys_create(TEST_SECRET, fixture->folder, &keys, error, sizeof(error));

    keys_free(keys);
    return status == STATUS_MALFORMED && strstr(error, "out of memory") ? STATUS_NO_MEMORY : status;
}

static enum status step_policy(const struct fixture *fixture)
{
    struct policy *policy = NULL;
    char error[512];
    enum status status = policy_create(fixture->roles, true, &policy, error, sizeof(error));

    policy_free(policy);
    return status;
}

static enum status step_users(const struct fixture *fixture)
{
    struct users *users = NULL;
    char error[512];
    enum status status = users_file_create(fixture->users, &users, error, sizeof(error));

    if (users)
        users->ops->free(users);
    return status == STATUS_MALFORMED && strstr(error, "out of memory") ? STATUS_NO_MEMORY : status;
}

static enum status step_caches(const struct fixture *fixture)
{
    struct user_cache_options options = {.entries = 4, .flights = 2, .ttl_ms = 1000};
    struct user_cache *cache = NULL;
    struct verdicts *verdicts = NULL;
    struct user_flight *flight = NULL;
    struct user_result result = {0};
    struct user_waiter waiter;
    struct verdict_digest digest = {{0}};
    struct token_claims claims = {{0}, {0}, 0, 0};
    enum status status = user_cache_create(&options, &cache);

    (void)fixture;
    if (status == STATUS_OK)
        status = verdicts_create(4, &verdicts);
    if (status == STATUS_OK) {
        verdicts_put(verdicts, &digest, &claims);
        if (user_cache_join(cache, SLICE_LITERAL("ada"), 0, &waiter, &result, &flight) == USER_LEADING) {
            result = (struct user_result){.status = STATUS_NOT_FOUND};
            (void)user_cache_finish(cache, flight, &result, 0);
        } else {
            status = result.status;
        }
    }
    verdicts_free(verdicts);
    user_cache_free(cache);
    return status;
}

static void test_constructors(void **state)
{
    sweep(*state, step_keys, false);
    sweep(*state, step_policy, false);
    sweep(*state, step_users, false);
    sweep(*state, step_caches, true); /* a cache may also just not remember */
}

/* ---- a whole verification, on this thread: the second request of a token is answered by it ---------- */

static struct answer last;
static unsigned replies;

static void catch_reply(void *context, struct slice reply, const void *data, size_t length)
{
    long kept = left;

    (void)context;
    (void)reply;
    left = -1; /* the test's own reading is not what fails */
    read_answer(slice_make(data, length), &last);
    replies++;
    left = kept;
}

static char *token;
static struct keys *step_token_keys;

static enum status step_token(const struct fixture *fixture)
{
    struct token_rules rules = {.leeway_ms = 0};
    struct token_claims claims;
    const char *message;

    (void)fixture;
    return token_verify(slice_from_string(token), step_token_keys, &rules, 0, &claims, &message);
}

static void test_token(void **state)
{
    char error[256];

    token = make_user_token("{\"sub\":\"ada\",\"exp\":4000000000}");
    assert_int_equal(keys_create(TEST_SECRET, NULL, &step_token_keys, error, sizeof(error)), STATUS_OK);
    sweep(*state, step_token, false);
    keys_free(step_token_keys);
    free(token);
}

static struct verifier *make_verifier(struct users *users, struct metrics *metrics, enum status *ret_status)
{
    struct verify_options options = {.users = users,
                                     .metrics = metrics,
                                     .workers = 1,
                                     .queue_limit = 10,
                                     .verdict_entries = 10,
                                     .user_entries = 10,
                                     .user_ttl_ms = 3600000,
                                     .respond = catch_reply};
    struct keys *keys = NULL;
    struct policy *policy = NULL;
    struct verifier *verifier = NULL;
    char error[256];
    long kept = left;

    left = -1;
    assert_int_equal(keys_create(TEST_SECRET, NULL, &keys, error, sizeof(error)), STATUS_OK);
    assert_int_equal(policy_create(NULL, false, &policy, error, sizeof(error)), STATUS_OK);
    left = kept;
    *ret_status = verify_create(&options, keys, policy, &verifier);
    return verifier;
}

static struct metrics *the_metrics;
static struct users *the_users;

static enum status step_verifier(const struct fixture *fixture)
{
    enum status status;

    (void)fixture;
    verify_free(make_verifier(the_users, the_metrics, &status));
    return status;
}

static void test_verifier(void **state)
{
    const struct fixture *fixture = *state;
    char error[512], text[] = "not looked at";
    struct bus_message message = {.reply = SLICE_LITERAL("r")};
    Pollen8__VerifyRequest request;
    struct verifier *verifier;
    struct buf bytes;
    enum status status;
    long n = 0;

    assert_int_equal(metrics_create(measures, MEASURE_COUNT, &the_metrics), STATUS_OK);
    assert_int_equal(users_file_create(fixture->users, &the_users, error, sizeof(error)), STATUS_OK);
    sweep(fixture, step_verifier, true); /* a metric may do without its label */
    verifier = make_verifier(the_users, the_metrics, &status);
    assert_int_equal(status, STATUS_OK);
    token = make_user_token("{\"sub\":\"backend\",\"role\":\"service\"}");
    pollen8__verify_request__init(&request);
    request.token = token;
    buf_init(&bytes, 4096);
    assert_int_equal(wire_pack(&bytes, &request.base), STATUS_OK);
    message.data = buf_slice(&bytes);
    do { /* whatever fails: either no reply (the caller's timeout says it), or a refusal that can pass, or ok
          */
        left = n++;
        failed = false;
        replies = 0;
        (void)snprintf(last.code, sizeof(last.code), "%s", text);
        verify_message(verifier, &message);
        left = -1;
        verify_stop(verifier);
        assert_true(replies <= 1);
        if (replies && strcmp(last.code, "ok") != 0)
            assert_string_equal(last.code, "AUTH_UNAVAILABLE");
        verify_free(verifier);
        verifier = make_verifier(the_users, the_metrics, &status);
        assert_int_equal(status, STATUS_OK);
    } while (failed && n < TRIES);
    assert_string_equal(last.code, "ok");
    assert_true(n > 2);
    verify_free(verifier);
    buf_done(&bytes);
    free(token);
    the_users->ops->free(the_users);
    metrics_free(the_metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_constructors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verifier, setup, teardown),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
