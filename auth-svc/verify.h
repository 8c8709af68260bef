/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The path of one verify request: token -> claims -> user -> permissions -> reply.
 *
 * The thread that delivers a request answers it at once if that takes only microseconds:
 *   1. the token was seen before, or the secret is the only key; and
 *   2. the user was read recently, or the store has all users in memory.
 * Everything else (signatures of public keys, a store that is asked over a network) is done by worker threads
 * behind a bounded queue. Requests past their deadline are dropped: nobody waits for them.
 */
#ifndef POLLEN8_AUTH_SVC_VERIFY_H
#define POLLEN8_AUTH_SVC_VERIFY_H

#include "common/bus/bus.h"
#include "common/ops/metrics.h"
#include "policy/policy.h"
#include "token/keys.h"
#include "token/token.h"
#include "users/users.h"

struct verifier; /* opaque */

/* Sends one reply; any thread of the verifier. */
typedef void verify_respond_fn(void *context, struct slice reply, const void *data, size_t length);

struct verify_options {
    struct token_rules rules; /* its pointers are borrowed for the verifier's life */
    struct users *users;      /* borrowed */
    struct metrics *metrics;  /* borrowed; its ids are those of measures.h */
    size_t workers;
    size_t queue_limit;
    size_t verdict_entries;
    size_t user_entries;
    int64_t user_ttl_ms;
    verify_respond_fn *respond;
    void *respond_context;
};

/* Starts the workers. Takes ownership of `keys` and `policy`, also on failure. STATUS_NO_MEMORY. */
enum status verify_create(const struct verify_options *options, struct keys *keys, struct policy *policy,
                          struct verifier **ret_verifier);

/* One VerifyRequest, or a Batch of them: bus_message_fn with the verifier as context. One thread at a
 * time. */
void verify_message(void *context, const struct bus_message *message);
void verify_batch(void *context, const struct bus_message *message);

/* Replaces keys and policy, takes ownership of both, and forgets every verdict and user. Any thread. */
void verify_replace(struct verifier *verifier, struct keys *keys, struct policy *policy);

/* The user records may have changed. Any thread. */
void verify_forget_users(struct verifier *verifier);

/* Whether to ask the user store at all. While it is known to be down, requests that need it are refused at
 * once instead of after its timeout. Any thread; starts as up. */
void verify_store_up(struct verifier *verifier, bool up);

/* Requests waiting or in progress now. Any thread. */
size_t verify_outstanding(const struct verifier *verifier);

/* Answers everything taken so far and ends the workers. Later requests are refused. Blocks. */
void verify_stop(struct verifier *verifier);

/* Stops first if that has not been done. NULL is accepted. */
void verify_free(struct verifier *verifier);

#endif
