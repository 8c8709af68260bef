/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Clients that come back and ask for what they missed: value-svc, which knows pids and has the histories, is
 * the test.
 */
#include "service_rig.h"

#include "frame/position.h"
#include "presence.pb-c.h"
#include "recovery/catchup.h"
#include "recovery/catchup_live.h"
#include "recovery/catchup_read.h"
#include "recovery/opening.h"
#include "recovery/recovery.h"

static struct service_rig rig;
static struct client client;

static void on_stripped(struct gateway *gateway, struct session *session)
{
    rooms_rig_stripped(gateway, session);
    catchup_free(gateway, session);
}

static const struct session_events events = {.due = opening_due,
                                             .deliver = catchup_deliver,
                                             .full = catchup_slow,
                                             .drained = catchup_drained,
                                             .stripped = on_stripped};

static const char pid[] = "ABCDEFGHIJabcdefghij"; /* as an older gateway made them: good in any namespace */

/* Lane 7 has come to 42 here, and every lane that lives has been heard. */
static int setup(void **state)
{
    static const char *const subjects[] = {"pollen8.session.open", "pollen8.history.read", NULL};
    const struct lane_mark mark = {.lane = 7, .heard = true, .sequence = 42, .previous = 41, .epoch = 1};

    (void)state;
    service_rig_start(&rig, &events, subjects);
    rig.base.settings.connection_recovery = true;
    assert_int_equal(progress_take(rig.base.gateway.progress, &mark, rig.base.gateway.now_ms, 1000000),
                     PROGRESS_NEW);
    rig.base.gateway.now_ms += 10000;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

/* The offset of one who has had lane 7 up to 40, as of `time_ms`. */
static const char *offset_of(int64_t time_ms)
{
    static char text[POSITION_TEXT_SIZE];
    const struct position position = {
        .count = 1, .epoch = 1, .time_ms = time_ms, .lanes = {{.lane = 7, .sequence = 40}}};

    text[position_write(&position, text)] = '\0';
    return text;
}

static void claim(const char *claimed_pid, const char *offset)
{
    char auth[1024];

    snprintf(auth, sizeof(auth), "{\"token\":\"a.b.c\",\"pid\":\"%s\",\"offset\":\"%s\"}", claimed_pid,
             offset);
    client_connect(&rig.base, &client, FRAME_SOCKETIO);
    recovery_claim(&rig.base.gateway, client.session, slice_from_string(auth));
}

/* The token was good: ada, in technology. */
static void verified(void)
{
    static const char *const industries[] = {"technology", NULL};

    session_enter_state(client.session, SESSION_AUTHENTICATING);
    recovery_open(&rig.base.gateway, client.session, rooms_rig_identity("ada", industries),
                  SLICE_LITERAL("1"));
}

static bool claims(void)
{
    return client.session->catchup && client.session->catchup->stage == CATCHUP_CLAIMING;
}

static void what_is_a_claim(void **state)
{
    const int64_t now_ms = clock_wall_ms();
    const struct {
        const char *pid;
        int64_t time_ms; /* 0: no offset */
        bool recovery;
        bool claims;
    } rows[] = {
        {pid, now_ms - 1000, true, true},
        {pid, now_ms - 1000, false, false}, /* the setting is off */
        {pid, now_ms + 4000, true, true},   /* clocks may differ so far */
        {pid, now_ms + 60000, true, false}, /* from then on nothing would be missed */
        {pid, 0, true, false},
        {"", now_ms, true, false},
        {"a pid?", now_ms, true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        rig.base.settings.connection_recovery = rows[i].recovery;
        claim(rows[i].pid, rows[i].time_ms ? offset_of(rows[i].time_ms) : "");
        if (claims() != rows[i].claims)
            fail_msg("row %zu", i);
        session_close(&rig.base.gateway, client.session, CAUSE_CLIENT);
    }
    client_connect(&rig.base, &client, FRAME_SOCKETIO);
    rig.base.settings.connection_recovery = true;
    recovery_claim(&rig.base.gateway, client.session, SLICE_LITERAL("[\"pid\"]"));
    assert_false(claims());
    recovery_claim(&rig.base.gateway, client.session, SLICE_LITERAL(""));
    assert_false(claims());
}

static const Pollen8__SessionOpen *opening(size_t number)
{
    assert_string_equal(heard_wait(&rig.asked, number)->subject, "pollen8.session.open");
    return (const Pollen8__SessionOpen *)service_rig_asked(&rig, number, &pollen8__session_open__descriptor);
}

static void answer_pid(size_t number, bool known)
{
    Pollen8__SessionOpenReply reply = POLLEN8__SESSION_OPEN_REPLY__INIT;
    Pollen8__SessionOpened opened = POLLEN8__SESSION_OPENED__INIT;

    opened.known = known;
    reply.result_case = POLLEN8__SESSION_OPEN_REPLY__RESULT_OPENED;
    reply.opened = &opened;
    service_rig_answer(&rig, number, &reply.base);
}

/* Complete, with frame 41 of lane 7, or not. */
static void answer_history(size_t number, bool complete)
{
    static char *industries[] = {(char *)(uintptr_t) "technology"};
    Pollen8__HistoryReply reply = POLLEN8__HISTORY_REPLY__INIT;
    Pollen8__HistoryFrames body = POLLEN8__HISTORY_FRAMES__INIT;
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    Pollen8__OutboundFrame *list[] = {&frame};

    assert_string_equal(heard_wait(&rig.asked, number)->subject, "pollen8.history.read");
    frame.event = (char *)(uintptr_t) "e";
    frame.data.data = (uint8_t *)(uintptr_t) "41";
    frame.data.len = 2;
    frame.lane = 7;
    frame.lane_sequence = 41;
    frame.industries = industries;
    frame.n_industries = 1;
    body.complete = complete;
    body.frames = list;
    body.n_frames = 1;
    reply.result_case = POLLEN8__HISTORY_REPLY__RESULT_FRAMES;
    reply.frames = &body;
    service_rig_answer(&rig, number, &reply.base);
    session_rig_turn(&rig.base);
}

/* With its old pid, and what it missed after it was told so. */
static void one_that_recovers(void **state)
{
    const Pollen8__HistoryRead *read;

    (void)state;
    claim(pid, offset_of(clock_wall_ms() - 1000));
    verified();
    assert_int_equal(client.opened, 0); /* not yet */
    assert_int_equal(opening(0)->purpose, POLLEN8__SESSION_OPEN__PURPOSE__RECOVER);
    assert_string_equal(opening(0)->pid, pid);
    assert_string_equal(opening(0)->user_id, "ada");
    answer_pid(0, true);
    assert_int_equal(client.session->state, SESSION_RECOVERING);
    assert_int_equal(rooms_rig_members(&rig.base, ROOM_INDUSTRY, "technology"), 1);
    read = (const Pollen8__HistoryRead *)service_rig_asked(&rig, 1, &pollen8__history_read__descriptor);
    assert_int_equal(read->after->n_lanes, 1);
    assert_int_equal(read->after->sequences[0], 40);
    assert_int_equal(read->n_industries, 1);
    assert_int_equal(read->n_user_ids, 1);
    answer_history(1, true);
    assert_int_equal(client.session->state, SESSION_OPEN);
    assert_int_equal(client.opened, 1);
    assert_string_equal(client.session->pid, pid);
    assert_false(client.session->wants_kept);
    assert_int_equal(client.count, 1);
    assert_true(strncmp(client.messages[0], "42[\"e\",41,\"", 11) == 0); /* and an offset */
    assert_int_equal(base_rig_metric(&rig.base, METRIC_RECOVERIES, "recovered"), 1);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_REPLAYED, NULL), 1);
}

/* Never an error: a new pid. */
static void a_history_that_is_incomplete(void **state)
{
    (void)state;
    claim(pid, offset_of(clock_wall_ms() - 1000));
    verified();
    answer_pid(0, true);
    answer_history(1, false);
    assert_int_equal(client.session->state, SESSION_OPEN);
    assert_int_equal(client.opened, 1);
    assert_string_not_equal(client.session->pid, pid);
    assert_true(client.session->wants_kept);
    TOLD(&client);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_RECOVERIES, "missing"), 1);
}

static void a_pid_that_nobody_knows(void **state)
{
    (void)state;
    claim(pid, offset_of(clock_wall_ms() - 1000));
    verified();
    answer_pid(0, false);
    assert_int_equal(client.session->state, SESSION_OPEN);
    assert_int_equal(client.opened, 1);
    assert_string_not_equal(client.session->pid, pid);
    assert_int_equal(opening(1)->purpose, POLLEN8__SESSION_OPEN__PURPOSE__SNAPSHOT);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_RECOVERIES, "unknown"), 1);
}

/* It is asked again, until recovery_timeout; then the session opens as any other. */
static void value_svc_fails(void **state)
{
    Pollen8__SessionOpenReply nothing = POLLEN8__SESSION_OPEN_REPLY__INIT;

    (void)state;
    claim(pid, offset_of(clock_wall_ms() - 1000));
    verified();
    service_rig_answer(&rig, 0, &nothing.base);
    assert_int_equal(client.opened, 0);
    base_rig_pass(&rig.base, 700);
    assert_int_equal(opening(1)->purpose, POLLEN8__SESSION_OPEN__PURPOSE__RECOVER);
    rig.base.gateway.now_ms += 5000;
    service_rig_answer(&rig, 1, &nothing.base);
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.session->state, SESSION_OPEN);
    assert_int_equal(base_rig_metric(&rig.base, METRIC_RECOVERIES, "unavailable"), 1);
}

static void one_that_claims_nothing(void **state)
{
    (void)state;
    claim("", "");
    verified();
    assert_int_equal(client.opened, 1);
    assert_int_equal(opening(0)->purpose, POLLEN8__SESSION_OPEN__PURPOSE__SNAPSHOT);
}

/* What comes live while the history is read follows what was missed, once. */
static void what_comes_meanwhile_is_held(void **state)
{
    struct frame *frame = NULL;

    (void)state;
    claim(pid, offset_of(clock_wall_ms() - 1000));
    verified();
    answer_pid(0, true);
    assert_int_equal(frame_create_event(SLICE_LITERAL("e"), SLICE_LITERAL("43"), NULL, &frame), STATUS_OK);
    frame->lane = 7;
    frame->lane_sequence = 43;
    catchup_deliver(&rig.base.gateway, client.session, frame);
    frame_unref(frame);
    session_rig_turn(&rig.base);
    TOLD(&client);
    answer_history(1, true);
    assert_int_equal(client.count, 2);
    assert_true(strncmp(client.messages[0], "42[\"e\",41", 9) == 0);
    assert_true(strncmp(client.messages[1], "42[\"e\",43", 9) == 0);
}

/* ---- /ws ---------------------------------------------------------------------------------------------- */

static void resume(const char *offset)
{
    struct client_frame frame = {.id = SLICE_LITERAL("5")};
    char data[1024];

    snprintf(data, sizeof(data), "{\"offset\":\"%s\"}", offset);
    frame.data = slice_from_string(data);
    recovery_resume(&rig.base.gateway, client.session, &frame);
    session_rig_turn(&rig.base);
}

static void open_plain(void)
{
    static const char *const industries[] = {"technology", NULL};

    client_connect(&rig.base, &client, FRAME_JSON);
    session_enter_state(client.session, SESSION_AUTHENTICATING);
    recovery_open(&rig.base.gateway, client.session, rooms_rig_identity("ada", industries),
                  SLICE_LITERAL("1"));
    assert_int_equal(client.opened, 1);
}

static void one_that_resumes(void **state)
{
    (void)state;
    open_plain();
    (void)opening(0);
    resume(offset_of(clock_wall_ms() - 1000));
    answer_history(1, true);
    assert_int_equal(client.count, 3);
    assert_true(strncmp(client.messages[0], "{\"event\":\"e\",\"data\":41", 22) == 0);
    assert_string_equal(client.messages[1], "{\"event\":\"resumed\",\"data\":{\"recovered\":true}}");
    assert_string_equal(client.messages[2], "{\"id\":5,\"ok\":true,\"data\":{\"recovered\":true}}");
}

static void one_that_resumes_too_late(void **state)
{
    (void)state;
    open_plain();
    base_rig_pass(&rig.base, 5000);
    session_rig_turn(&rig.base);
    client_clear(&client);
    resume(offset_of(clock_wall_ms() - 1000));
    TOLD(&client, "{\"event\":\"resumed\",\"data\":{\"recovered\":false}}",
         "{\"id\":5,\"ok\":true,\"data\":{\"recovered\":false}}");
}

static int run(void)
{
#define RECOVERY_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        RECOVERY_TEST(what_is_a_claim),
        RECOVERY_TEST(one_that_recovers),
        RECOVERY_TEST(a_history_that_is_incomplete),
        RECOVERY_TEST(a_pid_that_nobody_knows),
        RECOVERY_TEST(value_svc_fails),
        RECOVERY_TEST(one_that_claims_nothing),
        RECOVERY_TEST(what_comes_meanwhile_is_held),
        RECOVERY_TEST(one_that_resumes),
        RECOVERY_TEST(one_that_resumes_too_late),
    };
#undef RECOVERY_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
