/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests over the loop's own connection to a real broker that this program starts. Each is answered once:
 * by its answer, its deadline or the loss of the connection. The service is the bus, on its own thread.
 */
#include <uv.h>

#include "gateway_fixture.h"

#include "broker/requests_internal.h"
#include "common/bus/bus.h"
#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/log.h"
#include "support/nats_server.h"

#define LIMIT_MS 30000
#define FEW      200

static struct nats_server server;

static struct rig {
    struct gateway gateway;
    uv_loop_t loop;
    uv_timer_t tick; /* the loop must not sleep for ever */
    struct bus *bus;
    struct bus_subscription *service;
    struct batch_answers answers; /* the service's */
    atomic_uint batches;          /* with at least one item */
} rig;

struct asked {
    unsigned answers;
    enum status status;
    char text[32];
};

static void on_answer(void *context, enum status status, const struct bus_message *message)
{
    struct asked *asked = context;
    asked->answers++;
    asked->status = status;
    if (message)
        snprintf(asked->text, sizeof(asked->text), "%.*s", (int)message->data.length, message->data.data);
}

static enum status ask(struct asked *asked, const char *subject, const char *text, uint32_t timeout_ms)
{
    return requests_ask(rig.gateway.requests, subject, slice_from_string(text), false, timeout_ms, on_answer,
                        asked);
}

static void turn_once(void)
{
    rig.gateway.now_ms = clock_monotonic_ms();
    timer_wheel_advance(rig.gateway.wheel, rig.gateway.now_ms);
    requests_turn(rig.gateway.requests);
    uv_run(&rig.loop, UV_RUN_ONCE);
}

static void turn_until_answered(const struct asked *asked)
{
    uint64_t limit = clock_monotonic_ms() + LIMIT_MS;
    while (!asked->answers && clock_monotonic_ms() < limit)
        turn_once();
    assert_int_equal(asked->answers, 1);
}

/* Turns until the connection is up. */
static void turn_until_up(void)
{
    uint64_t limit = clock_monotonic_ms() + LIMIT_MS;
    while (!broker_link_up(rig.gateway.requests->link) && clock_monotonic_ms() < limit)
        turn_once();
    assert_true(broker_link_up(rig.gateway.requests->link));
}

/* ---- the service: returns what it receives, alone or several together -------------------------------- */

static void echo(void *context, const struct bus_message *message)
{
    struct bus *bus = context;
    assert_int_equal(bus_respond(bus, message->reply, message->data.data, message->data.length), STATUS_OK);
}

static void keep_silent(void *context, const struct bus_message *message)
{
    (void)context;
    (void)message;
}

static void respond(void *context, struct slice reply, const void *data, size_t length)
{
    assert_int_equal(bus_respond(context, reply, data, length), STATUS_OK);
}

static void echo_item(void *context, struct slice reply, uint64_t id, struct slice body)
{
    (void)context;
    assert_int_equal(batch_answers_add(&rig.answers, reply, id, body), STATUS_OK);
}

static void echo_batch(void *context, const struct bus_message *message)
{
    (void)context;
    atomic_fetch_add(&rig.batches, message->data.length > 0);
    assert_int_equal(batch_read(&rig.answers, message->reply, message->data, echo_item, NULL), STATUS_OK);
}

static void serve(const char *subject, bus_message_fn *callback)
{
    assert_int_equal(bus_subscribe(rig.bus, subject, NULL, callback, rig.bus, &rig.service), STATUS_OK);
    assert_int_equal(bus_flush(rig.bus, LIMIT_MS), STATUS_OK);
}

/* ---- the rig ------------------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static int start(void **state)
{
    static struct settings settings;
    static char name[] = "gw-1";
    char error[128];
    (void)state;
    memset(&rig, 0, sizeof(rig));
    settings.nats_url = server.url;
    settings.gateway_name = name;
    rig.gateway.settings = &settings;
    rig.gateway.now_ms = clock_monotonic_ms();
    rig.gateway.wheel = timer_wheel_create(rig.gateway.now_ms, &rig.gateway);
    assert_int_equal(uv_loop_init(&rig.loop), 0);
    uv_timer_init(&rig.loop, &rig.tick);
    uv_timer_start(&rig.tick, on_tick, 2, 2);
    const struct bus_options options = {.url = server.url, .name = "service"};
    assert_int_equal(bus_create(&options, &rig.bus, error, sizeof(error)), STATUS_OK);
    batch_answers_init(&rig.answers, respond, rig.bus);
    assert_int_equal(requests_create(&rig.gateway, &rig.loop, &rig.gateway.requests), STATUS_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    requests_stop(rig.gateway.requests);
    uv_close((uv_handle_t *)&rig.tick, NULL);
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig.loop), 0);
    requests_free(rig.gateway.requests);
    bus_free(rig.bus);
    batch_answers_done(&rig.answers);
    timer_wheel_free(rig.gateway.wheel);
    return 0;
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void each_gets_its_own_answer(void **state)
{
    static struct asked asked[FEW];
    char text[16];
    (void)state;
    memset(asked, 0, sizeof(asked));
    serve("t.echo", echo);
    turn_until_up();
    for (unsigned i = 0; i < FEW; i++) {
        snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(ask(&asked[i], "t.echo", text, LIMIT_MS), STATUS_OK);
    }
    for (unsigned i = 0; i < FEW; i++) {
        turn_until_answered(&asked[i]);
        assert_int_equal(asked[i].status, STATUS_OK);
        assert_int_equal(strtoul(asked[i].text, NULL, 10), i);
    }
}

static void nobody_and_silence_are_answers_too(void **state)
{
    struct asked nobody = {0};
    struct asked silence = {0};
    (void)state;
    serve("t.silent", keep_silent);
    turn_until_up();
    assert_int_equal(ask(&nobody, "t.nobody", "x", LIMIT_MS), STATUS_OK);
    assert_int_equal(ask(&silence, "t.silent", "x", 50), STATUS_OK);
    turn_until_answered(&nobody);
    assert_int_equal(nobody.status, STATUS_NO_RESPONDERS);
    turn_until_answered(&silence);
    assert_int_equal(silence.status, STATUS_TIMEOUT);
}

static void the_end_answers_what_is_left(void **state)
{
    static struct asked asked[FEW];
    (void)state;
    memset(asked, 0, sizeof(asked));
    serve("t.silent", keep_silent);
    turn_until_up();
    for (unsigned i = 0; i < FEW; i++)
        assert_int_equal(ask(&asked[i], "t.silent", "x", LIMIT_MS), STATUS_OK);
    turn_once();
    requests_stop(rig.gateway.requests);
    for (unsigned i = 0; i < FEW; i++) {
        assert_int_equal(asked[i].answers, 1);
        assert_int_equal(asked[i].status, STATUS_DISCONNECTED);
    }
}

/* Under load several tokens go in one message, if a service accepts such messages. */
static void what_is_asked_at_once_goes_together(void **state)
{
    static struct asked asked[FEW];
    struct asked first = {0};
    char text[16];
    uint64_t limit = clock_monotonic_ms() + LIMIT_MS;
    (void)state;
    memset(asked, 0, sizeof(asked));
    serve(SUBJECT_AUTH_VERIFY, echo);
    serve(SUBJECT_AUTH_BATCH, echo_batch);
    turn_until_up();
    while (!rig.gateway.requests->gathers[0].possible && clock_monotonic_ms() < limit)
        turn_once();
    assert_true(rig.gateway.requests->gathers[0].possible);
    assert_int_equal(ask(&first, SUBJECT_AUTH_VERIFY, "first", LIMIT_MS), STATUS_OK);
    turn_until_answered(&first);
    assert_int_equal(atomic_load(&rig.batches), 0); /* a single request does not wait */
    for (unsigned i = 0; i < FEW; i++) {
        snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(ask(&asked[i], SUBJECT_AUTH_VERIFY, text, LIMIT_MS), STATUS_OK);
    }
    for (unsigned i = 0; i < FEW; i++) {
        turn_until_answered(&asked[i]);
        assert_int_equal(asked[i].status, STATUS_OK);
        assert_int_equal(strtoul(asked[i].text, NULL, 10), i);
    }
    assert_true(atomic_load(&rig.batches) > 0);
    assert_true(atomic_load(&rig.batches) < FEW / 10);
}

static struct request *put(void)
{
    struct request *request = calloc(1, sizeof(*request));
    assert_non_null(request);
    request->requests = rig.gateway.requests;
    assert_int_equal(request_put(rig.gateway.requests, request), STATUS_OK);
    return request;
}

/* A slot is used again, but never under the same id. */
static void an_id_is_of_one_request(void **state)
{
    struct requests *requests = rig.gateway.requests;
    struct request *request = put();
    uint64_t id = request->id;
    (void)state;
    assert_ptr_equal(request_find(requests, id), request);
    assert_null(request_find(requests, id + 1)); /* a slot that was never used */
    request_end(request, STATUS_OK, NULL);
    assert_null(request_find(requests, id));
    request = put();
    assert_int_not_equal(request->id, id);
    assert_null(request_find(requests, id));
    assert_ptr_equal(request_find(requests, request->id), request);
}

static void so_many_are_awaited(void **state)
{
    struct requests *requests = rig.gateway.requests;
    struct request one_more = {.requests = requests};
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        struct request *request = put();
        assert_ptr_equal(request_find(requests, request->id), request);
    }
    assert_int_equal(request_put(requests, &one_more), STATUS_FULL);
    requests_end_all(requests, STATUS_DISCONNECTED);
    put();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_gets_its_own_answer, start, stop),
        cmocka_unit_test_setup_teardown(nobody_and_silence_are_answers_too, start, stop),
        cmocka_unit_test_setup_teardown(the_end_answers_what_is_left, start, stop),
        cmocka_unit_test_setup_teardown(what_is_asked_at_once_goes_together, start, stop),
        cmocka_unit_test_setup_teardown(an_id_is_of_one_request, start, stop),
        cmocka_unit_test_setup_teardown(so_many_are_awaited, start, stop),
    };
    log_init("test", LOG_ERROR, LOG_TEXT);
    if (!nats_server_init(&server) || !nats_server_start(&server))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_server_done(&server);
    return failed;
}
