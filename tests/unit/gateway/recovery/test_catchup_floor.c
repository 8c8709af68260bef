/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session that has had more than its gateway: what comes late is not given again, and offsets never send
 * its client back.
 */
#include "gateway_fixture.h"

#include "recovery/catchup.h"
#include "recovery/catchup_floor.h"

static struct frame *make_frame(uint32_t lane, uint64_t sequence)
{
    struct frame *frame = NULL;

    assert_int_equal(frame_create_event(SLICE_LITERAL("test"), SLICE_LITERAL("1"), NULL, &frame), STATUS_OK);
    frame->lane = lane;
    frame->lane_sequence = sequence;
    return frame;
}

/* A session that has had lane 5 up to number 90 and lane 7 up to 3. */
static struct catchup *stand(struct gateway *gateway, struct probe *probe)
{
    struct catchup *catchup;

    open_session(gateway, probe, "ada", "technology");
    catchup = catchup_of(probe->session);
    assert_non_null(catchup);
    assert_int_equal(position_advance(&catchup->claim, 5, 90), STATUS_OK);
    assert_int_equal(position_advance(&catchup->claim, 7, 3), STATUS_OK);
    catchup_floor_stand(gateway, catchup);
    return catchup;
}

static void hear(struct gateway *gateway, uint32_t lane, uint64_t sequence, uint64_t previous)
{
    const struct lane_mark mark = {.lane = lane, .heard = true, .sequence = sequence, .previous = previous};

    progress_take(gateway->progress, &mark, gateway->now_ms, 1000000);
}

static bool had(const struct catchup *catchup, struct frame *frame)
{
    bool result = catchup_floor_had(catchup, frame);

    frame_unref(frame);
    return result;
}

static void what_was_had_elsewhere_is_not_given_again(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    const struct catchup *catchup = stand(gateway, &probe);
    struct frame *again = make_frame(8, 1);

    assert_true(had(catchup, make_frame(5, 90)));
    assert_false(had(catchup, make_frame(5, 91)));
    assert_true(had(catchup, make_frame(7, 1)));
    assert_false(had(catchup, make_frame(9, 1)));
    assert_false(had(catchup, make_frame(0, 0)));
    again->first_lane = 7;
    again->first_sequence = 3;
    assert_true(had(catchup, again)); /* published again, under new numbers */
}

/* The number of the lane in the offset of a frame as the session is given it. */
static uint64_t offered(struct gateway *gateway, struct catchup *catchup, uint32_t lane)
{
    struct frame *frame = make_frame(5, 1);
    struct frame *own;
    struct position position;
    const struct position_lane *found;

    frame_set_offset(frame, progress_offset(gateway->progress, gateway->now_ms));
    own = catchup_floor_offset(gateway, catchup, frame);
    assert_int_equal(position_read(frame_offset(own), &position), STATUS_OK);
    frame_unref(own);
    frame_unref(frame);
    found = position_find(&position, lane);
    return found ? found->sequence : 0;
}

static void an_offset_is_never_before_what_was_had(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct catchup *catchup = stand(gateway, &probe);

    hear(gateway, 5, 70, 60);
    assert_int_equal(offered(gateway, catchup, 5), 90);
    assert_int_equal(offered(gateway, catchup, 7), 3);
    hear(gateway, 5, 95, 70);
    assert_int_equal(offered(gateway, catchup, 5), 95);
    assert_int_equal(offered(gateway, catchup, 7), 3);
    assert_true(catchup->behind);
    hear(gateway, 7, 4, 3);
    assert_int_equal(offered(gateway, catchup, 7), 4);
    assert_false(catchup->behind);
}

static void a_lane_that_never_comes_is_waited_for_no_longer(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct catchup *catchup = stand(gateway, &probe);

    hear(gateway, 5, 95, 0);
    gateway->now_ms += FLOOR_BEHIND_MS - 1;
    assert_int_equal(offered(gateway, catchup, 7), 3);
    assert_true(catchup->behind);
    gateway->now_ms += 1;
    assert_int_equal(offered(gateway, catchup, 7), 0);
    assert_false(catchup->behind);
    assert_true(had(catchup, make_frame(7, 3)));
}

/* Whatever is claimed: a lane that is known, silent or not, or that there never was. */
static void a_claim_ends_and_is_nobody_elses(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct catchup *catchup = stand(gateway, &probe);
    const struct position *position = progress_position(gateway->progress);

    assert_int_equal(position_advance(&catchup->claim, 6, UINT64_MAX), STATUS_OK);
    hear(gateway, 5, 70, 60);
    hear(gateway, 6, 1, 0);
    gateway->now_ms += LANE_KEEP_MS - 1;
    assert_false(catchup_floor_check(gateway, catchup));
    assert_int_equal(offered(gateway, catchup, 5), 90);
    assert_int_equal(offered(gateway, catchup, 6), UINT64_MAX);
    gateway->now_ms += 1;
    assert_int_equal(offered(gateway, catchup, 5), 70);
    assert_int_equal(offered(gateway, catchup, 6), 1);
    assert_true(catchup_floor_check(gateway, catchup));
    assert_int_equal(position->count, 2);
    assert_int_equal(position_find(position, 5)->sequence, 70);
    assert_int_equal(position_find(position, 6)->sequence, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_had_elsewhere_is_not_given_again, setup, teardown),
        cmocka_unit_test_setup_teardown(an_offset_is_never_before_what_was_had, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lane_that_never_comes_is_waited_for_no_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_claim_ends_and_is_nobody_elses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
