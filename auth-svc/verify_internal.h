/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the parts of the verifier share. verify.c takes requests (delivery thread) and owns everything,
 * verify_work.c gives work that may block to worker threads, verify_judge.c judges a token and a user.
 * Any thread, unless a function says otherwise.
 */
#ifndef POLLEN8_AUTH_SVC_VERIFY_INTERNAL_H
#define POLLEN8_AUTH_SVC_VERIFY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/measures.h"
#include "base/work_queue.h"
#include "common/bus/batch.h"
#include "common/wire.h"
#include "token/verdicts.h"
#include "users/user_cache.h"
#include "verify.h"

struct request {
    struct slice token;
    struct slice reply;
    uint64_t id;                  /* among those of one message; 0: it came alone */
    struct batch_answers *gather; /* collects answers given before the next message; NULL: send it alone */
    uint64_t arrived_ns;          /* monotonic */
    uint64_t deadline_ns;         /* monotonic */
};

struct verifier {
    struct verify_options options;
    struct measure_cells cells;
    struct wire_arena arena; /* the delivery thread's, as the next */
    struct batch_answers answers;
    struct verdicts *verdicts;
    struct user_cache *user_cache;
    struct work_queue *queue;
    _Atomic size_t outstanding;
    _Atomic bool store_up;
    _Atomic bool quick; /* checking a signature takes microseconds */
    pthread_rwlock_t settings_lock;
    struct keys *keys;     /* settings_lock */
    struct policy *policy; /* settings_lock */
};

/* ---- verify_judge.c ---- */

/* Replies with a refusal; `message` NULL: the status's own sentence. Local failures (memory, an unreachable
 * store) are never reported as the token's fault. */
void verify_refuse(struct verifier *verifier, const struct request *request, enum status status,
                   const char *message);

/* Replies with an identity; `user` NULL: none is needed. */
void verify_accept(struct verifier *verifier, const struct request *request,
                   const struct token_claims *claims, const struct user *user);

/* The last step of every request whose token is valid and whose user was looked up. */
void verify_decide(struct verifier *verifier, const struct request *request,
                   const struct token_claims *claims, const struct user_result *result);

/* A token with the role `service` needs no record: platform backends have none. */
bool verify_needs_no_record(const struct token_claims *claims);

/* Whether the request is past its deadline; counted. */
bool verify_late(struct verifier *verifier, const struct request *request);

/* Checks the token, and remembers the verdict if the token is valid. */
enum status verify_signature(struct verifier *verifier, struct slice token,
                             const struct verdict_digest *digest, struct token_claims *ret_claims,
                             const char **ret_message);

/* Asks the store, and counts. The caller unrefs the user. May block if the store is not immediate. */
struct user_result verify_ask_store(struct verifier *verifier, struct slice id);

/* ---- verify_work.c ---- */

/* Copies the request and gives it to a worker; `claims` NULL: its token has yet to be checked. If the queue
 * is full, the request is refused. */
void verify_submit(struct verifier *verifier, const struct request *request,
                   const struct token_claims *claims, const struct verdict_digest *digest);

/* A work_fn of the verifier. */
void verify_work(void *context, struct work_item *item);

#endif
