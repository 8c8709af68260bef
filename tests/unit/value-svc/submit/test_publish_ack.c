/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What JetStream says to a publish: stored, stored before, refused, nonsense.
 */
#include "submit/publish_ack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void stored(void **state)
{
    struct publish_ack ack = {0};

    (void)state;
    assert_int_equal(publish_ack_read(SLICE_LITERAL("{\"stream\":\"S\",\"seq\":7}"), &ack), STATUS_OK);
    assert_true(ack.sequence == 7 && !ack.duplicate);
    assert_int_equal(publish_ack_read(SLICE_LITERAL("{\"stream\":\"S\",\"seq\":7,\"duplicate\":true}"), &ack),
                     STATUS_OK);
    assert_true(ack.sequence == 7 && ack.duplicate);
}

static void anything_else_is_not_stored(void **state)
{
    static const char *const rows[] = {
        "",
        "+OK",
        "[]",
        "{}",
        "{\"stream\":\"S\",\"seq\":0}",
        "{\"stream\":\"S\",\"seq\":\"7\"}",
        "{\"error\":{\"code\":503,\"description\":\"insufficient resources\"},\"seq\":7}",
        "{\"stream\":\"S\",\"seq\":7} trailing",
    };
    struct publish_ack ack = {.sequence = 99};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (publish_ack_read(slice_from_string(rows[i]), &ack) != STATUS_UNAVAILABLE)
            fail_msg("taken for stored: %s", rows[i]);
        assert_true(ack.sequence == 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stored),
                                       cmocka_unit_test(anything_else_is_not_stored)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
