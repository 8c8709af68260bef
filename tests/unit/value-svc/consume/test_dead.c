/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Dead letters in a real stream: under which name, with what of the event, and each once.
 */
#include "consume/dead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "service_fixture.h"

static uint64_t last_sequence(void)
{
    struct bus_stream_state state;

    assert_int_equal(bus_stream_state(service.bus, STREAM_DEAD, &state), STATUS_OK);
    return state.last_sequence;
}

/* A header of the letter stored last; "": it has none. */
static const char *last_header(const char *name)
{
    static char value[256];
    struct bus_stored *stored = NULL;
    struct bus_message message;

    assert_int_equal(bus_stored_get(service.bus, STREAM_DEAD, last_sequence(), &stored), STATUS_OK);
    bus_stored_message(stored, &message);
    if (bus_header(&message, name, value, sizeof(value)) != STATUS_OK)
        value[0] = '\0';
    bus_stored_free(stored);
    return value;
}

static struct dead_letter letter(const char *name, uint64_t sequence)
{
    return (struct dead_letter){.name = slice_from_string(name),
                                .body = SLICE_LITERAL("{\"x\":1}"),
                                .reason = "because",
                                .stream_sequence = sequence,
                                .timestamp_ms = 1234};
}

static void are_stored_under_their_names(void **state)
{
    struct dead_letter letters[] = {letter("connection.new", 1), letter("not a name", 2), letter("", 3)};
    struct rig_frame found;

    (void)state;
    rig_clear(rig);
    assert_int_equal(dead_bury(service.bus, letters, 3), STATUS_OK);
    assert_int_equal(last_sequence(), 3);
    rig_wait(rig, "pollen8.dead.connection.new", NULL, 1);
    rig_wait(rig, "pollen8.dead.unknown", NULL, 2);
    expect_frame("pollen8.dead.connection.new", NULL, 0, &found);
    assert_string_equal(found.data, "{\"x\":1}");
    assert_string_equal(found.reason, "because");
    assert_false(letters[0].repeated || letters[1].repeated || letters[2].repeated);
}

/* An instance that died before it could acknowledge: the next one buries it again. */
static void a_repeat_is_stored_once(void **state)
{
    struct dead_letter letters[] = {letter("connection.new", 10), letter("connection.new", 11)};
    uint64_t before;

    (void)state;
    assert_int_equal(dead_bury(service.bus, letters, 1), STATUS_OK);
    before = last_sequence();
    assert_int_equal(dead_bury(service.bus, letters, 2), STATUS_OK);
    assert_int_equal(last_sequence(), before + 1);
    assert_true(letters[0].repeated && !letters[1].repeated);
    /* The same number at another time is another event. */
    letters[0].timestamp_ms++;
    assert_int_equal(dead_bury(service.bus, letters, 1), STATUS_OK);
    assert_false(letters[0].repeated);
}

static void only_what_was_tried_names_its_event(void **state)
{
    struct dead_letter wrong = letter("connection.new", 20);
    struct dead_letter tried = letter("connection.new", 21);

    (void)state;
    tried.tried = true;
    assert_int_equal(dead_bury(service.bus, &wrong, 1), STATUS_OK);
    assert_string_equal(last_header("Pollen8-Event"), "");
    assert_int_equal(dead_bury(service.bus, &tried, 1), STATUS_OK);
    assert_string_equal(last_header("Pollen8-Event"), "21-1234");
}

static void what_is_too_large_is_cut(void **state)
{
    struct dead_letter large = letter("connection.new", 30);
    int64_t maximum = bus_maximum_payload(service.bus);
    char *body = calloc(1, (size_t)maximum);
    struct bus_stored *stored = NULL;
    struct bus_message message;

    (void)state;
    assert_non_null(body);
    large.body = slice_make(body, (size_t)maximum);
    assert_int_equal(dead_bury(service.bus, &large, 1), STATUS_OK);
    assert_int_equal(bus_stored_get(service.bus, STREAM_DEAD, last_sequence(), &stored), STATUS_OK);
    bus_stored_message(stored, &message);
    assert_true(message.data.length > (size_t)maximum / 2 && message.data.length < (size_t)maximum);
    bus_stored_free(stored);
    free(body);
}

/* The original may not be acknowledged then. */
static void without_the_stream_none_is_buried(void **state)
{
    struct dead_letter letters[] = {letter("connection.new", 40)};
    struct slice answer;

    (void)state;
    assert_int_equal(rig_ask(rig, "$JS.API.STREAM.DELETE." STREAM_DEAD, "", 0, &answer), STATUS_OK);
    assert_int_equal(dead_bury(service.bus, letters, 1), STATUS_DISCONNECTED);
    assert_false(letters[0].repeated);
    assert_int_equal(dead_bury(service.bus, letters, 0), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_stored_under_their_names),        cmocka_unit_test(a_repeat_is_stored_once),
        cmocka_unit_test(only_what_was_tried_names_its_event), cmocka_unit_test(what_is_too_large_is_cut),
        cmocka_unit_test(without_the_stream_none_is_buried),
    };

    return cmocka_run_group_tests(tests, service_set_up, service_tear_down);
}
