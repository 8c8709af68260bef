/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What makes another gateway lost: this one is gw-1, the other one is the test, at a real broker.
 */
#include "broker_rig.h"

#include "cluster/peer_message.h"
#include "cluster/peers.h"
#include "common/log.h"
#include "common/wire.h"

static struct base_rig rig;
static struct bus *other;
static struct heard heard; /* by the other gateway */
static unsigned lost;
static unsigned clients_lost;

static void on_lost(struct gateway *gateway, struct peer *peer)
{
    (void)gateway;
    peer->open = 0; /* all of it has ended */
    lost++;
}

static void on_clients_lost(struct gateway *gateway, struct peer *peer)
{
    (void)gateway;
    peer->hosted = NULL;
    clients_lost++;
}

static bool on_message(struct gateway *gateway, const Pollen8__GatewayMessage *message, const char *reply,
                       enum peer_stage stage)
{
    (void)stage;
    assert_int_equal(message->message_case, POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING);
    peers_pinged(gateway, message->ping, reply);
    return false;
}

static const struct peer_events events = {
    .message = on_message, .lost = on_lost, .clients_lost = on_clients_lost};

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 100);
    broker_rig_start(&rig);
    rig.gateway.peer_events = &events;
    rig.gateway.instance = 77;
    assert_int_equal(peer_message_subscribe(&rig.gateway), STATUS_OK);
    assert_int_equal(peers_create(&rig.gateway, &rig.gateway.peers), STATUS_OK);
    heard_init(&heard);
    other = heard_bus(broker_rig_server.url);
    heard_subscribe(&heard, other, "pollen8.gw.gw-2");
    broker_rig_settle(&rig, other);
    lost = clients_lost = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peers_free(&rig.gateway, rig.gateway.peers);
    bus_free(other);
    broker_rig_stop(&rig);
    heard_done(&heard);
    base_rig_stop(&rig);
    return 0;
}

/* gw-2, with something open. */
static struct peer *open_peer(void)
{
    struct peer *peer = peers_get(&rig.gateway, "gw-2", 5);

    assert_non_null(peer);
    peer->open = 1;
    return peer;
}

static void send(const char *subject, const Pollen8__GatewayMessage *message)
{
    struct buf packed;

    buf_init(&packed, 10000);
    assert_int_equal(wire_pack(&packed, &message->base), STATUS_OK);
    assert_int_equal(bus_publish(other, subject, packed.data, packed.length), STATUS_OK);
    assert_int_equal(bus_flush(other, HEARD_LIMIT_MS), STATUS_OK);
    buf_done(&packed);
}

/* Passes the second after which gw-2 is asked whether it lives; the number of the ping is `number`, from 0. */
static const char *next_ping(size_t number)
{
    const ProtobufCMessage *unpacked = NULL;
    struct wire_arena arena = {0};

    base_rig_pass(&rig, 1100);
    const struct heard_message *ping = heard_wait(&heard, number);
    assert_int_equal(wire_unpack(&arena, &pollen8__gateway_message__descriptor, ping->data, &unpacked),
                     STATUS_OK);
    const Pollen8__GatewayMessage *message = (const Pollen8__GatewayMessage *)unpacked;
    assert_int_equal(message->message_case, POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING);
    assert_string_equal(message->ping->gateway, "gw-1");
    assert_int_equal(message->ping->instance, 77);
    wire_arena_done(&arena);
    return ping->reply;
}

static void take_reply(void)
{
    base_rig_wait(&rig, MAIL_PEERS);
    peer_message_run(&rig.gateway);
}

static void pong(const char *reply, uint64_t instance, uint64_t answers)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__PeerPong body = POLLEN8__PEER_PONG__INIT;

    body.instance = instance;
    body.answers = answers;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_PONG;
    message.pong = &body;
    send(reply, &message);
    take_reply();
}

static void one_that_lives(void **state)
{
    struct peer *peer = open_peer();

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *reply = next_ping(i);

        base_rig_pass(&rig, 5000); /* it is asked once more only when it has replied */
        assert_true(peer->pinging);
        pong(reply, 5, 0);
        assert_false(peer->pinging);
    }
    assert_int_equal(lost, 0);
    assert_int_equal(heard_count(&heard), 3);
    peer->open = 0; /* nothing is open: nobody asks */
    base_rig_pass(&rig, 5000);
    broker_rig_settle(&rig, other);
    assert_int_equal(heard_count(&heard), 3);
}

static void one_that_is_gone(void **state)
{
    struct peer *peer = peers_get(&rig.gateway, "gw-9", 5);

    (void)state;
    peer->open = 1;
    base_rig_pass(&rig, 1100);
    take_reply();
    assert_int_equal(lost, 1);
    assert_int_equal(clients_lost, 1);
    assert_int_equal(peer->open, 0);
}

static void one_that_was_started_anew(void **state)
{
    struct peer *peer = open_peer();

    (void)state;
    peer->taken = 9;
    pong(next_ping(0), 6, 0);
    assert_int_equal(lost, 1);
    assert_int_equal(peer->instance, 6);
    assert_int_equal(peer->taken, 0); /* it counts from the beginning */
    assert_ptr_equal(peers_get(&rig.gateway, "gw-2", 6), peer);
    assert_int_equal(lost, 1);
    (void)peers_get(&rig.gateway, "gw-2", 7); /* so it is when it says so itself */
    assert_int_equal(lost, 2);
}

/* It sent more answers as messages of their own than have come. */
static void one_whose_answer_was_lost(void **state)
{
    struct peer *peer = open_peer();

    (void)state;
    peer->taken = 2;
    pong(next_ping(0), 5, 2);
    assert_int_equal(lost, 0);
    pong(next_ping(1), 5, 3);
    assert_int_equal(lost, 1);
    peer->open = 1;
    pong(next_ping(2), 5, 3); /* it is not lost for the same one twice */
    assert_int_equal(lost, 1);
}

/* One reply that is none may be forgiven, two in a row may not. */
static void one_that_is_silent(void **state)
{
    const Pollen8__GatewayMessage nothing = POLLEN8__GATEWAY_MESSAGE__INIT;

    (void)state;
    open_peer();
    send(next_ping(0), &nothing);
    take_reply();
    assert_int_equal(lost, 0);
    pong(next_ping(1), 5, 0);
    send(next_ping(2), &nothing);
    take_reply();
    assert_int_equal(lost, 0);
    send(next_ping(3), &nothing);
    take_reply();
    assert_int_equal(lost, 1);
}

static void all_when_the_broker_was_away(void **state)
{
    (void)state;
    open_peer();
    (void)peers_get(&rig.gateway, "gw-3", 1);
    peers_broken(&rig.gateway);
    assert_int_equal(lost, 0); /* the loop finds it out */
    base_rig_pass(&rig, 110);
    assert_int_equal(lost, 2);
    base_rig_pass(&rig, 110);
    assert_int_equal(lost, 2);
}

/* One that holds polls here for clients of its own, and no longer asks. */
static void one_that_no_longer_asks(void **state)
{
    struct hosted *anything = (struct hosted *)(uintptr_t)8; /* is only looked at */
    struct peer *peer = peers_get(&rig.gateway, "gw-2", 5);

    (void)state;
    peer->hosted = anything;
    base_rig_pass(&rig, 5900);
    assert_int_equal(clients_lost, 0);
    (void)peers_get(&rig.gateway, "gw-2", 5); /* it is heard */
    base_rig_pass(&rig, 5900);
    assert_int_equal(clients_lost, 0);
    base_rig_pass(&rig, 400);
    assert_int_equal(clients_lost, 1);
    assert_int_equal(lost, 0);
}

static void what_it_is_told_when_it_asks(void **state)
{
    const ProtobufCMessage *unpacked = NULL;
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__PeerPing ping = POLLEN8__PEER_PING__INIT;
    struct wire_arena arena = {0};
    struct buf packed;

    (void)state;
    ping.gateway = (char *)(uintptr_t) "gw-2";
    ping.instance = 5;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING;
    message.ping = &ping;
    peers_get(&rig.gateway, "gw-2", 5)->sent = 12;
    buf_init(&packed, 10000);
    assert_int_equal(wire_pack(&packed, &message.base), STATUS_OK);
    assert_int_equal(bus_request(other, "pollen8.gw.gw-1", NULL, packed.data, packed.length, HEARD_LIMIT_MS,
                                 heard_answer, &heard),
                     STATUS_OK);
    buf_done(&packed);
    take_reply();
    assert_int_equal(
        wire_unpack(&arena, &pollen8__gateway_message__descriptor, heard_wait(&heard, 0)->data, &unpacked),
        STATUS_OK);
    const Pollen8__GatewayMessage *reply = (const Pollen8__GatewayMessage *)unpacked;
    assert_int_equal(reply->message_case, POLLEN8__GATEWAY_MESSAGE__MESSAGE_PONG);
    assert_int_equal(reply->pong->instance, 77);
    assert_int_equal(reply->pong->answers, 12);
    wire_arena_done(&arena);
}

static void who_is_idle_is_forgotten(void **state)
{
    struct peer *peer = open_peer();

    (void)state;
    peer->open = 0;
    peer->sent = 12;
    base_rig_pass(&rig, 500000);
    assert_int_equal(peers_get(&rig.gateway, "gw-2", 5)->sent, 12);
    base_rig_pass(&rig, 602000);
    assert_int_equal(peers_get(&rig.gateway, "gw-2", 5)->sent, 0); /* as one that was never known */
    assert_int_equal(lost, 0);
}

static void names_that_are_none(void **state)
{
    (void)state;
    assert_null(peers_get(&rig.gateway, "a-name-that-is-longer-than-any-gateway-may-have-and-then-some", 1));
}

static int run(void)
{
#define PEERS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        PEERS_TEST(one_that_lives),
        PEERS_TEST(one_that_is_gone),
        PEERS_TEST(one_that_was_started_anew),
        PEERS_TEST(one_whose_answer_was_lost),
        PEERS_TEST(one_that_is_silent),
        PEERS_TEST(all_when_the_broker_was_away),
        PEERS_TEST(one_that_no_longer_asks),
        PEERS_TEST(what_it_is_told_when_it_asks),
        PEERS_TEST(who_is_idle_is_forgotten),
        PEERS_TEST(names_that_are_none),
    };
#undef PEERS_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
