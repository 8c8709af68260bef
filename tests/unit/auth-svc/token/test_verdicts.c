/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The verdict cache, and through it the lru table: bounds, order of use, forgetting, threads.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "token/verdicts.h"

static struct verdicts *make(size_t capacity)
{
    struct verdicts *verdicts = NULL;

    assert_int_equal(verdicts_create(capacity, &verdicts), STATUS_OK);
    return verdicts;
}

static struct verdict_digest digest_of(const struct verdicts *verdicts, unsigned number)
{
    struct verdict_digest digest;
    char text[32];

    (void)snprintf(text, sizeof(text), "token %u", number);
    assert_int_equal(verdicts_digest(verdicts, slice_from_string(text), &digest), STATUS_OK);
    return digest;
}

static void put(struct verdicts *verdicts, unsigned number)
{
    struct token_claims claims = {.expires_at_ms = number};
    struct verdict_digest digest = digest_of(verdicts, number);

    verdicts_put(verdicts, &digest, &claims);
}

static bool has(struct verdicts *verdicts, unsigned number)
{
    struct token_claims claims;
    struct verdict_digest digest = digest_of(verdicts, number);

    if (verdicts_get(verdicts, &digest, &claims) != STATUS_OK)
        return false;
    assert_int_equal(claims.expires_at_ms, number);
    return true;
}

static void test_digest(void **state)
{
    struct verdicts *verdicts = make(1);
    struct verdict_digest digest;
    static const unsigned char sha256_of_abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};

    (void)state;
    assert_int_equal(verdicts_digest(verdicts, SLICE_LITERAL("abc"), &digest), STATUS_OK);
    assert_memory_equal(digest.bytes, sha256_of_abc, sizeof(sha256_of_abc));
    verdicts_free(verdicts);
    verdicts_free(NULL);
}

static void test_bound_and_order(void **state)
{
    struct verdicts *verdicts = make(100);

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        put(verdicts, i);
    assert_true(has(verdicts, 0)); /* the newest now */
    put(verdicts, 100);
    assert_true(has(verdicts, 0));
    assert_false(has(verdicts, 1));
    put(verdicts, 100); /* the same again takes no further room */
    assert_true(has(verdicts, 2));
    for (unsigned i = 1000; i < 1100; i++)
        put(verdicts, i);
    assert_false(has(verdicts, 0));
    assert_true(has(verdicts, 1000));
    verdicts_free(verdicts);
}

static void test_forgetting(void **state)
{
    struct verdicts *verdicts = make(10);
    struct verdict_digest digest = digest_of(verdicts, 1);

    (void)state;
    put(verdicts, 1);
    put(verdicts, 2);
    verdicts_forget(verdicts, &digest);
    verdicts_forget(verdicts, &digest);
    assert_false(has(verdicts, 1));
    assert_true(has(verdicts, 2));
    verdicts_clear(verdicts);
    assert_false(has(verdicts, 2));
    put(verdicts, 2);
    assert_true(has(verdicts, 2));
    verdicts_free(verdicts);
}

static void *use(void *argument)
{
    for (unsigned i = 0; i < 5000; i++) {
        put(argument, i % 64);
        (void)has(argument, i % 96);
        if (i % 1000 == 0)
            verdicts_clear(argument);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct verdicts *verdicts = make(32);
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, verdicts), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    put(verdicts, 7);
    assert_true(has(verdicts, 7));
    verdicts_free(verdicts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_bound_and_order),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
