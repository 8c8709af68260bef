/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A copy of attachments outlives the message that held them.
 */
#include "gateway_test.h"

#include "codec/attachments.h"

static void a_copy_stands_alone(void **state)
{
    struct slice parts[] = {exact("\0\1\2", 3), exact("", 0), exact_string("last")};
    struct attachments borrowed = {.count = COUNT(parts)};
    struct attachments *copy = NULL;

    (void)state;
    memcpy(borrowed.list, parts, sizeof(parts));
    assert_int_equal(attachments_copy(&borrowed, &copy), STATUS_OK);
    for (size_t i = 0; i < COUNT(parts); i++)
        exact_free(parts[i]);
    assert_int_equal(attachments_count(copy), 3);
    assert_int_equal(copy->list[0].length, 3);
    assert_memory_equal(copy->list[0].data, "\0\1\2", 3);
    assert_int_equal(copy->list[1].length, 0);
    assert_slice(copy->list[2], "last");
    free(copy);
}

static void none_and_as_many_as_there_may_be(void **state)
{
    struct attachments all = {.count = ATTACHMENTS_MAXIMUM};
    struct attachments *copy = NULL;
    char text[ATTACHMENTS_MAXIMUM];

    (void)state;
    assert_int_equal(attachments_count(NULL), 0);
    for (size_t i = 0; i < ATTACHMENTS_MAXIMUM; i++) {
        text[i] = (char)('a' + i);
        all.list[i] = slice_make(&text[i], 1);
    }
    assert_int_equal(attachments_copy(&all, &copy), STATUS_OK);
    memset(text, '-', sizeof(text));
    for (size_t i = 0; i < ATTACHMENTS_MAXIMUM; i++)
        assert_int_equal(copy->list[i].data[0], 'a' + i);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_stands_alone),
        cmocka_unit_test(none_and_as_many_as_there_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
