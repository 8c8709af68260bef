/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Token buckets by exact arithmetic, and the table of addresses at and past its bound.
 */
#include "gateway_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/limits.h"

static void gives_the_burst_then_the_rate(void **state)
{
    const struct token_rule rule = {.per_minute = 100, .burst = 20};
    struct token_bucket bucket = {0};
    uint32_t retry = 0;

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(token_bucket_take(&bucket, &rule, 5000, &retry), STATUS_OK);
    assert_int_equal(token_bucket_take(&bucket, &rule, 5000, &retry), STATUS_RATE_LIMITED);
    assert_int_equal(retry, 600);
    assert_int_equal(token_bucket_take(&bucket, &rule, 5599, &retry), STATUS_RATE_LIMITED);
    assert_int_equal(retry, 1);
    assert_int_equal(token_bucket_take(&bucket, &rule, 5600, NULL), STATUS_OK);
    assert_int_equal(token_bucket_take(&bucket, &rule, 5600, NULL), STATUS_RATE_LIMITED);
}

static void refusals_cost_nothing(void **state)
{
    const struct token_rule rule = {.per_minute = 60, .burst = 1};
    struct token_bucket bucket = {0};
    unsigned taken = 0;

    (void)state;
    for (uint64_t now = 1000; now < 61000; now++)
        taken += token_bucket_take(&bucket, &rule, now, NULL) == STATUS_OK;
    assert_int_equal(taken, 60);
}

/* However the calls are spread, no more than burst + rate x time is granted, and a client that waits as
 * instructed gets all of it. Rates that do not divide a minute are the interesting ones. */
static void is_exact_for_any_rate(void **state)
{
    static const uint32_t rates[] = {1, 7, 59, 61, 100, 999, 3000, 59999, 60000, 60001, 1000000};

    (void)state;
    for (size_t i = 0; i < COUNT(rates); i++) {
        const struct token_rule rule = {.per_minute = rates[i], .burst = 3};
        struct token_bucket bucket = {0};
        uint64_t now = 1;
        uint64_t taken = 0;

        while (now < 600001) {
            uint32_t retry = 0;

            if (token_bucket_take(&bucket, &rule, now, &retry) == STATUS_OK) {
                taken++;
            } else {
                assert_true(retry > 0);
                now += retry;
            }
        }
        assert_true(taken <= 3 + (uint64_t)rates[i] * 10);
        if (rates[i] <= 60000)
            assert_true(taken + 1 >= 3 + (uint64_t)rates[i] * 10);
    }
}

static void knows_edges(void **state)
{
    const struct token_rule off = {.per_minute = 0, .burst = 0};
    const struct token_rule no_burst = {.per_minute = 60, .burst = 0};
    const struct token_rule largest = {.per_minute = UINT32_MAX, .burst = UINT32_MAX};
    const struct token_rule slow = {.per_minute = 1, .burst = UINT32_MAX};
    struct token_bucket bucket = {0};
    uint32_t retry = 77;

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(token_bucket_take(&bucket, &off, 0, &retry), STATUS_OK);
    assert_int_equal(retry, 77);
    assert_int_equal(token_bucket_take(&bucket, &no_burst, 0, &retry), STATUS_OK);
    assert_int_equal(token_bucket_take(&bucket, &no_burst, 0, &retry), STATUS_RATE_LIMITED);
    assert_int_equal(retry, 1000);
    bucket = (struct token_bucket){0};
    assert_int_equal(token_bucket_take(&bucket, &largest, UINT64_MAX, &retry), STATUS_OK);
    bucket = (struct token_bucket){.missing = UINT64_C(60000) * UINT32_MAX, .updated_ms = 5};
    assert_int_equal(token_bucket_take(&bucket, &slow, 5, &retry), STATUS_RATE_LIMITED);
    assert_int_equal(retry, 60000);
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
    const struct token_rule rule = {.per_minute = 60, .burst = 1};
    struct token_bucket bucket = {0};

    (void)state;
    assert_int_equal(token_bucket_take(&bucket, &rule, 10000, NULL), STATUS_OK);
    assert_int_equal(token_bucket_take(&bucket, &rule, 2000, NULL), STATUS_RATE_LIMITED);
    assert_int_equal(token_bucket_take(&bucket, &rule, 10999, NULL), STATUS_RATE_LIMITED);
    assert_int_equal(token_bucket_take(&bucket, &rule, 11000, NULL), STATUS_OK);

    const struct token_rule two = {.per_minute = 60, .burst = 2};
    bucket = (struct token_bucket){0};
    assert_int_equal(token_bucket_take(&bucket, &two, 10000, NULL), STATUS_OK);
    assert_int_equal(token_bucket_take(&bucket, &two, 2000, NULL), STATUS_OK);
    assert_int_equal(token_bucket_take(&bucket, &two, 10999, NULL), STATUS_RATE_LIMITED);
}

static void a_bucket_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct token_bucket) <= 16);
}

static enum status take(struct address_limits *limits, const char *text, uint64_t now)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&address, &v4, sizeof(v4));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        memcpy(&address, &v6, sizeof(v6));
    }
    return address_limits_take(limits, (const struct sockaddr *)&address, now, NULL);
}

static void limits_by_subscriber(void **state)
{
    const struct token_rule rule = {.per_minute = 60, .burst = 1};
    struct address_limits *limits = address_limits_create(&rule, 100, 42);

    (void)state;
    assert_non_null(limits);
    assert_int_equal(take(limits, "192.0.2.1", 1), STATUS_OK);
    assert_int_equal(take(limits, "192.0.2.1", 1), STATUS_RATE_LIMITED);
    assert_int_equal(take(limits, "::ffff:192.0.2.1", 1), STATUS_RATE_LIMITED);
    assert_int_equal(take(limits, "192.0.2.2", 1), STATUS_OK);
    assert_int_equal(take(limits, "2001:db8:0:1::1", 1), STATUS_OK);
    assert_int_equal(take(limits, "2001:db8:0:1:ffff::2", 1), STATUS_RATE_LIMITED);
    assert_int_equal(take(limits, "2001:db8:0:2::1", 1), STATUS_OK);
    assert_int_equal(take(limits, "192.0.2.1", 1001), STATUS_OK);
    address_limits_free(limits);
    address_limits_free(NULL);
}

static void leaves_others_alone(void **state)
{
    const struct token_rule rule = {.per_minute = 60, .burst = 1};
    const struct token_rule off = {0};
    const struct sockaddr local = {.sa_family = AF_UNIX};
    struct address_limits *limits = address_limits_create(&rule, 1, 42);
    struct address_limits *unlimited = address_limits_create(&off, 1, 42);

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(address_limits_take(limits, &local, 1, NULL), STATUS_OK);
        assert_int_equal(take(unlimited, "192.0.2.1", 1), STATUS_OK);
    }
    address_limits_free(limits);
    address_limits_free(unlimited);
}

static void stays_within_its_bound(void **state)
{
    const struct token_rule rule = {.per_minute = 60, .burst = 2};
    struct address_limits *limits = address_limits_create(&rule, 64, 7);
    unsigned known = 0;
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
        assert_int_equal(take(limits, text, 1), STATUS_OK);
    }
    /* a forgiven one has both its tokens again */
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
        assert_int_equal(take(limits, text, 1), STATUS_OK);
        known += take(limits, text, 1) == STATUS_RATE_LIMITED;
    }
    assert_in_range(known, 1, 64);
    address_limits_free(limits);
}

/* A set whose entries are all limited replaces the one nearest to full, so that the one deepest in debt
 * stays. */
static void keeps_the_worst(void **state)
{
    const struct token_rule rule = {.per_minute = 1, .burst = 10};
    struct address_limits *limits = address_limits_create(&rule, 1, 7);
    char text[32];

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(take(limits, "192.0.2.66", 1), STATUS_OK);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "10.0.0.%u", i);
        assert_int_equal(take(limits, text, 1), STATUS_OK);
    }
    assert_int_equal(take(limits, "192.0.2.66", 1), STATUS_RATE_LIMITED);
    address_limits_free(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_burst_then_the_rate),
        cmocka_unit_test(refusals_cost_nothing),
        cmocka_unit_test(is_exact_for_any_rate),
        cmocka_unit_test(knows_edges),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
        cmocka_unit_test(a_bucket_is_small),
        cmocka_unit_test(limits_by_subscriber),
        cmocka_unit_test(leaves_others_alone),
        cmocka_unit_test(stays_within_its_bound),
        cmocka_unit_test(keeps_the_worst),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
