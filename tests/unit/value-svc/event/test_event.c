/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Payloads: what is taken, what is refused and with which words; keys; the way through the stream's Event.
 */
#include "event/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event.pb-c.h"

#define ID_128                                                                                               \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define INDUSTRY_64 "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"

static struct event event; /* 11 KB, one test at a time */

struct refusal {
    const char *name;
    const char *text;
    const char *words; /* in the reason */
};

static const struct refusal refusals[] = {
    {"connection.new", "", "payload is empty"},
    {"connection.new", "x", "JSON"},
    {"connection.new", "[]", "object"},
    {"connection.new", "null", "object"},
    {"connection.new", "{}", "`userId` is missing"},
    {"connection.new", "{\"userId\":\"a\"}", "`industries` is missing"},
    {"connection.new", "{\"userId\":1,\"industries\":[]}", "`userId` must be a string"},
    {"connection.new", "{\"userId\":null,\"industries\":[]}", "`userId` must be a string"},
    {"connection.new", "{\"userId\":\"\",\"industries\":[]}", "`userId` is empty"},
    {"connection.new", "{\"userId\":\"" ID_128 "x\",\"industries\":[]}", "`userId` is longer than 128"},
    {"connection.new", "{\"userId\":\"a\\u0000b\",\"industries\":[]}", ""},
    {"connection.new", "{\"userId\":\"a\\u0007b\",\"industries\":[]}", "`userId` holds a control"},
    {"connection.new", "{\"userId\":\"a\\u0085b\",\"industries\":[]}", "`userId` holds a control"},
    {"connection.new", "{\"userId\":\"\xff\",\"industries\":[]}", "JSON"},
    {"connection.new", "{\"userId\":\"\xc0\xaf\",\"industries\":[]}", "JSON"},
    {"connection.new", "{\"userId\":\"\\ud800\",\"industries\":[]}", "JSON"},
    {"connection.new", "{\"userId\":\"a\",\"userId\":\"b\",\"industries\":[]}", "JSON"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[]} x", "JSON"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":{}}", "`industries` must be an array"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":\"tech\"}", "`industries` must be an array"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[\"ok\",1]}", "`industries[1]` must be a string"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[\"\"]}", "`industries[0]` is empty"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[\"  \"]}", "`industries[0]` is empty"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[\"a\\nb\"]}", "`industries[0]`"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[\"" INDUSTRY_64 "x\"]}",
     "`industries[0]` is longer than 64"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[],\"x\":1}", "unknown member `x`"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[],\"newValue\":1}", "unknown member `newValue`"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[],\"\\u0001\":1}", "unknown member"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[],\"eventId\":7}", "`eventId` must be a string"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[],\"eventId\":\"\"}", "`eventId` is empty"},
    {"connection.new", "{\"userId\":\"a\",\"industries\":[],\"eventId\":\"" ID_128 "x\"}",
     "`eventId` is longer"},
    {"connection.removed", "{\"userId\":\"a\"}", "`industries` is missing"},
    {"connection.import", "{\"userId\":\"a\"}", "`connections` is missing"},
    {"connection.import", "{\"userId\":\"a\",\"connections\":\"1\"}", "`connections` must be an integer"},
    {"connection.import", "{\"userId\":\"a\",\"connections\":1.0}", "`connections` must be an integer"},
    {"connection.import", "{\"userId\":\"a\",\"connections\":NaN}", "JSON"},
    {"connection.import", "{\"userId\":\"a\",\"connections\":1e400}", "JSON"},
    {"connection.import", "{\"userId\":\"a\",\"connections\":-1}", "`connections` is negative"},
    {"connection.import", "{\"userId\":\"a\",\"connections\":1000000001}", "`connections` is larger"},
    {"connection.import", "{\"userId\":\"a\",\"connections\":1,\"industries\":[]}",
     "unknown member `industries`"},
    {"invite.created", "{\"inviteId\":\"i\"}", "`creatorId` is missing"},
    {"invite.created", "{\"creatorId\":\"c\"}", "`inviteId` is missing"},
    {"invite.created", "{\"inviteId\":\"i\",\"creatorId\":[]}", "`creatorId` must be a string"},
    {"invite.created", "{\"inviteId\":\"i\",\"creatorId\":\"c\",\"userId\":\"c\"}",
     "unknown member `userId`"},
};

static enum status read_text(const char *name, const char *text, char *reason)
{
    return event_from_json(event_find(slice_from_string(name)), slice_from_string(text), &event, reason);
}

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        char reason[EVENT_REASON_SIZE] = "";
        enum status status = read_text(refusals[i].name, refusals[i].text, reason);

        if (status != STATUS_INVALID_PAYLOAD)
            fail_msg("row %zu accepted: %s", i, refusals[i].text);
        if (!strstr(reason, refusals[i].words))
            fail_msg("row %zu: `%s` does not say `%s`", i, reason, refusals[i].words);
    }
}

static void too_many_industries(void **state)
{
    char text[1024] = "{\"userId\":\"a\",\"industries\":[\"i0\"";
    char reason[EVENT_REASON_SIZE] = "";

    (void)state;
    for (int i = 1; i < INDUSTRIES_MAXIMUM; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ",\"i%d\"", i);
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}");
    assert_int_equal(read_text("connection.new", text, reason), STATUS_OK);
    assert_int_equal(event.industry_count, INDUSTRIES_MAXIMUM);
    snprintf(text + strlen(text) - 2, 32, ",\"one more\"]}");
    assert_int_equal(read_text("connection.new", text, reason), STATUS_INVALID_PAYLOAD);
    assert_non_null(strstr(reason, "more than 32"));
}

/* Ids that other systems stumble over are legal and come out as they went in. */
static void taken_as_written(void **state)
{
    static const char *const rows[][2] = {
        {"connection.new", "{\"userId\":\"a.b*c>d}e f\",\"industries\":[]}"},
        {"connection.new", "{\"userId\":\"日本語 ✓ العربية\",\"industries\":[\" Über \",\"TECH\"]}"},
        {"connection.new", "{\"userId\":\"quote\\\" slash\\\\ /\",\"industries\":[\"R&D\"]}"},
        {"connection.removed", "{\"userId\":\"" ID_128 "\",\"industries\":[\"" INDUSTRY_64 "\"]}"},
        {"connection.import", "{\"userId\":\"a\",\"connections\":0}"},
        {"connection.import", "{\"userId\":\"a\",\"connections\":1000000000}"},
        {"invite.created", "{\"inviteId\":\"i-1\",\"creatorId\":\"c 1\"}"},
    };
    struct buf buf;

    (void)state;
    buf_init(&buf, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[EVENT_REASON_SIZE] = "";

        if (read_text(rows[i][0], rows[i][1], reason) != STATUS_OK)
            fail_msg("row %zu refused: %s", i, reason);
        buf_clear(&buf);
        assert_int_equal(event_append_payload(&event, &buf), STATUS_OK);
        assert_string_equal(buf.data, rows[i][1]);
    }
    buf_done(&buf);
}

static void event_id_is_stripped(void **state)
{
    char reason[EVENT_REASON_SIZE];
    struct buf buf;

    (void)state;
    buf_init(&buf, 65536);
    assert_int_equal(read_text("connection.new",
                               "{ \"eventId\":\"e\", \"industries\": [\"x\"], \"userId\":\"a\" }", reason),
                     STATUS_OK);
    assert_string_equal(event.event_id, "e");
    assert_int_equal(event_append_payload(&event, &buf), STATUS_OK);
    assert_string_equal(buf.data, "{\"userId\":\"a\",\"industries\":[\"x\"]}");
    buf_done(&buf);
}

static void rooms_are_normalised_once(void **state)
{
    char reason[EVENT_REASON_SIZE];

    (void)state;
    assert_int_equal(read_text("connection.new",
                               "{\"userId\":\"a\",\"industries\":[\"Tech\",\" tech \",\"TECH\",\"Finance\"]}",
                               reason),
                     STATUS_OK);
    assert_int_equal(event.industry_count, 4);
    assert_int_equal(event.room_count, 2);
    assert_string_equal(event.rooms[0], "tech");
    assert_string_equal(event.rooms[1], "finance");
}

static void changes(void **state)
{
    char reason[EVENT_REASON_SIZE];

    (void)state;
    assert_int_equal(read_text("connection.new", "{\"userId\":\"a\",\"industries\":[]}", reason), STATUS_OK);
    assert_true(event_change(&event) == 1);
    assert_int_equal(read_text("connection.removed", "{\"userId\":\"a\",\"industries\":[]}", reason),
                     STATUS_OK);
    assert_true(event_change(&event) == -1);
    assert_int_equal(read_text("connection.import", "{\"userId\":\"a\",\"connections\":12}", reason),
                     STATUS_OK);
    assert_true(event_change(&event) == 12);
    assert_int_equal(read_text("invite.created", "{\"inviteId\":\"i\",\"creatorId\":\"c\"}", reason),
                     STATUS_OK);
    assert_true(event_change(&event) == 0);
    assert_string_equal(event.user_id, "c");
}

static void key_of(const char *name, const char *text, const char *submitter, char key[EVENT_KEY_SIZE])
{
    char reason[EVENT_REASON_SIZE];

    assert_int_equal(read_text(name, text, reason), STATUS_OK);
    if (submitter)
        assert_int_equal(event_submitted_by(&event, slice_from_string(submitter)), STATUS_OK);
    event_key(&event, 42, 1000, key);
}

/* Each part of a key makes another key; nothing else does. */
static void keys(void **state)
{
    static const char *const rows[][3] = {
        {"connection.new", "{\"userId\":\"u\",\"industries\":[],\"eventId\":\"e\"}", "s"},
        {"connection.new", "{\"userId\":\"u\",\"industries\":[],\"eventId\":\"e\"}", "s2"},
        {"connection.new", "{\"userId\":\"u\",\"industries\":[],\"eventId\":\"e\"}", NULL},
        {"connection.new", "{\"userId\":\"u\",\"industries\":[],\"eventId\":\"e\"}", "platform"},
        {"connection.removed", "{\"userId\":\"u\",\"industries\":[],\"eventId\":\"e\"}", "s"},
        {"connection.new", "{\"userId\":\"u2\",\"industries\":[],\"eventId\":\"e\"}", "s"},
        {"connection.new", "{\"userId\":\"u\",\"industries\":[],\"eventId\":\"e2\"}", "s"},
        {"connection.new", "{\"userId\":\"ue\",\"industries\":[],\"eventId\":\"2\"}", "s"},
        {"connection.new", "{\"userId\":\"u\",\"industries\":[]}", "s"},
    };
    char found[sizeof(rows) / sizeof(rows[0])][EVENT_KEY_SIZE];
    char again[EVENT_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        key_of(rows[i][0], rows[i][1], rows[i][2], found[i]);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(found[i], found[k]);
    }
    assert_string_equal(found[8], "#42-1000");
    assert_int_equal(strlen(found[0]), 43);
    key_of("connection.new", "{\"userId\":\"u\",\"industries\":[\"other\"],\"eventId\":\"e\"}", "s", again);
    assert_string_equal(again, found[0]);
}

static void through_the_stream(void **state)
{
    static const char *const rows[][2] = {
        {"connection.new", "{\"userId\":\"u\",\"industries\":[\"A\",\"b\"]}"},
        {"connection.removed", "{\"userId\":\"u\",\"industries\":[]}"},
        {"connection.import", "{\"userId\":\"u\",\"connections\":0}"},
        {"invite.created", "{\"inviteId\":\"i\",\"creatorId\":\"u\"}"},
    };
    struct wire_arena arena = {0};
    struct buf packed;
    struct buf payload;

    (void)state;
    buf_init(&packed, 65536);
    buf_init(&payload, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[EVENT_REASON_SIZE] = "";

        assert_int_equal(read_text(rows[i][0], rows[i][1], reason), STATUS_OK);
        assert_int_equal(event_submitted_by(&event, SLICE_LITERAL("ada")), STATUS_OK);
        snprintf(event.event_id, sizeof(event.event_id), "e1");
        buf_clear(&packed);
        assert_int_equal(event_pack(&event, 5, &packed), STATUS_OK);
        assert_int_not_equal(packed.data[0], '{');
        memset(&event, 0x55, sizeof(event));
        if (event_from_stream(slice_from_string(rows[i][0]), buf_slice(&packed), &arena, &event, reason) !=
            STATUS_OK)
            fail_msg("row %zu: %s", i, reason);
        assert_false(event.platform);
        assert_string_equal(event.submitter, "ada");
        assert_string_equal(event.event_id, "e1");
        buf_clear(&payload);
        assert_int_equal(event_append_payload(&event, &payload), STATUS_OK);
        assert_string_equal(payload.data, rows[i][1]);
    }
    buf_done(&packed);
    buf_done(&payload);
    wire_arena_done(&arena);
}

static void pack_body(struct buf *buf, const char *name, const char *submitter, const char *user,
                      size_t industries)
{
    Pollen8__Event envelope = POLLEN8__EVENT__INIT;
    Pollen8__ConnectionChange body = POLLEN8__CONNECTION_CHANGE__INIT;
    char *names[INDUSTRIES_MAXIMUM + 1];
    static char industry[] = "i";

    for (size_t i = 0; i < industries; i++)
        names[i] = industry;
    envelope.name = (char *)(uintptr_t)name;
    envelope.submitter = (char *)(uintptr_t)submitter;
    envelope.body_case = POLLEN8__EVENT__BODY_CONNECTION_CHANGE;
    envelope.connection_change = &body;
    body.user_id = (char *)(uintptr_t)user;
    body.industries = names;
    body.n_industries = industries;
    buf_clear(buf);
    assert_int_equal(wire_pack(buf, &envelope.base), STATUS_OK);
}

static void stream_refusals(void **state)
{
    struct wire_arena arena = {0};
    char reason[EVENT_REASON_SIZE] = "";
    struct slice name = SLICE_LITERAL("connection.new");
    struct buf buf;

    const struct slice blank[] = {
        {0}, SLICE_LITERAL(""), SLICE_LITERAL(" "), SLICE_LITERAL("\n"), SLICE_LITERAL(" \t\r\n")};

    (void)state;
    buf_init(&buf, 65536);
    assert_int_equal(event_from_stream(SLICE_LITERAL("no.such"), SLICE_LITERAL("{}"), &arena, &event, reason),
                     STATUS_UNKNOWN_EVENT);
    assert_string_equal(reason, "unknown event");
    assert_int_equal(event_from_stream(name, SLICE_LITERAL("\xff\xff\xff"), &arena, &event, reason),
                     STATUS_INVALID_PAYLOAD);
    for (size_t i = 0; i < sizeof(blank) / sizeof(blank[0]); i++) {
        assert_int_equal(event_from_stream(name, blank[i], &arena, &event, reason), STATUS_INVALID_PAYLOAD);
        assert_string_equal(reason, "the body is empty");
        assert_int_equal(event_from_json(event_find(name), blank[i], &event, reason), STATUS_INVALID_PAYLOAD);
        assert_string_equal(reason, "the payload is empty");
    }
    pack_body(&buf, "connection.new", "", "u", 1);
    assert_int_equal(event_from_stream(name, buf_slice(&buf), &arena, &event, reason), STATUS_OK);
    assert_true(event.platform);
    pack_body(&buf, "connection.removed", "s", "u", 1);
    assert_int_equal(event_from_stream(name, buf_slice(&buf), &arena, &event, reason),
                     STATUS_INVALID_PAYLOAD);
    pack_body(&buf, "connection.new", "s", "", 1);
    assert_int_equal(event_from_stream(name, buf_slice(&buf), &arena, &event, reason),
                     STATUS_INVALID_PAYLOAD);
    pack_body(&buf, "connection.new", "s", "u", INDUSTRIES_MAXIMUM + 1);
    assert_int_equal(event_from_stream(name, buf_slice(&buf), &arena, &event, reason),
                     STATUS_INVALID_PAYLOAD);
    pack_body(&buf, "invite.created", "s", "u", 1);
    assert_int_equal(
        event_from_stream(SLICE_LITERAL("invite.created"), buf_slice(&buf), &arena, &event, reason),
        STATUS_INVALID_PAYLOAD);
    buf_done(&buf);
    wire_arena_done(&arena);
}

/* JSON's four kinds of white space, however much of it: a line feed is the tag of an Event's first field. */
static void white_space_in_front(void **state)
{
    static const char *const fronts[] = {"",     " ",       "\n",   "\r\n",      "\t",
                                         "\n\n", "\n \t\r", "\n\t", "        \n"};
    static const char *const bad[] = {"\v{}", "\f{}", "\xef\xbb\xbf{}", "\xc2\xa0{}", "\n[]"};
    struct slice name = SLICE_LITERAL("connection.new");
    struct wire_arena arena = {0};
    char reason[EVENT_REASON_SIZE];
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
        snprintf(text, sizeof(text), "%s{\"userId\":\"u\",\"industries\":[]}\n", fronts[i]);
        reason[0] = '\0';
        if (event_from_stream(name, slice_from_string(text), &arena, &event, reason) != STATUS_OK)
            fail_msg("front %zu: %s", i, reason);
        assert_string_equal(event.user_id, "u");
        assert_true(event.platform);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(event_from_stream(name, slice_from_string(bad[i]), &arena, &event, reason),
                         STATUS_INVALID_PAYLOAD);
        assert_string_equal(reason, "neither a JSON object nor an Event message");
    }
    wire_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_space_in_front),
        cmocka_unit_test(refused),
        cmocka_unit_test(too_many_industries),
        cmocka_unit_test(taken_as_written),
        cmocka_unit_test(event_id_is_stripped),
        cmocka_unit_test(rooms_are_normalised_once),
        cmocka_unit_test(changes),
        cmocka_unit_test(keys),
        cmocka_unit_test(through_the_stream),
        cmocka_unit_test(stream_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
