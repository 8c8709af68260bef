/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Events that the gateway answers itself: what is one in which format, and what industries may be joined.
 */
#include "service_rig.h"

#include "ingress/builtins.h"

static struct service_rig rig;
static struct client client;

static const struct session_events events = {.stripped = rooms_rig_stripped};

/* ada, whose own are technology and art, and who may be in any industry that begins with `x`. */
static int setup(void **state)
{
    static const char *const subjects[] = {"t.nothing", NULL};
    static const char *const joined[] = {"technology", NULL};
    char *industries[] = {(char *)(uintptr_t) "technology", (char *)(uintptr_t) "art"};
    char *permissions[] = {(char *)(uintptr_t) "subscribe:x*"};
    Pollen8__Identity message = POLLEN8__IDENTITY__INIT;

    (void)state;
    service_rig_start(&rig, &events, subjects);
    rooms_rig_open(&rig.base, &client, "ada", joined);
    identity_unref(client.session->identity);
    message.user_id = (char *)(uintptr_t) "ada";
    message.role = (char *)(uintptr_t) "user";
    message.industries = industries;
    message.n_industries = 2;
    message.permissions = permissions;
    message.n_permissions = 1;
    assert_int_equal(identity_create(&message, &client.session->identity), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service_rig_stop(&rig);
    client_clear(&client);
    return 0;
}

static bool handle(const char *event, const char *data)
{
    struct client_frame frame = {.id = SLICE_LITERAL("1"), .data = slice_from_string(data)};

    snprintf(frame.event, sizeof(frame.event), "%s", event);
    bool handled = builtins_handle(&rig.base.gateway, client.session, &frame);
    session_rig_turn(&rig.base);
    return handled;
}

static void joined_and_left(void **state)
{
    (void)state;
    assert_true(handle("subscribe", "{\"industries\":[\" ART \",\"xenon\"]}"));
    TOLD(&client, "{\"id\":1,\"ok\":true,\"data\":{\"industries\":[\"technology\",\"art\",\"xenon\"]}}");
    assert_int_equal(rooms_rig_members(&rig.base, ROOM_INDUSTRY, "art"), 1);
    assert_true(handle("subscribe", "{\"industries\":[\"art\"]}")); /* it is in already */
    TOLD(&client, "{\"id\":1,\"ok\":true,\"data\":{\"industries\":[\"technology\",\"art\",\"xenon\"]}}");
    assert_true(handle("unsubscribe", "{\"industries\":[\"technology\",\"finance\"]}"));
    TOLD(&client, "{\"id\":1,\"ok\":true,\"data\":{\"industries\":[\"xenon\",\"art\"]}}");
    assert_int_equal(rooms_rig_members(&rig.base, ROOM_INDUSTRY, "technology"), 0);
}

/* All or nothing. */
static void not_all_are_permitted(void **state)
{
    (void)state;
    assert_true(handle("subscribe", "{\"industries\":[\"art\",\"finance\"]}"));
    TOLD(&client, "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"FORBIDDEN\","
                  "\"message\":\"industry 2 is not one of the user's\"}}");
    assert_int_equal(rooms_rig_members(&rig.base, ROOM_INDUSTRY, "art"), 0);
}

static void data_that_is_none(void **state)
{
    static const char *const rows[] = {
        "",
        "[]",
        "{}",
        "{\"industries\":\"art\"}",
        "{\"industries\":[]}",
        "{\"industries\":[1]}",
        "{\"industries\":[\"\"]}",
        "{\"industries\":[\"art\"],\"more\":1}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(handle("subscribe", rows[i]));
        assert_int_equal(client.count, 1);
        if (!strstr(client.messages[0], "\"code\":\"INVALID_PAYLOAD\""))
            fail_msg("%s: %s", rows[i], client.messages[0]);
        client_clear(&client);
    }
    assert_int_equal(client.session->membership_count, 3);
}

static void one_argument_of_json(void **state)
{
    struct client_frame frame = {.id = SLICE_LITERAL("1"), .data = SLICE_LITERAL("1,2"), .arguments = true};

    (void)state;
    snprintf(frame.event, sizeof(frame.event), "subscribe");
    assert_true(builtins_handle(&rig.base.gateway, client.session, &frame));
    session_rig_turn(&rig.base);
    TOLD(&client, "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"INVALID_PAYLOAD\","
                  "\"message\":\"this event takes one argument of JSON\"}}");
}

/* Asks for `count` industries, x<first> and so on. Whether that was granted. */
static bool subscribe_many(unsigned first, unsigned count)
{
    char data[1024];
    size_t at = (size_t)snprintf(data, sizeof(data), "{\"industries\":[");

    for (unsigned i = 0; i < count; i++)
        at += (size_t)snprintf(data + at, sizeof(data) - at, "%s\"x%u\"", i ? "," : "", first + i);
    snprintf(data + at, sizeof(data) - at, "]}");
    assert_true(handle("subscribe", data));
    assert_int_equal(client.count, 1);
    bool granted = strstr(client.messages[0], "\"ok\":true") != NULL;
    client_clear(&client);
    return granted;
}

static void so_many_industries(void **state)
{
    (void)state;
    assert_false(subscribe_many(0, 33)); /* at once */
    assert_true(subscribe_many(0, 32));
    assert_true(subscribe_many(32, 30)); /* with technology that makes 63 */
    assert_false(subscribe_many(62, 2)); /* one of them is one too many: neither */
    assert_int_equal(client.session->membership_count, MEMBERSHIP_MAXIMUM - 1);
    assert_int_equal(rooms_rig_members(&rig.base, ROOM_INDUSTRY, "x62"), 0);
    assert_true(subscribe_many(62, 1));
}

/* However many they are. */
static void to_be_in_already_is_granted(void **state)
{
    (void)state;
    assert_true(subscribe_many(0, 32));
    assert_true(subscribe_many(32, 31));
    assert_true(subscribe_many(0, 32));
    assert_int_equal(client.session->membership_count, MEMBERSHIP_MAXIMUM);
}

/* `resume` is one on /ws alone; anywhere else, and every other name, is a service's. */
static void what_is_a_builtin(void **state)
{
    static const struct {
        enum frame_format format;
        const char *event;
        bool handled;
    } rows[] = {
        {FRAME_JSON, "resume", true},
        {FRAME_PROTOBUF, "resume", true},
        {FRAME_SOCKETIO, "resume", false},
        {FRAME_SOCKETIO, "subscribe", true},
        {FRAME_PROTOBUF, "unsubscribe", true},
        {FRAME_JSON, "subscribed", false},
        {FRAME_JSON, "a.b", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        client.session->format = (uint8_t)rows[i].format;
        if (handle(rows[i].event, "{}") != rows[i].handled)
            fail_msg("%s in format %d", rows[i].event, rows[i].format);
        client_clear(&client);
    }
}

static int run(void)
{
#define BUILTINS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        BUILTINS_TEST(joined_and_left),    BUILTINS_TEST(not_all_are_permitted),
        BUILTINS_TEST(data_that_is_none),  BUILTINS_TEST(one_argument_of_json),
        BUILTINS_TEST(so_many_industries), BUILTINS_TEST(to_be_in_already_is_granted),
        BUILTINS_TEST(what_is_a_builtin),
    };
#undef BUILTINS_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
