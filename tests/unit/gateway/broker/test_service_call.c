/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A request to a service over a real broker; the test is the service. Its answer arrives once, in its turn,
 * whatever it is.
 */
#include "broker_rig.h"

#include "broker/service_call.h"
#include "common/log.h"
#include "identity.pb-c.h"

static struct base_rig rig;
static struct bus *other;
static struct heard heard; /* by the service */

static unsigned taken;
static unsigned answered;
static unsigned freed;
static enum status last; /* status of the last one answered */

struct call {
    struct service_call call;
    enum status take; /* the result of its kind's `take` */
    char user[32];
};

static enum status take(struct service_call *call, const ProtobufCMessage *answer)
{
    struct call *mine = (struct call *)call;
    const Pollen8__VerifyReply *reply = (const Pollen8__VerifyReply *)answer;

    __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
    if (reply->result_case == POLLEN8__VERIFY_REPLY__RESULT_IDENTITY)
        snprintf(mine->user, sizeof(mine->user), "%s", reply->identity->user_id);
    return mine->take;
}

static void on_answered(struct gateway *gateway, struct service_call *call)
{
    assert_ptr_equal(gateway, &rig.gateway);
    answered++;
    last = call->status;
    if (call->status == STATUS_OK)
        assert_string_equal(((struct call *)call)->user, "ada");
}

static void free_call(struct service_call *call)
{
    freed++;
    free(call);
}

static const struct service_call_kind kind = {.descriptor = &pollen8__verify_reply__descriptor,
                                              .take = take,
                                              .answered = on_answered,
                                              .free = free_call};

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 10);
    broker_rig_start(&rig);
    heard_init(&heard);
    other = heard_bus(broker_rig_server.url);
    heard_subscribe(&heard, other, "t.service");
    broker_rig_settle(&rig, other);
    taken = answered = freed = 0;
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

static struct call *make(enum status take_status)
{
    struct call *call = calloc(1, sizeof(*call));

    assert_non_null(call);
    call->call.kind = &kind;
    call->take = take_status;
    return call;
}

static enum status ask(struct call *call, const char *subject, const char *token, uint32_t timeout_ms)
{
    Pollen8__VerifyRequest message = POLLEN8__VERIFY_REQUEST__INIT;

    message.token = (char *)(uintptr_t)token;
    return service_call_send(&rig.gateway, &call->call, subject, &message.base, timeout_ms);
}

/* The service answers request number `number` with the user ada. */
static void reply(size_t number)
{
    Pollen8__VerifyReply message = POLLEN8__VERIFY_REPLY__INIT;
    Pollen8__Identity identity = POLLEN8__IDENTITY__INIT;
    struct buf packed;

    identity.user_id = (char *)(uintptr_t) "ada";
    message.result_case = POLLEN8__VERIFY_REPLY__RESULT_IDENTITY;
    message.identity = &identity;
    buf_init(&packed, 1000);
    assert_int_equal(wire_pack(&packed, &message.base), STATUS_OK);
    assert_int_equal(bus_publish(other, heard_wait(&heard, number)->reply, packed.data, packed.length),
                     STATUS_OK);
    assert_int_equal(bus_flush(other, HEARD_LIMIT_MS), STATUS_OK);
    buf_done(&packed);
}

static uint64_t in_flight(void)
{
    assert_int_equal(base_rig_metric(&rig, METRIC_REQUESTS_IN_FLIGHT, NULL), rig.gateway.in_flight);
    return rig.gateway.in_flight;
}

/* In every way of sending: after subscriptions or not, large or not, secret or not. */
static void an_answer_comes_in_its_turn(void **state)
{
    static const struct {
        bool follows;
        bool large;
        bool secret;
    } rows[] = {{false, false, false}, {false, false, true}, {true, false, false}, {true, true, false}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct call *call = make(STATUS_OK);

        call->call.follows = rows[i].follows;
        call->call.large = rows[i].large;
        call->call.secret = rows[i].secret;
        assert_int_equal(ask(call, "t.service", "a.b.c", HEARD_LIMIT_MS), STATUS_OK);
        assert_int_equal(in_flight(), 1);
        reply(i);
        base_rig_wait(&rig, MAIL_REPLIES);
        assert_int_equal(answered, i); /* not before the loop acts */
        base_rig_act(&rig, MAIL_REPLIES);
        assert_int_equal(answered, i + 1);
        assert_int_equal(freed, i + 1);
        assert_int_equal(last, STATUS_OK);
        assert_int_equal(in_flight(), 0);
    }
}

/* The status from its kind's `take` is the call's status; an answer that cannot be read is not a refusal. */
static void an_answer_that_is_none(void **state)
{
    (void)state;
    assert_int_equal(ask(make(STATUS_FORBIDDEN), "t.service", "x", HEARD_LIMIT_MS), STATUS_OK);
    reply(0);
    base_rig_act(&rig, MAIL_REPLIES);
    assert_int_equal(last, STATUS_FORBIDDEN);
    assert_int_equal(ask(make(STATUS_OK), "t.service", "x", HEARD_LIMIT_MS), STATUS_OK);
    assert_int_equal(bus_publish(other, heard_wait(&heard, 1)->reply, "\xff\xff", 2), STATUS_OK);
    base_rig_act(&rig, MAIL_REPLIES);
    assert_int_equal(last, STATUS_INTERNAL);
    assert_int_equal(taken, 1);
    assert_int_equal(freed, 2);
}

static void no_answer_comes(void **state)
{
    (void)state;
    assert_int_equal(ask(make(STATUS_OK), "t.nobody", "x", HEARD_LIMIT_MS), STATUS_OK);
    base_rig_act(&rig, MAIL_REPLIES);
    assert_int_equal(last, STATUS_NO_RESPONDERS);
    assert_int_equal(ask(make(STATUS_OK), "t.service", "x", 20), STATUS_OK);
    base_rig_act(&rig, MAIL_REPLIES);
    assert_int_equal(last, STATUS_TIMEOUT);
    assert_int_equal(taken, 0);
    assert_int_equal(answered, 2);
    assert_int_equal(freed, 2);
}

/* A message too long to be sent has been freed, and no answer comes. */
static void what_cannot_be_asked(void **state)
{
    char *token = repeated("t", 5u * 1024 * 1024, "", "");

    (void)state;
    assert_int_not_equal(ask(make(STATUS_OK), "t.service", token, HEARD_LIMIT_MS), STATUS_OK);
    assert_int_equal(freed, 1);
    assert_int_equal(answered, 0);
    assert_int_equal(in_flight(), 0);
    free(token);
}

/* Answers that wait when the process ends are disposed of without being acted on. */
static void what_is_not_acted_on(void **state)
{
    struct mail *mail;

    (void)state;
    assert_int_equal(ask(make(STATUS_OK), "t.nobody", "x", HEARD_LIMIT_MS), STATUS_OK);
    mail = base_rig_mail(&rig, MAIL_REPLIES);
    mail->kind->dispose(mail);
    assert_int_equal(freed, 1);
    assert_int_equal(answered, 0);
}

static int run(void)
{
#define CALL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CALL_TEST(an_answer_comes_in_its_turn), CALL_TEST(an_answer_that_is_none), CALL_TEST(no_answer_comes),
        CALL_TEST(what_cannot_be_asked),        CALL_TEST(what_is_not_acted_on),
    };
#undef CALL_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
