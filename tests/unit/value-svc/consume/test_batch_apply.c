/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which events of an applied batch are published, and when a batch's numbers are given up.
 */
#include "consume/batch_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"

static void what_is_published(void **state)
{
    static const struct {
        enum store_outcome outcome;
        bool replay, mine, replayed, published;
    } rows[] = {
        {STORE_APPLIED, false, false, false, true},
        {STORE_APPLIED, true, false, false, true},
        {STORE_REPEATED, false, false, false, true},
        {STORE_REPEATED, false, true, false, true},
        /* Counted already, and delivered elsewhere: only what a replay counted is told again. */
        {STORE_REPEATED, true, false, false, false},
        {STORE_REPEATED, true, true, false, true},
        {STORE_REPEATED, true, false, true, true},
        {STORE_DUPLICATE, false, false, false, false},
        {STORE_OUT_OF_RANGE, false, false, false, false},
        {STORE_FAILED, false, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct store_event apply = {.outcome = rows[i].outcome,
                                          .replay = rows[i].replay,
                                          .mine = rows[i].mine,
                                          .replayed = rows[i].replayed};

        if (batch_delivers(&apply) != rows[i].published)
            fail_msg("row %zu", i);
    }
}

static void numbers_last_so_long(void **state)
{
    struct batch batch = {.stamped_ms = 0};

    (void)state;
    clock_set_for_test(10000 * 1000, -1);
    assert_false(batch_stamped_over(&batch, 0)); /* it has no stamp yet */
    batch.stamped_ms = 9000;
    assert_false(batch_stamped_over(&batch, 1000));
    clock_set_for_test(10001 * 1000, -1);
    assert_true(batch_stamped_over(&batch, 1000));
    clock_set_for_test(-1, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published),
        cmocka_unit_test(numbers_last_so_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
