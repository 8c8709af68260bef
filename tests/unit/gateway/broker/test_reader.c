/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the gateway hears from a real broker that this program starts, in both ways: read by the loop, and by
 * the library on its delivery thread. Another client publishes.
 */
#include <uv.h>

#include "gateway_fixture.h"

#include "broker/reader.h"
#include "broker/requests.h"
#include "broker/sender.h"
#include "common/bus/bus.h"
#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/log.h"
#include "support/nats_server.h"

#define LIMIT_MS 30000

static struct nats_server server;

static struct rig {
    struct gateway gateway;
    struct settings settings;
    uv_loop_t loop;
    uv_timer_t tick;   /* the loop must not sleep for ever */
    struct bus *other; /* who publishes, and answers */
    struct reader_feed ada;
} rig;

static struct {
    atomic_uint user_frames;
    atomic_uint topic_frames;
    atomic_uint answers;
    _Atomic enum status status; /* of the last answer */
    atomic_uint renewed;
    atomic_uint first;
    atomic_uint again;
    atomic_uint lost;
} seen;

static void on_user_frame(void *context, const struct bus_message *message)
{
    assert_ptr_equal(context, &rig.gateway);
    assert_true(message->data.length > 0);
    atomic_fetch_add(&seen.user_frames, 1);
}

static void on_topic(void *context, const struct bus_message *message)
{
    assert_ptr_equal(context, &rig.gateway);
    assert_true(message->data.length > 0);
    atomic_fetch_add(&seen.topic_frames, 1);
}

static void on_answer(void *context, enum status status, const struct bus_message *message)
{
    (void)context;
    (void)message;
    atomic_store(&seen.status, status);
    atomic_fetch_add(&seen.answers, 1);
}

/* As users do: enters with the feed that it has. */
static void on_renew(struct gateway *gateway)
{
    if (rig.ada.number)
        assert_int_equal(reader_enter(gateway->reader, SLICE_LITERAL("ada"), &rig.ada), STATUS_OK);
    atomic_fetch_add(&seen.renewed, 1);
}

static void on_first(struct gateway *gateway)
{
    (void)gateway;
    atomic_fetch_add(&seen.first, 1);
}

static void on_again(struct gateway *gateway)
{
    (void)gateway;
    atomic_fetch_add(&seen.again, 1);
}

static void on_lost(struct gateway *gateway)
{
    (void)gateway;
    atomic_fetch_add(&seen.lost, 1);
}

static const struct reader_events events = {
    .user_frame = on_user_frame, .renew = on_renew, .first = on_first, .again = on_again, .lost = on_lost};

static void turn_once(void)
{
    rig.gateway.now_ms = clock_monotonic_ms();
    timer_wheel_advance(rig.gateway.wheel, rig.gateway.now_ms);
    reader_turn(rig.gateway.reader);
    requests_turn(rig.gateway.requests);
    uv_run(&rig.loop, UV_RUN_ONCE);
}

static void turn_until(atomic_uint *counter, unsigned value)
{
    uint64_t limit = clock_monotonic_ms() + LIMIT_MS;
    while (atomic_load(counter) < value && clock_monotonic_ms() < limit)
        turn_once();
    assert_int_equal(atomic_load(counter), value);
}

static void publish(const char *subject)
{
    uint64_t limit = clock_monotonic_ms() + LIMIT_MS;
    while (!bus_connected(rig.other) && clock_monotonic_ms() < limit)
        turn_once();
    assert_int_equal(bus_publish(rig.other, subject, "x", 1), STATUS_OK);
    assert_int_equal(bus_flush(rig.other, LIMIT_MS), STATUS_OK);
}

static void publish_to(const char *user)
{
    char subject[SUBJECT_SIZE];
    assert_int_equal(subject_make(subject, SUBJECT_OUT_USER, slice_from_string(user)), STATUS_OK);
    publish(subject);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void echo(void *context, const struct bus_message *message)
{
    (void)context;
    assert_int_equal(bus_respond(rig.other, message->reply, "x", 1), STATUS_OK);
}

static struct bus *connect_bus(const char *name)
{
    const struct bus_options options = {.url = server.url, .name = name};
    struct bus *bus = NULL;
    char error[128];
    assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_OK);
    return bus;
}

static void start(enum reader_kind kind)
{
    static char name[] = "gw-1";
    struct gateway *gateway = &rig.gateway;
    struct bus_subscription *kept;
    char error[128];
    memset(&rig, 0, sizeof(rig));
    memset(&seen, 0, sizeof(seen));
    rig.settings.nats_url = server.url;
    rig.settings.gateway_name = name;
    rig.settings.broker_reader = kind;
    rig.settings.inbound_queue = 1000;
    gateway->settings = &rig.settings;
    gateway->now_ms = clock_monotonic_ms();
    gateway->wheel = timer_wheel_create(gateway->now_ms, gateway);
    gateway->mailbox = mailbox_create(1000, wake, NULL);
    assert_int_equal(uv_loop_init(&rig.loop), 0);
    uv_timer_init(&rig.loop, &rig.tick);
    uv_timer_start(&rig.tick, on_tick, 2, 2);
    rig.other = connect_bus("other");
    assert_int_equal(bus_subscribe(rig.other, "t.service", NULL, echo, NULL, &kept), STATUS_OK);
    assert_int_equal(bus_flush(rig.other, LIMIT_MS), STATUS_OK);
    gateway->bus = connect_bus("gateway");
    assert_int_equal(sender_create(gateway->bus, 1000, &gateway->sender), STATUS_OK);
    assert_int_equal(reader_create(gateway, &rig.loop, &events, &gateway->reader, error, sizeof(error)),
                     STATUS_OK);
    assert_int_equal(reader_on_loop(gateway->reader), kind == READER_LOOP);
    assert_int_equal(requests_create(gateway, kind == READER_LOOP ? &rig.loop : NULL, &gateway->requests),
                     STATUS_OK);
    assert_int_equal(reader_subscribe(gateway->reader, "t.topic", on_topic), STATUS_OK);
}

static int start_loop(void **state)
{
    (void)state;
    start(READER_LOOP);
    turn_until(&seen.first, 1);
    return 0;
}

static int start_library(void **state)
{
    (void)state;
    start(READER_LIBRARY);
    return 0;
}

static int stop(void **state)
{
    struct gateway *gateway = &rig.gateway;
    (void)state;
    reader_stop(gateway->reader);
    requests_stop(gateway->requests);
    uv_close((uv_handle_t *)&rig.tick, NULL);
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig.loop), 0);
    sender_free(gateway->sender);
    requests_free(gateway->requests);
    reader_free(gateway->reader);
    bus_free(gateway->bus);
    bus_free(rig.other);
    mailbox_free(gateway->mailbox);
    timer_wheel_free(gateway->wheel);
    return 0;
}

/* The broker knows every earlier subscription before it sees the request. */
static void ask_service(void)
{
    unsigned before = atomic_load(&seen.answers);
    assert_int_equal(
        reader_request(rig.gateway.reader, "t.service", SLICE_LITERAL("x"), false, LIMIT_MS, on_answer, NULL),
        STATUS_OK);
    turn_until(&seen.answers, before + 1);
    assert_int_equal(atomic_load(&seen.status), STATUS_OK);
}

/* After the answer, everything published to the topic and to the user is heard. After the user has left,
 * messages to it are not. */
static void hears_what_it_subscribed_to(void **state)
{
    struct reader *reader = rig.gateway.reader;
    (void)state;
    assert_int_equal(reader_enter(reader, SLICE_LITERAL("ada"), &rig.ada), STATUS_OK);
    ask_service();
    publish_to("ada");
    publish_to("bo"); /* nobody entered */
    publish("t.topic");
    turn_until(&seen.topic_frames, 1);
    turn_until(&seen.user_frames, 1);
    reader_leave(reader, &rig.ada);
    ask_service();
    publish_to("ada");
    publish("t.topic");
    turn_until(&seen.topic_frames, 2);
    assert_int_equal(atomic_load(&seen.user_frames), 1);
}

static void the_loop_hears_again_after_a_loss(void **state)
{
    struct reader *reader = rig.gateway.reader;
    (void)state;
    assert_int_equal(reader_enter(reader, SLICE_LITERAL("ada"), &rig.ada), STATUS_OK);
    ask_service();
    assert_true(reader_connected(reader));
    unsigned renewed = atomic_load(&seen.renewed);
    nats_server_stop(&server);
    turn_until(&seen.lost, 1);
    assert_false(reader_connected(reader));
    assert_int_equal(atomic_load(&seen.again), 0);
    assert_true(nats_server_start(&server));
    turn_until(&seen.again, 1);
    assert_int_equal(atomic_load(&seen.renewed), renewed + 1);
    assert_int_equal(atomic_load(&seen.first), 1);
    assert_int_equal(atomic_load(&seen.lost), 1);
    publish_to("ada");
    publish("t.topic");
    turn_until(&seen.user_frames, 1);
    turn_until(&seen.topic_frames, 1);
}

/* Nothing of it was made: the loop is untouched. */
static void the_loop_reads_no_tls(void **state)
{
    static char url[] = "tls://127.0.0.1:4222";
    struct gateway gateway = {.settings = &rig.settings};
    struct reader *reader = NULL;
    char error[128] = "";
    (void)state;
    rig.settings = (struct settings){.nats_url = url, .broker_reader = READER_LOOP};
    assert_int_equal(reader_create(&gateway, NULL, &events, &reader, error, sizeof(error)), STATUS_MALFORMED);
    assert_null(reader);
    assert_non_null(strstr(error, "BROKER_READER"));
    rig.settings.broker_reader = READER_AUTO;
    assert_int_equal(reader_create(&gateway, NULL, &events, &reader, error, sizeof(error)), STATUS_OK);
    assert_false(reader_on_loop(reader));
    assert_true(atomic_load(&gateway.bus_has_frames));
    reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"the_loop_hears_what_it_subscribed_to", hears_what_it_subscribed_to, start_loop, stop, NULL},
        {"the_library_hears_what_it_subscribed_to", hears_what_it_subscribed_to, start_library, stop, NULL},
        cmocka_unit_test_setup_teardown(the_loop_hears_again_after_a_loss, start_loop, stop),
        cmocka_unit_test(the_loop_reads_no_tls),
    };
    log_init("test", LOG_ERROR, LOG_TEXT);
    if (!nats_server_init(&server) || !nats_server_start(&server))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_server_done(&server);
    return failed;
}
