/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session's queue: order, bounds, coalescing, and that every reference taken is released.
 */
#include "gateway_test.h"

#include <stdio.h>

#include "frame/outq.h"

#define LARGE (1U << 20)

static struct frame *make(unsigned number, uint64_t coalesce)
{
    struct frame_rule rule = {.coalesce = coalesce};
    struct frame *frame = NULL;
    char data[16];

    snprintf(data, sizeof(data), "%05u", number);
    assert_int_equal(frame_create_event(SLICE_LITERAL("a"), slice_from_string(data), &rule, &frame),
                     STATUS_OK);
    return frame;
}

/* Queues a frame and releases the maker's reference. */
static enum status push(struct outq *outq, unsigned number, uint64_t coalesce, uint32_t maximum)
{
    struct frame *frame = make(number, coalesce);
    enum status status = outq_push(outq, frame, FRAME_JSON, maximum);

    frame_unref(frame);
    return status;
}

static unsigned number_at(const struct outq *outq, uint16_t index)
{
    const struct frame *frame = outq_frames(outq)[index];

    return (unsigned)strtoul(frame->text + frame->event_length, NULL, 10);
}

/* Removes the oldest and checks which it was. */
static void pop(struct outq *outq, unsigned expected)
{
    assert_true(outq->count > 0);
    assert_int_equal(number_at(outq, 0), expected);
    outq_pop(outq, 1, frame_wire(outq_frames(outq)[0], FRAME_JSON)->length);
}

static void keeps_order_inline_and_beyond(void **state)
{
    struct outq outq = {0};

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(push(&outq, i, 0, LARGE), STATUS_OK);
        assert_int_equal(outq.count, 100);
        for (unsigned i = 0; i < 100; i++)
            pop(&outq, i);
        assert_int_equal(outq.count, 0);
        assert_int_equal(outq.bytes, 0);
        outq_trim(&outq);
        assert_int_equal(outq.capacity, 0);
    }
}

static void keeps_order_with_a_moving_head(void **state)
{
    struct outq outq = {0};
    unsigned in = 0;
    unsigned out = 0;

    (void)state;
    for (unsigned step = 0; step < 3000; step++) {
        unsigned pushes = step * 7 % 5;
        unsigned pops = step * 11 % 5;

        for (unsigned i = 0; i < pushes; i++)
            assert_int_equal(push(&outq, in++, 0, LARGE), STATUS_OK);
        for (unsigned i = 0; i < pops && outq.count > 0; i++)
            pop(&outq, out++);
        assert_int_equal(outq.count, in - out);
    }
    outq_clear(&outq);
    assert_int_equal(outq.count, 0);
    assert_int_equal(outq.bytes, 0);
    assert_int_equal(outq.capacity, 0);
}

static void is_bounded_in_bytes(void **state)
{
    struct outq outq = {0};
    struct frame *frame = make(1, 0);
    uint32_t length = frame_wire(frame, FRAME_JSON)->length;

    (void)state;
    frame_unref(frame);
    assert_int_equal(push(&outq, 1, 0, 3 * length), STATUS_OK);
    assert_int_equal(push(&outq, 2, 0, 3 * length), STATUS_OK);
    assert_int_equal(push(&outq, 3, 0, 3 * length), STATUS_OK);
    assert_int_equal(push(&outq, 4, 0, 3 * length), STATUS_FULL);
    assert_int_equal(outq.count, 3);
    assert_int_equal(outq.bytes, 3 * length);
    pop(&outq, 1);
    assert_int_equal(push(&outq, 5, 0, 3 * length), STATUS_OK);
    pop(&outq, 2);
    pop(&outq, 3);
    pop(&outq, 5);
    outq_clear(&outq);
}

static void is_bounded_in_count(void **state)
{
    struct outq outq = {0};

    (void)state;
    for (unsigned i = 0; i < OUTQ_FRAMES; i++)
        assert_int_equal(push(&outq, i, 0, UINT32_MAX), STATUS_OK);
    assert_int_equal(push(&outq, 0, 0, UINT32_MAX), STATUS_FULL);
    assert_int_equal(outq.count, OUTQ_FRAMES);
    outq_clear(&outq);
}

static void a_newer_frame_comes_last_and_the_older_goes(void **state)
{
    struct outq outq = {0};

    (void)state;
    assert_int_equal(push(&outq, 1, 77, LARGE), STATUS_OK);
    assert_int_equal(push(&outq, 2, 0, LARGE), STATUS_OK);
    assert_int_equal(push(&outq, 3, 88, LARGE), STATUS_OK);
    assert_int_equal(push(&outq, 4, 77, LARGE), STATUS_OK);
    assert_int_equal(outq.count, 3);
    pop(&outq, 2);
    pop(&outq, 3);
    pop(&outq, 4);
    /* the one of key 77 is gone, and its successor is not in its place */
    assert_int_equal(push(&outq, 5, 77, LARGE), STATUS_OK);
    pop(&outq, 5);
    assert_int_equal(outq.bytes, 0);
    outq_clear(&outq);
}

static void a_full_queue_still_coalesces(void **state)
{
    struct outq outq = {0};
    uint32_t full;

    (void)state;
    assert_int_equal(push(&outq, 1, 77, LARGE), STATUS_OK);
    assert_int_equal(push(&outq, 2, 0, LARGE), STATUS_OK);
    full = outq.bytes;
    assert_int_equal(push(&outq, 3, 0, full), STATUS_FULL);
    assert_int_equal(push(&outq, 4, 77, full), STATUS_OK);
    assert_int_equal(outq.bytes, full);
    pop(&outq, 2);
    pop(&outq, 4);
    outq_clear(&outq);
}

/* The byte count is right if the newer frame is longer or shorter than the one it replaces. */
static void a_replaced_frame_counts_with_its_own_length(void **state)
{
    static const unsigned numbers[] = {1, 1000000, 2};
    struct outq outq = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        assert_int_equal(push(&outq, numbers[i], 77, LARGE), STATUS_OK);
        assert_int_equal(outq.count, 1);
        assert_int_equal(outq.bytes, frame_wire(outq_frames(&outq)[0], FRAME_JSON)->length);
    }
    pop(&outq, 2);
    assert_int_equal(outq.bytes, 0);
    outq_clear(&outq);
}

static void every_reference_is_given_back(void **state)
{
    struct outq first = {0};
    struct outq second = {0};
    struct frame *frame = make(1, 5);
    struct frame *newer = make(2, 5);

    (void)state;
    assert_int_equal(outq_push(&first, frame, FRAME_JSON, LARGE), STATUS_OK);
    assert_int_equal(outq_push(&second, frame, FRAME_PROTOBUF, LARGE), STATUS_OK);
    assert_int_equal(frame->references, 3);
    assert_int_equal(outq_push(&first, newer, FRAME_JSON, LARGE), STATUS_OK);
    assert_int_equal(frame->references, 2);
    assert_int_equal(newer->references, 2);
    outq_clear(&second);
    assert_int_equal(frame->references, 1);
    outq_clear(&first);
    assert_int_equal(newer->references, 1);
    frame_unref(frame);
    frame_unref(newer);
}

static void what_does_not_fit_replaces_nothing(void **state)
{
    struct outq outq = {0};
    struct frame_rule rule = {.coalesce = 9};
    struct frame *frame = NULL;

    (void)state;
    assert_int_equal(push(&outq, 1, 9, LARGE), STATUS_OK);
    assert_int_equal(push(&outq, 2, 0, LARGE), STATUS_OK);
    assert_int_equal(
        frame_create_event(SLICE_LITERAL("a"), SLICE_LITERAL("[1,2,3,4,5,6,7,8]"), &rule, &frame), STATUS_OK);
    assert_int_equal(outq_push(&outq, frame, FRAME_JSON, outq.bytes), STATUS_FULL);
    frame_unref(frame);
    pop(&outq, 1);
    pop(&outq, 2);
    outq_clear(&outq);
}

static void a_trimmed_queue_is_empty_and_small(void **state)
{
    struct outq outq = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(push(&outq, i, 0, LARGE), STATUS_OK);
    outq_trim(&outq); /* the queue is not empty: nothing happens */
    assert_int_equal(outq.count, 10);
    outq_pop(&outq, 10, outq.bytes);
    outq_trim(&outq);
    assert_int_equal(outq.capacity, 0);
    assert_int_equal(push(&outq, 7, 0, LARGE), STATUS_OK);
    pop(&outq, 7);
    outq_clear(&outq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_inline_and_beyond),
        cmocka_unit_test(keeps_order_with_a_moving_head),
        cmocka_unit_test(is_bounded_in_bytes),
        cmocka_unit_test(is_bounded_in_count),
        cmocka_unit_test(a_newer_frame_comes_last_and_the_older_goes),
        cmocka_unit_test(a_full_queue_still_coalesces),
        cmocka_unit_test(a_replaced_frame_counts_with_its_own_length),
        cmocka_unit_test(every_reference_is_given_back),
        cmocka_unit_test(what_does_not_fit_replaces_nothing),
        cmocka_unit_test(a_trimmed_queue_is_empty_and_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
