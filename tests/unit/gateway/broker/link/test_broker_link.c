/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The loop's own connection to a real broker that this program starts. The bus publishes. The loop is turned
 * by hand until the expected has happened, with a limit that only a failure reaches.
 */
#include <uv.h>

#include "gateway_fixture.h"

#include "broker/link/broker_link.h"
#include "common/bus/bus.h"
#include "common/clock.h"
#include "common/log.h"
#include "support/nats_server.h"

#define LIMIT_MS 30000

static struct nats_server server;

static struct seen {
    unsigned subscribes;
    unsigned events[BROKER_LINK_LOST + 1];
    unsigned messages;
    unsigned known;
    unsigned lost;
    char text[64];
    size_t longest;
    bool full; /* the owner takes nothing */
} seen;

static struct rig {
    struct gateway gateway;
    uv_loop_t loop;
    uv_timer_t tick; /* the loop must not sleep for ever */
    struct broker_link *link;
    struct bus *bus;
} rig;

static void on_subscribe(struct gateway *gateway)
{
    (void)gateway;
    seen.subscribes++;
    broker_link_subscribe(rig.link, "t.one", 1);
}

static void on_message(struct gateway *gateway, const struct broker_operation *message)
{
    (void)gateway;
    seen.messages++;
    if (message->data.length > seen.longest)
        seen.longest = message->data.length;
    snprintf(seen.text, sizeof(seen.text), "%.*s", (int)message->data.length, message->data.data);
}

static bool is_ready(struct gateway *gateway)
{
    (void)gateway;
    return !seen.full;
}

static void on_event(struct gateway *gateway, enum broker_link_event event)
{
    (void)gateway;
    seen.events[event]++;
}

static const struct broker_link_handlers handlers = {on_subscribe, on_message, is_ready, on_event};

static void on_known(void *context, enum status status)
{
    (void)context;
    if (status == STATUS_OK)
        seen.known++;
    else
        seen.lost++;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void turn_once(void)
{
    rig.gateway.now_ms = clock_monotonic_ms();
    timer_wheel_advance(rig.gateway.wheel, rig.gateway.now_ms);
    broker_link_turn(rig.link);
    uv_run(&rig.loop, UV_RUN_ONCE);
}

static void turn_until(const unsigned *counter, unsigned value)
{
    uint64_t limit = clock_monotonic_ms() + LIMIT_MS;
    while (*counter < value && clock_monotonic_ms() < limit)
        turn_once();
    assert_true(*counter >= value);
}

static void publish(const char *subject, const void *data, size_t length)
{
    assert_int_equal(bus_publish(rig.bus, subject, data, length), STATUS_OK);
    assert_int_equal(bus_flush(rig.bus, LIMIT_MS), STATUS_OK);
}

static int start(void **state)
{
    char error[128];
    char url[300];
    const struct bus_options options = {.url = server.url, .name = "test"};
    (void)state;
    memset(&seen, 0, sizeof(seen));
    memset(&rig, 0, sizeof(rig));
    rig.gateway.now_ms = clock_monotonic_ms();
    rig.gateway.wheel = timer_wheel_create(rig.gateway.now_ms, &rig.gateway);
    assert_int_equal(uv_loop_init(&rig.loop), 0);
    uv_timer_init(&rig.loop, &rig.tick);
    uv_timer_start(&rig.tick, on_tick, 2, 2);
    /* The first server is unreachable, the second is a name: both belong to a round. */
    snprintf(url, sizeof(url), "nats://127.0.0.1:1,nats://localhost:%d", server.port);
    assert_int_equal(broker_link_create(&rig.gateway, &rig.loop, url, "test", &handlers, &rig.link),
                     STATUS_OK);
    assert_int_equal(bus_create(&options, &rig.bus, error, sizeof(error)), STATUS_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    broker_link_stop(rig.link);
    uv_close((uv_handle_t *)&rig.tick, NULL);
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig.loop), 0);
    broker_link_free(rig.link);
    bus_free(rig.bus);
    timer_wheel_free(rig.gateway.wheel);
    return 0;
}

static void test_subscription_is_known_when_it_says_so(void **state)
{
    (void)state;
    broker_link_then(rig.link, on_known, NULL);
    assert_int_equal(seen.lost, 1); /* there is no connection yet */
    turn_until(&seen.events[BROKER_LINK_FIRST], 1);
    assert_true(broker_link_up(rig.link));
    for (unsigned round = 1; round <= 50; round++) {
        char subject[32];
        snprintf(subject, sizeof(subject), "t.user.%u", round);
        broker_link_subscribe(rig.link, subject, 10 + round);
        assert_false(broker_link_settled(rig.link));
        broker_link_then(rig.link, on_known, NULL);
        turn_until(&seen.known, round);
        publish(subject, subject, strlen(subject));
        turn_until(&seen.messages, round);
        assert_string_equal(seen.text, subject);
    }
    broker_link_then(rig.link, on_known, NULL); /* nothing to wait for: at once */
    assert_int_equal(seen.known, 51);
    broker_link_unsubscribe(rig.link, 11);
    broker_link_subscribe(rig.link, "t.last", 99);
    broker_link_then(rig.link, on_known, NULL);
    turn_until(&seen.known, 52);
    publish("t.user.1", "x", 1); /* nobody hears it */
    publish("t.last", "last", 4);
    turn_until(&seen.messages, 51);
    assert_string_equal(seen.text, "last");
}

static void test_broker_restarts(void **state)
{
    (void)state;
    turn_until(&seen.events[BROKER_LINK_FIRST], 1);
    broker_link_subscribe(rig.link, "t.more", 2);
    broker_link_then(rig.link, on_known, NULL);
    nats_server_stop(&server);
    turn_until(&seen.events[BROKER_LINK_LOST], 1);
    assert_int_equal(seen.known + seen.lost, 1); /* exactly one answer */
    assert_false(broker_link_up(rig.link));
    assert_true(nats_server_start(&server));
    turn_until(&seen.events[BROKER_LINK_AGAIN], 1);
    assert_int_equal(seen.subscribes, 2);
    while (!bus_connected(rig.bus))
        turn_once();
    publish("t.one", "again", 5);
    turn_until(&seen.messages, 1);
    assert_string_equal(seen.text, "again");
}

/* A message longer than the input buffer, among short ones; and messages that wait while the owner is
 * full. */
static void test_long_message_and_hold(void **state)
{
    size_t length = 900000;
    char *text = calloc(1, length);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', length);
    turn_until(&seen.events[BROKER_LINK_FIRST], 1);
    seen.full = true;
    publish("t.one", "short", 5);
    publish("t.one", text, length);
    publish("t.one", "end", 3);
    for (int i = 0; i < 50; i++)
        turn_once();
    assert_int_equal(seen.messages, 0);
    seen.full = false;
    turn_until(&seen.messages, 3);
    assert_int_equal(seen.longest, length);
    assert_string_equal(seen.text, "end");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_subscription_is_known_when_it_says_so, start, stop),
        cmocka_unit_test_setup_teardown(test_broker_restarts, start, stop),
        cmocka_unit_test_setup_teardown(test_long_message_and_hold, start, stop),
    };
    log_init("test", LOG_ERROR, LOG_TEXT);
    if (!nats_server_init(&server) || !nats_server_start(&server))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_server_done(&server);
    return failed;
}
