/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Held frames keep their order and a reference, up to a bound in bytes; ids up to a bound in number.
 */
#include "gateway_test.h"

#include "frame/frame.h"
#include "frame/held_frames.h"

static struct frame *frame_of(const char *data, uint64_t event_id)
{
    struct frame *frame = NULL;

    assert_int_equal(frame_create_event(SLICE_LITERAL("e"), slice_from_string(data), NULL, &frame),
                     STATUS_OK);
    frame->event_id = event_id;
    return frame;
}

static void frames_in_their_order(void **state)
{
    enum { FRAMES = 100 };
    struct held_frames held = {0};
    struct frame *frames[FRAMES];

    (void)state;
    for (uint64_t i = 0; i < FRAMES; i++) {
        frames[i] = frame_of("12", i); /* the first one has no id */
        assert_true(held_frames_add(&held, frames[i], 1000));
        assert_int_equal(frames[i]->references, 2);
        frame_unref(frames[i]);
    }
    assert_int_equal(held.count, FRAMES);
    assert_int_equal(held.bytes, 3 * FRAMES);
    for (uint64_t i = 0; i < FRAMES; i++) {
        assert_ptr_equal(held.list[i], frames[i]);
        assert_true(held_frames_have(&held, i) == (i > 0));
    }
    assert_false(held_frames_have(&held, FRAMES));
    held_frames_drop(&held);
    assert_int_equal(held.count, 0);
    assert_int_equal(held.bytes, 0);
    assert_null(held.list);
    assert_false(held_frames_have(&held, 1));
}

static void bytes_are_bounded(void **state)
{
    struct held_frames held = {0};
    struct frame *frame = frame_of("\"789\"", 7); /* six bytes with its event */

    (void)state;
    assert_false(held_frames_add(&held, frame, 5));
    assert_int_equal(frame->references, 1);
    assert_true(held_frames_add(&held, frame, 6));
    assert_false(held_frames_add(&held, frame, 11));
    assert_true(held_frames_add(&held, frame, 12)); /* the same one twice */
    assert_int_equal(frame->references, 3);
    held_frames_drop(&held);
    assert_int_equal(frame->references, 1);
    assert_true(held_frames_add(&held, frame, 6)); /* it is empty again */
    held_frames_drop(&held);
    frame_unref(frame);
}

static void ids_are_bounded(void **state)
{
    struct frame_ids ids = {0};

    (void)state;
    assert_false(frame_ids_have(&ids, 1));
    for (uint64_t id = 1; id <= FRAME_IDS_MAXIMUM; id++)
        assert_true(frame_ids_add(&ids, id));
    assert_int_equal(ids.count, FRAME_IDS_MAXIMUM);
    assert_false(frame_ids_add(&ids, FRAME_IDS_MAXIMUM + 1));
    assert_true(frame_ids_have(&ids, 1));
    assert_true(frame_ids_have(&ids, FRAME_IDS_MAXIMUM));
    assert_false(frame_ids_have(&ids, FRAME_IDS_MAXIMUM + 1));
    frame_ids_done(&ids);
    assert_false(frame_ids_have(&ids, 1));
}

static void no_id_is_no_id(void **state)
{
    struct frame_ids ids = {0};

    (void)state;
    assert_true(frame_ids_add(&ids, 0));
    assert_int_equal(ids.count, 0);
    assert_true(frame_ids_add(&ids, 5));
    assert_false(frame_ids_have(&ids, 0));
    frame_ids_done(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_in_their_order),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(ids_are_bounded),
        cmocka_unit_test(no_id_is_no_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
