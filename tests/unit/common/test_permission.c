/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The grammar of permissions, and what each grants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/permission.h"

static char *const granted[] = {
    (char[]){"emit:value.get"},
    (char[]){"emit:connection.new@own"},
    (char[]){"emit:invite.*@own"},
    (char[]){"emit:audit.*"},
    (char[]){"subscribe:health care"},
    (char[]){"subscribe:bio*"},
    (char[]){"nonsense"},
    (char[]){"emit:"},
    (char[]){""},
    (char[]){"emit:both.ways@own"},
    (char[]){"emit:both.ways"},
};
#define COUNT (sizeof(granted) / sizeof(granted[0]))

static void scope(void **state)
{
    static const struct {
        const char *verb;
        const char *name;
        enum permission_scope scope;
    } rows[] = {
        {"emit", "value.get", PERMISSION_ANY},
        {"emit", "value.get2", PERMISSION_NONE},
        {"emit", "value", PERMISSION_NONE},
        {"emit", "connection.new", PERMISSION_OWN},
        {"emit", "connection.new@own", PERMISSION_NONE},
        {"emit", "connection.removed", PERMISSION_NONE},
        {"emit", "invite.created", PERMISSION_OWN},
        {"emit", "invite.", PERMISSION_OWN},
        {"emit", "invite", PERMISSION_NONE},
        {"emit", "audit.x.y", PERMISSION_ANY},
        {"emit", "both.ways", PERMISSION_ANY}, /* the widest */
        {"emit", "", PERMISSION_NONE},
        {"emit", "*", PERMISSION_NONE},
        {"subscribe", "health care", PERMISSION_ANY},
        {"subscribe", "biology", PERMISSION_ANY},
        {"subscribe", "value.get", PERMISSION_NONE}, /* another verb's */
        {"rate", "none", PERMISSION_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(permission_scope(granted, COUNT, rows[i].verb, slice_from_string(rows[i].name)),
                         rows[i].scope);
    assert_int_equal(permission_scope(NULL, 0, "emit", SLICE_LITERAL("a")), PERMISSION_NONE);
}

static void everything(void **state)
{
    char *const all[] = {(char[]){"emit:*"}, (char[]){"subscribe:*@own"}, (char[]){"rate:none"}};

    (void)state;
    assert_int_equal(permission_scope(all, 3, "emit", SLICE_LITERAL("anything.at.all")), PERMISSION_ANY);
    assert_int_equal(permission_scope(all, 3, "subscribe", SLICE_LITERAL("x")), PERMISSION_OWN);
    assert_int_equal(permission_scope(all, 3, "rate", SLICE_LITERAL("none")), PERMISSION_ANY);
    assert_int_equal(permission_scope(all, 3, "rate", SLICE_LITERAL("all")), PERMISSION_NONE);
    assert_int_equal(permission_scope(all, 3, "emi", SLICE_LITERAL("x")), PERMISSION_NONE);
    assert_int_equal(permission_scope(all, 3, "emit:", SLICE_LITERAL("x")), PERMISSION_NONE);
}

static void literal(void **state)
{
    (void)state;
    assert_true(permission_literal(granted, COUNT, "emit", SLICE_LITERAL("value.get")));
    assert_true(permission_literal(granted, COUNT, "emit", SLICE_LITERAL("connection.new"))); /* with @own */
    assert_false(permission_literal(granted, COUNT, "emit", SLICE_LITERAL("invite.created")));
    assert_false(permission_literal(granted, COUNT, "emit", SLICE_LITERAL("invite.")));
    assert_false(permission_literal(granted, COUNT, "emit", SLICE_LITERAL("")));
    assert_false(permission_literal(granted, COUNT, "subscribe", SLICE_LITERAL("value.get")));
}

static void grammar(void **state)
{
    static const char *const good[] = {"emit:*",         "emit:a",     "emit:a.b@own",  "emit:a.*",
                                       "emit:a*@own",    "emit:*@own", "subscribe:*",   "subscribe:x y",
                                       "subscribe:bio*", "rate:none",  "subscribe:a:b", "subscribe:\xc3\xa9"};
    static const char *const bad[] = {"",
                                      "emit",
                                      "emit:",
                                      ":a",
                                      "emit:a..b",
                                      "emit:a b",
                                      "emit:**",
                                      "emit:a*b",
                                      "emit:@own",
                                      "emit:a@other",
                                      "emit:..*",
                                      "Emit:a",
                                      "rate:*",
                                      "rate:all",
                                      "rate:none@own",
                                      "publish:a",
                                      "subscribe:",
                                      "subscribe:*x",
                                      "subscribe:a\n",
                                      "subscribe:\xff",
                                      "subscribe:a@own"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!permission_valid(slice_from_string(good[i])))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (permission_valid(slice_from_string(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    }
    assert_false(permission_valid(slice_make(NULL, 0)));
    assert_false(permission_valid(SLICE_LITERAL("emit:a\0b")));
}

static void patterns_are_bounded(void **state)
{
    char text[400] = "subscribe:";

    (void)state;
    memset(text + 10, 'x', 300);
    assert_true(permission_valid(slice_make(text, 10 + 256)));
    assert_false(permission_valid(slice_make(text, 10 + 257)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scope),   cmocka_unit_test(everything),           cmocka_unit_test(literal),
        cmocka_unit_test(grammar), cmocka_unit_test(patterns_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
