/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   verify_message (delivery thread): unpack -> verdict cache -> user cache -> reply
 *        | anything missing or blocking
 *        v
 *   work (worker threads): token -> verdict cache -> user cache / flight / store -> reply
 *
 * `settings` (keys and policy) is read under a lock held while a verdict is made and remembered, so that no
 * verdict of an old key can be remembered after verify_replace has emptied the cache.
 */
#include "verify.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../common/clock.h"
#include "../common/log.h"
#include "../common/wire.h"
#include "identity.pb-c.h"
#include "measures.h"
#include "reply.h"
#include "user_cache.h"
#include "verdicts.h"
#include "work_queue.h"

#define DEADLINE_DEFAULT_MS 5000
#define DEADLINE_MAXIMUM_MS 60000
#define RETRY_AFTER_MS      1000
#define NANOSECONDS_A_MS    1000000ULL

struct request {
    struct slice token;
    struct slice reply;
    uint64_t arrived_ns;  /* monotonic */
    uint64_t deadline_ns; /* monotonic */
};

struct job {
    struct work_item item;     /* in the work queue, or */
    struct user_waiter waiter; /* in a flight of the user cache */
    struct request request;    /* its slices point into bytes */
    struct verdict_digest digest;
    struct token_claims claims;
    bool verified; /* claims hold */
    char bytes[];
};

struct verifier {
    struct verify_options options;
    struct measure_cells cells;
    struct wire_arena arena; /* the delivery thread's */
    struct verdicts *verdicts;
    struct user_cache *user_cache;
    struct work_queue *queue;
    _Atomic size_t outstanding;
    _Atomic bool store_up;
    pthread_rwlock_t settings_lock;
    struct keys *keys;     /* settings_lock */
    struct policy *policy; /* settings_lock */
};

static void respond(struct verifier *verifier, const struct request *request, enum status result,
                    const struct buf *reply)
{
    verifier->options.respond(verifier->options.respond_context, request->reply, reply->data, reply->length);
    metric_add(verifier->cells.results[result], 1);
    metrics_observe_ns(verifier->options.metrics, METRIC_VERIFY_SECONDS,
                       clock_monotonic_ns() - request->arrived_ns);
}

/* Local troubles (memory, an unreachable store) are never the token's fault. */
static void refuse(struct verifier *verifier, const struct request *request, enum status status,
                   const char *message)
{
    enum status refusal = status < STATUS_AUTH_REQUIRED ? STATUS_AUTH_UNAVAILABLE : status;
    uint32_t retry_after_ms = refusal == STATUS_AUTH_UNAVAILABLE ? RETRY_AFTER_MS : 0;
    struct buf reply;

    buf_init(&reply, REPLY_MAXIMUM_BYTES);
    if (reply_pack_error(&reply, refusal, message ? message : status_message(refusal), retry_after_ms) ==
        STATUS_OK)
        respond(verifier, request, refusal, &reply);
    buf_done(&reply);
}

/* The caller's session ends at exp; a token accepted past it, thanks to the leeway, lasts to the leeway's
 * end: an end that has already passed would close every new session at once. */
static int64_t session_end_ms(const struct verifier *verifier, const struct token_claims *claims)
{
    if (claims->expires_at_ms && claims->expires_at_ms <= clock_wall_ms())
        return claims->expires_at_ms + verifier->options.rules.leeway_ms;
    return claims->expires_at_ms;
}

static void accept_user(struct verifier *verifier, const struct request *request,
                        const struct token_claims *claims, const struct user *user)
{
    struct buf reply;
    bool known_role = true;
    enum status status;

    buf_init(&reply, REPLY_MAXIMUM_BYTES);
    pthread_rwlock_rdlock(&verifier->settings_lock);
    status = reply_pack_identity(&reply, claims, user, verifier->policy, session_end_ms(verifier, claims),
                                 &known_role);
    pthread_rwlock_unlock(&verifier->settings_lock);
    if (!known_role) {
        metrics_add(verifier->options.metrics, METRIC_UNKNOWN_ROLES, 1);
        log_event_limited(LOG_WARN, "a role that no table names has no permissions",
                          LOG_S("user", claims->subject));
    }
    if (status == STATUS_OK)
        respond(verifier, request, STATUS_OK, &reply);
    else
        refuse(verifier, request, status, NULL);
    buf_done(&reply);
}

/* Whether the token was issued before the user's tokens were revoked. iat has whole seconds, so a token of
 * the very second of the revocation passes: it may be the one that was issued right after it. */
static bool revoked(const struct token_claims *claims, const struct user *user)
{
    if (user->tokens_valid_after_ms == INT64_MIN)
        return false;
    return claims->issued_at_ms < 0 || claims->issued_at_ms / 1000 < user->tokens_valid_after_ms / 1000;
}

/* The end of every request whose token holds and whose user was asked for. */
static void decide(struct verifier *verifier, const struct request *request,
                   const struct token_claims *claims, const struct user_result *result)
{
    if (result->status == STATUS_NOT_FOUND)
        refuse(verifier, request, STATUS_AUTH_USER_UNKNOWN, NULL);
    else if (result->status != STATUS_OK)
        refuse(verifier, request, STATUS_AUTH_UNAVAILABLE, "the user store does not answer at the moment");
    else if (result->user->disabled)
        refuse(verifier, request, STATUS_AUTH_USER_DISABLED, NULL);
    else if (revoked(claims, result->user))
        refuse(verifier, request, STATUS_AUTH_EXPIRED,
               "the token was issued before the user's tokens were revoked");
    else
        accept_user(verifier, request, claims, result->user);
}

/* A service is what its token says it is: platform backends have no user record. */
static bool needs_no_record(const struct token_claims *claims)
{
    return strcmp(claims->role, "service") == 0;
}

static bool late(struct verifier *verifier, const struct request *request)
{
    if (clock_monotonic_ns() < request->deadline_ns)
        return false;
    metric_add(verifier->cells.late, 1);
    return true;
}

/* ---- worker threads --------------------------------------------------------------------------------- */

static void job_free(struct verifier *verifier, struct job *job)
{
    free(job);
    atomic_fetch_sub_explicit(&verifier->outstanding, 1, memory_order_relaxed);
}

static enum status verify_token(struct verifier *verifier, struct job *job, const char **ret_message)
{
    enum status status;

    pthread_rwlock_rdlock(&verifier->settings_lock);
    status = token_verify(job->request.token, verifier->keys, &verifier->options.rules, clock_wall_ms(),
                          &job->claims, ret_message);
    if (status == STATUS_OK)
        verdicts_put(verifier->verdicts, &job->digest, &job->claims);
    pthread_rwlock_unlock(&verifier->settings_lock);
    job->verified = status == STATUS_OK;
    return status;
}

static struct user_result ask_store(struct verifier *verifier, struct slice id)
{
    struct user_result result = {.status = STATUS_DISCONNECTED};
    struct users *users = verifier->options.users;
    uint64_t start_ns = clock_monotonic_ns();

    if (!atomic_load_explicit(&verifier->store_up, memory_order_relaxed))
        return result;
    result.status = users->ops->find(users, id, &result.user);
    metrics_observe_ns(verifier->options.metrics, METRIC_USER_STORE_SECONDS, clock_monotonic_ns() - start_ns);
    if (result.status != STATUS_OK && result.status != STATUS_NOT_FOUND) {
        metrics_add(verifier->options.metrics, METRIC_USER_STORE_ERRORS, 1);
        log_event_limited(LOG_WARN, "user store did not answer", LOG_S("store", users->ops->name),
                          LOG_S("status", status_code(result.status)));
    }
    if (result.status == STATUS_OK && result.user->defects) {
        metrics_add(verifier->options.metrics, METRIC_USER_RECORD_DEFECTS, result.user->defects);
        log_event_limited(LOG_WARN, "user record has members that cannot be used", LOG_SLICE("user", id),
                          LOG_U("members", result.user->defects));
    }
    return result;
}

/* Leads the flight: one query answers this job and everyone who joined meanwhile. */
static void lead(struct verifier *verifier, struct job *job, struct user_flight *flight)
{
    struct user_result result = ask_store(verifier, slice_from_string(job->claims.subject));
    struct user_waiter *waiter =
        user_cache_finish(verifier->user_cache, flight, &result, clock_monotonic_ms());

    decide(verifier, &job->request, &job->claims, &result);
    job_free(verifier, job);
    while (waiter) {
        struct user_waiter *next = waiter->next;
        struct job *joined = (struct job *)((char *)waiter - offsetof(struct job, waiter));

        if (!late(verifier, &joined->request))
            decide(verifier, &joined->request, &joined->claims, &result);
        job_free(verifier, joined);
        waiter = next;
    }
    user_unref(result.user);
}

static void find_user(struct verifier *verifier, struct job *job)
{
    struct user_result result = {0};
    struct user_flight *flight = NULL;

    switch (user_cache_join(verifier->user_cache, slice_from_string(job->claims.subject),
                            clock_monotonic_ms(), &job->waiter, &result, &flight)) {
    case USER_CACHED:
        metric_add(verifier->cells.user_hit, 1);
        decide(verifier, &job->request, &job->claims, &result);
        job_free(verifier, job);
        user_unref(result.user);
        break;
    case USER_JOINED: /* the job is the leader's now */ metric_add(verifier->cells.user_wait, 1); break;
    case USER_LEADING:
        metric_add(verifier->cells.user_miss, 1);
        lead(verifier, job, flight);
        break;
    }
}

static void work(void *context, struct work_item *item)
{
    struct verifier *verifier = context;
    struct job *job = (struct job *)item; /* its first member */
    const char *message = NULL;
    enum status status;

    if (late(verifier, &job->request)) {
        job_free(verifier, job);
        return;
    }
    status = job->verified ? STATUS_OK : verify_token(verifier, job, &message);
    if (status != STATUS_OK) {
        refuse(verifier, &job->request, status, message);
        job_free(verifier, job);
    } else if (needs_no_record(&job->claims)) {
        accept_user(verifier, &job->request, &job->claims, NULL);
        job_free(verifier, job);
    } else {
        find_user(verifier, job);
    }
}

/* ---- delivery thread -------------------------------------------------------------------------------- */

/* A copy of the request that outlives the callback; NULL where memory is out. Once verified, the token is no
 * longer needed. */
static struct job *job_create(const struct request *request, const struct token_claims *claims,
                              const struct verdict_digest *digest)
{
    size_t token_length = claims ? 0 : request->token.length;
    struct job *job = malloc(sizeof(*job) + token_length + request->reply.length);

    if (!job)
        return NULL;
    *job = (struct job){.request = *request, .digest = *digest, .verified = claims != NULL};
    if (claims)
        job->claims = *claims;
    if (token_length)
        memcpy(job->bytes, request->token.data, token_length);
    memcpy(job->bytes + token_length, request->reply.data, request->reply.length);
    job->request.token = slice_make(job->bytes, token_length);
    job->request.reply = slice_make(job->bytes + token_length, request->reply.length);
    return job;
}

static void submit(struct verifier *verifier, const struct request *request,
                   const struct token_claims *claims, const struct verdict_digest *digest)
{
    struct job *job = NULL;

    if (atomic_fetch_add_explicit(&verifier->outstanding, 1, memory_order_relaxed) <
        verifier->options.queue_limit)
        job = job_create(request, claims, digest);
    if (job && work_queue_push(verifier->queue, &job->item) == STATUS_OK)
        return;
    free(job);
    atomic_fetch_sub_explicit(&verifier->outstanding, 1, memory_order_relaxed);
    metrics_add(verifier->options.metrics, METRIC_QUEUE_FULL, 1);
    refuse(verifier, request, STATUS_AUTH_UNAVAILABLE, "too many tokens are waiting to be checked");
}

/* A token seen before: answered here where its user was read lately. */
static void answer_seen(struct verifier *verifier, const struct request *request,
                        const struct token_claims *claims, const struct verdict_digest *digest)
{
    struct user_result result = {0};

    if (token_expired(claims, &verifier->options.rules, clock_wall_ms())) {
        verdicts_forget(verifier->verdicts, digest);
        refuse(verifier, request, STATUS_AUTH_EXPIRED, NULL);
    } else if (needs_no_record(claims)) {
        accept_user(verifier, request, claims, NULL);
    } else if (user_cache_get(verifier->user_cache, slice_from_string(claims->subject), clock_monotonic_ms(),
                              &result)) {
        metric_add(verifier->cells.user_hit, 1);
        decide(verifier, request, claims, &result);
        user_unref(result.user);
    } else {
        submit(verifier, request, claims, digest);
    }
}

static void answer(struct verifier *verifier, const struct request *request)
{
    struct verdict_digest digest;
    struct token_claims claims;

    if (request->token.length == 0) {
        refuse(verifier, request, STATUS_AUTH_REQUIRED, NULL);
    } else if (request->token.length > TOKEN_MAXIMUM_BYTES) {
        refuse(verifier, request, STATUS_AUTH_INVALID, "the token is longer than 8 KB");
    } else if (verdicts_digest(verifier->verdicts, request->token, &digest) != STATUS_OK) {
        refuse(verifier, request, STATUS_AUTH_UNAVAILABLE, NULL);
    } else if (verdicts_get(verifier->verdicts, &digest, &claims) == STATUS_OK) {
        metric_add(verifier->cells.verdict_hit, 1);
        answer_seen(verifier, request, &claims, &digest);
    } else {
        metric_add(verifier->cells.verdict_miss, 1);
        submit(verifier, request, NULL, &digest);
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

void verify_message(void *context, const struct bus_message *message)
{
    struct verifier *verifier = context;
    struct request request = {.reply = message->reply, .arrived_ns = clock_monotonic_ns()};
    const ProtobufCMessage *unpacked = NULL;
    enum status status;

    if (message->reply.length == 0) {
        metric_add(verifier->cells.malformed, 1); /* nobody asked for an answer */
        return;
    }
    wire_arena_reset(&verifier->arena);
    status = wire_unpack(&verifier->arena, &pollen8__verify_request__descriptor, message->data, &unpacked);
    if (status == STATUS_NO_MEMORY) {
        refuse(verifier, &request, status, NULL);
    } else if (status != STATUS_OK) {
        /* Also a token that is not UTF-8: the caller's token is at fault either way. */
        refuse(verifier, &request, STATUS_AUTH_INVALID,
               "the request is not a VerifyRequest with a token in UTF-8");
    } else {
        const Pollen8__VerifyRequest *verify = (const Pollen8__VerifyRequest *)unpacked;
        request.token = slice_from_string(verify->token);
        request.deadline_ns = deadline_after(request.arrived_ns, verify->deadline_ms);
        answer(verifier, &request);
    }
}

/* ---- life cycle ------------------------------------------------------------------------------------- */

/* Writers first: a reload must not wait for a pause between requests. */
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
    measure_cells_init(&verifier->cells, options->metrics);
    status = verdicts_create(options->verdict_entries, &verifier->verdicts);
    if (status == STATUS_OK)
        status = user_cache_create(&cache, &verifier->user_cache);
    if (status == STATUS_OK)
        status = work_queue_create(options->queue_limit, options->workers, work, verifier, &verifier->queue);
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
    pthread_rwlock_destroy(&verifier->settings_lock);
    free(verifier);
}
