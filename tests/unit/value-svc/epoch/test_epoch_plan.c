/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Whose stream it is, and from which event on it is handed out again: the table of epoch_plan.h, row by row.
 */
#include "epoch/epoch_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HOUR INT64_C(3600000)

static struct store_world world;
static struct epoch_record record;
static struct bus_stream_state stream;
static struct epoch_facts facts;

/* Settled: epoch 100 of the data "mine" on "run:repl", 50 of 60 events noted. */
static int set_up(void **state)
{
    (void)state;
    world = (struct store_world){.epoch = 100,
                                 .server = "run:repl",
                                 .of_server = true,
                                 .identity = "mine",
                                 .state = STORE_WHOLE,
                                 .replayed = true,
                                 .position = {.sequence = 50, .time_ms = 5000, .stream_created_ms = 1000},
                                 .anchor = {.sequence = 30, .time_ms = 3000, .stream_created_ms = 1000}};
    record = (struct epoch_record){.place = 7, .epoch = 100, .redis = "mine", .server = "run:repl"};
    stream = (struct bus_stream_state){.messages = 60,
                                       .first_sequence = 1,
                                       .last_sequence = 60,
                                       .first_time_ms = 1500,
                                       .last_time_ms = 6000,
                                       .created_ms = 1000};
    facts = (struct epoch_facts){.world = &world,
                                 .record = &record,
                                 .stream = &stream,
                                 .drained = true,
                                 .window_ms = 600000,
                                 .now_ms = 10};
    return 0;
}

static void expect(enum epoch_verdict expected)
{
    const char *why = NULL;

    assert_int_equal(epoch_judge(&facts, &why), expected);
    assert_true((why != NULL) == (expected == EPOCH_WAIT));
}

static struct store_world plan(struct epoch_record *ret_record)
{
    struct store_world next;

    epoch_plan(&facts, "fresh", &next, ret_record);
    assert_true(next.epoch > world.epoch && next.epoch > record.epoch);
    assert_true(next.epoch == ret_record->epoch);
    assert_int_equal(next.position.stream_created_ms, stream.created_ms);
    assert_string_equal(next.identity, ret_record->redis);
    assert_string_equal(ret_record->server, "run:repl");
    return next;
}

static void its_own(void **state)
{
    (void)state;
    expect(EPOCH_SETTLED);
    record.server[0] =
        'x'; /* restarted, a replica that was promoted, or a copy: does anybody count in the other? */
    world.of_server = false;
    expect(EPOCH_WAIT);
    facts.silent_ms = 2499;
    expect(EPOCH_WAIT);
    facts.silent_ms = 2500;
    expect(EPOCH_RAISE);
    facts.silent_ms = 0;
    facts.sentinels = facts.elected = true;
    expect(EPOCH_RAISE);
    set_up(NULL);
    world.epoch = 101; /* begun by a version that knows no record, or cut off in between */
    expect(EPOCH_RAISE);
    set_up(NULL);
    stream.created_ms = 2000;
    expect(EPOCH_RAISE);
    set_up(NULL);
    facts.tail_lost = true;
    expect(EPOCH_RAISE);
    set_up(NULL);
    record.place = 0; /* nobody has begun one yet */
    expect(EPOCH_RAISE);
}

static void a_copy_that_was_left_behind(void **state)
{
    (void)state;
    record.epoch = 101;
    record.server[0] = 'x';
    expect(EPOCH_WAIT);
    facts.silent_ms = 4999;
    expect(EPOCH_WAIT);
    facts.silent_ms = 5000;
    expect(EPOCH_RAISE);
    facts.sentinels = true; /* no majority of them can be asked */
    expect(EPOCH_WAIT);
    facts.silent_ms = 0;
    facts.elected = true;
    expect(EPOCH_RAISE);
    facts.sentinels = facts.elected = false;
    strcpy(record.server, world.server); /* begun at the broker, not yet here */
    expect(EPOCH_RAISE);
}

static void another_redis(void **state)
{
    (void)state;
    strcpy(world.identity, "other");
    world.epoch = 500;
    facts.silent_ms = HOUR;
    facts.sentinels = facts.elected = true;
    expect(EPOCH_WAIT);
    facts.sentinels = facts.elected = false;
    world = (struct store_world){.server = "new:new", .state = STORE_NEW};
    facts.silent_ms = 14999;
    expect(EPOCH_WAIT);
    facts.silent_ms = 15000;
    expect(EPOCH_RAISE);
    facts.silent_ms = 0;
    strcpy(world.server, record.server); /* emptied while it ran */
    expect(EPOCH_RAISE);
    world = (struct store_world){.epoch = 9, .server = "run:repl", .state = STORE_REBUILD};
    expect(EPOCH_WAIT);
}

static void goes_on_behind_its_position(void **state)
{
    struct epoch_record next_record;
    struct store_world next;

    (void)state;
    next = plan(&next_record);
    assert_int_equal(next.position.sequence, 50);
    assert_int_equal(next.quiet, 60); /* all of it is delivered from the durable that was */
    assert_int_equal(next.state, STORE_WHOLE);
    assert_int_equal(next_record.boundary, 60);
    assert_int_equal(next_record.drain_count, 1);
    assert_true(next_record.drains[0].epoch == 100 && next_record.drains[0].above == 0 &&
                next_record.drains[0].to == 60);
    record.boundary = 40; /* and of those before it, what they still have */
    record.drains[0] = (struct service_drain){.epoch = 90, .above = 20, .to = 40};
    record.drain_count = 1;
    plan(&next_record);
    assert_int_equal(next_record.drain_count, 2);
    assert_true(next_record.drains[0].epoch == 90 && next_record.drains[1].above == 40);
    assert_int_equal(next.whole_from_ms, 0);
    facts.sentinels = true; /* an old primary may live */
    facts.now_ms = 1000;
    assert_int_equal(plan(&next_record).whole_from_ms, 16000);
    stream.last_sequence = 50; /* this one has all there is */
    assert_int_equal(plan(&next_record).whole_from_ms, 0);
    stream.last_sequence = 60;
    facts.drained = false; /* the durable is gone */
    next = plan(&next_record);
    assert_true(next.quiet == 50 && next_record.boundary == 50);
    stream.first_sequence = 52; /* event 51 is gone */
    assert_int_equal(plan(&next_record).state, STORE_LOST);
    stream.first_sequence = 51;
    assert_int_equal(plan(&next_record).state, STORE_WHOLE);
    facts.now_ms = 123456;
    assert_int_equal(plan(&next_record).epoch, 123456);
}

/* What an earlier durable still has is lost if nobody reads it on. */
static void earlier_durables_stay(void **state)
{
    struct epoch_record next_record;

    (void)state;
    record.boundary = 55;
    record.drains[0] = (struct service_drain){.epoch = 90, .above = 20, .to = 55};
    record.drain_count = 1;
    facts.drained = false; /* the epoch was over before any worker began to read in it */
    struct store_world next = plan(&next_record);
    assert_int_equal(next_record.drain_count, 1);
    assert_true(next_record.drains[0].epoch == 90 && next_record.drains[0].to == 55);
    assert_true(next.quiet == 55 && next_record.boundary == 55); /* what is behind it is the new epoch's */

    facts.drained = true; /* and no place for another one */
    for (size_t i = 0; i < SERVICE_DRAINS_MAXIMUM; i++)
        record.drains[i] = (struct service_drain){.epoch = 90 + i, .above = 20 + i, .to = 21 + i};
    record.drain_count = SERVICE_DRAINS_MAXIMUM;
    next = plan(&next_record);
    assert_int_equal(next_record.drain_count, SERVICE_DRAINS_MAXIMUM);
    assert_true(next.quiet == 55 && next_record.boundary == 55);

    facts.tail_lost = true; /* numbers mean other events now */
    assert_int_equal((plan(&next_record), next_record.drain_count), 0);
}

static void an_empty_one(void **state)
{
    struct epoch_record next_record;
    struct store_world next;

    (void)state;
    world = (struct store_world){.server = "run:repl", .state = STORE_NEW};
    next = plan(&next_record);
    assert_int_equal(next.state, STORE_WHOLE);
    assert_int_equal(next.position.sequence, 0);
    assert_string_equal(next.identity, "mine"); /* it takes the place of the one that is gone */
    record.place = 0;
    next = plan(&next_record);
    assert_string_equal(next.identity, "fresh");
    stream.first_sequence = 2;
    stream.messages = 59;
    next = plan(&next_record);
    assert_int_equal(next.state, STORE_LOST);
    assert_true(next.position.sequence == 60 && next.quiet == 60 && next_record.drain_count == 1);
    stream = (struct bus_stream_state){.messages = 20000,
                                       .first_sequence = 1,
                                       .last_sequence = 20000,
                                       .first_time_ms = 1500,
                                       .last_time_ms = 1500 + HOUR,
                                       .created_ms = 1000};
    assert_int_equal(plan(&next_record).state, STORE_LOST); /* too much to be done unasked */
    stream.last_time_ms = 1500 + 600000;
    assert_int_equal(plan(&next_record).state, STORE_WHOLE);
}

static void a_stream_made_anew(void **state)
{
    struct epoch_record next_record;
    struct store_world next;

    (void)state;
    world.quiet = 40;
    stream.created_ms = 2000;
    next = plan(&next_record);
    assert_true(next.position.sequence == 0 && next.quiet == 0 && next.state == STORE_WHOLE);
    world.position.stream_created_ms = 0; /* of an older version: both times are the broker's */
    assert_false(epoch_stream_anew(&world, &stream));
    stream.created_ms = 5001;
    assert_true(epoch_stream_anew(&world, &stream));
}

static void a_lost_tail(void **state)
{
    struct epoch_record next_record;
    struct store_world next;

    (void)state;
    facts.tail_lost = true;
    facts.held = &world.anchor;
    world.quiet = 45;
    stream.last_sequence = 40;
    next = plan(&next_record);
    assert_true(next.position.sequence == 30 && next.quiet == 30 && next.state == STORE_WHOLE);
    assert_true(next_record.cut_epoch == next.epoch && next_record.cut_sequence == 30);
    facts.held = NULL; /* but it has all that it ever had */
    next = plan(&next_record);
    assert_true(next.position.sequence == 0 && next.state == STORE_WHOLE);
    stream.first_sequence = 2;
    assert_int_equal(plan(&next_record).state, STORE_LOST);
    facts.tail_lost = false; /* later epochs remember */
    record.cut_epoch = 90;
    record.cut_sequence = 33;
    plan(&next_record);
    assert_true(next_record.cut_epoch == 90 && next_record.cut_sequence == 33);
    assert_true(epoch_record_covers(&next_record, 90, 1000));
    assert_true(epoch_record_covers(&next_record, 89, 33));
    assert_false(epoch_record_covers(&next_record, 89, 34));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(its_own, set_up),
        cmocka_unit_test_setup(a_copy_that_was_left_behind, set_up),
        cmocka_unit_test_setup(another_redis, set_up),
        cmocka_unit_test_setup(goes_on_behind_its_position, set_up),
        cmocka_unit_test_setup(earlier_durables_stay, set_up),
        cmocka_unit_test_setup(an_empty_one, set_up),
        cmocka_unit_test_setup(a_stream_made_anew, set_up),
        cmocka_unit_test_setup(a_lost_tail, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
