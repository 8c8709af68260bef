/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The verifier without a broker: requests are handed to verify_message, replies caught, and the user store is
 * one of the test's own that can be held, counted and broken.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth_test.h"
#include "base/measures.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/wire.h"
#include "identity.pb-c.h"
#include "process.h"
#include "verify.h"

#define REPLIES_MOST 64

struct rig {
    struct users users; /* first: the store */
    struct verifier *verifier;
    struct metrics *metrics;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held;                        /* lock: questions wait */
    unsigned asked;                   /* lock: questions that came */
    unsigned waiting;                 /* lock: questions held now */
    enum status answer;               /* lock: what the store says; STATUS_OK: an enabled user */
    unsigned replies;                 /* lock */
    struct answer last[REPLIES_MOST]; /* lock: by reply subject, a number */
};

static enum status rig_find(struct users *users, struct slice id, struct user **ret_user)
{
    struct rig *rig = (struct rig *)users;
    enum status answer;

    (void)id;
    pthread_mutex_lock(&rig->lock);
    rig->asked++;
    rig->waiting++;
    pthread_cond_broadcast(&rig->changed);
    while (rig->held)
        pthread_cond_wait(&rig->changed, &rig->lock);
    rig->waiting--;
    answer = rig->answer;
    pthread_mutex_unlock(&rig->lock);
    if (answer == STATUS_OK)
        *ret_user = user_create();
    return answer;
}

static void rig_respond(void *context, struct slice reply, const void *data, size_t length)
{
    struct rig *rig = context;
    char number[16];

    (void)snprintf(number, sizeof(number), "%.*s", (int)reply.length, reply.data);
    pthread_mutex_lock(&rig->lock);
    read_answer(slice_make(data, length), &rig->last[strtoul(number, NULL, 10) % REPLIES_MOST]);
    rig->replies++;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static struct rig *rig_create(size_t workers, size_t queue_limit, int64_t ttl_ms)
{
    static const struct users_ops ops = {.name = "test", .find = rig_find};
    struct rig *rig = calloc(1, sizeof(*rig));
    struct verify_options options = {.rules = {.leeway_ms = 0},
                                     .workers = workers,
                                     .queue_limit = queue_limit,
                                     .verdict_entries = 100,
                                     .user_entries = 100,
                                     .user_ttl_ms = ttl_ms,
                                     .respond = rig_respond,
                                     .respond_context = rig};
    struct keys *keys = NULL;
    struct policy *policy = NULL;
    char error[256];

    assert_non_null(rig);
    rig->users.ops = &ops;
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->changed, NULL);
    assert_int_equal(metrics_create(measures, MEASURE_COUNT, &rig->metrics), STATUS_OK);
    assert_int_equal(keys_create(TEST_SECRET, NULL, &keys, error, sizeof(error)), STATUS_OK);
    assert_int_equal(policy_create(NULL, false, &policy, error, sizeof(error)), STATUS_OK);
    options.users = &rig->users;
    options.metrics = rig->metrics;
    assert_int_equal(verify_create(&options, keys, policy, &rig->verifier), STATUS_OK);
    return rig;
}

static void rig_free(struct rig *rig)
{
    verify_free(rig->verifier);
    metrics_free(rig->metrics);
    pthread_cond_destroy(&rig->changed);
    pthread_mutex_destroy(&rig->lock);
    free(rig);
}

static void send_token(struct rig *rig, const char *token, unsigned number, uint32_t deadline_ms)
{
    char reply[16];
    Pollen8__VerifyRequest request;
    struct buf bytes;
    struct bus_message message = {
        .reply = slice_make(reply, (size_t)snprintf(reply, sizeof(reply), "%u", number))};
    char *copy = strdup(token);

    assert_non_null(copy);
    pollen8__verify_request__init(&request);
    request.token = copy;
    request.deadline_ms = deadline_ms;
    buf_init(&bytes, 64 * 1024);
    assert_int_equal(wire_pack(&bytes, &request.base), STATUS_OK);
    message.data = buf_slice(&bytes);
    verify_message(rig->verifier, &message);
    buf_done(&bytes);
    free(copy);
}

static void send_claims(struct rig *rig, const char *claims, unsigned number)
{
    char *token = make_user_token(claims);

    send_token(rig, token, number, 0);
    free(token);
}

static void wait_replies(struct rig *rig, unsigned count)
{
    pthread_mutex_lock(&rig->lock);
    while (rig->replies < count)
        pthread_cond_wait(&rig->changed, &rig->lock);
    assert_int_equal(rig->replies, count);
    pthread_mutex_unlock(&rig->lock);
}

/* Holds questions to the store, or lets them go on. */
static void hold(struct rig *rig, bool held)
{
    pthread_mutex_lock(&rig->lock);
    rig->held = held;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static void wait_waiting(struct rig *rig, unsigned count)
{
    pthread_mutex_lock(&rig->lock);
    while (rig->waiting < count)
        pthread_cond_wait(&rig->changed, &rig->lock);
    pthread_mutex_unlock(&rig->lock);
}

static void say(struct rig *rig, enum status answer)
{
    pthread_mutex_lock(&rig->lock);
    rig->answer = answer;
    pthread_mutex_unlock(&rig->lock);
}

static void expect(struct rig *rig, unsigned number, const char *code)
{
    pthread_mutex_lock(&rig->lock);
    assert_string_equal(rig->last[number].code, code);
    pthread_mutex_unlock(&rig->lock);
}

static unsigned asked(struct rig *rig)
{
    unsigned count;

    pthread_mutex_lock(&rig->lock);
    count = rig->asked;
    pthread_mutex_unlock(&rig->lock);
    return count;
}

/* A seen token of a user read lately is answered before verify_message returns. */
static void test_seen_token_is_answered_at_once(void **state)
{
    struct rig *rig = rig_create(2, 10, 60000);

    (void)state;
    send_claims(rig, "{\"sub\":\"ada\"}", 0);
    wait_replies(rig, 1);
    expect(rig, 0, "ok");
    hold(rig, true);
    for (unsigned i = 1; i <= 10; i++) {
        send_claims(rig, "{\"sub\":\"ada\"}", i);
        assert_int_equal(rig->replies, i + 1);
        expect(rig, i, "ok");
    }
    hold(rig, false);
    assert_int_equal(asked(rig), 1);
    assert_int_equal(metric_value(measure_cell(rig->metrics, LABEL_VERDICT_HIT)), 10);
    rig_free(rig);
}

/* Before verify_message returns, of what the store says now. */
static void test_new_token_is_answered_at_once_from_memory(void **state)
{
    static const struct users_ops memory = {.name = "test", .immediate = true, .find = rig_find};
    struct rig *rig = rig_create(1, 10, 60000);

    (void)state;
    rig->users.ops = &memory;
    send_claims(rig, "{\"sub\":\"ada\"}", 1);
    assert_int_equal(rig->replies, 1);
    expect(rig, 1, "ok");
    say(rig, STATUS_NOT_FOUND);
    send_claims(rig, "{\"sub\":\"ada\"}", 2);
    assert_int_equal(rig->replies, 2);
    expect(rig, 2, "AUTH_USER_UNKNOWN");
    send_token(rig, "no.such.token", 3, 0);
    assert_int_equal(rig->replies, 3);
    expect(rig, 3, "AUTH_INVALID");
    assert_int_equal(asked(rig), 2);
    rig_free(rig);
}

static void test_single_flight(void **state)
{
    struct rig *rig = rig_create(4, 50, 60000);
    char claims[64];

    (void)state;
    hold(rig, true);
    for (unsigned i = 0; i < 20; i++) { /* 20 tokens of one user */
        (void)snprintf(claims, sizeof(claims), "{\"sub\":\"ada\",\"n\":%u}", i);
        send_claims(rig, claims, i);
    }
    wait_waiting(rig, 1);
    hold(rig, false);
    wait_replies(rig, 20);
    for (unsigned i = 0; i < 20; i++)
        expect(rig, i, "ok");
    assert_int_equal(asked(rig), 1);
    rig_free(rig);
}

static void test_full_queue(void **state)
{
    struct rig *rig = rig_create(1, 3, 60000);
    char claims[64];

    (void)state;
    hold(rig, true);
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(claims, sizeof(claims), "{\"sub\":\"user %u\"}", i);
        send_claims(rig, claims, i);
    }
    wait_replies(rig, 2); /* three in the queue or in work, two refused at once */
    expect(rig, 3, "AUTH_UNAVAILABLE");
    expect(rig, 4, "AUTH_UNAVAILABLE");
    assert_true(rig->last[4].retry_after_ms > 0);
    assert_int_equal(verify_outstanding(rig->verifier), 3);
    hold(rig, false);
    verify_stop(rig->verifier);
    wait_replies(rig, 5); /* stopping answers what was taken */
    assert_int_equal(verify_outstanding(rig->verifier), 0);
    send_claims(rig, "{\"sub\":\"late\"}", 5);
    expect(rig, 5, "AUTH_UNAVAILABLE");
    rig_free(rig);
}

/* What nobody waits for any more costs nothing and gets no reply. */
static void test_late(void **state)
{
    struct rig *rig = rig_create(1, 10, 60000);
    char *token = make_user_token("{\"sub\":\"b\"}");
    uint64_t start_ns;

    (void)state;
    hold(rig, true);
    send_claims(rig, "{\"sub\":\"a\"}", 0);
    wait_waiting(rig, 1);
    send_token(rig, token, 1, 1);
    start_ns = clock_monotonic_ns();
    while (clock_monotonic_ns() - start_ns < 2000000)
        ; /* past its deadline of 1 ms */
    hold(rig, false);
    verify_stop(rig->verifier);
    wait_replies(rig, 1);
    assert_int_equal(asked(rig), 1);
    assert_int_equal(metric_value(measure_cell(rig->metrics, LABEL_LATE)), 1);
    free(token);
    rig_free(rig);
}

static void test_store_troubles(void **state)
{
    static const enum status troubles[] = {STATUS_DISCONNECTED, STATUS_TIMEOUT, STATUS_NO_MEMORY,
                                           STATUS_INTERNAL, STATUS_MALFORMED};
    struct rig *rig = rig_create(2, 10, 60000);
    unsigned replies = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        say(rig, troubles[i]);
        send_claims(rig, "{\"sub\":\"ada\"}", 0);
        wait_replies(rig, ++replies);
        expect(rig, 0, "AUTH_UNAVAILABLE");
    }
    verify_store_up(rig->verifier, false); /* known to be down: not even asked */
    say(rig, STATUS_OK);
    send_claims(rig, "{\"sub\":\"ada\"}", 0);
    wait_replies(rig, ++replies);
    expect(rig, 0, "AUTH_UNAVAILABLE");
    send_claims(rig, "{\"sub\":\"backend\",\"role\":\"service\"}", 1); /* needs no store */
    wait_replies(rig, ++replies);
    expect(rig, 1, "ok");
    assert_int_equal(asked(rig), 5);
    verify_store_up(rig->verifier, true);
    send_claims(rig, "{\"sub\":\"ada\"}", 0);
    wait_replies(rig, ++replies);
    expect(rig, 0, "ok");
    rig_free(rig);
}

static void test_unknown_is_remembered_briefly(void **state)
{
    struct rig *rig = rig_create(2, 10, 60000);

    (void)state;
    say(rig, STATUS_NOT_FOUND);
    send_claims(rig, "{\"sub\":\"ada\"}", 0);
    wait_replies(rig, 1);
    send_claims(rig, "{\"sub\":\"ada\"}", 1);
    wait_replies(rig, 2);
    expect(rig, 0, "AUTH_USER_UNKNOWN");
    expect(rig, 1, "AUTH_USER_UNKNOWN");
    assert_int_equal(asked(rig), 1);
    say(rig, STATUS_OK);
    verify_forget_users(rig->verifier);
    send_claims(rig, "{\"sub\":\"ada\"}", 2);
    wait_replies(rig, 3);
    expect(rig, 2, "ok");
    rig_free(rig);
}

static void test_replaced_keys(void **state)
{
    struct rig *rig = rig_create(2, 10, 60000);
    struct keys *keys = NULL;
    struct policy *policy = NULL;
    char error[256];

    (void)state;
    send_claims(rig, "{\"sub\":\"ada\"}", 0);
    wait_replies(rig, 1);
    expect(rig, 0, "ok");
    assert_int_equal(keys_create("another secret of at least 32 bytes", NULL, &keys, error, sizeof(error)),
                     STATUS_OK);
    assert_int_equal(policy_create(NULL, false, &policy, error, sizeof(error)), STATUS_OK);
    verify_replace(rig->verifier, keys, policy);
    send_claims(rig, "{\"sub\":\"ada\"}", 1);
    wait_replies(rig, 2);
    expect(rig, 1, "AUTH_INVALID");
    rig_free(rig);
}

static void test_malformed_requests(void **state)
{
    static const char *const bodies[] = {"\x0a", "\x0a\x7f", "\xff\xff\xff", "\x0a\x02\xc3\x28", "{}"};
    struct rig *rig = rig_create(1, 10, 60000);
    struct bus_message message = {.reply = SLICE_LITERAL("0")};
    unsigned count = sizeof(bodies) / sizeof(bodies[0]);

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        message.data = slice_from_string(bodies[i]);
        verify_message(rig->verifier, &message);
        assert_int_equal(rig->replies, i + 1);
        expect(rig, 0, "AUTH_INVALID");
    }
    message.data = slice_make(NULL, 0); /* an empty message is an empty token */
    verify_message(rig->verifier, &message);
    expect(rig, 0, "AUTH_REQUIRED");
    message.reply = slice_make(NULL, 0); /* nobody to tell */
    verify_message(rig->verifier, &message);
    assert_int_equal(rig->replies, count + 1);
    rig_free(rig);
}

/* A field of a newer gateway is stepped over. */
static void test_unknown_fields(void **state)
{
    struct rig *rig = rig_create(1, 10, 60000);
    char *token = make_user_token("{\"sub\":\"backend\",\"role\":\"service\"}");
    struct bus_message message = {.reply = SLICE_LITERAL("0")};
    struct buf bytes;

    (void)state;
    buf_init(&bytes, 4096);
    assert_int_equal(buf_append(&bytes, "\xfa\x01\x03new", 6), STATUS_OK); /* field 31 */
    assert_int_equal(buf_append_char(&bytes, 0x0a), STATUS_OK);
    assert_true(strlen(token) > 127 || buf_append_char(&bytes, (char)strlen(token)) == STATUS_OK);
    if (strlen(token) > 127) {
        assert_int_equal(buf_append_char(&bytes, (char)(0x80 | (strlen(token) & 0x7f))), STATUS_OK);
        assert_int_equal(buf_append_char(&bytes, (char)(strlen(token) >> 7)), STATUS_OK);
    }
    assert_int_equal(buf_append_string(&bytes, token), STATUS_OK);
    message.data = buf_slice(&bytes);
    verify_message(rig->verifier, &message);
    wait_replies(rig, 1);
    expect(rig, 0, "ok");
    buf_done(&bytes);
    free(token);
    rig_free(rig);
}

/* Reloads beside traffic: nothing is lost, nothing is answered with keys that were never there. */
static void *reload_often(void *argument)
{
    struct rig *rig = argument;
    char error[256];

    for (int i = 0; i < 50; i++) {
        struct keys *keys = NULL;
        struct policy *policy = NULL;
        if (keys_create(TEST_SECRET, NULL, &keys, error, sizeof(error)) == STATUS_OK &&
            policy_create(NULL, i % 2 == 0, &policy, error, sizeof(error)) == STATUS_OK)
            verify_replace(rig->verifier, keys, policy);
        verify_forget_users(rig->verifier);
    }
    return NULL;
}

static void test_reload_under_traffic(void **state)
{
    struct rig *rig = rig_create(4, 5000, 1);
    pthread_t thread;
    char claims[64];

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, reload_often, rig), 0);
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(claims, sizeof(claims), "{\"sub\":\"user %u\"}", i % 5);
        send_claims(rig, claims, i % REPLIES_MOST);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    verify_stop(rig->verifier);
    wait_replies(rig, 2000);
    assert_int_equal(metric_value(metrics_cell(rig->metrics, METRIC_VERIFICATIONS, "ok")), 2000);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seen_token_is_answered_at_once),
        cmocka_unit_test(test_new_token_is_answered_at_once_from_memory),
        cmocka_unit_test(test_single_flight),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_store_troubles),
        cmocka_unit_test(test_unknown_is_remembered_briefly),
        cmocka_unit_test(test_replaced_keys),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_unknown_fields),
        cmocka_unit_test(test_reload_under_traffic),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
