/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The bus against a real broker that this program starts: publishing, requests, restarts, JetStream. Every
 * wait is for an event, with a limit that only a failure reaches.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/bus/bus.h"
#include "support/nats_server.h"

#define LIMIT_S 30

/* What callbacks saw, for the test's thread to wait on. */
struct seen {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int messages;
    int replies;
    int states[BUS_CLOSED + 1];
    enum status status; /* of the last reply */
    char text[256];     /* of the last message or reply */
    struct bus *bus;    /* where set, requests are answered */
};

static struct nats_server server;

static void seen_init(struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    pthread_mutex_init(&seen->mutex, NULL);
    pthread_cond_init(&seen->changed, NULL);
}

static void seen_done(struct seen *seen)
{
    pthread_mutex_destroy(&seen->mutex);
    pthread_cond_destroy(&seen->changed);
}

static void wait_for(struct seen *seen, const int *counter, int value)
{
    struct timespec limit;
    int result = 0;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += LIMIT_S;
    pthread_mutex_lock(&seen->mutex);
    while (*counter < value && result == 0)
        result = pthread_cond_timedwait(&seen->changed, &seen->mutex, &limit);
    value = *counter < value ? *counter - value : 0;
    pthread_mutex_unlock(&seen->mutex);
    assert_int_equal(value, 0);
}

static int count_of(struct seen *seen, const int *counter)
{
    int value;

    pthread_mutex_lock(&seen->mutex);
    value = *counter;
    pthread_mutex_unlock(&seen->mutex);
    return value;
}

static void note(struct seen *seen, int *counter, const struct bus_message *message)
{
    pthread_mutex_lock(&seen->mutex);
    if (message)
        snprintf(seen->text, sizeof(seen->text), "%.*s", (int)message->data.length, message->data.data);
    (*counter)++;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->mutex);
}

static void on_message(void *context, const struct bus_message *message)
{
    struct seen *seen = context;

    if (seen->bus && message->reply.length > 0)
        assert_int_equal(bus_respond(seen->bus, message->reply, "pong", 4), STATUS_OK);
    note(seen, &seen->messages, message);
}

static void on_reply(void *context, enum status status, const struct bus_message *message)
{
    struct seen *seen = context;

    pthread_mutex_lock(&seen->mutex);
    seen->status = status;
    pthread_mutex_unlock(&seen->mutex);
    note(seen, &seen->replies, message);
}

static void on_state(void *context, enum bus_state state)
{
    struct seen *seen = context;

    note(seen, &seen->states[state], NULL);
}

static struct bus *open_bus(struct seen *seen, const char *url, uint32_t requests)
{
    struct bus_options options = {
        .url = url, .name = "test", .requests_maximum = requests, .on_state = on_state, .context = seen};
    struct bus *bus = NULL;
    char error[256] = "";

    assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_OK);
    return bus;
}

static struct bus *connected_bus(struct seen *seen)
{
    struct bus *bus;

    seen_init(seen);
    bus = open_bus(seen, server.url, 0);
    wait_for(seen, &seen->states[BUS_CONNECTED], 1);
    return bus;
}

static void close_bus(struct bus *bus, struct seen *seen)
{
    bus_free(bus);
    assert_int_equal(count_of(seen, &seen->states[BUS_CLOSED]), 1);
    seen_done(seen);
}

static void publishes_to_subscribers(void **state)
{
    struct seen seen;
    struct bus *bus = connected_bus(&seen);
    struct bus_subscription *subscription = NULL;

    (void)state;
    assert_true(bus_connected(bus));
    assert_true(bus_maximum_payload(bus) >= 1024 * 1024);
    assert_int_equal(bus_subscribe(bus, "a.*", NULL, on_message, &seen, &subscription), STATUS_OK);
    assert_int_equal(bus_publish(bus, "a.b", "hello", 5), STATUS_OK);
    wait_for(&seen, &seen.messages, 1);
    assert_string_equal(seen.text, "hello");
    bus_unsubscribe(subscription);
    assert_int_equal(bus_publish(bus, "a.b", "late", 4), STATUS_OK);
    assert_int_equal(bus_flush(bus, 5000), STATUS_OK);
    assert_string_equal(seen.text, "hello");
    assert_int_equal(bus_dropped(bus), 0);
    close_bus(bus, &seen);
}

static void queue_group_gets_each_message_once(void **state)
{
    struct seen seen;
    struct bus *bus = connected_bus(&seen);
    struct bus_subscription *subscriptions[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(bus_subscribe(bus, "work", "group", on_message, &seen, &subscriptions[i]),
                         STATUS_OK);
    assert_int_equal(bus_subscribe(bus, "end", NULL, on_message, &seen, &subscriptions[0]), STATUS_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(bus_publish(bus, "work", "x", 1), STATUS_OK);
    assert_int_equal(bus_publish(bus, "end", "end", 3), STATUS_OK);
    wait_for(&seen, &seen.messages, 101);
    /* One delivery thread, one order: nothing of "work" can follow "end". */
    assert_string_equal(seen.text, "end");
    assert_int_equal(count_of(&seen, &seen.messages), 101);
    close_bus(bus, &seen);
}

static void headers_travel(void **state)
{
    static const char *const headers[] = {"Reason", "because", NULL};
    struct seen seen;
    struct bus *bus = connected_bus(&seen);
    struct bus_subscription *subscription = NULL;

    (void)state;
    seen.bus = bus;
    assert_int_equal(bus_subscribe(bus, "h", NULL, on_message, &seen, &subscription), STATUS_OK);
    assert_int_equal(bus_publish_with(bus, "h", headers, "x", 1), STATUS_OK);
    assert_int_equal(bus_request(bus, "h", headers, "x", 1, 5000, on_reply, &seen), STATUS_OK);
    wait_for(&seen, &seen.replies, 1);
    assert_int_equal(seen.status, STATUS_OK);
    assert_int_equal(count_of(&seen, &seen.messages), 2);
    close_bus(bus, &seen);
}

static void request_is_answered(void **state)
{
    struct seen seen;
    struct bus *bus = connected_bus(&seen);
    struct bus_subscription *subscription = NULL;

    (void)state;
    seen.bus = bus;
    assert_int_equal(bus_subscribe(bus, "ask", "workers", on_message, &seen, &subscription), STATUS_OK);
    for (int i = 0; i < 500; i++) /* more than the first table of slots holds */
        assert_int_equal(bus_request(bus, "ask", NULL, "ping", 4, 20000, on_reply, &seen), STATUS_OK);
    wait_for(&seen, &seen.replies, 500);
    assert_int_equal(seen.status, STATUS_OK);
    assert_string_equal(seen.text, "pong");
    close_bus(bus, &seen);
}

static void request_without_responder_ends_at_once(void **state)
{
    struct seen seen;
    struct bus *bus = connected_bus(&seen);

    (void)state;
    assert_int_equal(bus_request(bus, "nobody", NULL, "x", 1, 3600 * 1000, on_reply, &seen), STATUS_OK);
    wait_for(&seen, &seen.replies, 1);
    assert_int_equal(seen.status, STATUS_NO_RESPONDERS);
    close_bus(bus, &seen);
}

static void request_times_out(void **state)
{
    struct seen seen;
    struct bus *bus = connected_bus(&seen);
    struct bus_subscription *subscription = NULL;

    (void)state;
    assert_int_equal(bus_subscribe(bus, "deaf", NULL, on_message, &seen, &subscription), STATUS_OK);
    for (int i = 0; i < 200; i++) /* deadlines in no order, in more than one batch */
        assert_int_equal(bus_request(bus, "deaf", NULL, "x", 1, (uint32_t)(i * 37 % 50), on_reply, &seen),
                         STATUS_OK);
    wait_for(&seen, &seen.replies, 200);
    assert_int_equal(seen.status, STATUS_TIMEOUT);
    assert_int_equal(bus_request(bus, "deaf", NULL, "x", 1, 3600 * 1000, on_reply, &seen), STATUS_OK);
    bus_free(bus); /* ends the last one */
    assert_int_equal(seen.replies, 201);
    assert_int_equal(seen.status, STATUS_DISCONNECTED);
    seen_done(&seen);
}

static void requests_are_bounded(void **state)
{
    struct seen seen;
    struct bus *bus;
    struct bus_subscription *subscription = NULL;

    (void)state;
    seen_init(&seen);
    bus = open_bus(&seen, server.url, 100);
    wait_for(&seen, &seen.states[BUS_CONNECTED], 1);
    assert_int_equal(bus_subscribe(bus, "deaf", NULL, on_message, &seen, &subscription), STATUS_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(bus_request(bus, "deaf", NULL, "x", 1, 60000, on_reply, &seen), STATUS_OK);
    assert_int_equal(bus_request(bus, "deaf", NULL, "x", 1, 60000, on_reply, &seen), STATUS_FULL);
    bus_free(bus);
    assert_int_equal(seen.replies, 100);
    seen_done(&seen);
}

static void refuses_bad_options(void **state)
{
    static const char *const wrong[] = {"",
                                        ",",
                                        "nats://",
                                        "http://x",
                                        "127.0.0.1:4222",
                                        "nats://host:abc",
                                        "nats://host:70000",
                                        "nats://host:0",
                                        "nats://a:1,,nats://b:1",
                                        "nats://a:1,",
                                        "nats://user:secret@:4222",
                                        "nats://[::1",
                                        "nats://h:1/x"};
    struct bus_options options = {0};
    struct bus *bus = NULL;
    char error[256];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        options.url = wrong[i];
        assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_MALFORMED);
        assert_non_null(strstr(error, "NATS_URL"));
        assert_null(strstr(error, "secret"));
    }
    options.url = server.url;
    options.credentials_file = "/nowhere/user.creds";
    assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_NOT_FOUND);
    assert_non_null(strstr(error, "NATS_CREDENTIALS_FILE"));
    options.credentials_file = NULL;
    options.ca_file = "/nowhere/ca.pem";
    assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_NOT_FOUND);
    assert_null(bus);
}

static void starts_before_the_server_and_survives_its_restart(void **state)
{
    struct nats_server late;
    struct seen seen;
    struct bus_subscription *subscription = NULL;
    struct bus *bus;
    char urls[160];

    (void)state;
    assert_true(nats_server_init(&late));
    seen_init(&seen);
    snprintf(urls, sizeof(urls), "%s, %s", late.url, late.url);
    bus = open_bus(&seen, urls, 0);
    assert_false(bus_connected(bus));
    assert_int_equal(bus_publish(bus, "s", "x", 1), STATUS_DISCONNECTED);
    assert_int_equal(bus_request(bus, "s", NULL, "x", 1, 1000, on_reply, &seen), STATUS_DISCONNECTED);
    assert_int_equal(bus_flush(bus, 1000), STATUS_DISCONNECTED);
    assert_int_equal(bus_maximum_payload(bus), 1024 * 1024);
    assert_int_equal(bus_subscribe(bus, "s", NULL, on_message, &seen, &subscription), STATUS_OK);

    assert_true(nats_server_start(&late));
    wait_for(&seen, &seen.states[BUS_CONNECTED], 1);
    assert_int_equal(bus_publish(bus, "s", "first", 5), STATUS_OK);
    wait_for(&seen, &seen.messages, 1);

    assert_int_equal(bus_request(bus, "s", NULL, "x", 1, 3600 * 1000, on_reply, &seen), STATUS_OK);
    wait_for(&seen, &seen.messages, 2);
    nats_server_stop(&late);
    wait_for(&seen, &seen.states[BUS_DISCONNECTED], 1);
    wait_for(&seen, &seen.replies, 1);
    assert_int_equal(seen.status, STATUS_DISCONNECTED);
    assert_int_equal(bus_publish(bus, "s", "x", 1), STATUS_DISCONNECTED);

    assert_true(nats_server_start(&late));
    wait_for(&seen, &seen.states[BUS_RECONNECTED], 1);
    assert_int_equal(bus_publish(bus, "s", "again", 5), STATUS_OK);
    wait_for(&seen, &seen.messages, 3);
    assert_string_equal(seen.text, "again");
    close_bus(bus, &seen);
    nats_server_done(&late);
}

static void many_subscriptions(void **state)
{
    enum { MANY = 10000 };
    struct bus_subscription **subscriptions = calloc(MANY, sizeof(*subscriptions));
    struct seen seen;
    struct bus *bus = connected_bus(&seen);
    char subject[32];

    (void)state;
    assert_non_null(subscriptions);
    for (int i = 0; i < MANY; i++) {
        snprintf(subject, sizeof(subject), "many.%d", i);
        assert_int_equal(bus_subscribe(bus, subject, NULL, on_message, &seen, &subscriptions[i]), STATUS_OK);
    }
    for (int i = 0; i < MANY; i += 100) {
        snprintf(subject, sizeof(subject), "many.%d", i);
        assert_int_equal(bus_publish(bus, subject, "x", 1), STATUS_OK);
    }
    wait_for(&seen, &seen.messages, MANY / 100);
    for (int i = 0; i < MANY; i++)
        bus_unsubscribe(subscriptions[i]);
    free(subscriptions);
    close_bus(bus, &seen);
}

struct traffic {
    struct bus *bus;
    atomic_bool stop;
};

static void *publish_for_ever(void *closure)
{
    struct traffic *traffic = closure;

    while (!atomic_load(&traffic->stop)) {
        for (int i = 0; i < 100; i++)
            (void)bus_publish(traffic->bus, "busy", "x", 1);
        (void)bus_flush(traffic->bus, 5000);
    }
    return NULL;
}

static void unsubscribes_during_traffic(void **state)
{
    struct seen seen;
    struct bus *bus = connected_bus(&seen);
    struct traffic traffic = {.bus = bus};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, publish_for_ever, &traffic), 0);
    for (int i = 0; i < 100; i++) {
        struct bus_subscription *subscription = NULL;
        int before = count_of(&seen, &seen.messages);

        assert_int_equal(bus_subscribe(bus, "busy", NULL, on_message, &seen, &subscription), STATUS_OK);
        wait_for(&seen, &seen.messages, before + 1);
        bus_unsubscribe(subscription);
    }
    atomic_store(&traffic.stop, true);
    pthread_join(thread, NULL);
    close_bus(bus, &seen);
}

static void hold(void *context, const struct bus_message *message)
{
    struct seen *seen = context;

    note(seen, &seen->messages, message);
    wait_for(seen, &seen->replies, 1);
}

static void counts_what_a_slow_consumer_drops(void **state)
{
    struct bus_options options = {.url = server.url, .pending_messages = 10, .on_state = on_state};
    struct seen seen;
    struct bus_subscription *subscription = NULL;
    struct bus *bus = NULL;
    char error[256];

    (void)state;
    seen_init(&seen);
    options.context = &seen;
    assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_OK);
    assert_int_equal(bus_subscribe(bus, "slow", NULL, hold, &seen, &subscription), STATUS_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(bus_publish(bus, "slow", "x", 1), STATUS_OK);
    wait_for(&seen, &seen.states[BUS_SLOW_CONSUMER], 1);
    assert_int_equal(bus_flush(bus, 5000), STATUS_OK);
    assert_in_range(bus_dropped(bus), 80, 90);
    note(&seen, &seen.replies, NULL);
    bus_unsubscribe(subscription);
    assert_in_range(bus_dropped(bus), 80, 90);
    close_bus(bus, &seen);
}

static void drain_lets_queued_work_finish(void **state)
{
    struct seen seen;
    struct bus *bus = connected_bus(&seen);
    struct bus_subscription *subscription = NULL;

    (void)state;
    assert_int_equal(bus_subscribe(bus, "work", "group", on_message, &seen, &subscription), STATUS_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(bus_publish(bus, "work", "x", 1), STATUS_OK);
    assert_int_equal(bus_flush(bus, 5000), STATUS_OK);
    assert_int_equal(bus_drain(bus, 10000), STATUS_OK);
    assert_int_equal(count_of(&seen, &seen.messages), 1000);
    assert_int_equal(bus_publish(bus, "work", "late", 4), STATUS_OK);
    assert_int_equal(bus_flush(bus, 5000), STATUS_OK);
    assert_int_equal(count_of(&seen, &seen.messages), 1000);
    close_bus(bus, &seen);
}

static int start_server(void **state)
{
    (void)state;
    return nats_server_init(&server) && nats_server_start(&server) ? 0 : -1;
}

static int stop_server(void **state)
{
    (void)state;
    nats_server_done(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishes_to_subscribers),
        cmocka_unit_test(queue_group_gets_each_message_once),
        cmocka_unit_test(headers_travel),
        cmocka_unit_test(request_is_answered),
        cmocka_unit_test(request_without_responder_ends_at_once),
        cmocka_unit_test(request_times_out),
        cmocka_unit_test(requests_are_bounded),
        cmocka_unit_test(refuses_bad_options),
        cmocka_unit_test(starts_before_the_server_and_survives_its_restart),
        cmocka_unit_test(many_subscriptions),
        cmocka_unit_test(unsubscribes_during_traffic),
        cmocka_unit_test(counts_what_a_slow_consumer_drops),
        cmocka_unit_test(drain_lets_queued_work_finish),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
