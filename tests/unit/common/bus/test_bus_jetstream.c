/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Streams and durable consumers against a real broker that this program starts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/bus/bus.h"
#include "common/clock.h"
#include "support/nats_server.h"

#define TRIES 300 /* of 100 ms at most */

struct ring {
    struct nats_server server;
    struct bus *bus;
};

static const char *const subjects[] = {"ev.>", NULL};

static struct bus_stream_options stream_options(void)
{
    return (struct bus_stream_options){.name = "EV", .subjects = subjects, .duplicates_ms = 120000};
}

static struct bus_consumer_options consumer_options(void)
{
    return (struct bus_consumer_options){.stream = "EV",
                                         .durable = "worker",
                                         .filter = "ev.>",
                                         .ack_wait_ms = 1000,
                                         .maximum_ack_pending = 1000};
}

static void pause_100_ms(void)
{
    const struct timespec pause = {.tv_nsec = 100000000L};

    nanosleep(&pause, NULL);
}

/* JetStream answers a moment after the port does. */
static void ensure(struct bus *bus, const struct bus_stream_options *options)
{
    char error[256] = "";
    enum status status = STATUS_DISCONNECTED;

    for (int i = 0; i < TRIES && status == STATUS_DISCONNECTED; i++) {
        status = bus_stream_ensure(bus, options, error, sizeof(error));
        if (status == STATUS_DISCONNECTED)
            pause_100_ms();
    }
    if (status != STATUS_OK)
        fail_msg("%s", error);
}

static struct bus_consumer *make_consumer(struct bus *bus)
{
    struct bus_consumer_options options = consumer_options();
    struct bus_consumer *consumer = NULL;
    char error[256] = "";

    if (bus_consumer_create(bus, &options, &consumer, error, sizeof(error)) != STATUS_OK)
        fail_msg("%s", error);
    return consumer;
}

static struct bus_batch *fetch(struct bus_consumer *consumer, uint32_t maximum)
{
    struct bus_batch *batch = NULL;
    enum status status = STATUS_TIMEOUT;

    for (int i = 0; i < TRIES && (status == STATUS_TIMEOUT || status == STATUS_DISCONNECTED); i++) {
        status = bus_fetch(consumer, maximum, 500, &batch);
        if (status == STATUS_DISCONNECTED)
            pause_100_ms();
    }
    assert_int_equal(status, STATUS_OK);
    return batch;
}

static void publish(struct bus *bus, const char *subject, const char *id, const char *text)
{
    const char *headers[] = {"Nats-Msg-Id", id, "X-Kind", "test", NULL};

    assert_int_equal(bus_publish_with(bus, subject, headers, text, strlen(text)), STATUS_OK);
}

static int setup(void **state)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    struct bus_stream_options stream = stream_options();
    char error[256];

    if (!ring || !nats_server_init(&ring->server) || !nats_server_start(&ring->server))
        return -1;
    if (bus_create(&(struct bus_options){.url = ring->server.url, .name = "test"}, &ring->bus, error,
                   sizeof(error)) != STATUS_OK)
        return -1;
    ensure(ring->bus, &stream);
    *state = ring;
    return 0;
}

static int teardown(void **state)
{
    struct ring *ring = *state;

    bus_free(ring->bus);
    nats_server_done(&ring->server);
    free(ring);
    return 0;
}

static void stores_once_and_delivers(void **state)
{
    struct ring *ring = *state;
    struct bus_consumer *consumer = make_consumer(ring->bus);
    struct bus_consumer_state counts;
    struct bus_message message;
    struct bus_delivery delivery;
    struct bus_batch *batch;
    char value[32];

    publish(ring->bus, "ev.one", "id-1", "first");
    publish(ring->bus, "ev.one", "id-1", "first");
    publish(ring->bus, "ev.two", "id-2", "second");
    assert_int_equal(bus_flush(ring->bus, 5000), STATUS_OK);
    batch = fetch(consumer, 1);
    assert_int_equal(bus_batch_count(batch), 1);
    bus_batch_message(batch, 0, &message);
    assert_true(slice_equal_string(message.subject, "ev.one"));
    assert_true(slice_equal_string(message.data, "first"));
    assert_int_equal(bus_header(&message, "X-Kind", value, sizeof(value)), STATUS_OK);
    assert_string_equal(value, "test");
    assert_int_equal(bus_header(&message, "X-Kind", value, 4), STATUS_FULL);
    assert_int_equal(bus_header(&message, "Absent", value, sizeof(value)), STATUS_NOT_FOUND);
    assert_int_equal(bus_batch_delivery(batch, 0, &delivery), STATUS_OK);
    assert_int_equal(delivery.stream_sequence, 1);
    assert_int_equal(delivery.delivered, 1);
    assert_true(delivery.timestamp_ms > INT64_C(1600000000000));
    assert_int_equal(bus_batch_ack(batch, 0), STATUS_OK);
    bus_batch_free(batch);

    batch = fetch(consumer, 10);
    assert_int_equal(bus_batch_count(batch), 1);
    bus_batch_message(batch, 0, &message);
    assert_true(slice_equal_string(message.data, "second"));
    assert_int_equal(bus_batch_ack(batch, 0), STATUS_OK);
    assert_int_equal(bus_flush(ring->bus, 5000), STATUS_OK);
    bus_batch_free(batch);
    /* The server works acknowledgements off beside the connection: a flush says only that they arrived. */
    for (uint64_t end_ms = clock_monotonic_ms() + 10000;;) {
        assert_int_equal(bus_consumer_state(consumer, &counts), STATUS_OK);
        if (counts.ack_floor_stream_sequence == 2 || clock_monotonic_ms() > end_ms)
            break;
    }
    assert_int_equal(counts.ack_floor_stream_sequence, 2);
    assert_int_equal(counts.pending, 0);
    assert_int_equal(counts.ack_pending, 0);
    batch = NULL;
    assert_int_equal(bus_fetch(consumer, 10, 100, &batch), STATUS_TIMEOUT);
    assert_null(batch);
    bus_consumer_free(consumer);
}

static void delivers_again_what_was_not_acknowledged(void **state)
{
    struct ring *ring = *state;
    struct bus_consumer *consumer = make_consumer(ring->bus);
    struct bus_delivery delivery;
    struct bus_batch *batch;

    publish(ring->bus, "ev.again", "id-3", "again");
    batch = fetch(consumer, 1);
    assert_int_equal(bus_batch_in_progress(batch, 0), STATUS_OK);
    assert_int_equal(bus_batch_retry(batch, 0, 1), STATUS_OK);
    bus_batch_free(batch);
    batch = fetch(consumer, 1);
    assert_int_equal(bus_batch_delivery(batch, 0, &delivery), STATUS_OK);
    assert_int_equal(delivery.delivered, 2);
    bus_batch_free(batch); /* neither ack nor nak: ack_wait */
    batch = fetch(consumer, 1);
    assert_int_equal(bus_batch_delivery(batch, 0, &delivery), STATUS_OK);
    assert_int_equal(delivery.delivered, 3);
    assert_int_equal(bus_batch_ack(batch, 0), STATUS_OK);
    bus_batch_free(batch);
    bus_consumer_free(consumer);
}

static void ensure_updates_what_exists(void **state)
{
    static const char *const more[] = {"ev.>", "more.>", NULL};
    struct ring *ring = *state;
    struct bus_stream_options stream = stream_options();
    struct bus_consumer_options options = consumer_options();
    struct bus_consumer *consumer = make_consumer(ring->bus);
    char error[256] = "";

    stream.subjects = more;
    stream.maximum_age_ms = 3600000;
    ensure(ring->bus, &stream);
    ensure(ring->bus, &stream);
    publish(ring->bus, "more.here", "id-4", "x");
    bus_consumer_free(consumer);
    options.ack_wait_ms = 2000;
    assert_int_equal(bus_consumer_create(ring->bus, &options, &consumer, error, sizeof(error)), STATUS_OK);
    assert_int_equal(
        bus_consumer_create(ring->bus,
                            &(struct bus_consumer_options){
                                .stream = "ABSENT", .durable = "x", .filter = "ev.>", .ack_wait_ms = 1000},
                            &consumer, error, sizeof(error)),
        STATUS_NOT_FOUND);
    assert_non_null(strstr(error, "ABSENT"));
    bus_consumer_free(consumer);
}

/* Nothing in the way of another one: each has its own place in the stream. */
static void temporary_consumers_are_apart(void **state)
{
    struct ring *ring = *state;
    struct bus_consumer_options options = consumer_options();
    char error[256] = "";

    publish(ring->bus, "more.apart", "id-5", "one");
    publish(ring->bus, "more.apart", "id-6", "two");
    options.durable = NULL;
    options.filter = "more.apart";
    for (int i = 0; i < 2; i++) {
        struct bus_consumer *consumer = NULL;
        struct bus_batch *batch;
        size_t count = 0;

        assert_int_equal(bus_consumer_create(ring->bus, &options, &consumer, error, sizeof(error)),
                         STATUS_OK);
        while (count < 2) {
            batch = fetch(consumer, 2);
            for (size_t j = 0; j < bus_batch_count(batch); j++)
                assert_int_equal(bus_batch_ack(batch, j), STATUS_OK);
            count += bus_batch_count(batch);
            bus_batch_free(batch);
        }
        assert_int_equal(count, 2);
        bus_consumer_free(consumer);
    }
}

static void consumer_survives_a_restart(void **state)
{
    struct ring *ring = *state;
    struct bus_consumer *consumer = make_consumer(ring->bus);
    struct bus_batch *batch = NULL;
    enum status status;

    nats_server_stop(&ring->server);
    for (int i = 0; i < TRIES && bus_connected(ring->bus); i++)
        pause_100_ms();
    assert_int_equal(bus_fetch(consumer, 1, 100, &batch), STATUS_DISCONNECTED);
    assert_true(nats_server_start(&ring->server));
    for (int i = 0; i < TRIES && !bus_connected(ring->bus); i++)
        pause_100_ms();
    do
        status = bus_fetch(consumer, 1, 500, &batch);
    while (status == STATUS_DISCONNECTED);
    assert_int_equal(status, STATUS_TIMEOUT);
    publish(ring->bus, "ev.restart", "id-7", "x");
    batch = fetch(consumer, 1);
    assert_int_equal(bus_batch_ack(batch, 0), STATUS_OK);
    bus_batch_free(batch);
    bus_consumer_free(consumer);
}

static void ignore_reply(void *context, enum status status, const struct bus_message *message)
{
    (void)context;
    (void)status;
    (void)message;
}

static void tells_that_the_consumer_is_gone(void **state)
{
    struct ring *ring = *state;
    struct bus_consumer *consumer = make_consumer(ring->bus);
    struct bus_batch *batch = NULL;
    enum status status = STATUS_TIMEOUT;

    assert_int_equal(
        bus_request(ring->bus, "$JS.API.CONSUMER.DELETE.EV.worker", NULL, "", 0, 5000, ignore_reply, NULL),
        STATUS_OK);
    for (int i = 0; i < TRIES && status == STATUS_TIMEOUT; i++)
        status = bus_fetch(consumer, 1, 100, &batch);
    assert_int_equal(status, STATUS_NOT_FOUND);
    bus_consumer_free(consumer);
    consumer = make_consumer(ring->bus);
    batch = fetch(consumer, 1);
    bus_batch_free(batch);
    bus_consumer_free(consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_once_and_delivers),
        cmocka_unit_test(delivers_again_what_was_not_acknowledged),
        cmocka_unit_test(ensure_updates_what_exists),
        cmocka_unit_test(temporary_consumers_are_apart),
        cmocka_unit_test(consumer_survives_a_restart),
        cmocka_unit_test(tells_that_the_consumer_is_gone),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
