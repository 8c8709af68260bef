/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * request copied -> queue -> worker: token -> verdict cache -> user cache / flight / store -> reply.
 */
#include "verify_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

struct job {
    struct work_item item;     /* in the work queue, or */
    struct user_waiter waiter; /* in a flight of the user cache */
    struct request request;    /* its slices point into bytes */
    struct verdict_digest digest;
    struct token_claims claims;
    bool verified; /* claims are valid */
    char bytes[];
};

static void job_free(struct verifier *verifier, struct job *job)
{
    free(job);
    atomic_fetch_sub_explicit(&verifier->outstanding, 1, memory_order_relaxed);
}

/* Leads the flight: one query answers this job and all jobs that joined in the meantime. */
static void lead(struct verifier *verifier, struct job *job, struct user_flight *flight)
{
    struct user_result result = verify_ask_store(verifier, slice_from_string(job->claims.subject));
    struct user_waiter *waiter =
        user_cache_finish(verifier->user_cache, flight, &result, clock_monotonic_ms());

    verify_decide(verifier, &job->request, &job->claims, &result);
    job_free(verifier, job);
    while (waiter) {
        struct user_waiter *next = waiter->next;
        struct job *joined = (struct job *)((char *)waiter - offsetof(struct job, waiter));

        if (!verify_late(verifier, &joined->request))
            verify_decide(verifier, &joined->request, &joined->claims, &result);
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
        verify_decide(verifier, &job->request, &job->claims, &result);
        job_free(verifier, job);
        user_unref(result.user);
        break;
    case USER_JOINED: /* the leader owns the job now */ metric_add(verifier->cells.user_wait, 1); break;
    case USER_LEADING:
        metric_add(verifier->cells.user_miss, 1);
        lead(verifier, job, flight);
        break;
    }
}

void verify_work(void *context, struct work_item *item)
{
    struct verifier *verifier = context;
    struct job *job = (struct job *)item; /* its first member */
    const char *message = NULL;
    enum status status = STATUS_OK;

    if (verify_late(verifier, &job->request)) {
        job_free(verifier, job);
        return;
    }
    if (!job->verified)
        status = verify_signature(verifier, job->request.token, &job->digest, &job->claims, &message);
    if (status != STATUS_OK) {
        verify_refuse(verifier, &job->request, status, message);
        job_free(verifier, job);
    } else if (verify_needs_no_record(&job->claims)) {
        verify_accept(verifier, &job->request, &job->claims, NULL);
        job_free(verifier, job);
    } else {
        find_user(verifier, job);
    }
}

/* ---- delivery thread -------------------------------------------------------------------------------- */

/* A copy of the request that outlives the callback; NULL when out of memory. Once verified, the token is no
 * longer needed. */
static struct job *job_create(const struct request *request, const struct token_claims *claims,
                              const struct verdict_digest *digest)
{
    size_t token_length = claims ? 0 : request->token.length;
    struct job *job = malloc(sizeof(*job) + token_length + request->reply.length);

    if (!job)
        return NULL;
    *job = (struct job){.request = *request, .digest = *digest, .verified = claims != NULL};
    job->request.gather = NULL;
    if (claims)
        job->claims = *claims;
    if (token_length)
        memcpy(job->bytes, request->token.data, token_length);
    memcpy(job->bytes + token_length, request->reply.data, request->reply.length);
    job->request.token = slice_make(job->bytes, token_length);
    job->request.reply = slice_make(job->bytes + token_length, request->reply.length);
    return job;
}

void verify_submit(struct verifier *verifier, const struct request *request,
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
    verify_refuse(verifier, request, STATUS_AUTH_UNAVAILABLE, "too many tokens are waiting to be checked");
}
