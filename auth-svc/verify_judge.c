/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * token -> claims, user -> verdict -> reply.
 *
 * Keys and policy are read under settings_lock, which is held while a verdict is made and remembered. So no
 * verdict of an old key can be remembered after verify_replace has emptied the cache.
 */
#include "verify_internal.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "reply.h"

#define RETRY_AFTER_MS 1000

static void respond(struct verifier *verifier, const struct request *request, enum status result,
                    const struct buf *reply)
{
    struct batch_answers alone;

    if (request->gather) {
        batch_answers_add(request->gather, request->reply, request->id, buf_slice(reply));
    } else {
        batch_answers_init(&alone, verifier->options.respond, verifier->options.respond_context);
        batch_answers_add(&alone, request->reply, request->id, buf_slice(reply));
        batch_answers_flush(&alone);
        batch_answers_done(&alone);
    }
    metric_add(verifier->cells.results[result], 1);
    metrics_observe_ns(verifier->options.metrics, METRIC_VERIFY_SECONDS,
                       clock_monotonic_ns() - request->arrived_ns);
}

void verify_refuse(struct verifier *verifier, const struct request *request, enum status status,
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

/* The caller's session ends at exp. If the leeway accepted a token past its exp, the session lasts to the end
 * of the leeway: an end that has already passed would close every new session at once. */
static int64_t session_end_ms(const struct verifier *verifier, const struct token_claims *claims)
{
    if (claims->expires_at_ms && claims->expires_at_ms <= clock_wall_ms())
        return claims->expires_at_ms + verifier->options.rules.leeway_ms;
    return claims->expires_at_ms;
}

void verify_accept(struct verifier *verifier, const struct request *request,
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
        log_event_limited(LOG_WARN, "unknown role: the identity gets no permissions",
                          LOG_S("user", claims->subject));
    }
    if (status == STATUS_OK)
        respond(verifier, request, STATUS_OK, &reply);
    else
        verify_refuse(verifier, request, status, NULL);
    buf_done(&reply);
}

/* Whether the token was issued before the user's tokens were revoked. iat has whole seconds, so a token
 * issued in the second of the revocation is accepted: it may have been issued right after it. */
static bool revoked(const struct token_claims *claims, const struct user *user)
{
    if (user->tokens_valid_after_ms == INT64_MIN)
        return false;
    return claims->issued_at_ms < 0 || claims->issued_at_ms / 1000 < user->tokens_valid_after_ms / 1000;
}

void verify_decide(struct verifier *verifier, const struct request *request,
                   const struct token_claims *claims, const struct user_result *result)
{
    if (result->status == STATUS_NOT_FOUND)
        verify_refuse(verifier, request, STATUS_AUTH_USER_UNKNOWN, NULL);
    else if (result->status != STATUS_OK)
        verify_refuse(verifier, request, STATUS_AUTH_UNAVAILABLE,
                      "the user store does not answer at the moment");
    else if (result->user->disabled)
        verify_refuse(verifier, request, STATUS_AUTH_USER_DISABLED, NULL);
    else if (revoked(claims, result->user))
        verify_refuse(verifier, request, STATUS_AUTH_EXPIRED,
                      "the token was issued before the user's tokens were revoked");
    else
        verify_accept(verifier, request, claims, result->user);
}

bool verify_needs_no_record(const struct token_claims *claims)
{
    return strcmp(claims->role, "service") == 0;
}

bool verify_late(struct verifier *verifier, const struct request *request)
{
    if (clock_monotonic_ns() < request->deadline_ns)
        return false;
    metric_add(verifier->cells.late, 1);
    return true;
}

enum status verify_signature(struct verifier *verifier, struct slice token,
                             const struct verdict_digest *digest, struct token_claims *ret_claims,
                             const char **ret_message)
{
    enum status status;

    pthread_rwlock_rdlock(&verifier->settings_lock);
    status = token_verify(token, verifier->keys, &verifier->options.rules, clock_wall_ms(), ret_claims,
                          ret_message);
    if (status == STATUS_OK)
        verdicts_put(verifier->verdicts, digest, ret_claims);
    pthread_rwlock_unlock(&verifier->settings_lock);
    return status;
}

struct user_result verify_ask_store(struct verifier *verifier, struct slice id)
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
        log_event_limited(LOG_WARN, "user store lookup failed", LOG_S("store", users->ops->name),
                          LOG_S("status", status_code(result.status)));
    }
    if (result.status == STATUS_OK && result.user->defects) {
        metrics_add(verifier->options.metrics, METRIC_USER_RECORD_DEFECTS, result.user->defects);
        log_event_limited(LOG_WARN, "user record has unusable members", LOG_SLICE("user", id),
                          LOG_U("members", result.user->defects));
    }
    return result;
}
