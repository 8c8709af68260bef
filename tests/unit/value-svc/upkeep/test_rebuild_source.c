/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a rebuild finds in real streams: which snapshot, and what is missing after it.
 */
#include "upkeep/rebuild_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "epoch/epoch_record.h"
#include "service/stream.h"
#include "service_fixture.h"
#include "snapshot/snapshot.h"

static struct bus_stream_state events(void)
{
    struct bus_stream_state state;

    assert_int_equal(bus_stream_state(service.bus, STREAM_EVENTS, &state), STATUS_OK);
    return state;
}

static void store_events(size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            bus_store(service.bus, "pollen8.events.connection.new", NULL, SLICE_LITERAL("{}"), NULL, NULL, 0),
            STATUS_OK);
}

/* A snapshot of one user, up to a sequence. */
static void take_snapshot(struct snapshot_manifest *manifest, uint64_t sequence, uint64_t previous)
{
    struct slice items[] = {SLICE_LITERAL("connections"), SLICE_LITERAL("3")};
    const struct store_piece piece = {.user = "YWRh",
                                      .suffix = SLICE_LITERAL(":net"),
                                      .type = SLICE_LITERAL("hash"),
                                      .items = items,
                                      .count = 2,
                                      .first = true,
                                      .last = true};
    struct snapshot_writer *writer = NULL;

    *manifest = (struct snapshot_manifest){
        .sequence = sequence, .stream_created_ms = events().created_ms, .previous = previous, .epoch = 5};
    assert_int_equal(snapshot_writer_create(service.bus, &writer), STATUS_OK);
    assert_int_equal(snapshot_write(writer, &piece), STATUS_OK);
    assert_int_equal(snapshot_writer_finish(writer, &manifest->body), STATUS_OK);
    snapshot_writer_free(writer);
    assert_int_equal(snapshot_publish(service.bus, manifest), STATUS_OK);
}

static struct rebuild_source find(void)
{
    struct rebuild_source source;

    assert_int_equal(rebuild_find_source(service.bus, &source), STATUS_OK);
    return source;
}

static void without_a_snapshot_the_stream_has_to_be_whole(void **state)
{
    struct rebuild_source source;

    (void)state;
    source = find();
    assert_false(source.snapshot);
    assert_string_equal(source.missing, "");
    store_events(10);
    source = find();
    assert_true(source.position.sequence == 0 && source.last_sequence == 10);
    assert_string_equal(source.missing, "");
    assert_int_equal(bus_stream_purge(service.bus, STREAM_EVENTS, NULL, 4), STATUS_OK);
    assert_non_null(strstr(find().missing, "events 1 to 3 "));
}

static void a_snapshot_makes_up_for_what_was_removed(void **state)
{
    struct snapshot_manifest manifest;
    struct rebuild_source source;

    (void)state;
    take_snapshot(&manifest, 5, 0);
    source = find();
    assert_true(source.snapshot && source.position.sequence == 5 && source.position.time_ms > 0);
    assert_string_equal(source.missing, "");
    assert_int_equal(bus_stream_purge(service.bus, STREAM_EVENTS, NULL, 9), STATUS_OK);
    source = find();
    assert_int_equal(source.position.time_ms, 0); /* that event is gone */
    assert_non_null(strstr(source.missing, "events 6 to 8 "));
}

static void a_damaged_one_gives_way_to_the_one_before_it(void **state)
{
    struct snapshot_manifest good;
    struct snapshot_manifest damaged;
    uint64_t place = 0;

    (void)state;
    take_snapshot(&good, 8, 0);
    assert_int_equal(snapshot_newest(service.bus, &good, &place), STATUS_OK);
    take_snapshot(&damaged, 10, place);
    assert_int_equal(find().position.sequence, 10);
    assert_int_equal(bus_stored_delete(service.bus, STREAM_SNAPSHOT, damaged.body.first_sequence), STATUS_OK);
    assert_int_equal(find().position.sequence, 8);
    assert_string_equal(find().manifest.body.id, good.body.id);
}

/* The broker lost its tail at 6 after the snapshots: the number 8 is another event's by now. */
static void one_that_is_newer_than_the_stream_is_none(void **state)
{
    const struct epoch_record record = {
        .epoch = 9, .redis = "r", .server = "s:r", .cut_epoch = 9, .cut_sequence = 6};
    char error[128] = "";

    (void)state;
    assert_int_equal(epoch_record_put(service.bus, &record, 0, error, sizeof(error)), STATUS_OK);
    assert_false(find().snapshot);
}

static void of_another_stream_it_is_not_enough(void **state)
{
    struct snapshot_manifest manifest;
    struct rebuild_source source;
    struct slice answer;

    (void)state;
    take_snapshot(&manifest, 3, 0);
    assert_true(find().snapshot);
    assert_int_equal(rig_ask(rig, "$JS.API.STREAM.DELETE." STREAM_EVENTS, "", 0, &answer), STATUS_OK);
    assert_int_equal(rebuild_find_source(service.bus, &source), STATUS_NOT_FOUND);
    assert_int_equal(stream_ensure(&service), STATUS_OK);
    source = find();
    assert_true(source.snapshot && source.position.sequence == 0);
    assert_non_null(strstr(source.missing, "recreated"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_snapshot_the_stream_has_to_be_whole),
        cmocka_unit_test(a_snapshot_makes_up_for_what_was_removed),
        cmocka_unit_test(a_damaged_one_gives_way_to_the_one_before_it),
        cmocka_unit_test(one_that_is_newer_than_the_stream_is_none),
        cmocka_unit_test(of_another_stream_it_is_not_enough),
    };

    return cmocka_run_group_tests(tests, service_set_up, service_tear_down);
}
