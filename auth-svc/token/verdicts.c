/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One lock around one lru table. The digest is cryptographic, so its first bytes serve as the hash, and
 * nobody can target a bucket.
 */
#include "token/verdicts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/lru.h"

struct verdict {
    struct lru_node node; /* first */
    struct verdict_digest digest;
    struct token_claims claims;
};

struct verdicts {
    EVP_MD *sha256; /* fetched once: fetching it by name costs more than the digest */
    pthread_mutex_t lock;
    struct lru *lru; /* lock */
};

enum status verdicts_create(size_t capacity, struct verdicts **ret_verdicts)
{
    struct verdicts *verdicts = calloc(1, sizeof(*verdicts));

    if (!verdicts)
        return STATUS_NO_MEMORY;
    if (pthread_mutex_init(&verdicts->lock, NULL) != 0) {
        free(verdicts);
        return STATUS_NO_MEMORY;
    }
    verdicts->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!verdicts->sha256 || lru_create(capacity, &verdicts->lru) != STATUS_OK) {
        verdicts_free(verdicts);
        return STATUS_NO_MEMORY;
    }
    *ret_verdicts = verdicts;
    return STATUS_OK;
}

void verdicts_free(struct verdicts *verdicts)
{
    if (!verdicts)
        return;
    if (verdicts->lru)
        verdicts_clear(verdicts);
    lru_free(verdicts->lru);
    EVP_MD_free(verdicts->sha256);
    pthread_mutex_destroy(&verdicts->lock);
    free(verdicts);
}

enum status verdicts_digest(const struct verdicts *verdicts, struct slice token,
                            struct verdict_digest *ret_digest)
{
    unsigned length = 0;

    if (EVP_Digest(token.data, token.length, ret_digest->bytes, &length, verdicts->sha256, NULL) != 1)
        return STATUS_NO_MEMORY;
    return STATUS_OK;
}

static uint64_t digest_hash(const struct verdict_digest *digest)
{
    uint64_t hash;
    memcpy(&hash, digest->bytes, sizeof(hash));
    return hash;
}

static bool digest_match(const struct lru_node *node, const void *key)
{
    return memcmp(((const struct verdict *)node)->digest.bytes, key, VERDICT_DIGEST_BYTES) == 0;
}

static struct verdict *find_locked(struct verdicts *verdicts, const struct verdict_digest *digest)
{
    return (struct verdict *)lru_find(verdicts->lru, digest_hash(digest), digest_match, digest->bytes);
}

enum status verdicts_get(struct verdicts *verdicts, const struct verdict_digest *digest,
                         struct token_claims *ret_claims)
{
    const struct verdict *verdict;

    pthread_mutex_lock(&verdicts->lock);
    verdict = find_locked(verdicts, digest);
    if (verdict)
        *ret_claims = verdict->claims;
    pthread_mutex_unlock(&verdicts->lock);
    return verdict ? STATUS_OK : STATUS_NOT_FOUND;
}

void verdicts_put(struct verdicts *verdicts, const struct verdict_digest *digest,
                  const struct token_claims *claims)
{
    struct lru_node *out = NULL;
    struct verdict *verdict = malloc(sizeof(*verdict));

    if (!verdict)
        return;
    *verdict = (struct verdict){.node.hash = digest_hash(digest), .digest = *digest, .claims = *claims};
    pthread_mutex_lock(&verdicts->lock);
    if (find_locked(verdicts, digest))
        out = &verdict->node; /* another worker was faster with the same token */
    else
        out = lru_insert(verdicts->lru, &verdict->node);
    pthread_mutex_unlock(&verdicts->lock);
    free(out);
}

void verdicts_forget(struct verdicts *verdicts, const struct verdict_digest *digest)
{
    struct verdict *verdict;

    pthread_mutex_lock(&verdicts->lock);
    verdict = find_locked(verdicts, digest);
    if (verdict)
        lru_remove(verdicts->lru, &verdict->node);
    pthread_mutex_unlock(&verdicts->lock);
    free(verdict);
}

void verdicts_clear(struct verdicts *verdicts)
{
    struct lru_node *node;

    pthread_mutex_lock(&verdicts->lock);
    while ((node = lru_take_oldest(verdicts->lru)))
        free(node);
    pthread_mutex_unlock(&verdicts->lock);
}
