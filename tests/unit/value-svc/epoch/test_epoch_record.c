/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The order of epochs in a real stream: each record after the one that its writer knew, or not at all.
 */
#include "epoch/epoch_record.h"

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

static void only_the_newest_is_followed(void **state)
{
    struct epoch_record first = {.epoch = 5, .redis = "mine", .server = "run:repl", .boundary = 9};
    struct epoch_record second = {.epoch = 6, .redis = "other", .server = "run2:repl2"};
    struct epoch_record found;
    char error[128] = "";

    (void)state;
    assert_int_equal(epoch_record_get(service.bus, &found), STATUS_OK);
    assert_true(found.place == 0 && found.epoch == 0);
    first.drains[0] = (struct service_drain){.epoch = 4, .above = 3, .to = 9};
    first.drain_count = 1;
    assert_int_equal(epoch_record_put(service.bus, &first, 0, error, sizeof(error)), STATUS_OK);
    assert_int_equal(epoch_record_get(service.bus, &found), STATUS_OK);
    assert_true(found.place > 0 && found.epoch == 5 && found.boundary == 9 && found.drain_count == 1);
    assert_string_equal(found.redis, "mine");
    assert_string_equal(found.server, "run:repl");
    assert_memory_equal(&found.drains[0], &first.drains[0], sizeof(first.drains[0]));
    /* Who still knows of none was too late. */
    assert_int_equal(epoch_record_put(service.bus, &second, 0, error, sizeof(error)), STATUS_UNAVAILABLE);
    assert_true(error[0] != '\0');
    assert_int_equal(epoch_record_put(service.bus, &second, found.place, error, sizeof(error)), STATUS_OK);
    assert_int_equal(epoch_record_put(service.bus, &first, found.place, error, sizeof(error)),
                     STATUS_UNAVAILABLE);
    assert_int_equal(epoch_record_get(service.bus, &found), STATUS_OK);
    assert_int_equal(found.epoch, 6);
    assert_int_equal(found.drain_count, 0);
}

static void what_cannot_be_read_is_not_taken_for_none(void **state)
{
    static const char *const bodies[] = {"", "not a record"};
    struct epoch_record found = {.epoch = 77};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            bus_store(service.bus, SUBJECT_EPOCH_NEWEST, NULL, slice_from_string(bodies[i]), NULL, NULL, 0),
            STATUS_OK);
        assert_int_equal(epoch_record_get(service.bus, &found), STATUS_MALFORMED);
    }
}

/* The stream was cut in epoch 8 at 100: what earlier epochs knew of later numbers is of other events. */
static void what_is_known_ends_where_the_stream_was_cut(void **state)
{
    const struct epoch_record whole = {.epoch = 9};
    const struct epoch_record cut = {.epoch = 9, .cut_epoch = 8, .cut_sequence = 100};

    (void)state;
    assert_true(epoch_record_covers(&whole, 1, 1000));
    assert_true(epoch_record_covers(&cut, 7, 100));
    assert_false(epoch_record_covers(&cut, 7, 101));
    assert_true(epoch_record_covers(&cut, 8, 101));
    assert_true(epoch_record_covers(&cut, 9, 101));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_newest_is_followed),
        cmocka_unit_test(what_cannot_be_read_is_not_taken_for_none),
        cmocka_unit_test(what_is_known_ends_where_the_stream_was_cut),
    };

    return cmocka_run_group_tests(tests, service_set_up, service_tear_down);
}
