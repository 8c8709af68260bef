/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What gateways ask of value-svc: submitting, snapshots, value.get, heartbeats; and what they hear while
 * Redis is away.
 */
#include "query/query.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "presence.pb-c.h"

static struct value_process process;

static int set_up(void **state)
{
    (void)state;
    rig = rig_start(&nats, &redis);
    value_start_ready(&process, &nats, &redis, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(value_stop(&process, SIGTERM), 0);
    rig_end(rig, &nats, &redis);
    return 0;
}

/* The answer to a frame: "ok <data>" or "<code> <message>". */
static const char *submit(const char *event, const char *data, const char *user, const char *permission)
{
    static char text[1024];
    static char industry[] = "technology";
    char *industries[] = {industry};
    char *permissions[] = {(char *)(uintptr_t)permission};
    Pollen8__InboundFrame frame = POLLEN8__INBOUND_FRAME__INIT;
    Pollen8__Identity identity = POLLEN8__IDENTITY__INIT;
    const Pollen8__FrameReply *reply;
    const ProtobufCMessage *unpacked;
    struct wire_arena arena = {0};
    struct slice answer;
    struct buf buf;
    char subject[128];

    identity.user_id = (char *)(uintptr_t)user;
    identity.industries = industries;
    identity.n_industries = 1;
    identity.permissions = permissions;
    identity.n_permissions = 1;
    frame.event = (char *)(uintptr_t)event;
    frame.data.data = (uint8_t *)(uintptr_t)data;
    frame.data.len = strlen(data);
    frame.identity = &identity;
    buf_init(&buf, 65536);
    assert_int_equal(wire_pack(&buf, &frame.base), STATUS_OK);
    snprintf(subject, sizeof(subject), "pollen8.in.%s", event);
    assert_int_equal(rig_ask(rig, subject, buf.data, buf.length, &answer), STATUS_OK);
    assert_int_equal(wire_unpack(&arena, &pollen8__frame_reply__descriptor, answer, &unpacked), STATUS_OK);
    reply = (const Pollen8__FrameReply *)unpacked;
    if (reply->result_case == POLLEN8__FRAME_REPLY__RESULT_DATA)
        snprintf(text, sizeof(text), "ok %.*s", (int)reply->data.len, (const char *)reply->data.data);
    else
        snprintf(text, sizeof(text), "%s %s", reply->error->code, reply->error->message);
    wire_arena_done(&arena);
    buf_done(&buf);
    return text;
}

/* A session's snapshot: "ok <data>", and its version; or the error's code. */
static const char *open_session(const char *user, uint64_t *epoch, uint64_t *version)
{
    static char text[1024];
    static char name[] = "gw-1";
    Pollen8__SessionOpen request = POLLEN8__SESSION_OPEN__INIT;
    const Pollen8__SessionOpenReply *reply;
    const ProtobufCMessage *unpacked;
    struct wire_arena arena = {0};
    struct slice answer;
    struct buf buf;

    request.gateway = name;
    request.session = name;
    request.user_id = (char *)(uintptr_t)user;
    buf_init(&buf, 65536);
    assert_int_equal(wire_pack(&buf, &request.base), STATUS_OK);
    assert_int_equal(rig_ask(rig, "pollen8.session.open", buf.data, buf.length, &answer), STATUS_OK);
    assert_int_equal(wire_unpack(&arena, &pollen8__session_open_reply__descriptor, answer, &unpacked),
                     STATUS_OK);
    reply = (const Pollen8__SessionOpenReply *)unpacked;
    if (reply->result_case == POLLEN8__SESSION_OPEN_REPLY__RESULT_OPENED) {
        const Pollen8__OutboundFrame *snapshot = reply->opened->snapshot;

        assert_string_equal(snapshot->event, "network.update");
        assert_string_equal(snapshot->coalesce_key, "network.update");
        assert_int_equal(snapshot->policy, POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST);
        snprintf(text, sizeof(text), "ok %.*s", (int)snapshot->data.len, (const char *)snapshot->data.data);
        *epoch = snapshot->epoch;
        *version = snapshot->version;
    } else {
        snprintf(text, sizeof(text), "%s", reply->error->code);
    }
    wire_arena_done(&arena);
    buf_done(&buf);
    return text;
}

static void submitting(void **state)
{
    (void)state;
    rig_clear(rig);
    assert_string_equal(
        submit("connection.new", "{\"userId\":\"bo\",\"industries\":[\"x\"]}", "svc", "emit:*"), "ok {}");
    rig_wait(rig, "pollen8.out.user.Ym8", "network.update", 1);
    assert_string_equal(submit("connection.new",
                               "{\"userId\":\"bo\",\"industries\":[\"x\"],\"eventId\":\"e\"}", "svc",
                               "emit:*"),
                        "ok {}");
    assert_string_equal(submit("connection.new",
                               "{\"userId\":\"bo\",\"industries\":[\"x\"],\"eventId\":\"e\"}", "svc",
                               "emit:*"),
                        "ok {\"duplicate\":true}");
    /* Another submitter's e is another event. */
    assert_string_equal(submit("connection.new",
                               "{\"userId\":\"bo\",\"industries\":[\"x\"],\"eventId\":\"e\"}", "svc2",
                               "emit:*"),
                        "ok {}");
    rig_wait(rig, "pollen8.out.user.Ym8", "network.update", 3);
    assert_int_equal(redis_sum(&redis, "bo"), 3);
    assert_string_equal(
        submit("connection.import", "{\"userId\":\"bo\",\"connections\":97}", "root", "emit:*"), "ok {}");
    assert_string_equal(submit("invite.created", "{\"inviteId\":\"i\",\"creatorId\":\"bo\"}", "bo",
                               "emit:invite.created@own"),
                        "ok {}");
    rig_wait(rig, "pollen8.out.user.Ym8", "invite.created", 1);
    rig_wait(rig, "pollen8.out.user.Ym8", "network.update", 4);
    assert_int_equal(redis_sum(&redis, "bo"), 100);
}

static void refusing(void **state)
{
    (void)state;
    assert_string_equal(
        submit("connection.new", "{\"userId\":\"bo\",\"industries\":[]}", "ada", "emit:connection.new@own"),
        "FORBIDDEN not permitted");
    assert_string_equal(submit("connection.new", "{\"userId\":\"ada\",\"industries\":[\"health\"]}", "ada",
                               "emit:connection.new@own"),
                        "FORBIDDEN not permitted");
    assert_string_equal(
        submit("connection.import", "{\"userId\":\"ada\",\"connections\":1}", "ada", "emit:*@own"),
        "FORBIDDEN not permitted");
    assert_string_equal(
        submit("connection.new", "{\"userId\":\"ada\",\"industries\":[],\"x\":1}", "ada", "emit:*"),
        "INVALID_PAYLOAD unknown member `x`");
    assert_string_equal(submit("connection.new", "{\"userId\":5}", "ada", "emit:*"),
                        "INVALID_PAYLOAD `userId` must be a string");
}

static void values(void **state)
{
    uint64_t epoch = 0;
    uint64_t version = 0;

    (void)state;
    assert_string_equal(submit("value.get", "{}", "nobody", "emit:value.get"),
                        "ok {\"userId\":\"nobody\",\"newValue\":0,\"connections\":0}");
    assert_string_equal(
        submit("connection.import", "{\"userId\":\"cy\",\"connections\":5}", "root", "emit:*"), "ok {}");
    rig_wait(rig, "pollen8.out.user.Y3k", "network.update", 1);
    assert_string_equal(submit("value.get", "", "cy", "emit:value.get"),
                        "ok {\"userId\":\"cy\",\"newValue\":15.7,\"connections\":5}");
    assert_string_equal(submit("value.get", "{\"userId\":\"ada\"}", "cy", "emit:value.get"),
                        "INVALID_PAYLOAD the payload of value.get must be {}");
    assert_string_equal(submit("value.get", "{}", "cy", "emit:other"), "FORBIDDEN not permitted");
    assert_string_equal(open_session("cy", &epoch, &version), "ok {\"userId\":\"cy\",\"newValue\":15.7}");
    assert_true(epoch > 0 && version == 1);
    assert_string_equal(open_session("a\"b\\c", &epoch, &version),
                        "ok {\"userId\":\"a\\\"b\\\\c\",\"newValue\":0}");
    assert_true(epoch > 0 && version == 0);
    assert_string_equal(open_session("", &epoch, &version), "INVALID_PAYLOAD");
}

static void beat(const char *gateway, uint32_t sessions, uint32_t interval_ms)
{
    static char industry[] = "technology";
    Pollen8__GatewayHeartbeat message = POLLEN8__GATEWAY_HEARTBEAT__INIT;
    Pollen8__IndustryCount count = POLLEN8__INDUSTRY_COUNT__INIT;
    Pollen8__IndustryCount *counts[] = {&count};
    char subject[64];
    struct buf buf;

    count.industry = industry;
    count.sessions = sessions;
    message.gateway = (char *)(uintptr_t)gateway;
    message.sessions = sessions;
    message.industries = counts;
    message.n_industries = 1;
    message.interval_ms = interval_ms;
    message.parts = 1;
    buf_init(&buf, 65536);
    assert_int_equal(wire_pack(&buf, &message.base), STATUS_OK);
    snprintf(subject, sizeof(subject), "pollen8.session.%s", gateway);
    assert_int_equal(bus_publish(rig_bus(rig), subject, buf.data, buf.length), STATUS_OK);
    buf_done(&buf);
}

static bool seven_sessions(void *context)
{
    (void)context;
    return value_metric(&process, "pollen8_cluster_sessions") == 7 &&
           value_metric(&process, "pollen8_cluster_sessions_by_industry{industry=\"technology\"}") == 7;
}

static bool no_sessions(void *context)
{
    (void)context;
    return value_metric(&process, "pollen8_cluster_sessions") == 0;
}

static void heartbeats(void **state)
{
    (void)state;
    beat("gw-1", 3, 1300);
    beat("gw-2", 4, 1300);
    rig_until(seven_sessions, NULL, "both gateways' sessions are summed");
    rig_until(no_sessions, NULL, "silent gateways' sessions are gone");
}

static bool value_is_back(void *context)
{
    uint64_t epoch = 0;
    uint64_t version = 0;

    (void)context;
    return strcmp(open_session("cy", &epoch, &version), "ok {\"userId\":\"cy\",\"newValue\":18.84}") == 0;
}

static void while_redis_is_away(void **state)
{
    uint64_t epoch = 0;
    uint64_t version = 0;

    (void)state;
    redis_stop(&redis, SIGKILL);
    assert_string_equal(open_session("cy", &epoch, &version), "UNAVAILABLE");
    assert_string_equal(submit("value.get", "{}", "cy", "emit:value.get"),
                        "UNAVAILABLE the service is not available at the moment");
    /* Submitting needs the broker alone: stored, counted later. */
    assert_string_equal(submit("connection.new", "{\"userId\":\"cy\",\"industries\":[]}", "svc", "emit:*"),
                        "ok {}");
    rig_clear(rig);
    redis_start(&redis);
    rig_wait(rig, "pollen8.out.user.Y3k", "network.update", 1);
    value_wait_ready(&process, 200);
    assert_int_equal(redis_sum(&redis, "cy"), 6);
    rig_until(value_is_back, NULL, "the reader's own connection follows within its pause");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(submitting), cmocka_unit_test(refusing),
                                       cmocka_unit_test(values), cmocka_unit_test(heartbeats),
                                       cmocka_unit_test(while_redis_is_away)};

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
