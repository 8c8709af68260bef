/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Items are found only by their handles, whatever is in their slots later.
 */
#include "gateway_test.h"

#include "base/slots.h"

static void finds_what_is_in_it(void **state)
{
    int items[3];
    uint64_t handles[3];
    struct slots slots;

    (void)state;
    slots_init(&slots, 2, 4);
    assert_null(slots_find(&slots, 0));
    assert_null(slots_at(&slots, 0));
    for (int i = 0; i < 3; i++)
        assert_int_equal(slots_put(&slots, &items[i], &handles[i]), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(slots_find(&slots, handles[i]), &items[i]);
        assert_ptr_equal(slots_at(&slots, (size_t)i), &items[i]);
    }
    assert_int_equal(slots.count, 3);
    assert_null(slots_at(&slots, 3));
    assert_null(slots_find(&slots, handles[0] + 3));
    slots_done(&slots);
}

static void an_old_handle_finds_nothing(void **state)
{
    int first;
    int second;
    uint64_t old;
    uint64_t handle;
    struct slots slots;

    (void)state;
    slots_init(&slots, 1, 1);
    assert_int_equal(slots_put(&slots, &first, &old), STATUS_OK);
    slots_remove(&slots, old);
    assert_null(slots_find(&slots, old));
    assert_int_equal(slots.count, 0);
    assert_int_equal(slots_put(&slots, &second, &handle), STATUS_OK);
    assert_null(slots_find(&slots, old));
    assert_ptr_equal(slots_find(&slots, handle), &second);
    old = handle;
    handle = slots_renew(&slots, handle);
    assert_null(slots_find(&slots, old));
    assert_ptr_equal(slots_find(&slots, handle), &second);
    slots_done(&slots);
}

static void the_last_slot_left_is_taken_first(void **state)
{
    int item;
    uint64_t handles[3];
    struct slots slots;

    (void)state;
    slots_init(&slots, 64, 64);
    for (int i = 0; i < 3; i++)
        assert_int_equal(slots_put(&slots, &item, &handles[i]), STATUS_OK);
    slots_remove(&slots, handles[2]);
    slots_remove(&slots, handles[0]);
    assert_int_equal(slots_put(&slots, &item, &handles[0]), STATUS_OK);
    assert_int_equal(handles[0] & UINT32_MAX, 0);
    assert_int_equal(slots_put(&slots, &item, &handles[2]), STATUS_OK);
    assert_int_equal(handles[2] & UINT32_MAX, 2);
    assert_int_equal(slots.used, 3);
    slots_done(&slots);
}

static void stays_within_its_bound(void **state)
{
    int item;
    uint64_t handle = 0;
    struct slots slots;

    (void)state;
    slots_init(&slots, 2, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(slots_put(&slots, &item, &handle), STATUS_OK);
    assert_int_equal(slots_reserve(&slots), STATUS_FULL);
    assert_int_equal(slots_put(&slots, &item, &handle), STATUS_FULL);
    slots_remove(&slots, handle);
    assert_int_equal(slots_reserve(&slots), STATUS_OK);
    assert_int_equal(slots_put(&slots, &item, &handle), STATUS_OK);
    slots_done(&slots);
}

static void no_handle_is_zero(void **state)
{
    int item;
    uint64_t handle;
    struct slots slots;

    (void)state;
    slots_init(&slots, 1, 1);
    assert_int_equal(slots_put(&slots, &item, &handle), STATUS_OK);
    assert_int_not_equal(handle, 0);
    slots.list[0].generation = UINT32_MAX;
    assert_int_not_equal(slots_renew(&slots, handle), 0);
    slots.list[0].generation = UINT32_MAX;
    slots_remove(&slots, handle);
    assert_int_equal(slots_put(&slots, &item, &handle), STATUS_OK);
    assert_int_not_equal(handle, 0);
    slots_done(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_in_it),
        cmocka_unit_test(an_old_handle_finds_nothing),
        cmocka_unit_test(the_last_slot_left_is_taken_first),
        cmocka_unit_test(stays_within_its_bound),
        cmocka_unit_test(no_handle_is_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
