/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What roles may do: the built-in table, ROLES_FILE in its place, and every way that file can be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth_test.h"
#include "common/json.h"
#include "common/permission.h"
#include "policy/policy.h"

static struct policy *make(const char *file, bool client_submit)
{
    struct policy *policy = NULL;
    char error[512];

    if (policy_create(file, client_submit, &policy, error, sizeof(error)) != STATUS_OK)
        fail_msg("%s", error);
    return policy;
}

static enum permission_scope scope(const struct policy *policy, const char *role, const char *verb,
                                   const char *name)
{
    size_t count;
    bool known;
    char **permissions = policy_permissions(policy, role, &count, &known);

    return permission_scope(permissions, count, verb, slice_from_string(name));
}

static void test_built_in(void **state)
{
    struct policy *policy = make(NULL, false);
    size_t count = 99;
    bool known = true;

    (void)state;
    assert_int_equal(scope(policy, "user", "emit", "value.get"), PERMISSION_ANY);
    assert_int_equal(scope(policy, "user", "emit", "connection.new"), PERMISSION_NONE);
    assert_int_equal(scope(policy, "user", "subscribe", "finance"), PERMISSION_NONE);
    assert_int_equal(scope(policy, "service", "emit", "connection.import"), PERMISSION_ANY);
    assert_int_equal(scope(policy, "service", "emit", "anything.else"), PERMISSION_ANY);
    assert_int_equal(scope(policy, "service", "rate", "none"), PERMISSION_ANY);
    assert_int_equal(scope(policy, "admin", "emit", "connection.import"), PERMISSION_ANY);
    assert_int_equal(scope(policy, "admin", "subscribe", "finance"), PERMISSION_ANY);
    assert_int_equal(scope(policy, "admin", "rate", "none"), PERMISSION_NONE);
    assert_null(policy_permissions(policy, "root", &count, &known));
    assert_int_equal(count, 0);
    assert_false(known);
    policy_free(policy);
    policy_free(NULL);
}

static void test_client_submit(void **state)
{
    struct policy *policy = make("", true);

    (void)state;
    assert_int_equal(scope(policy, "user", "emit", "value.get"), PERMISSION_ANY);
    assert_int_equal(scope(policy, "user", "emit", "connection.new"), PERMISSION_OWN);
    assert_int_equal(scope(policy, "user", "emit", "connection.removed"), PERMISSION_OWN);
    assert_int_equal(scope(policy, "user", "emit", "invite.created"), PERMISSION_OWN);
    assert_int_equal(scope(policy, "user", "emit", "connection.import"), PERMISSION_NONE);
    policy_free(policy);
}

static void test_file(void **state)
{
    char folder[64], path[128];
    struct policy *policy;

    (void)state;
    make_folder(folder);
    (void)snprintf(path, sizeof(path), "%s/roles.json", folder);
    write_file(folder, "roles.json",
               "{\"roles\":{\"guest\":[],\"editor\":[\"emit:post.*\",\"subscribe:news\"]}}");
    policy = make(path, false);
    assert_int_equal(scope(policy, "editor", "emit", "post.new"), PERMISSION_ANY);
    assert_int_equal(scope(policy, "user", "emit", "value.get"), PERMISSION_NONE); /* the file stands alone */
    assert_int_equal(scope(policy, "guest", "emit", "post.new"), PERMISSION_NONE);
    policy_free(policy);
    policy = make(path, true);
    assert_int_equal(scope(policy, "user", "emit", "connection.new"), PERMISSION_OWN);
    policy_free(policy);
    remove_folder(folder);
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"", "roles.json: the text ends too early"},
        {"{", "the text ends too early"},
        {"[]", "whose only member is the object \"roles\""},
        {"{\"roles\":[]}", "whose only member is the object \"roles\""},
        {"{\"roles\":{},\"role\":{}}", "whose only member is the object \"roles\""},
        {"{\"roles\":{\"user\":\"emit:*\"}}", "role \"user\": expected an array"},
        {"{\"roles\":{\"user\":[\"emit:a\",\"emit\"]}}",
         "role \"user\", item 2: \"emit\" is not a valid permission"},
        {"{\"roles\":{\"user\":[\"send:a\"]}}",
         "role \"user\", item 1: \"send:a\" is not a valid permission"},
        {"{\"roles\":{\"user\":[7]}}", "role \"user\", item 1: a value is not a valid permission"},
        {"{\"roles\":{\"user\":[],\"user\":[]}}", "a key stands twice"},
        {"{\"roles\":{\"\":[]}}", "a role's name has 1 to 64 bytes"},
    };
    char folder[64], path[128], error[512];

    (void)state;
    make_folder(folder);
    (void)snprintf(path, sizeof(path), "%s/roles.json", folder);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy *policy = NULL;
        write_file(folder, "roles.json", rows[i].text);
        assert_int_equal(policy_create(path, false, &policy, error, sizeof(error)), STATUS_MALFORMED);
        assert_null(policy);
        if (!strstr(error, rows[i].reason) || !strstr(error, path))
            fail_msg("%s: said '%s'", rows[i].text, error);
    }
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_client_submit),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
