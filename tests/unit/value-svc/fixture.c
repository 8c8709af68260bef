/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Each test program uses one of the two.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct nats_server nats;
struct redis_server redis;
struct rig *rig;
struct store_url url;
struct store *store;

int store_set_up(void **state)
{
    (void)state;
    redis_init(&redis, true);
    store = rig_store(&redis, &url, 2000);
    return 0;
}

int store_tear_down(void **state)
{
    (void)state;
    store_free(store);
    redis_done(&redis);
    return 0;
}

int ring_set_up(void **state)
{
    (void)state;
    rig = rig_start(&nats, &redis);
    return 0;
}

int ring_tear_down(void **state)
{
    (void)state;
    rig_end(rig, &nats, &redis);
    return 0;
}

struct store_event apply_one(const struct store_rules *rules, const char *user, const char *key,
                             int64_t change, uint64_t sequence, int64_t time_ms)
{
    struct store_event event = {.user_id = user,
                                .key = key,
                                .counts = true,
                                .change = change,
                                .sequence = sequence,
                                .time_ms = time_ms};

    if (store_apply(store, rules, &event, 1) != STATUS_OK)
        fail_msg("%s", store_error(store));
    return event;
}

void expect_frame(const char *subject, const char *event, size_t index, struct rig_frame *ret_frame)
{
    assert_true(rig_get(rig, subject, event, index, ret_frame));
}
