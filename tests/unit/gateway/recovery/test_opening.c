/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * How a session opens: what value-svc, which is the test, is asked, and what of its answers the client is
 * given.
 */
#include "service_rig.h"

#include "presence.pb-c.h"
#include "recovery/catchup.h"
#include "recovery/opening.h"

static struct service_rig rig;
static struct client client;

static bool on_full(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    (void)gateway;
    (void)session;
    (void)frame;
    return true; /* it is asked for again */
}

static void on_stripped(struct gateway *gateway, struct session *session)
{
    rooms_rig_stripped(gateway, session);
    catchup_free(gateway, session);
}

static const struct session_events events = {.due = opening_due, .full = on_full, .stripped = on_stripped};

static int setup(void **state)
{
    static const char *const subjects[] = {"pollen8.session.open", NULL};

    (void)state;
    service_rig_start(&rig, &events, subjects);
    rig.base.settings.connection_recovery = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

/* ada opens, in technology; her token expires then (Unix milliseconds; 0: never). */
static void open_at(enum frame_format format, int64_t expires_at_ms)
{
    static const char *const industries[] = {"technology", NULL};
    struct identity *identity = rooms_rig_identity("ada", industries);

    identity->message.expires_at_ms = expires_at_ms;
    client_connect(&rig.base, &client, format);
    client.session->valued = false;
    session_enter_state(client.session, SESSION_AUTHENTICATING);
    opening_anew(&rig.base.gateway, client.session, identity, SLICE_LITERAL("1"));
}

static const Pollen8__SessionOpen *question(size_t number)
{
    return (const Pollen8__SessionOpen *)service_rig_asked(&rig, number, &pollen8__session_open__descriptor);
}

static Pollen8__OutboundFrame frame_of(const char *data, Pollen8__DeliveryPolicy policy)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;

    frame.event = (char *)(uintptr_t) "e";
    frame.data.data = (uint8_t *)(uintptr_t)data;
    frame.data.len = strlen(data);
    frame.policy = policy;
    frame.user_id = (char *)(uintptr_t) "ada";
    return frame;
}

/* With this value, if there is one, and these kept frames (NULL: none). */
static void answer(size_t number, const char *value, const char *kept)
{
    Pollen8__SessionOpenReply reply = POLLEN8__SESSION_OPEN_REPLY__INIT;
    Pollen8__SessionOpened opened = POLLEN8__SESSION_OPENED__INIT;
    Pollen8__OutboundFrame snapshot =
        frame_of(value ? value : "1", POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST);
    Pollen8__OutboundFrame one = frame_of(kept ? kept : "1", POLLEN8__DELIVERY_POLICY__DELIVERY_KEEP);
    Pollen8__OutboundFrame *list[] = {&one};

    one.event_id = 31;
    opened.snapshot = value ? &snapshot : NULL;
    opened.kept = list;
    opened.n_kept = kept ? 1 : 0;
    reply.result_case = POLLEN8__SESSION_OPEN_REPLY__RESULT_OPENED;
    reply.opened = &opened;
    service_rig_answer(&rig, number, &reply.base);
    session_rig_turn(&rig.base);
}

static void what_is_asked_at_first(void **state)
{
    const Pollen8__SessionOpen *asked;

    (void)state;
    open_at(FRAME_SOCKETIO, 0);
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.session->state, SESSION_OPEN);
    assert_int_equal(rooms_rig_members(&rig.base, ROOM_INDUSTRY, "technology"), 1);
    asked = question(0);
    assert_int_equal(asked->purpose, POLLEN8__SESSION_OPEN__PURPOSE__SNAPSHOT);
    assert_string_equal(asked->gateway, "gw-1");
    assert_string_equal(asked->session, client.session->id);
    assert_string_equal(asked->user_id, "ada");
    assert_int_equal(asked->n_industries, 1);
    assert_string_equal(asked->industries[0], "technology");
    assert_string_equal(asked->pid, client.session->pid);
    assert_true(asked->fresh);
    assert_false(asked->narrowed);
    assert_int_equal(asked->lease_ms, 60000); /* most that end do so soon */
}

/* Its value and what is kept, then the value once more, then every now and then for the pid. */
static void when_it_is_asked_again(void **state)
{
    (void)state;
    open_at(FRAME_SOCKETIO, 0);
    answer(0, "1", "2");
    TOLD(&client, "42[\"e\",2]", "42[\"e\",1]");
    assert_false(client.session->wants_kept);
    base_rig_pass(&rig.base, 1900);
    assert_int_equal(service_rig_count(&rig), 1);
    base_rig_pass(&rig.base, 200);
    assert_int_equal(question(1)->lease_ms, 3600000);
    assert_false(question(1)->fresh);
    answer(1, "3", "4"); /* what is kept is given by the first alone */
    TOLD(&client, "42[\"e\",3]");
    base_rig_pass(&rig.base, 24u * 60 * 1000);
    assert_int_equal(service_rig_count(&rig), 2);
}

static void a_session_without_a_pid_is_asked_for_twice(void **state)
{
    (void)state;
    rig.base.settings.connection_recovery = false;
    open_at(FRAME_SOCKETIO, 0);
    assert_null(client.session->pid);
    assert_string_equal(question(0)->pid, "");
    answer(0, "1", NULL);
    base_rig_pass(&rig.base, 2100);
    answer(1, "2", NULL);
    base_rig_pass(&rig.base, 3600u * 1000);
    assert_int_equal(service_rig_count(&rig), 2);
    TOLD(&client, "42[\"e\",1]", "42[\"e\",2]");
}

/* Soon at first, then less and less often. */
static void nobody_answers(void **state)
{
    Pollen8__SessionOpenReply nothing = POLLEN8__SESSION_OPEN_REPLY__INIT;

    (void)state;
    open_at(FRAME_JSON, 0);
    for (size_t failures = 0; failures < 6; failures++) {
        uint64_t least = UINT64_C(200) << (failures < 3 ? failures : 3);
        uint64_t wait;

        service_rig_answer(&rig, failures, &nothing.base);
        assert_false(client.session->valued);
        wait = client.session->snapshot_ms - rig.base.gateway.now_ms;
        assert_true(wait >= least && wait < 3 * least);
        base_rig_pass(&rig.base, wait + 2 * TIMER_WHEEL_TICK_MS);
    }
    answer(6, "1", NULL);
    assert_true(client.session->valued);
    assert_int_equal(client.session->snapshots_failed, 0);
}

/* What finds no room is wanted still. */
static void a_queue_that_is_full(void **state)
{
    (void)state;
    open_at(FRAME_SOCKETIO, 0);
    client.stuck = true;
    session_send_message(&rig.base.gateway, client.session, SLICE_LITERAL("waits"));
    rig.base.settings.session_queue_bytes = 4;
    answer(0, "1", NULL);
    assert_int_equal(client.session->snapshots_failed, 1);
    assert_true(client.session->snapshot_ms <= rig.base.gateway.now_ms + 600);
}

static void who_has_expired_meanwhile(void **state)
{
    (void)state;
    open_at(FRAME_JSON, 1);
    assert_int_equal(client.refused, 1);
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.session->state, SESSION_CONNECTED);
    assert_int_equal(service_rig_count(&rig), 0);
    session_close(&rig.base.gateway, client.session, CAUSE_CLIENT);
    open_at(FRAME_JSON, (int64_t)clock_wall_ms() + 60000);
    assert_true(client.session->deadline_ms > rig.base.gateway.now_ms + 50000);
    assert_true(client.session->deadline_ms <= rig.base.gateway.now_ms + 60000);
}

static void answers_for_one_that_has_left(void **state)
{
    (void)state;
    open_at(FRAME_SOCKETIO, 0);
    (void)question(0);
    session_leave(&rig.base.gateway, client.session, 0);
    answer(0, "1", "2");
    TOLD(&client);
}

static void rooms_that_change_are_recorded(void **state)
{
    (void)state;
    open_at(FRAME_JSON, 0);
    (void)question(0);
    opening_record(&rig.base.gateway, client.session); /* without a pid nothing is */
    assert_int_equal(service_rig_count(&rig), 1);
    session_close(&rig.base.gateway, client.session, CAUSE_CLIENT);
    open_at(FRAME_SOCKETIO, 0);
    (void)question(1);
    membership_leave(&rig.base.gateway, client.session, SLICE_LITERAL("technology"));
    opening_record(&rig.base.gateway, client.session);
    assert_int_equal(question(2)->purpose, POLLEN8__SESSION_OPEN__PURPOSE__RECORD);
    assert_true(question(2)->narrowed);
    assert_int_equal(question(2)->n_industries, 0);
    assert_string_equal(rig.asked.messages[2].reply, ""); /* nobody waits for an answer */
}

/* ---- whose a pid is ------------------------------------------------------------------------------------ */

static struct {
    unsigned count;
    uint64_t handle;
    enum status status;
    bool known;
    bool narrowed;
    size_t industries;
} claimed;

static void on_claimed(struct gateway *gateway, uint64_t handle, const struct opening_claimed *answer)
{
    (void)gateway;
    claimed.count++;
    claimed.handle = handle;
    claimed.status = answer->status;
    claimed.known = answer->known;
    claimed.narrowed = answer->narrowed;
    claimed.industries = answer->count;
    if (answer->count)
        assert_string_equal(answer->industries[0], "art");
}

static void a_pid_is_claimed(void **state)
{
    Pollen8__SessionOpenReply reply = POLLEN8__SESSION_OPEN_REPLY__INIT;
    Pollen8__SessionOpened opened = POLLEN8__SESSION_OPENED__INIT;
    char *industries[] = {(char *)(uintptr_t) "art"};

    (void)state;
    memset(&claimed, 0, sizeof(claimed));
    client_connect(&rig.base, &client, FRAME_SOCKETIO);
    assert_int_equal(opening_claim(&rig.base.gateway, client.session, "ada", "abc", on_claimed), STATUS_OK);
    assert_int_equal(question(0)->purpose, POLLEN8__SESSION_OPEN__PURPOSE__RECOVER);
    assert_string_equal(question(0)->user_id, "ada");
    assert_string_equal(question(0)->pid, "abc");
    opened.known = true;
    opened.narrowed = true;
    opened.industries = industries;
    opened.n_industries = 1;
    reply.result_case = POLLEN8__SESSION_OPEN_REPLY__RESULT_OPENED;
    reply.opened = &opened;
    service_rig_answer(&rig, 0, &reply.base);
    assert_int_equal(claimed.count, 1);
    assert_true(claimed.handle == client.session->handle);
    assert_int_equal(claimed.status, STATUS_OK);
    assert_true(claimed.known && claimed.narrowed);
    assert_int_equal(claimed.industries, 1);
    reply.result_case = POLLEN8__SESSION_OPEN_REPLY__RESULT__NOT_SET;
    assert_int_equal(opening_claim(&rig.base.gateway, client.session, "ada", "abc", on_claimed), STATUS_OK);
    service_rig_answer(&rig, 1, &reply.base);
    assert_int_equal(claimed.status, STATUS_UNAVAILABLE);
}

static int run(void)
{
#define OPENING_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        OPENING_TEST(what_is_asked_at_first),
        OPENING_TEST(when_it_is_asked_again),
        OPENING_TEST(a_session_without_a_pid_is_asked_for_twice),
        OPENING_TEST(nobody_answers),
        OPENING_TEST(a_queue_that_is_full),
        OPENING_TEST(who_has_expired_meanwhile),
        OPENING_TEST(answers_for_one_that_has_left),
        OPENING_TEST(rooms_that_change_are_recorded),
        OPENING_TEST(a_pid_is_claimed),
    };
#undef OPENING_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
