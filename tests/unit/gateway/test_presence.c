/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Heartbeats, as they come out of a real broker that this program starts: made over several turns while
 * sessions come and go, whole all the same.
 */
#include <pthread.h>

#include "gateway_fixture.h"

#include "presence.pb-c.h"

#include "broker/sender.h"
#include "common/bus/bus.h"
#include "common/clock.h"
#include "presence.h"
#include "support/nats_server.h"

#define LIMIT_MS 30000
#define FIRST_MS 500

enum { USERS = 2500, CROWD = 3000, PARTS = 8 }; /* the first 500 users have two sessions each */

static struct nats_server server;
static struct probe crowd[CROWD];
static struct bus *bus;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came; /* lock; of the monotonic clock */
static struct {
    unsigned count;
    Pollen8__GatewayHeartbeat *parts[PARTS]; /* owned */
} heard;                                     /* lock */

/* ---- what comes out ----------------------------------------------------------------------------------- */

static void on_message(void *context, const struct bus_message *message)
{
    char type[32];
    (void)context;
    if (bus_header(message, "Pollen8-Type", type, sizeof(type)) != STATUS_OK ||
        strcmp(type, "GatewayHeartbeat") != 0)
        return;
    pthread_mutex_lock(&lock);
    if (heard.count < PARTS)
        heard.parts[heard.count] = pollen8__gateway_heartbeat__unpack(NULL, message->data.length,
                                                                      (const uint8_t *)message->data.data);
    heard.count++;
    pthread_cond_broadcast(&came);
    pthread_mutex_unlock(&lock);
}

static void await_parts(unsigned count)
{
    uint64_t until_ms = clock_monotonic_ms() + LIMIT_MS;
    bool waiting = true;
    pthread_mutex_lock(&lock);
    while (heard.count < count && waiting)
        waiting = clock_condition_wait(&came, &lock, until_ms);
    unsigned got = heard.count;
    pthread_mutex_unlock(&lock);
    assert_int_equal(got, count);
}

static void forget(void)
{
    for (unsigned i = 0; i < heard.count && i < PARTS; i++)
        pollen8__gateway_heartbeat__free_unpacked(heard.parts[i], NULL);
    heard.count = 0;
}

/* How many sessions of each user the parts tell of; a user told twice would count double. */
static void count_users(unsigned sessions[USERS])
{
    memset(sessions, 0, USERS * sizeof(sessions[0]));
    for (unsigned p = 0; p < heard.count; p++) {
        const Pollen8__GatewayHeartbeat *part = heard.parts[p];
        assert_non_null(part);
        assert_string_equal(part->gateway, "gw-1");
        assert_int_equal(part->part, p);
        assert_int_equal(part->parts, heard.count);
        for (size_t i = 0; i < part->n_users; i++) {
            unsigned long user = strtoul(part->users[i]->user_id + 1, NULL, 10);
            assert_true(user < USERS);
            sessions[user] += part->users[i]->sessions;
        }
    }
}

/* ---- fixture ------------------------------------------------------------------------------------------ */

static int start(void **state)
{
    char error[128];
    const struct bus_options options = {.url = server.url, .name = "test"};
    struct bus_subscription *subscription; /* until the bus goes */

    assert_int_equal(setup(state), 0);
    struct fixture *fixture = *state;
    struct gateway *gateway = &fixture->gateway;
    static char name[] = "gw-1";
    fixture->settings.gateway_name = name;
    fixture->settings.heartbeat_interval = 5000;
    assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_OK);
    assert_int_equal(bus_subscribe(bus, "pollen8.session.gw-1", NULL, on_message, NULL, &subscription),
                     STATUS_OK);
    assert_int_equal(bus_flush(bus, LIMIT_MS), STATUS_OK);
    assert_int_equal(sender_create(bus, 1000, &gateway->sender), STATUS_OK);
    assert_int_equal(presence_create(gateway, &gateway->presence), STATUS_OK);
    return 0;
}

static int stop(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;

    presence_free(gateway, gateway->presence);
    gateway->presence = NULL;
    sender_free(gateway->sender);
    bus_free(bus);
    forget();
    return teardown(state);
}

static void enter(struct gateway *gateway, size_t i)
{
    char user[16];

    snprintf(user, sizeof(user), "u%zu", i % USERS);
    open_session(gateway, &crowd[i], user, i % 2 ? "technology,finance" : "finance");
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void every_user_is_told_once(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static unsigned sessions[USERS];
    unsigned turns = 0;

    for (size_t i = 0; i < CROWD; i++)
        enter(gateway, i);
    pass_time(gateway, FIRST_MS);
    for (bool more = true; more; turns++) {
        more = presence_turn(gateway);
        if (turns == 1) /* of a user with two sessions the one that has been told of */
            session_close(gateway, crowd[7].session, CAUSE_NORMAL);
        if (turns == 2) /* one that has not, and a newcomer in its place */
            session_close(gateway, crowd[2400].session, CAUSE_NORMAL);
        sessions_end_turn(gateway);
        if (turns == 2)
            enter(gateway, 2400);
    }
    assert_true(turns >= 5);
    await_parts(2);
    count_users(sessions);
    for (size_t user = 0; user < USERS; user++)
        assert_int_equal(sessions[user], user < CROWD - USERS ? 2 : 1);
    assert_int_equal(heard.parts[0]->sessions, CROWD - 1);
    assert_int_equal(heard.parts[0]->interval_ms, 5000);
    assert_int_equal(heard.parts[0]->n_industries, 2);
    assert_int_equal(heard.parts[1]->n_industries, 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(heard.parts[0]->industries[i]->sessions,
                         strcmp(heard.parts[0]->industries[i]->industry, "finance") ? CROWD / 2 : CROWD);
}

static void a_gateway_without_anybody_says_so(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;

    pass_time(gateway, FIRST_MS);
    assert_false(presence_turn(gateway));
    await_parts(1);
    assert_int_equal(heard.parts[0]->parts, 1);
    assert_int_equal(heard.parts[0]->sessions, 0);
    assert_int_equal(heard.parts[0]->n_users + heard.parts[0]->n_industries, 0);
    assert_false(presence_turn(gateway)); /* nothing more until the next is due */
    pass_time(gateway, 5000);
    assert_false(presence_turn(gateway));
    await_parts(2);
}

/* While one is being made the gateway ends: that one never comes. */
static void an_end_is_told_at_once(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;

    for (size_t i = 0; i < CROWD; i++)
        enter(gateway, i);
    pass_time(gateway, FIRST_MS);
    assert_true(presence_turn(gateway));
    presence_end(gateway);
    await_parts(1);
    assert_int_equal(heard.parts[0]->n_users + heard.parts[0]->n_industries, 0);
    assert_int_equal(heard.parts[0]->interval_ms, 1);
    assert_false(presence_turn(gateway));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_user_is_told_once, start, stop),
        cmocka_unit_test_setup_teardown(a_gateway_without_anybody_says_so, start, stop),
        cmocka_unit_test_setup_teardown(an_end_is_told_at_once, start, stop),
    };

    assert_int_equal(clock_condition_init(&came), 0);
    if (!nats_server_init(&server) || !nats_server_start(&server))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_server_done(&server);
    return failed;
}
