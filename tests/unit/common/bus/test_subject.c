/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Subjects: made, taken apart, and no name that escapes its token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64url.h"
#include "common/bus/subject.h"
#include "common/names.h"

static void made(enum subject_kind kind, const char *name, const char *expected)
{
    char subject[SUBJECT_SIZE];
    struct slice tail;

    assert_int_equal(subject_make(subject, kind, slice_from_string(name)), STATUS_OK);
    assert_string_equal(subject, expected);
    assert_int_equal(subject_tail(slice_from_string(subject), kind, &tail), STATUS_OK);
    assert_int_equal(tail.length + (size_t)(tail.data - subject), strlen(expected));
}

static void each_kind(void **state)
{
    (void)state;
    made(SUBJECT_IN, "connection.new", "pollen8.in.connection.new");
    made(SUBJECT_EVENTS, "connection.new", "pollen8.events.connection.new");
    made(SUBJECT_DEAD, "invite.created", "pollen8.dead.invite.created");
    made(SUBJECT_OUT_USER, "u1", "pollen8.out.user.dTE");
    made(SUBJECT_CTL_USER, "u1", "pollen8.ctl.user.dTE");
    made(SUBJECT_SESSION, "gw-1", "pollen8.session.gw-1");
    made(SUBJECT_GATEWAY, "gw_1", "pollen8.gw.gw_1");
    made(SUBJECT_ADMIN, "dead-list", "pollen8.admin.dead-list");
}

static void no_id_escapes_its_token(void **state)
{
    static const char *const ids[] = {"a.b", "*", ">", "a b", "}{", "x\"", "\xe8\x9c\x82", "pollen8.out.all"};
    char subject[SUBJECT_SIZE];
    char longest[ID_MAXIMUM_BYTES + 1];
    struct slice tail;
    char back[ID_MAXIMUM_BYTES];
    size_t length = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_int_equal(subject_make(subject, SUBJECT_OUT_USER, slice_from_string(ids[i])), STATUS_OK);
        assert_null(strpbrk(subject + strlen("pollen8.out.user."), ".*> {}\""));
        assert_int_equal(subject_tail(slice_from_string(subject), SUBJECT_OUT_USER, &tail), STATUS_OK);
        assert_int_equal(base64url_decode(back, sizeof(back), tail, &length), STATUS_OK);
        assert_true(slice_equal(slice_make(back, length), slice_from_string(ids[i])));
    }
    memset(longest, 0x7e, sizeof(longest));
    assert_int_equal(subject_make(subject, SUBJECT_CTL_USER, slice_make(longest, ID_MAXIMUM_BYTES)),
                     STATUS_OK);
    assert_int_equal(subject_tail(slice_from_string(subject), SUBJECT_CTL_USER, &tail), STATUS_OK);
    assert_int_equal(tail.length, BASE64URL_LENGTH(ID_MAXIMUM_BYTES));
    assert_int_equal(subject_make(subject, SUBJECT_CTL_USER, slice_make(longest, sizeof(longest))),
                     STATUS_MALFORMED);
}

static void wrong_names(void **state)
{
    static const struct {
        enum subject_kind kind;
        struct slice name;
    } rows[] = {
        {SUBJECT_IN, SLICE_LITERAL("")},
        {SUBJECT_IN, SLICE_LITERAL("a..b")},
        {SUBJECT_IN, SLICE_LITERAL("a.*")},
        {SUBJECT_EVENTS, SLICE_LITERAL(">")},
        {SUBJECT_DEAD, SLICE_LITERAL("a b")},
        {SUBJECT_OUT_USER, SLICE_LITERAL("")},
        {SUBJECT_OUT_USER, SLICE_LITERAL("a\0b")},
        {SUBJECT_CTL_USER, SLICE_LITERAL("\xff")},
        {SUBJECT_SESSION, SLICE_LITERAL("")},
        {SUBJECT_SESSION, SLICE_LITERAL("open")},
        {SUBJECT_SESSION, SLICE_LITERAL("a.b")},
        {SUBJECT_SESSION, SLICE_LITERAL("*")},
        {SUBJECT_GATEWAY, SLICE_LITERAL("a:b")},
        {SUBJECT_GATEWAY, SLICE_LITERAL("a b")},
        {SUBJECT_ADMIN, SLICE_LITERAL("a.b")},
        {SUBJECT_ADMIN, SLICE_LITERAL("a\0")},
        {SUBJECT_GATEWAY,
         SLICE_LITERAL("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")}, /* 65 */
    };
    char subject[SUBJECT_SIZE] = "before";

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(subject_make(subject, rows[i].kind, rows[i].name), STATUS_MALFORMED);
    assert_string_equal(subject, "before");
}

static void wrong_subjects(void **state)
{
    static const struct {
        enum subject_kind kind;
        const char *subject;
    } rows[] = {
        {SUBJECT_IN, ""},
        {SUBJECT_IN, "pollen8.in"},
        {SUBJECT_IN, "pollen8.in."},
        {SUBJECT_IN, "pollen8.events.a"},
        {SUBJECT_IN, "xpollen8.in.a"},
        {SUBJECT_IN, "pollen8.in.a..b"},
        {SUBJECT_OUT_USER, "pollen8.out.user."},
        {SUBJECT_OUT_USER, "pollen8.out.user.a.b"},
        {SUBJECT_OUT_USER, "pollen8.out.user.*"},
        {SUBJECT_OUT_USER, "pollen8.out.industry"},
        {SUBJECT_SESSION, SUBJECT_SESSION_OPEN},
        {SUBJECT_SESSION, SUBJECT_SESSION_ANY},
        {SUBJECT_ADMIN, "pollen8.admin.a.b"},
    };
    struct slice tail = SLICE_LITERAL("before");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(subject_tail(slice_from_string(rows[i].subject), rows[i].kind, &tail),
                         STATUS_MALFORMED);
    assert_true(slice_equal_string(tail, "before"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind),
        cmocka_unit_test(no_id_escapes_its_token),
        cmocka_unit_test(wrong_names),
        cmocka_unit_test(wrong_subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
