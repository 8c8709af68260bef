/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * How many verifications one core does: a seen token of a user read lately (what reconnects cost), a token
 * seen for the first time, and RS256 for the first time. No test: it prints numbers and asserts nothing.
 *
 *   bench_auth_svc_verify [verifications]
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth_test.h"
#include "base/measures.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/wire.h"
#include "identity.pb-c.h"
#include "verify.h"

#define DEFAULT_COUNT 500000UL

static _Atomic unsigned long answered;

static void count_reply(void *context, struct slice reply, const void *data, size_t length)
{
    (void)context;
    (void)reply;
    (void)data;
    (void)length;
    atomic_fetch_add_explicit(&answered, 1, memory_order_relaxed);
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static struct verifier *make(struct users *users, struct metrics *metrics)
{
    struct verify_options options = {.rules = {.leeway_ms = 30000},
                                     .users = users,
                                     .metrics = metrics,
                                     .workers = 1,
                                     .queue_limit = 1000000,
                                     .verdict_entries = 1000,
                                     .user_entries = 1000,
                                     .user_ttl_ms = 3600000,
                                     .respond = count_reply};
    struct keys *keys = NULL;
    struct policy *policy = NULL;
    struct verifier *verifier = NULL;
    char error[256];

    if (keys_create(TEST_SECRET, NULL, &keys, error, sizeof(error)) != STATUS_OK ||
        policy_create(NULL, false, &policy, error, sizeof(error)) != STATUS_OK ||
        verify_create(&options, keys, policy, &verifier) != STATUS_OK)
        fail("the verifier cannot be made");
    return verifier;
}

static void pack(struct buf *bytes, char *token)
{
    Pollen8__VerifyRequest request;

    pollen8__verify_request__init(&request);
    request.token = token;
    request.deadline_ms = 60000;
    buf_init(bytes, 64 * 1024);
    if (wire_pack(bytes, &request.base) != STATUS_OK)
        fail("the request cannot be packed");
}

static void report(const char *what, unsigned long count, uint64_t start_ns)
{
    double seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;

    (void)printf("%-28s %9.0f/s  %6.2f us each\n", what, (double)count / seconds,
                 seconds * 1e6 / (double)count);
}

static void bench_seen(struct verifier *verifier, unsigned long count)
{
    char *token =
        make_user_token("{\"sub\":\"ada\",\"iat\":1700000000,\"exp\":4000000000,\"role\":\"user\"}");
    struct bus_message message = {.reply = SLICE_LITERAL("_INBOX.0123456789abcdef.42")};
    struct buf bytes;
    uint64_t start_ns;

    pack(&bytes, token);
    message.data = buf_slice(&bytes);
    verify_message(verifier, &message);
    while (atomic_load(&answered) < 1)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    start_ns = clock_monotonic_ns();
    for (unsigned long i = 0; i < count; i++)
        verify_message(verifier, &message);
    report("a token seen before", count, start_ns);
    buf_done(&bytes);
    free(token);
}

/* token_verify alone, what a worker does for a token it has not seen. */
static void bench_first(const char *what, const char *token, const struct keys *keys, unsigned long count)
{
    struct token_rules rules = {.leeway_ms = 30000};
    struct token_claims claims;
    const char *message;
    uint64_t start_ns = clock_monotonic_ns();

    for (unsigned long i = 0; i < count; i++)
        if (token_verify(slice_from_string(token), keys, &rules, clock_wall_ms(), &claims, &message) !=
            STATUS_OK)
            fail(message);
    report(what, count, start_ns);
}

static void bench_keys(const char *folder, unsigned long count)
{
    struct keys *keys = NULL;
    char error[512];
    EVP_PKEY *pair = make_rsa_key(2048);
    char *pem = public_pem(pair);
    char *hs256 = make_user_token("{\"sub\":\"ada\",\"exp\":4000000000}");
    char *rs256 = make_token("{\"alg\":\"RS256\",\"kid\":\"k\"}", "{\"sub\":\"ada\"}", SIGN_RS256, pair);

    write_file(folder, "k.pem", pem);
    if (keys_create(TEST_SECRET, folder, &keys, error, sizeof(error)) != STATUS_OK)
        fail(error);
    bench_first("HS256 for the first time", hs256, keys, count / 10);
    bench_first("RS256 for the first time", rs256, keys, count / 200);
    keys_free(keys);
    free(hs256);
    free(rs256);
    free(pem);
    EVP_PKEY_free(pair);
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_COUNT;
    struct metrics *metrics = NULL;
    struct users *users = NULL;
    struct verifier *verifier;
    char folder[64], path[128], error[512];

    json_init();
    make_folder(folder);
    (void)snprintf(path, sizeof(path), "%s/users.json", folder);
    write_file(folder, "users.json",
               "{\"users\":[{\"_id\":\"ada\",\"industries\":[\"technology\",\"finance\"]}]}");
    if (metrics_create(measures, MEASURE_COUNT, &metrics) != STATUS_OK ||
        users_file_create(path, &users, error, sizeof(error)) != STATUS_OK)
        fail("the store cannot be made");
    verifier = make(users, metrics);
    bench_seen(verifier, count);
    bench_keys(folder, count);
    verify_free(verifier);
    users->ops->free(users);
    metrics_free(metrics);
    remove_folder(folder);
    return 0;
}
