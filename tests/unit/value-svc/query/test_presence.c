/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Heartbeats into a real Redis and the totals out of it; and who has left.
 */
#include "query/presence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "presence.pb-c.h"
#include "service_fixture.h"

static struct wire_arena arena;

static enum status beat(const char *gateway, uint32_t sessions, uint32_t interval_ms)
{
    Pollen8__GatewayHeartbeat message = POLLEN8__GATEWAY_HEARTBEAT__INIT;
    Pollen8__IndustryCount industry = POLLEN8__INDUSTRY_COUNT__INIT;
    Pollen8__UserCount user = POLLEN8__USER_COUNT__INIT;
    Pollen8__IndustryCount *industries[] = {&industry};
    Pollen8__UserCount *users[] = {&user};
    struct buf buf;
    enum status status;

    industry.industry = (char[]){"tech"};
    industry.sessions = sessions;
    user.user_id = (char[]){"ada"};
    user.sessions = 1;
    message.gateway = (char *)(uintptr_t)gateway;
    message.sessions = sessions;
    message.interval_ms = interval_ms;
    message.industries = industries;
    message.n_industries = 1;
    message.users = users;
    message.n_users = 1;
    message.parts = 1;
    buf_init(&buf, 4096);
    assert_int_equal(wire_pack(&buf, &message.base), STATUS_OK);
    status = presence_store(store, &arena, buf_slice(&buf));
    buf_done(&buf);
    return status;
}

static enum status leave(const char *gateway, const char *user_id)
{
    Pollen8__SessionClosed message = POLLEN8__SESSION_CLOSED__INIT;
    struct buf buf;
    enum status status;

    message.gateway = (char *)(uintptr_t)gateway;
    message.user_id = (char *)(uintptr_t)user_id;
    buf_init(&buf, 4096);
    assert_int_equal(wire_pack(&buf, &message.base), STATUS_OK);
    status = presence_left(&service, store, &arena, buf_slice(&buf));
    buf_done(&buf);
    return status;
}

static void totals_are_over_all_gateways(void **state)
{
    (void)state;
    assert_int_equal(beat("gw-1", 3, 5000), STATUS_OK);
    assert_int_equal(beat("gw-2", 4, 5000), STATUS_OK);
    assert_int_equal(beat("gw-1", 5, 5000), STATUS_OK); /* in place of its first */
    presence_refresh_totals(&service, store);
    assert_int_equal(service_metric("pollen8_cluster_sessions"), 9);
    assert_int_equal(service_metric("pollen8_cluster_gateways"), 2);
    assert_int_equal(service_metric("pollen8_cluster_sessions_by_industry{industry=\"tech\"}"), 9);
}

/* 2.4 intervals, and between 1 and 12 s. */
static void heartbeats_expire(void **state)
{
    static const struct {
        uint32_t interval_ms;
        int64_t expiry_ms;
    } rows[] = {{100, 1000}, {2000, 4800}, {5000, 12000}, {60000, 12000}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        int64_t left_ms;

        assert_int_equal(beat("gw-3", 1, rows[i].interval_ms), STATUS_OK);
        left_ms = redis_integer(&redis, "PTTL p8:gw:gw-3");
        assert_true(left_ms <= rows[i].expiry_ms && left_ms > rows[i].expiry_ms - 900);
    }
}

static void what_is_no_heartbeat_is_refused(void **state)
{
    (void)state;
    assert_int_equal(beat("gw-4", 1, 0), STATUS_MALFORMED);
    assert_int_equal(beat("a gateway", 1, 5000), STATUS_MALFORMED);
    assert_int_equal(presence_store(store, &arena, SLICE_LITERAL("\xff\xff")), STATUS_MALFORMED);
    assert_int_equal(redis_integer(&redis, "EXISTS p8:gw:gw-4"), 0);
    assert_true(store_connected(store));
}

/* On two gateways: it has left when it has left both. */
static void a_user_leaves_once(void **state)
{
    (void)state;
    assert_int_equal(beat("gw-1", 1, 5000), STATUS_OK);
    assert_int_equal(beat("gw-2", 1, 5000), STATUS_OK);
    redis_integer(&redis, "DEL p8:gw:gw-3:users");
    assert_int_equal(leave("gw-1", "ada"), STATUS_OK);
    assert_int_equal(service_metric("pollen8_value_users_left_total"), 0);
    assert_int_equal(leave("gw-2", "ada"), STATUS_OK);
    assert_int_equal(service_metric("pollen8_value_users_left_total"), 1);
    assert_int_equal(leave("gw-1", ""), STATUS_MALFORMED);
    assert_int_equal(leave("no gateway", "ada"), STATUS_MALFORMED);
    assert_int_equal(service_metric("pollen8_value_users_left_total"), 1);
}

/* Before the gateway's next heartbeat names it. */
static void a_user_who_entered_is_elsewhere(void **state)
{
    const struct store_entered entered = {.gateway = "gw-2", .user_id = "bo"};
    int64_t before = service_metric("pollen8_value_users_left_total");

    (void)state;
    assert_int_equal(presence_entered(store, &entered, 1), STATUS_OK);
    assert_int_equal(leave("gw-1", "bo"), STATUS_OK);
    assert_int_equal(service_metric("pollen8_value_users_left_total"), before);
    assert_int_equal(leave("gw-2", "bo"), STATUS_OK);
    assert_int_equal(service_metric("pollen8_value_users_left_total"), before + 1);
}

static int tear_down(void **state)
{
    wire_arena_done(&arena);
    return service_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_are_over_all_gateways),    cmocka_unit_test(heartbeats_expire),
        cmocka_unit_test(what_is_no_heartbeat_is_refused), cmocka_unit_test(a_user_leaves_once),
        cmocka_unit_test(a_user_who_entered_is_elsewhere),
    };

    return cmocka_run_group_tests(tests, service_set_up, tear_down);
}
