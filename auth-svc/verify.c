/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   verify_message, verify_batch (delivery thread): unpack -> verdict cache, or a quick signature ->
 *        user cache, or an immediate store -> reply
 *        | anything that is slow or may block
 *        v
 *   verify_work.c (worker threads)
 */
#include "verify_internal.h"

#include <stdlib.h>

#include "common/clock.h"
#include "identity.pb-c.h"

#define DEADLINE_DEFAULT_MS 5000
#define DEADLINE_MAXIMUM_MS 60000
#define NANOSECONDS_A_MS    1000000ULL

/* A valid token: answered here if its user was read recently, or can be read without waiting. */
static void answer_claims(struct verifier *verifier, const struct request *request,
                          const struct token_claims *claims, const struct verdict_digest *digest)
{
    struct user_result result = {0};

    if (verify_needs_no_record(claims)) {
        verify_accept(verifier, request, claims, NULL);
    } else if (verifier->options.users->ops->immediate) {
        result = verify_ask_store(verifier, slice_from_string(claims->subject));
        verify_decide(verifier, request, claims, &result);
        user_unref(result.user);
    } else if (user_cache_get(verifier->user_cache, slice_from_string(claims->subject), clock_monotonic_ms(),
                              &result)) {
        metric_add(verifier->cells.user_hit, 1);
        verify_decide(verifier, request, claims, &result);
        user_unref(result.user);
    } else {
        verify_submit(verifier, request, claims, digest);
    }
}

static void answer_seen(struct verifier *verifier, const struct request *request,
                        const struct token_claims *claims, const struct verdict_digest *digest)
{
    if (token_expired(claims, &verifier->options.rules, clock_wall_ms())) {
        verdicts_forget(verifier->verdicts, digest);
        verify_refuse(verifier, request, STATUS_AUTH_EXPIRED, NULL);
    } else {
        answer_claims(verifier, request, claims, digest);
    }
}

static void answer_new(struct verifier *verifier, const struct request *request,
                       const struct verdict_digest *digest)
{
    struct token_claims claims;
    const char *message = NULL;
    enum status status;

    if (!atomic_load_explicit(&verifier->quick, memory_order_relaxed)) {
        verify_submit(verifier, request, NULL, digest);
        return;
    }
    status = verify_signature(verifier, request->token, digest, &claims, &message);
    if (status == STATUS_OK)
        answer_claims(verifier, request, &claims, digest);
    else
        verify_refuse(verifier, request, status, message);
}

static void answer(struct verifier *verifier, const struct request *request)
{
    struct verdict_digest digest;
    struct token_claims claims;

    if (request->token.length == 0) {
        verify_refuse(verifier, request, STATUS_AUTH_REQUIRED, NULL);
    } else if (request->token.length > TOKEN_MAXIMUM_BYTES) {
        verify_refuse(verifier, request, STATUS_AUTH_INVALID, "the token is longer than 8 KB");
    } else if (verdicts_digest(verifier->verdicts, request->token, &digest) != STATUS_OK) {
        verify_refuse(verifier, request, STATUS_AUTH_UNAVAILABLE, NULL);
    } else if (verdicts_get(verifier->verdicts, &digest, &claims) == STATUS_OK) {
        metric_add(verifier->cells.verdict_hit, 1);
        answer_seen(verifier, request, &claims, &digest);
    } else {
        metric_add(verifier->cells.verdict_miss, 1);
        answer_new(verifier, request, &digest);
    }
}

static uint64_t deadline_after(uint64_t arrived_ns, uint32_t deadline_ms)
{
    if (deadline_ms == 0)
        deadline_ms = DEADLINE_DEFAULT_MS;
    if (deadline_ms > DEADLINE_MAXIMUM_MS)
        deadline_ms = DEADLINE_MAXIMUM_MS;
    return arrived_ns + deadline_ms * NANOSECONDS_A_MS;
}

static void answer_bytes(struct verifier *verifier, struct request *request, struct slice bytes)
{
    const ProtobufCMessage *unpacked = NULL;
    enum status status;

    request->arrived_ns = clock_monotonic_ns();
    wire_arena_reset(&verifier->arena);
    status = wire_unpack(&verifier->arena, &pollen8__verify_request__descriptor, bytes, &unpacked);
    if (status == STATUS_NO_MEMORY) {
        verify_refuse(verifier, request, status, NULL);
    } else if (status != STATUS_OK) {
        /* This may be a token that is not UTF-8: either way the caller's token is at fault. */
        verify_refuse(verifier, request, STATUS_AUTH_INVALID,
                      "the request is not a VerifyRequest with a token in UTF-8");
    } else {
        const Pollen8__VerifyRequest *verify = (const Pollen8__VerifyRequest *)unpacked;
        request->token = slice_from_string(verify->token);
        request->deadline_ns = deadline_after(request->arrived_ns, verify->deadline_ms);
        answer(verifier, request);
    }
}

void verify_message(void *context, const struct bus_message *message)
{
    struct verifier *verifier = context;
    struct request request = {.reply = message->reply};

    if (message->reply.length == 0)
        metric_add(verifier->cells.malformed, 1); /* nowhere to send an answer */
    else
        answer_bytes(verifier, &request, message->data);
}

static void take_item(void *context, struct slice reply, uint64_t id, struct slice body)
{
    struct verifier *verifier = context;
    struct request request = {.reply = reply, .id = id, .gather = &verifier->answers};

    if (id == 0)
        metric_add(verifier->cells.malformed, 1);
    else
        answer_bytes(verifier, &request, body);
}

void verify_batch(void *context, const struct bus_message *message)
{
    struct verifier *verifier = context;

    if (message->reply.length == 0 ||
        batch_read(&verifier->answers, message->reply, message->data, take_item, verifier) != STATUS_OK)
        metric_add(verifier->cells.malformed, 1);
}

/* ---- life cycle ------------------------------------------------------------------------------------- */

/* Prefers writers: a reload must not wait for a pause between requests. */
static enum status settings_lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    int error;

    if (pthread_rwlockattr_init(&attributes) != 0)
        return STATUS_NO_MEMORY;
    error = pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    if (error == 0)
        error = pthread_rwlock_init(lock, &attributes);
    (void)pthread_rwlockattr_destroy(&attributes);
    return error == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status verify_create(const struct verify_options *options, struct keys *keys, struct policy *policy,
                          struct verifier **ret_verifier)
{
    struct user_cache_options cache = {
        .entries = options->user_entries, .flights = options->workers, .ttl_ms = options->user_ttl_ms};
    struct verifier *verifier = calloc(1, sizeof(*verifier));
    enum status status;

    if (!verifier || settings_lock_init(&verifier->settings_lock) != STATUS_OK) {
        free(verifier);
        keys_free(keys);
        policy_free(policy);
        return STATUS_NO_MEMORY;
    }
    verifier->options = *options;
    verifier->keys = keys;
    verifier->policy = policy;
    atomic_init(&verifier->store_up, true);
    atomic_init(&verifier->quick, keys_secret_alone(keys));
    measure_cells_init(&verifier->cells, options->metrics);
    batch_answers_init(&verifier->answers, options->respond, options->respond_context);
    status = verdicts_create(options->verdict_entries, &verifier->verdicts);
    if (status == STATUS_OK)
        status = user_cache_create(&cache, &verifier->user_cache);
    if (status == STATUS_OK)
        status = work_queue_create(options->queue_limit, options->workers, verify_work, verifier,
                                   &verifier->queue);
    if (status != STATUS_OK) {
        verify_free(verifier);
        return status;
    }
    *ret_verifier = verifier;
    return STATUS_OK;
}

void verify_replace(struct verifier *verifier, struct keys *keys, struct policy *policy)
{
    struct keys *old_keys;
    struct policy *old_policy;

    pthread_rwlock_wrlock(&verifier->settings_lock);
    old_keys = verifier->keys;
    old_policy = verifier->policy;
    verifier->keys = keys;
    verifier->policy = policy;
    atomic_store_explicit(&verifier->quick, keys_secret_alone(keys), memory_order_relaxed);
    verdicts_clear(verifier->verdicts);
    pthread_rwlock_unlock(&verifier->settings_lock);
    keys_free(old_keys);
    policy_free(old_policy);
    user_cache_clear(verifier->user_cache);
}

void verify_forget_users(struct verifier *verifier)
{
    user_cache_clear(verifier->user_cache);
}

void verify_store_up(struct verifier *verifier, bool up)
{
    atomic_store_explicit(&verifier->store_up, up, memory_order_relaxed);
}

size_t verify_outstanding(const struct verifier *verifier)
{
    return atomic_load_explicit(&verifier->outstanding, memory_order_relaxed);
}

void verify_stop(struct verifier *verifier)
{
    work_queue_stop(verifier->queue);
}

void verify_free(struct verifier *verifier)
{
    if (!verifier)
        return;
    work_queue_free(verifier->queue);
    user_cache_free(verifier->user_cache);
    verdicts_free(verifier->verdicts);
    keys_free(verifier->keys);
    policy_free(verifier->policy);
    wire_arena_done(&verifier->arena);
    batch_answers_done(&verifier->answers);
    pthread_rwlock_destroy(&verifier->settings_lock);
    free(verifier);
}
