/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Messages between gateways at a real broker: this gateway is gw-1, the other one is the test. What is done
 * about a message is the test's to say.
 */
#include "broker_rig.h"

#include "cluster/peer_message.h"
#include "common/log.h"
#include "common/wire.h"

static struct base_rig rig;
static struct bus *other;
static struct heard heard; /* by the other gateway */

static struct {
    unsigned messages;
    unsigned replies;
    Pollen8__GatewayMessage__MessageCase kind;
    char name[64]; /* of the gateway in a ping */
    char reply[SUBJECT_SIZE];
    enum peer_stage stage;
    bool again; /* it is to come again */
    uint64_t id;
    enum status status;
    uint64_t answers;
} seen;

static bool on_message(struct gateway *gateway, const Pollen8__GatewayMessage *message, const char *reply,
                       enum peer_stage stage)
{
    assert_ptr_equal(gateway, &rig.gateway);
    seen.messages++;
    seen.kind = message->message_case;
    seen.stage = stage;
    snprintf(seen.reply, sizeof(seen.reply), "%s", reply);
    if (message->message_case == POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING)
        snprintf(seen.name, sizeof(seen.name), "%s", message->ping->gateway);
    return seen.again && stage == PEER_FIRST;
}

static const struct peer_events events = {.message = on_message};

static void on_reply(struct gateway *gateway, uint64_t id, enum status status,
                     const Pollen8__GatewayMessage *reply)
{
    assert_ptr_equal(gateway, &rig.gateway);
    assert_true((reply != NULL) == (status == STATUS_OK));
    seen.replies++;
    seen.id = id;
    seen.status = status;
    seen.kind = reply ? reply->message_case : POLLEN8__GATEWAY_MESSAGE__MESSAGE__NOT_SET;
    seen.answers = seen.kind == POLLEN8__GATEWAY_MESSAGE__MESSAGE_PONG ? reply->pong->answers : 0;
}

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 4);
    broker_rig_start(&rig);
    rig.gateway.peer_events = &events;
    assert_int_equal(peer_message_subscribe(&rig.gateway), STATUS_OK);
    heard_init(&heard);
    other = heard_bus(broker_rig_server.url);
    heard_subscribe(&heard, other, "pollen8.gw.gw-2");
    broker_rig_settle(&rig, other);
    memset(&seen, 0, sizeof(seen));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bus_free(other);
    broker_rig_stop(&rig);
    heard_done(&heard);
    base_rig_stop(&rig);
    return 0;
}

static Pollen8__PeerPing ping_body = POLLEN8__PEER_PING__INIT;
static Pollen8__PeerPong pong_body = POLLEN8__PEER_PONG__INIT;

static Pollen8__GatewayMessage ping(void)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;

    ping_body.gateway = (char *)(uintptr_t) "gw-2";
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING;
    message.ping = &ping_body;
    return message;
}

static Pollen8__GatewayMessage pong(uint64_t answers)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;

    pong_body.answers = answers;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_PONG;
    message.pong = &pong_body;
    return message;
}

/* The other gateway says this to the subject; `reply` may be NULL. */
static void say(const char *subject, const char *reply, const Pollen8__GatewayMessage *message)
{
    struct buf packed;

    buf_init(&packed, 100000);
    assert_int_equal(wire_pack(&packed, &message->base), STATUS_OK);
    if (reply)
        assert_int_equal(bus_request(other, subject, NULL, packed.data, packed.length, HEARD_LIMIT_MS,
                                     heard_answer, &heard),
                         STATUS_OK);
    else
        assert_int_equal(bus_publish(other, subject, packed.data, packed.length), STATUS_OK);
    buf_done(&packed);
    assert_int_equal(bus_flush(other, HEARD_LIMIT_MS), STATUS_OK);
}

static void assert_heard(size_t number, Pollen8__GatewayMessage__MessageCase kind)
{
    const ProtobufCMessage *unpacked = NULL;
    struct wire_arena arena = {0};

    assert_int_equal(wire_unpack(&arena, &pollen8__gateway_message__descriptor,
                                 heard_wait(&heard, number)->data, &unpacked),
                     STATUS_OK);
    assert_int_equal(((const Pollen8__GatewayMessage *)unpacked)->message_case, kind);
    wire_arena_done(&arena);
}

static void what_comes_unasked(void **state)
{
    const Pollen8__GatewayMessage message = ping();
    const Pollen8__GatewayMessage reply = pong(5);

    (void)state;
    say("pollen8.gw.gw-1", NULL, &message);
    base_rig_wait(&rig, MAIL_PEERS);
    assert_int_equal(seen.messages, 0); /* the loop's to act on */
    assert_false(peer_message_run(&rig.gateway));
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.kind, POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING);
    assert_string_equal(seen.name, "gw-2");
    assert_string_equal(seen.reply, "");
    assert_int_equal(seen.stage, PEER_FIRST);
    assert_int_equal(peer_message_reply(&rig.gateway, seen.reply, &reply), STATUS_OK); /* none is wanted */
    say("pollen8.gw.gw-1", "reply", &message);
    base_rig_wait(&rig, MAIL_PEERS);
    peer_message_run(&rig.gateway);
    assert_string_not_equal(seen.reply, "");
    assert_int_equal(peer_message_reply(&rig.gateway, seen.reply, &reply), STATUS_OK);
    assert_heard(0, POLLEN8__GATEWAY_MESSAGE__MESSAGE_PONG);
}

static void told_and_asked(void **state)
{
    const Pollen8__GatewayMessage message = ping();
    const Pollen8__GatewayMessage reply = pong(7);

    (void)state;
    assert_int_equal(peer_message_tell(&rig.gateway, "gw-2", &message), STATUS_OK);
    assert_heard(0, POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING);
    assert_string_equal(heard.messages[0].reply, "");
    for (uint64_t id = 1; id <= 2; id++) {
        assert_int_equal(peer_message_ask(&rig.gateway, "gw-2", &message, id == 2, on_reply, id), STATUS_OK);
        say(heard_wait(&heard, id)->reply, NULL, &reply);
        base_rig_wait(&rig, MAIL_PEERS);
        peer_message_run(&rig.gateway);
        assert_int_equal(seen.replies, id);
        assert_int_equal(seen.id, id);
        assert_int_equal(seen.status, STATUS_OK);
        assert_int_equal(seen.answers, 7);
    }
    assert_int_equal(seen.messages, 0); /* a reply is nothing unasked */
}

static void nobody_is_there(void **state)
{
    const Pollen8__GatewayMessage message = ping();

    (void)state;
    assert_int_equal(peer_message_ask(&rig.gateway, "gw-9", &message, false, on_reply, 3), STATUS_OK);
    base_rig_wait(&rig, MAIL_PEERS);
    peer_message_run(&rig.gateway);
    assert_int_equal(seen.replies, 1);
    assert_int_equal(seen.status, STATUS_NO_RESPONDERS);
    assert_int_equal(peer_message_ask(&rig.gateway, "no.name", &message, false, on_reply, 4),
                     STATUS_MALFORMED);
    assert_int_equal(peer_message_tell(&rig.gateway, "*", &message), STATUS_MALFORMED);
}

static void a_reply_that_cannot_be_read(void **state)
{
    const Pollen8__GatewayMessage message = ping();

    (void)state;
    assert_int_equal(peer_message_ask(&rig.gateway, "gw-2", &message, false, on_reply, 3), STATUS_OK);
    assert_int_equal(bus_publish(other, heard_wait(&heard, 0)->reply, "\xff\xff", 2), STATUS_OK);
    assert_int_equal(bus_flush(other, HEARD_LIMIT_MS), STATUS_OK);
    base_rig_wait(&rig, MAIL_PEERS);
    peer_message_run(&rig.gateway);
    assert_int_equal(seen.replies, 1);
    assert_int_equal(seen.status, STATUS_MALFORMED);
}

/* The lane is bounded. What comes unasked is dropped then, and counted; a reply comes, but says nothing. */
static void more_than_the_lane_holds(void **state)
{
    const Pollen8__GatewayMessage message = ping();
    const Pollen8__GatewayMessage reply = pong(7);

    (void)state;
    assert_int_equal(peer_message_ask(&rig.gateway, "gw-2", &message, false, on_reply, 3), STATUS_OK);
    (void)heard_wait(&heard, 0);
    for (int i = 0; i < 6; i++)
        say("pollen8.gw.gw-1", NULL, &message);
    assert_int_equal(bus_publish(other, "pollen8.gw.gw-1", "\xff\xff", 2), STATUS_OK);
    say(heard_wait(&heard, 0)->reply, NULL, &reply);
    base_rig_wait(&rig, MAIL_REPLIES);
    base_rig_act(&rig, MAIL_REPLIES);
    assert_int_equal(seen.replies, 1);
    assert_int_equal(seen.status, STATUS_FULL);
    peer_message_run(&rig.gateway);
    assert_int_equal(seen.messages, 4);
    assert_int_equal(base_rig_metric(&rig, METRIC_BROKER_FRAMES, "dropped"), 2);
    assert_int_equal(base_rig_metric(&rig, METRIC_BROKER_FRAMES, "malformed"), 1);
}

/* A turn that has taken its time leaves the rest for the next, and says so. */
static void a_share_in_each_turn(void **state)
{
    const Pollen8__GatewayMessage message = ping();

    (void)state;
    say("pollen8.gw.gw-1", NULL, &message);
    say("pollen8.gw.gw-1", NULL, &message);
    assert_int_equal(peer_message_ask(&rig.gateway, "gw-9", &message, false, on_reply, 3), STATUS_OK);
    while (mailbox_depth(rig.gateway.mailbox, MAIL_PEERS) < 3)
        broker_rig_settle(&rig, other); /* which is behind them */
    rig.gateway.turn_us = 0;            /* long past */
    assert_true(peer_message_run(&rig.gateway));
    assert_int_equal(seen.messages, 1);
    rig.gateway.turn_us = INT64_MAX;
    assert_false(peer_message_run(&rig.gateway));
    assert_int_equal(seen.messages, 2);
    assert_int_equal(seen.replies, 1);
}

static int run(void)
{
#define MESSAGE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        MESSAGE_TEST(what_comes_unasked),       MESSAGE_TEST(told_and_asked),
        MESSAGE_TEST(nobody_is_there),          MESSAGE_TEST(a_reply_that_cannot_be_read),
        MESSAGE_TEST(more_than_the_lane_holds), MESSAGE_TEST(a_share_in_each_turn),
    };
#undef MESSAGE_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
