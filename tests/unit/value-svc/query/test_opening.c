/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * pollen8.session.open against a real broker and a real Redis: whose a pid is, who is told to go, what is
 * remembered with it; and the frames kept until they were written or seen.
 */
#include "query/opening.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "peer.pb-c.h"

#define SNAPSHOT POLLEN8__SESSION_OPEN__PURPOSE__SNAPSHOT
#define RECOVER  POLLEN8__SESSION_OPEN__PURPOSE__RECOVER
#define RECORD   POLLEN8__SESSION_OPEN__PURPOSE__RECORD

static struct value_process process;
static struct wire_arena arena;

/* The last SessionEvict that gateway "old" was sent. */
static struct {
    pthread_mutex_t lock;
    size_t count;
    char session[64];
    char pid[80];
} evicted = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_gateway(void *context, const struct bus_message *message)
{
    struct wire_arena mine = {0};
    const ProtobufCMessage *unpacked;

    (void)context;
    if (wire_unpack(&mine, &pollen8__gateway_message__descriptor, message->data, &unpacked) == STATUS_OK) {
        const Pollen8__GatewayMessage *letter = (const Pollen8__GatewayMessage *)unpacked;

        pthread_mutex_lock(&evicted.lock);
        if (letter->message_case == POLLEN8__GATEWAY_MESSAGE__MESSAGE_EVICT) {
            snprintf(evicted.session, sizeof(evicted.session), "%s", letter->evict->session);
            snprintf(evicted.pid, sizeof(evicted.pid), "%s", letter->evict->pid);
            evicted.count++;
        }
        pthread_mutex_unlock(&evicted.lock);
    }
    wire_arena_done(&mine);
}

static int set_up(void **state)
{
    static struct bus_subscription *subscription;

    (void)state;
    rig = rig_start(&nats, &redis);
    assert_int_equal(bus_subscribe(rig_bus(rig), "pollen8.gw.old", NULL, on_gateway, NULL, &subscription),
                     STATUS_OK);
    value_start_ready(&process, &nats, &redis, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(value_stop(&process, SIGTERM), 0);
    wire_arena_done(&arena);
    rig_end(rig, &nats, &redis);
    return 0;
}

static uint32_t lease_ms; /* of what is asked; 0: a gateway of the version before there were leases */

/* Industries: a NULL-terminated list where the session is narrowed, else NULL. Valid until the next call. */
static const Pollen8__SessionOpened *ask(Pollen8__SessionOpen__Purpose purpose, const char *gateway,
                                         const char *session, const char *user, const char *pid,
                                         const char *const *industries)
{
    Pollen8__SessionOpen request = POLLEN8__SESSION_OPEN__INIT;
    const Pollen8__SessionOpenReply *reply;
    const ProtobufCMessage *unpacked;
    struct slice answer;
    struct buf buf;

    request.purpose = purpose;
    request.lease_ms = lease_ms;
    request.gateway = (char *)(uintptr_t)gateway;
    request.session = (char *)(uintptr_t)session;
    request.user_id = (char *)(uintptr_t)user;
    request.pid = (char *)(uintptr_t)pid;
    request.narrowed = industries != NULL;
    request.industries = (char **)(uintptr_t)industries;
    while (industries && industries[request.n_industries])
        request.n_industries++;
    buf_init(&buf, 65536);
    assert_int_equal(wire_pack(&buf, &request.base), STATUS_OK);
    assert_int_equal(rig_ask(rig, "pollen8.session.open", buf.data, buf.length, &answer), STATUS_OK);
    buf_done(&buf);
    assert_int_equal(wire_unpack(&arena, &pollen8__session_open_reply__descriptor, answer, &unpacked),
                     STATUS_OK);
    reply = (const Pollen8__SessionOpenReply *)unpacked;
    assert_int_equal(reply->result_case, POLLEN8__SESSION_OPEN_REPLY__RESULT_OPENED);
    return reply->opened;
}

static size_t evictions(void)
{
    size_t count;

    rig_flush(rig);
    pthread_mutex_lock(&evicted.lock);
    count = evicted.count;
    pthread_mutex_unlock(&evicted.lock);
    return count;
}

static bool evicted_count(void *context)
{
    return evictions() >= *(const size_t *)context;
}

static void the_last_claim_has_it(void **state)
{
    const Pollen8__SessionOpened *opened = ask(SNAPSHOT, "old", "s1", "ada", "pid-1", NULL);
    size_t wanted = 1;

    (void)state;
    assert_non_null(opened->snapshot);
    assert_false(opened->known);
    assert_true(redis_integer(&redis, "PTTL p8:{p.pid-1}") > 24 * 3600 * 1000);
    opened = ask(RECOVER, "new", "s2", "bo", "pid-1", NULL); /* not his */
    assert_false(opened->known);
    assert_null(opened->snapshot);
    assert_false(ask(RECOVER, "new", "s2", "ada", "pid-2", NULL)->known);
    assert_false(ask(RECOVER, "new", "s2", "ada", "}{ *>", NULL)->known);
    assert_false(ask(RECOVER, "new", "s2", "ada", "", NULL)->known);
    assert_true(ask(RECOVER, "old", "s1", "ada", "pid-1", NULL)->known); /* its own */
    assert_int_equal(evictions(), 0);
    opened = ask(RECOVER, "new", "s2", "ada", "pid-1", NULL);
    assert_true(opened->known);
    assert_false(opened->narrowed);
    rig_until(evicted_count, &wanted, "the session that had it is told to go");
    assert_string_equal(evicted.session, "s1");
    assert_string_equal(evicted.pid, "pid-1");
    /* A late word of the old one takes nothing back. */
    ask(SNAPSHOT, "old", "s1", "ada", "pid-1", NULL);
    ask(RECOVER, "new", "s2", "ada", "pid-1", NULL);
    assert_int_equal(evictions(), 1);
    /* A session that moved to another gateway is the same one. */
    ask(SNAPSHOT, "old", "s2", "ada", "pid-1", NULL);
    ask(RECOVER, "new", "s3", "ada", "pid-1", NULL);
    wanted = 2;
    rig_until(evicted_count, &wanted, "the session that moved is told to go");
    assert_string_equal(evicted.session, "s2");
}

static void rooms_are_remembered(void **state)
{
    static const char *const two[] = {"real estate", "\xc3\xa9nergie", NULL};
    static const char *const none[] = {NULL};
    const Pollen8__SessionOpened *opened;

    (void)state;
    ask(SNAPSHOT, "old", "n1", "ada", "pid-n", two);
    opened = ask(RECOVER, "old", "n1", "ada", "pid-n", NULL);
    assert_true(opened->known && opened->narrowed);
    assert_int_equal(opened->n_industries, 2);
    assert_string_equal(opened->industries[0], "real estate");
    assert_string_equal(opened->industries[1], "\xc3\xa9nergie");
    ask(RECORD, "old", "n1", "ada", "pid-n", none); /* narrowed to nothing */
    opened = ask(RECOVER, "old", "n1", "ada", "pid-n", NULL);
    assert_true(opened->narrowed);
    assert_int_equal(opened->n_industries, 0);
    ask(RECORD, "old", "n1", "ada", "pid-n", NULL);
    assert_false(ask(RECOVER, "old", "n1", "ada", "pid-n", NULL)->narrowed);
}

/* ---- how long ---------------------------------------------------------------------------------------- */

#define WINDOW_MS 120000 /* HISTORY_WINDOW */

static int64_t left_ms(const char *pid)
{
    return redis_integer(&redis, "PTTL p8:{p.%s}", pid);
}

/* As a gateway tells it; then nothing that was told before is on its way any more. */
static void end(const char *gateway, const char *session, const char *pid)
{
    static const char *const headers[] = {"Pollen8-Type", "SessionsEnded", NULL};
    Pollen8__SessionsEnded message = POLLEN8__SESSIONS_ENDED__INIT;
    Pollen8__SessionEnded other = POLLEN8__SESSION_ENDED__INIT;
    Pollen8__SessionEnded ended = POLLEN8__SESSION_ENDED__INIT;
    Pollen8__SessionEnded *list[] = {&other, &ended};
    struct buf buf;

    other.session = (char[]){"x"};
    other.pid = (char[]){"no } pid"};
    ended.session = (char *)(uintptr_t)session;
    ended.pid = (char *)(uintptr_t)pid;
    message.gateway = (char *)(uintptr_t)gateway;
    message.ended = list;
    message.n_ended = 2;
    buf_init(&buf, 1024);
    assert_int_equal(wire_pack(&buf, &message.base), STATUS_OK);
    assert_int_equal(bus_publish_with(rig_bus(rig), "pollen8.session.old", headers, buf.data, buf.length),
                     STATUS_OK);
    buf_done(&buf);
}

static bool is_short(void *context)
{
    return left_ms(context) <= WINDOW_MS;
}

static void a_pid_lasts_as_long_as_its_session_and_the_window(void **state)
{
    static char pid[] = "pid-l";
    static char mark[] = "pid-m";

    (void)state;
    ask(SNAPSHOT, "old", "l1", "ada", pid, NULL);
    assert_true(left_ms(pid) > 24 * 3600 * 1000); /* nothing was said */
    lease_ms = 3600000;
    ask(SNAPSHOT, "old", "l1", "ada", pid, NULL);
    assert_in_range(left_ms(pid), 3500000 + WINDOW_MS, 3600000 + WINDOW_MS);
    ask(RECOVER, "old", "l2", "ada", pid, NULL);
    assert_in_range(left_ms(pid), 3500000 + WINDOW_MS, 3600000 + WINDOW_MS);
    /* The end of the session that had it before, and of one on another gateway, says nothing. */
    end("old", "l1", pid);
    end("new", "l2", pid);
    ask(SNAPSHOT, "old", "m", "ada", mark, NULL);
    end("old", "m", mark);
    rig_until(is_short, mark, "what was told last is done");
    assert_true(left_ms(pid) > WINDOW_MS);
    end("old", "l2", pid);
    rig_until(is_short, pid, "the end is noted");
    assert_true(left_ms(pid) > WINDOW_MS / 2);
    assert_true(ask(RECOVER, "old", "l3", "ada", pid, NULL)->known);
    assert_true(left_ms(pid) > WINDOW_MS);
    /* What says more than there may be. */
    lease_ms = UINT32_MAX;
    ask(SNAPSHOT, "old", "l3", "ada", pid, NULL);
    assert_true(left_ms(pid) <= 25 * 3600 * 1000 + WINDOW_MS);
    lease_ms = 0;
}

/* ---- kept frames ------------------------------------------------------------------------------------ */

static void written(const char *user, uint64_t event_id)
{
    static const char *const headers[] = {"Pollen8-Type", "FramesWritten", NULL};
    static char gateway[] = "gw-1";
    Pollen8__FramesWritten message = POLLEN8__FRAMES_WRITTEN__INIT;
    struct buf buf;

    message.gateway = gateway;
    message.user_id = (char *)(uintptr_t)user;
    message.event_ids = &event_id;
    message.n_event_ids = 1;
    buf_init(&buf, 1024);
    assert_int_equal(wire_pack(&buf, &message.base), STATUS_OK);
    assert_int_equal(bus_publish_with(rig_bus(rig), "pollen8.session.gw-1", headers, buf.data, buf.length),
                     STATUS_OK);
    buf_done(&buf);
}

static void invite(const char *user, const char *token, const char *id, size_t count)
{
    char subject[96];
    char text[128];

    snprintf(text, sizeof(text), "{\"inviteId\":\"%s\",\"creatorId\":\"%s\"}", id, user);
    snprintf(subject, sizeof(subject), "pollen8.out.user.%s", token);
    rig_publish(rig, "pollen8.events.invite.created", text);
    rig_wait(rig, subject, "invite.created", count);
}

static bool one_kept(void *context)
{
    return ask(SNAPSHOT, "gw-1", "k", context, "", NULL)->n_kept == 1;
}

static void kept_until_written(void **state)
{
    static char user[] = "kim";
    const Pollen8__SessionOpened *opened;
    struct rig_frame live;

    (void)state;
    rig_clear(rig);
    invite("kim", "a2lt", "first", 1);
    invite("kim", "a2lt", "second", 2);
    assert_true(rig_get(rig, "pollen8.out.user.a2lt", "invite.created", 0, &live));
    opened = ask(SNAPSHOT, "gw-1", "k", "kim", "", NULL);
    assert_int_equal(opened->n_kept, 2);
    assert_true(opened->kept[0]->event_id == live.event_id);
    assert_string_equal(opened->kept[0]->event, "invite.created");
    assert_string_equal(opened->kept[0]->user_id, "kim");
    assert_int_equal(opened->kept[0]->policy, POLLEN8__DELIVERY_POLICY__DELIVERY_KEEP);
    assert_int_equal(opened->kept[0]->lane, 0);
    assert_memory_equal(opened->kept[1]->data.data, "{\"inviteId\":\"second\"", 20);
    written("kim", live.event_id);
    rig_until(one_kept, user, "what was written is forgotten");
    opened = ask(SNAPSHOT, "gw-1", "k", "kim", "", NULL);
    assert_memory_equal(opened->kept[0]->data.data, "{\"inviteId\":\"second\"", 20);
    /* At most a hundred, the latest. */
    for (size_t i = 0; i < 110; i++) {
        char id[16];

        snprintf(id, sizeof(id), "i%zu", i);
        invite("kim", "a2lt", id, 3 + i);
    }
    opened = ask(SNAPSHOT, "gw-1", "k", "kim", "", NULL);
    assert_int_equal(opened->n_kept, 100);
    assert_memory_equal(opened->kept[99]->data.data, "{\"inviteId\":\"i109\"", 18);
}

static const char *seen(const char *user, const char *payload, const char *permission)
{
    static char text[512];
    char *permissions[] = {(char *)(uintptr_t)permission};
    Pollen8__InboundFrame frame = POLLEN8__INBOUND_FRAME__INIT;
    Pollen8__Identity identity = POLLEN8__IDENTITY__INIT;
    const Pollen8__FrameReply *reply;
    const ProtobufCMessage *unpacked;
    struct slice answer;
    struct buf buf;

    identity.user_id = (char *)(uintptr_t)user;
    identity.permissions = permissions;
    identity.n_permissions = 1;
    frame.event = (char[]){"invite.seen"};
    frame.data.data = (uint8_t *)(uintptr_t)payload;
    frame.data.len = strlen(payload);
    frame.identity = &identity;
    buf_init(&buf, 65536);
    assert_int_equal(wire_pack(&buf, &frame.base), STATUS_OK);
    assert_int_equal(rig_ask(rig, "pollen8.in.invite.seen", buf.data, buf.length, &answer), STATUS_OK);
    buf_done(&buf);
    assert_int_equal(wire_unpack(&arena, &pollen8__frame_reply__descriptor, answer, &unpacked), STATUS_OK);
    reply = (const Pollen8__FrameReply *)unpacked;
    if (reply->result_case == POLLEN8__FRAME_REPLY__RESULT_DATA)
        snprintf(text, sizeof(text), "ok %.*s", (int)reply->data.len, (const char *)reply->data.data);
    else
        snprintf(text, sizeof(text), "%s", reply->error->code);
    return text;
}

static void kept_until_seen(void **state)
{
    static const char *const until_seen[] = {"INVITE_KEEP=seen", NULL};
    struct rig_frame live;

    (void)state;
    assert_int_equal(value_stop(&process, SIGTERM), 0);
    value_start_ready(&process, &nats, &redis, until_seen);
    rig_clear(rig);
    invite("lee", "bGVl", "one", 1);
    invite("lee", "bGVl", "two", 2);
    assert_true(rig_get(rig, "pollen8.out.user.bGVl", "invite.created", 0, &live));
    written("lee", live.event_id);
    assert_int_equal(ask(SNAPSHOT, "gw-1", "k", "lee", "", NULL)->n_kept, 2);
    assert_string_equal(seen("lee", "{\"inviteId\":\"one\"}", "emit:other"), "FORBIDDEN");
    assert_string_equal(seen("lee", "{}", "emit:invite.seen"), "INVALID_PAYLOAD");
    assert_string_equal(seen("lee", "{\"inviteId\":1}", "emit:invite.seen"), "INVALID_PAYLOAD");
    assert_string_equal(seen("lee", "{\"inviteId\":\"one\",\"x\":1}", "emit:invite.seen"), "INVALID_PAYLOAD");
    assert_string_equal(seen("lee", "[", "emit:invite.seen"), "INVALID_PAYLOAD");
    assert_string_equal(seen("ada", "{\"inviteId\":\"one\"}", "emit:invite.seen"), "ok {}"); /* not hers */
    assert_int_equal(ask(SNAPSHOT, "gw-1", "k", "lee", "", NULL)->n_kept, 2);
    assert_string_equal(seen("lee", "{\"inviteId\":\"one\"}", "emit:invite.seen"), "ok {}");
    assert_int_equal(ask(SNAPSHOT, "gw-1", "k", "lee", "", NULL)->n_kept, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_claim_has_it),
        cmocka_unit_test(rooms_are_remembered),
        cmocka_unit_test(a_pid_lasts_as_long_as_its_session_and_the_window),
        cmocka_unit_test(kept_until_written),
        cmocka_unit_test(kept_until_seen),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
