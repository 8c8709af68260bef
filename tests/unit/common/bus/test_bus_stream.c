/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a stream holds, against a real broker: its ends, single messages with their headers, deleting,
 * purging, and that a full stream refuses what is new instead of dropping what is old.
 */
#include "common/bus/bus_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
#include "support/nats_server.h"

#define TRIES 300 /* of 100 ms at most */

static struct nats_server server;
static struct bus *bus;

static void pause_100_ms(void)
{
    const struct timespec pause = {.tv_nsec = 100000000L};

    nanosleep(&pause, NULL);
}

static void ensure(const char *name, const char *subject, int64_t maximum_bytes)
{
    const char *const subjects[] = {subject, NULL};
    const struct bus_stream_options options = {
        .name = name, .subjects = subjects, .duplicates_ms = 120000, .maximum_bytes = maximum_bytes};
    char error[256] = "";
    enum status status = STATUS_DISCONNECTED;

    for (int i = 0; i < TRIES && status == STATUS_DISCONNECTED; i++) {
        status = bus_stream_ensure(bus, &options, error, sizeof(error));
        if (status == STATUS_DISCONNECTED)
            pause_100_ms();
    }
    if (status != STATUS_OK)
        fail_msg("%s", error);
}

static int set_up(void **state)
{
    const struct bus_options options = {.name = "test", .url = server.url, .send_as_soon_as_possible = true};
    char error[256] = "";

    (void)state;
    assert_true(nats_server_init(&server));
    assert_true(nats_server_start(&server));
    assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bus_free(bus);
    nats_server_done(&server);
    return 0;
}

static void put(const char *subject, const char *const *headers, const char *text, uint64_t expected)
{
    uint64_t sequence = 0;
    char error[128] = "";

    assert_int_equal(
        bus_store(bus, subject, headers, slice_from_string(text), &sequence, error, sizeof(error)),
        STATUS_OK);
    assert_int_equal(sequence, expected);
}

static void count_header(void *context, const char *name, const char *value)
{
    size_t *count = context;

    if (strcmp(name, "A") == 0)
        assert_string_equal(value, "1");
    (*count)++;
}

static void ends_and_messages(void **state)
{
    const char *const headers[] = {"A", "1", "Nats-Msg-Id", "one", NULL};
    struct bus_stream_state ends;
    struct bus_stored *stored = NULL;
    struct bus_message message;
    size_t count = 0;
    int64_t before = clock_wall_ms();

    (void)state;
    ensure("S", "s.>", 0);
    assert_int_equal(bus_stream_state(bus, "NONE", &ends), STATUS_NOT_FOUND);
    assert_int_equal(bus_stream_state(bus, "S", &ends), STATUS_OK);
    assert_true(ends.messages == 0 && ends.first_sequence == 1 && ends.last_sequence == 0);
    assert_true(ends.created_ms > before - 60000);
    put("s.a", headers, "first", 1);
    put("s.a", headers, "again", 1); /* the same id: where it stood before */
    put("s.b", NULL, "second", 2);
    put("s.a", NULL, "third", 3);
    assert_int_equal(bus_stream_state(bus, "S", &ends), STATUS_OK);
    assert_true(ends.messages == 3 && ends.first_sequence == 1 && ends.last_sequence == 3 && ends.bytes > 0);
    assert_true(ends.first_time_ms > before - 60000 && ends.last_time_ms >= ends.first_time_ms);

    assert_int_equal(bus_stored_get(bus, "S", 1, &stored), STATUS_OK);
    bus_stored_message(stored, &message);
    assert_true(slice_equal_string(message.data, "first") && slice_equal_string(message.subject, "s.a"));
    assert_int_equal(bus_stored_sequence(stored), 1);
    assert_true(bus_stored_time_ms(stored) == ends.first_time_ms);
    assert_int_equal(bus_headers_each(&message, count_header, &count), STATUS_OK);
    assert_int_equal(count, 2);
    bus_stored_free(stored);
    assert_int_equal(bus_stored_last(bus, "S", "s.b", &stored), STATUS_OK);
    bus_stored_message(stored, &message);
    assert_true(slice_equal_string(message.data, "second"));
    count = 0;
    assert_int_equal(bus_headers_each(&message, count_header, &count), STATUS_OK);
    assert_int_equal(count, 0);
    bus_stored_free(stored);
    assert_int_equal(bus_stored_get(bus, "S", 9, &stored), STATUS_NOT_FOUND);
    assert_int_equal(bus_stored_last(bus, "S", "s.none", &stored), STATUS_NOT_FOUND);
}

static void deleting_and_purging(void **state)
{
    struct bus_stream_state ends;
    struct bus_stored *stored = NULL;

    (void)state;
    ensure("P", "p.>", 0);
    for (uint64_t i = 1; i <= 6; i++)
        put(i % 2 ? "p.odd" : "p.even", NULL, "x", i);
    assert_int_equal(bus_stored_delete(bus, "P", 2), STATUS_OK);
    assert_int_equal(bus_stored_delete(bus, "P", 2), STATUS_NOT_FOUND);
    assert_int_equal(bus_stored_get(bus, "P", 2, &stored), STATUS_NOT_FOUND);
    assert_int_equal(bus_stream_purge(bus, "P", NULL, 3), STATUS_OK);
    assert_int_equal(bus_stream_state(bus, "P", &ends), STATUS_OK);
    assert_true(ends.first_sequence == 3 && ends.messages == 4);
    assert_int_equal(bus_stream_purge(bus, "P", "p.even", 0), STATUS_OK);
    assert_int_equal(bus_stream_state(bus, "P", &ends), STATUS_OK);
    assert_int_equal(ends.messages, 2);
    assert_int_equal(bus_stream_purge(bus, "P", NULL, 0), STATUS_OK);
    assert_int_equal(bus_stream_state(bus, "P", &ends), STATUS_OK);
    assert_true(ends.messages == 0 && ends.first_sequence == 7 && ends.last_sequence == 6);
}

static void full_refuses_the_new(void **state)
{
    static char body[4096];
    struct bus_stream_state ends;
    struct bus_stored *stored = NULL;
    enum status status = STATUS_OK;
    char error[128] = "";
    uint64_t sequence = 0;

    (void)state;
    memset(body, 'x', sizeof(body));
    ensure("F", "f.>", 20000);
    for (int i = 0; i < 20 && status == STATUS_OK; i++)
        status = bus_store(bus, "f.x", NULL, slice_make(body, sizeof(body)), &sequence, error, sizeof(error));
    assert_int_equal(status, STATUS_UNAVAILABLE);
    assert_true(strlen(error) > 0);
    assert_int_equal(bus_stream_state(bus, "F", &ends), STATUS_OK);
    assert_true(ends.first_sequence == 1 && ends.messages == sequence && ends.last_sequence == sequence);
    assert_int_equal(bus_stored_get(bus, "F", 1, &stored), STATUS_OK);
    bus_stored_free(stored);
    assert_int_equal(bus_store(bus, "nobody", NULL, SLICE_LITERAL("x"), NULL, error, sizeof(error)),
                     STATUS_NO_RESPONDERS);
}

/* A durable that begins with an event, is asked about by name, and is deleted under its subscription. */
static void durables_by_name(void **state)
{
    const struct bus_consumer_options options = {.stream = "S",
                                                 .durable = "d",
                                                 .filter = "s.>",
                                                 .ack_wait_ms = 5000,
                                                 .maximum_ack_pending = 10,
                                                 .start_sequence = 3};
    struct bus_consumer_state durable;
    struct bus_consumer *consumer = NULL;
    struct bus_delivery delivery;
    struct bus_batch *batch = NULL;
    enum status status;

    (void)state;
    assert_int_equal(bus_durable_state(bus, "S", "d", &durable), STATUS_NOT_FOUND);
    assert_int_equal(bus_consumer_create(bus, &options, &consumer, NULL, 0), STATUS_OK);
    do
        status = bus_fetch(consumer, 10, 1000, &batch);
    while (status == STATUS_TIMEOUT);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(bus_batch_count(batch), 1);
    assert_int_equal(bus_batch_delivery(batch, 0, &delivery), STATUS_OK);
    assert_int_equal(delivery.stream_sequence, 3);
    bus_batch_free(batch);
    assert_int_equal(bus_durable_state(bus, "S", "d", &durable), STATUS_OK);
    assert_true(durable.ack_pending == 1 && durable.ack_floor_stream_sequence < 3);
    assert_int_equal(bus_publish(bus, "$JS.API.CONSUMER.DELETE.S.d", "", 0), STATUS_OK);
    do
        status = bus_fetch(consumer, 10, 500, &batch);
    while (status == STATUS_TIMEOUT);
    assert_int_equal(status, STATUS_NOT_FOUND);
    assert_int_equal(bus_durable_state(bus, "S", "d", &durable), STATUS_NOT_FOUND);
    bus_consumer_free(consumer);
}

/* Whoever is late to notice a newer one must not delete it. */
static void forgets_only_what_is_earlier(void **state)
{
    static const char *const names[] = {"w", "w-9", "w-10", "w-11", "other-1"};
    static const bool stays[] = {false, false, true, true, true};

    (void)state;
    ensure("F", "f.>", 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct bus_consumer_options options = {.stream = "F",
                                                     .durable = names[i],
                                                     .filter = "f.>",
                                                     .ack_wait_ms = 1000,
                                                     .maximum_ack_pending = 10};
        struct bus_consumer *consumer = NULL;
        char error[256] = "";
        assert_int_equal(bus_consumer_create(bus, &options, &consumer, error, sizeof(error)), STATUS_OK);
        bus_consumer_free(consumer);
    }
    assert_int_equal(bus_durables_forget(bus, "F", "w", "w-10"), STATUS_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct bus_consumer_state durable;
        assert_int_equal(bus_durable_state(bus, "F", names[i], &durable),
                         stays[i] ? STATUS_OK : STATUS_NOT_FOUND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_and_messages),
        cmocka_unit_test(deleting_and_purging),
        cmocka_unit_test(full_refuses_the_new),
        cmocka_unit_test(durables_by_name),
        cmocka_unit_test(forgets_only_what_is_earlier),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
