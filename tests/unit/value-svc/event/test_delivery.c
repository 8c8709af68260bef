/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * An event's frames: their numbers, their names, and how they arrive over a real broker.
 */
#include "event/delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "service_fixture.h"

static struct delivery *delivery;
static struct event event;

static int set_up(void **state)
{
    service_set_up(state);
    assert_int_equal(delivery_create(service.bus, metrics_cell(service.metrics, VALUE_PUBLISHES, NULL),
                                     metrics_cell(service.metrics, VALUE_VALUE_CALCULATIONS, NULL),
                                     &delivery),
                     STATUS_OK);
    return 0;
}

static int tear_down(void **state)
{
    delivery_free(delivery);
    return service_tear_down(state);
}

static void read_event(const char *name, const char *text)
{
    char reason[EVENT_REASON_SIZE];

    assert_int_equal(
        event_from_json(event_find(slice_from_string(name)), slice_from_string(text), &event, reason),
        STATUS_OK);
}

static void each_frame_has_its_number(void **state)
{
    struct delivery_sent first;
    struct delivery_sent second;
    struct delivery_sent third;

    (void)state;
    read_event("connection.new", "{\"userId\":\"ada\",\"industries\":[\"tech\"]}");
    delivery_number_user(delivery, &event, ~0U, &first);
    delivery_number_user(delivery, &event, EFFECT_UPDATE, &second);
    delivery_number_industry(delivery, &first);
    delivery_number_industry(delivery, &second); /* takes none */
    assert_true(first.lane != 0 && second.lane == first.lane);
    assert_int_equal(second.user, first.user + 1);
    assert_int_equal(first.industry, second.user + 1);
    assert_int_equal(second.industry, 0);
    assert_int_equal(delivery_number_of(&first, EFFECT_UPDATE), first.user);
    assert_int_equal(delivery_number_of(&first, EFFECT_INDUSTRY), first.industry);
    assert_int_equal(delivery_number_of(&first, EFFECT_USER), 0);
    /* Without industries there is no frame to them. */
    read_event("connection.new", "{\"userId\":\"ada\",\"industries\":[]}");
    delivery_number_user(delivery, &event, ~0U, &third);
    assert_false(third.effects & EFFECT_INDUSTRY);
    assert_int_equal(third.user, first.industry + 1);
}

static void ids_name_a_frame_however_often(void **state)
{
    (void)state;
    assert_true(delivery_event_id("k", EFFECT_INDUSTRY, 1) == delivery_event_id("k", EFFECT_INDUSTRY, 2));
    assert_true(delivery_event_id("k", EFFECT_USER, 1) == delivery_event_id("k", EFFECT_USER, 2));
    assert_true(delivery_event_id("k", EFFECT_UPDATE, 1) == delivery_event_id("k", EFFECT_UPDATE, 1));
    assert_true(delivery_event_id("k", EFFECT_UPDATE, 1) != delivery_event_id("k", EFFECT_UPDATE, 2));
    assert_true(delivery_event_id("k", EFFECT_USER, 1) != delivery_event_id("k", EFFECT_INDUSTRY, 1));
    assert_true(delivery_event_id("k", EFFECT_USER, 1) != delivery_event_id("l", EFFECT_USER, 1));
}

static void a_repeat_names_its_first_numbers(void **state)
{
    struct delivery_sent sent;
    struct rig_frame found;
    struct buf packed;

    (void)state;
    rig_clear(rig);
    buf_init(&packed, 65536);
    read_event("connection.new", "{\"userId\":\"ada\",\"industries\":[\"Tech\"]}");
    delivery_number_user(delivery, &event, ~0U, &sent);
    delivery_number_industry(delivery, &sent);
    sent.epoch = 7;
    sent.stamp_us = delivery_stamp(delivery);
    sent.user_sequence = 40;
    sent.first_lane = 12;
    sent.first_user = 3;
    sent.first_industry = 4;
    assert_int_equal(delivery_pack(delivery, &event, "key", EFFECT_INDUSTRY, &packed), STATUS_OK);
    assert_int_equal(delivery_pack_sent(&sent, EFFECT_INDUSTRY, &packed), STATUS_OK);
    assert_int_equal(delivery_publish_update(delivery, "ada", "key", &sent, 5, 8), STATUS_OK);
    assert_int_equal(delivery_publish_industry(delivery, &sent, buf_slice(&packed)), STATUS_OK);
    buf_done(&packed);
    rig_wait(rig, "pollen8.out.user.YWRh", "network.update", 1);
    rig_wait(rig, "pollen8.out.industry", "connection.new", 1);
    expect_frame("pollen8.out.user.YWRh", "network.update", 0, &found);
    assert_string_equal(found.data, "{\"userId\":\"ada\",\"newValue\":15.7}");
    assert_true(found.epoch == 7 && found.version == 8 && found.user_sequence == 40);
    assert_true(found.first_lane == 12 && found.first_lane_sequence == 3);
    expect_frame("pollen8.out.industry", "connection.new", 0, &found);
    assert_string_equal(found.industries, "tech");
    assert_true(found.lane == sent.lane && found.lane_sequence == sent.industry && found.user_sequence == 0);
    assert_true(found.first_lane == 12 && found.first_lane_sequence == 4);
    assert_true(found.event_id == delivery_event_id("key", EFFECT_INDUSTRY, 0));
}

/* Each gateway notices by it what it missed. */
static void frames_to_all_name_the_one_before(void **state)
{
    struct rig_frame frames[2];
    struct delivery_sent sent;
    struct buf packed;

    (void)state;
    rig_clear(rig);
    buf_init(&packed, 65536);
    delivery_abandon(delivery); /* a lane that nobody has heard of yet */
    read_event("connection.new", "{\"userId\":\"ada\",\"industries\":[\"Tech\"]}");
    for (int i = 0; i < 2; i++) {
        buf_clear(&packed);
        delivery_number_user(delivery, &event, ~0U, &sent);
        delivery_number_industry(delivery, &sent);
        assert_int_equal(delivery_pack(delivery, &event, "key", EFFECT_INDUSTRY, &packed), STATUS_OK);
        assert_int_equal(delivery_pack_sent(&sent, EFFECT_INDUSTRY, &packed), STATUS_OK);
        assert_int_equal(delivery_publish_industry(delivery, &sent, buf_slice(&packed)), STATUS_OK);
    }
    buf_done(&packed);
    rig_wait(rig, "pollen8.out.industry", NULL, 2);
    for (size_t i = 0; i < 2; i++)
        expect_frame("pollen8.out.industry", NULL, i, &frames[i]);
    assert_int_equal(frames[0].lane_previous, 0);
    assert_int_equal(frames[1].lane_previous, frames[0].lane_sequence);
    assert_true(frames[1].lane_sequence > frames[0].lane_sequence + 1); /* the user's is between them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_frame_has_its_number),
        cmocka_unit_test(ids_name_a_frame_however_often),
        cmocka_unit_test(a_repeat_names_its_first_numbers),
        cmocka_unit_test(frames_to_all_name_the_one_before),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
