/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Binary packets put together from their messages, within their bound; base64 both ways.
 */
#include "gateway_test.h"

#include "codec/sio_assembly.h"
#include "text/base64_padded.h"

static void keeps_text_and_attachments(void **state)
{
    struct sio_assembly *assembly = NULL;
    struct slice text = exact_string("52-[1,2]");
    struct slice part = exact_string("abc");
    struct attachments attachments;

    (void)state;
    assert_int_equal(sio_assembly_create(text, 3, 3, &assembly), STATUS_OK);
    assert_int_equal(sio_assembly_add(assembly, part), STATUS_OK);
    assert_int_equal(sio_assembly_add(assembly, (struct slice){0}), STATUS_OK);
    assert_false(sio_assembly_complete(assembly));
    assert_int_equal(sio_assembly_add(assembly, (struct slice){0}), STATUS_OK);
    exact_free(text);
    exact_free(part);
    assert_true(sio_assembly_complete(assembly));
    assert_slice(sio_assembly_text(assembly), "52-[1,2]");
    attachments = sio_assembly_attachments(assembly);
    assert_int_equal(attachments.count, 3);
    assert_slice(attachments.list[0], "abc");
    assert_int_equal(attachments.list[2].length, 0);
    sio_assembly_free(assembly);
}

static void stays_within_its_bound(void **state)
{
    struct sio_assembly *assembly = NULL;

    (void)state;
    assert_int_equal(sio_assembly_create(SLICE_LITERAL("52-[]"), 2, 5, &assembly), STATUS_OK);
    assert_int_equal(sio_assembly_add(assembly, SLICE_LITERAL("123")), STATUS_OK);
    assert_int_equal(sio_assembly_add(assembly, SLICE_LITERAL("456")), STATUS_FULL);
    assert_false(sio_assembly_complete(assembly));
    assert_int_equal(sio_assembly_add(assembly, SLICE_LITERAL("45")), STATUS_OK);
    assert_true(sio_assembly_complete(assembly));
    sio_assembly_free(assembly);
    sio_assembly_free(NULL);
}

static void copies_attachments(void **state)
{
    const struct attachments two = {.count = 2, .list = {SLICE_LITERAL("ab"), {0}}};
    struct attachments *copy = NULL;

    (void)state;
    assert_int_equal(attachments_copy(&two, &copy), STATUS_OK);
    assert_int_equal(copy->count, 2);
    assert_slice(copy->list[0], "ab");
    assert_ptr_not_equal(copy->list[0].data, two.list[0].data);
    assert_int_equal(copy->list[1].length, 0);
    assert_int_equal(attachments_count(NULL), 0);
    free(copy);
}

static void base64_goes_both_ways(void **state)
{
    static const char *const rows[][2] = {{"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
                                          {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "//79"}};
    struct buf text;
    struct buf bytes;

    (void)state;
    buf_init(&text, 100);
    buf_init(&bytes, 100);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(base64_padded_append(&text, slice_from_string(rows[i][0])), STATUS_OK);
        assert_int_equal(base64_padded_decode(buf_slice(&text), &bytes), STATUS_OK);
        assert_slice(buf_slice(&text), rows[i][1]);
        assert_slice(buf_slice(&bytes), rows[i][0]);
        buf_clear(&text);
        buf_clear(&bytes);
    }
    assert_int_equal(base64_padded_decode(SLICE_LITERAL("Zg="), &bytes), STATUS_MALFORMED);
    assert_int_equal(base64_padded_decode(SLICE_LITERAL("Zh=="), &bytes), STATUS_MALFORMED);
    assert_int_equal(base64_padded_decode(SLICE_LITERAL("Z g="), &bytes), STATUS_MALFORMED);
    buf_done(&text);
    buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_text_and_attachments),
        cmocka_unit_test(stays_within_its_bound),
        cmocka_unit_test(copies_attachments),
        cmocka_unit_test(base64_goes_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
