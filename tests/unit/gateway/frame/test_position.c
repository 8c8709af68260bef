/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Positions: what they cover, and their text byte by byte.
 */
#include "gateway_test.h"

#include "frame/position.h"

static struct position some(void)
{
    struct position position = {.epoch = 300, .time_ms = 5000, .since_ms = 4000};

    assert_int_equal(position_advance(&position, 7, 70), STATUS_OK);
    assert_int_equal(position_advance(&position, 0xfffffffe, 1), STATUS_OK);
    assert_int_equal(position_advance(&position, 5, 128), STATUS_OK);
    return position;
}

static void covers_what_is_at_or_before(void **state)
{
    struct position position = some();

    (void)state;
    assert_true(position_covers(&position, 7, 70, 0));
    assert_true(position_covers(&position, 7, 1, 9000));
    assert_false(position_covers(&position, 7, 71, 1));
    assert_false(position_covers(&position, 6, 1, 0));
    assert_false(position_covers(&position, 0, 0, 0));
    /* of a lane that is not in it: by time, with a second's tolerance for the clocks */
    assert_true(position_covers(&position, 6, 1, 2999));
    assert_false(position_covers(&position, 6, 1, 3000));
    assert_false(position_covers(&position, 6, 1, 4001));
}

static void advances_and_never_goes_back(void **state)
{
    struct position position = some();

    (void)state;
    assert_int_equal(position.count, 3);
    assert_int_equal(position.lanes[0].lane, 5);
    assert_int_equal(position.lanes[1].lane, 7);
    assert_int_equal(position.lanes[2].lane, 0xfffffffe);
    assert_int_equal(position_advance(&position, 7, 60), STATUS_OK);
    assert_int_equal(position_find(&position, 7)->sequence, 70);
    assert_int_equal(position_advance(&position, 7, 71), STATUS_OK);
    assert_int_equal(position_find(&position, 7)->sequence, 71);
    position_remove(&position, 6);
    position_remove(&position, 7);
    assert_null(position_find(&position, 7));
    assert_int_equal(position.count, 2);
    assert_int_equal(position_find(&position, 0xfffffffe)->sequence, 1);
}

static void is_bounded(void **state)
{
    struct position position = {0};
    struct position other = {0};

    (void)state;
    for (uint32_t i = 1; i <= POSITION_LANES; i++)
        assert_int_equal(position_advance(&position, i * 2, i), STATUS_OK);
    assert_int_equal(position_advance(&position, 3, 1), STATUS_FULL);
    assert_int_equal(position_advance(&position, 4, 9), STATUS_OK);
    assert_int_equal(position_advance(&other, 3, 1), STATUS_OK);
    assert_int_equal(position_advance(&other, 6, 99), STATUS_OK);
    assert_int_equal(position_merge(&position, &other), STATUS_FULL);
    assert_int_equal(position_find(&position, 6)->sequence, 99);
    assert_int_equal(position.count, POSITION_LANES);
}

/* "AQ" is the version; epoch 300 is ac 02, time 5000 is 88 27, 1000 ms of it e8 07. */
static void has_one_text(void **state)
{
    static const unsigned char bytes[] = {1, 0xac, 0x02, 0x88, 0x27, 0xe8, 0x07};
    struct position position = {.epoch = 300, .time_ms = 5000, .since_ms = 4000};
    char out[POSITION_TEXT_SIZE];

    (void)state;
    assert_int_equal(sizeof(bytes), 7);
    assert_int_equal(position_write(&position, out), 10);
    assert_string_equal(out, "AawCiCfoBw");
    assert_int_equal(position_advance(&position, 5, 128), STATUS_OK);
    assert_int_equal(position_write(&position, out), 18);
    assert_string_equal(out, "AawCiCfoBwAAAAWAAQ");
}

static void reads_what_it_writes(void **state)
{
    struct position position = some();
    struct position again;
    char out[POSITION_TEXT_SIZE];
    size_t length = position_write(&position, out);
    struct slice text = exact(out, length);

    (void)state;
    assert_int_equal(position_read(text, &again), STATUS_OK);
    assert_int_equal(again.epoch, 300);
    assert_int_equal(again.time_ms, 5000);
    assert_int_equal(again.since_ms, 4000);
    assert_int_equal(again.count, 3);
    assert_memory_equal(again.lanes, position.lanes, 3 * sizeof(position.lanes[0]));
    exact_free(text);
}

static void forty_lanes_fit(void **state)
{
    struct position position = {.epoch = 1790000000000, .time_ms = 1790000000000, .since_ms = 1700000000000};
    char out[POSITION_TEXT_SIZE];

    (void)state;
    for (uint32_t i = 0; i < POSITION_LANES; i++)
        assert_int_equal(position_advance(&position, 0xffffffff - i, 0x7ffffffff), STATUS_OK);
    assert_in_range(position_write(&position, out), 1, POSITION_TEXT_MAXIMUM);
    for (uint32_t i = 0; i < POSITION_LANES; i++)
        assert_int_equal(position_advance(&position, 0xffffffff - i, UINT64_MAX), STATUS_OK);
    assert_int_equal(position_write(&position, out), 0);
}

static void refuses_anything_else(void **state)
{
    static const char *const texts[] = {
        "",                       /* nothing */
        "AQ",                     /* no epoch */
        "AgAAAA",                 /* another version */
        "AQAAAAA",                /* a truncated lane */
        "AQAAAA==",               /* padding */
        "AQAAAA.",                /* a foreign character */
        "AYAAAAA",                /* an epoch longer than it needs to be */
        "AQAAAQ",                 /* since before the beginning of time */
        "AQAAAAAAAAAB",           /* lane 0 */
        "AQAAAAAAAAUA",           /* sequence 0 */
        "AQAAAAAAAAUBAAAABQE",    /* the same lane twice */
        "AQAAAAAAAAYBAAAABQE",    /* lanes in descending order */
        "AQAAAAAAAAX__________w", /* a number past 64 bits */
    };
    struct position position;
    char *longest = repeated("A", POSITION_TEXT_MAXIMUM + 1, "", "");

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct slice text = exact_string(texts[i]);

        assert_int_equal(position_read(text, &position), STATUS_MALFORMED);
        exact_free(text);
    }
    assert_int_equal(position_read(slice_from_string(longest), &position), STATUS_MALFORMED);
    assert_int_equal(position_read(SLICE_LITERAL("AQAAAA"), &position), STATUS_OK);
    free(longest);
}

static void goes_through_a_message(void **state)
{
    struct position position = some();
    struct position_message message;
    struct position again;

    (void)state;
    position_to_message(&position, &message);
    assert_int_equal(position_from_message(&message.message, &again), STATUS_OK);
    assert_memory_equal(again.lanes, position.lanes, 3 * sizeof(position.lanes[0]));
    assert_int_equal(again.epoch, 300);
    assert_int_equal(again.since_ms, 4000);
    message.message.n_sequences--;
    assert_int_equal(position_from_message(&message.message, &again), STATUS_MALFORMED);
    message.message.n_sequences++;
    message.sequences[1] = 0;
    assert_int_equal(position_from_message(&message.message, &again), STATUS_MALFORMED);
}

static void a_shared_one_is_a_copy(void **state)
{
    struct position position = some();
    struct position *shared = position_share(&position);

    (void)state;
    assert_non_null(shared);
    assert_int_equal(position_advance(&position, 7, 99), STATUS_OK);
    assert_ptr_equal(position_ref(shared), shared);
    position_unref(shared);
    assert_int_equal(position_find(shared, 7)->sequence, 70);
    position_unref(shared);
    position_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covers_what_is_at_or_before),
        cmocka_unit_test(advances_and_never_goes_back),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(has_one_text),
        cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(forty_lanes_fit),
        cmocka_unit_test(refuses_anything_else),
        cmocka_unit_test(goes_through_a_message),
        cmocka_unit_test(a_shared_one_is_a_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
