/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The way out, with a real broker: one order for everything requested, a bound that is reported, and nothing
 * lost at the end. The sender's thread is held if a test needs to see jobs waiting.
 */
#include "heard.h"

#include "broker/sender.h"
#include "common/log.h"
#include "support/nats_server.h"

enum { MAXIMUM = 10 };

static struct nats_server server;
static struct bus *bus;
static struct sender *sender;
static struct heard heard;
static struct heard answers;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held; /* lock: on the sender's thread */
    bool open; /* lock: it may continue */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void hold(void *context, struct bus *with)
{
    (void)context;
    assert_ptr_equal(with, bus);
    pthread_mutex_lock(&gate.lock);
    gate.held = true;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

/* Returns when the thread is held: jobs from here on wait. */
static void hold_sender(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.held = gate.open = false;
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(sender_call(sender, hold, NULL), STATUS_OK);
    pthread_mutex_lock(&gate.lock);
    while (!gate.held)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void let_go(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static int setup(void **state)
{
    (void)state;
    heard_init(&heard);
    heard_init(&answers);
    bus = heard_bus(server.url);
    assert_int_equal(sender_create(bus, MAXIMUM, &sender), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sender_free(sender);
    bus_free(bus);
    heard_done(&heard);
    heard_done(&answers);
    return 0;
}

static void subscribe(void *context, struct bus *with)
{
    struct bus_subscription *kept;

    assert_int_equal(bus_subscribe(with, context, NULL, heard_message, &heard, &kept), STATUS_OK);
}

static void publish(const char *subject, const char *text)
{
    assert_int_equal(sender_publish(sender, subject, NULL, slice_from_string(text)), STATUS_OK);
}

/* A subscription is known before what follows it: the message is heard although nobody waited. */
static void all_is_done_in_order(void **state)
{
    static char subject[] = "t.order";
    char text[8];

    (void)state;
    publish(subject, "before");
    assert_int_equal(sender_call(sender, subscribe, subject), STATUS_OK);
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof(text), "%d", i);
        publish(subject, text);
    }
    assert_int_equal(
        sender_request(sender, subject, SLICE_LITERAL("ask"), true, HEARD_LIMIT_MS, heard_answer, &answers),
        STATUS_OK);
    for (int i = 0; i < 8; i++) {
        const struct heard_message *message = heard_wait(&heard, (size_t)i);

        snprintf(text, sizeof(text), "%d", i);
        assert_slice(message->data, text);
        assert_string_equal(message->reply, "");
    }
    assert_slice(heard_wait(&heard, 8)->data, "ask");
    assert_int_equal(
        bus_respond(bus, slice_from_string(heard_wait(&heard, 8)->reply), "answer", strlen("answer")),
        STATUS_OK);
    assert_slice(heard_wait(&answers, 0)->data, "answer");
    assert_int_equal(answers.messages[0].status, STATUS_OK);
}

/* The caller's bytes may change as soon as it returns. */
static void bytes_are_copied(void **state)
{
    char text[] = "mine";

    (void)state;
    heard_subscribe(&heard, bus, "t.copy");
    hold_sender();
    assert_int_equal(sender_publish(sender, "t.copy", NULL, slice_from_string(text)), STATUS_OK);
    memset(text, '-', strlen(text));
    let_go();
    assert_slice(heard_wait(&heard, 0)->data, "mine");
}

/* Calls do not count against the bound: there is at most one for each change of a user. */
static void what_waits_is_bounded(void **state)
{
    static char subject[] = "t.more";

    (void)state;
    heard_subscribe(&heard, bus, "t.bound");
    hold_sender();
    for (size_t i = 0; i < MAXIMUM; i++) {
        assert_int_equal(sender_depth(sender), i);
        publish("t.bound", "x");
    }
    assert_int_equal(sender_publish(sender, "t.bound", NULL, SLICE_LITERAL("late")), STATUS_FULL);
    assert_int_equal(
        sender_request(sender, "t.bound", SLICE_LITERAL("late"), false, 1000, heard_answer, &answers),
        STATUS_FULL);
    assert_int_equal(sender_call(sender, subscribe, subject), STATUS_OK);
    assert_int_equal(sender_depth(sender), MAXIMUM);
    let_go();
    (void)heard_wait(&heard, MAXIMUM - 1);
    hold_sender(); /* behind all jobs */
    assert_int_equal(sender_depth(sender), 0);
    let_go();
    publish("t.more", "end"); /* the calls were made */
    assert_slice(heard_wait(&heard, MAXIMUM)->data, "end");
    assert_int_equal(heard_count(&answers), 0); /* refused requests have no answer */
}

/* Notes the header as a message with its text. */
static void note_header(void *context, const struct bus_message *message)
{
    char value[32] = "";
    enum status status = bus_header(message, "Pollen8-Type", value, sizeof(value));
    struct bus_message header = *message;

    header.data = slice_from_string(value);
    heard_answer(context, status, &header);
}

static void headers_go_along(void **state)
{
    static const char *const headers[] = {"Pollen8-Type", "Thing", NULL};
    struct bus_subscription *kept;

    (void)state;
    assert_int_equal(bus_subscribe(bus, "t.headers", NULL, note_header, &heard, &kept), STATUS_OK);
    assert_int_equal(bus_flush(bus, HEARD_LIMIT_MS), STATUS_OK);
    assert_int_equal(sender_publish(sender, "t.headers", headers, SLICE_LITERAL("body")), STATUS_OK);
    assert_slice(heard_wait(&heard, 0)->data, "Thing");
}

static void nobody_answers(void **state)
{
    (void)state;
    assert_int_equal(
        sender_request(sender, "t.nobody", SLICE_LITERAL(""), false, HEARD_LIMIT_MS, heard_answer, &answers),
        STATUS_OK);
    assert_int_equal(heard_wait(&answers, 0)->status, STATUS_NO_RESPONDERS);
}

/* Queued jobs are done, and every request has its one answer, even if the broker is gone. */
static void the_end_loses_nothing(void **state)
{
    (void)state;
    heard_subscribe(&heard, bus, "t.end");
    hold_sender();
    for (int i = 0; i < 5; i++)
        publish("t.end", "x");
    let_go();
    sender_free(sender);
    sender = NULL;
    (void)heard_wait(&heard, 4);

    assert_int_equal(sender_create(bus, MAXIMUM, &sender), STATUS_OK);
    hold_sender();
    nats_server_stop(&server);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            sender_request(sender, "t.end", SLICE_LITERAL("x"), true, 1000, heard_answer, &answers),
            STATUS_OK);
    let_go();
    sender_free(sender);
    sender = NULL;
    for (size_t i = 0; i < 5; i++)
        assert_int_not_equal(heard_wait(&answers, i)->status, STATUS_OK);
    assert_true(nats_server_start(&server));
}

int main(void)
{
#define SENDER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SENDER_TEST(all_is_done_in_order), SENDER_TEST(bytes_are_copied), SENDER_TEST(what_waits_is_bounded),
        SENDER_TEST(headers_go_along),     SENDER_TEST(nobody_answers),   SENDER_TEST(the_end_loses_nothing),
    };
#undef SENDER_TEST

    log_init("test", LOG_ERROR, LOG_TEXT);
    if (!nats_server_init(&server) || !nats_server_start(&server))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_server_done(&server);
    return failed;
}
