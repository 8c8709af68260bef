/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The embedded user store: good files, every way a file can be wrong (with its line), and files that change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth_test.h"
#include "common/clock.h"
#include "common/json.h"
#include "users/users.h"

struct fixture {
    char folder[64];
    char path[128];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    make_folder(fixture->folder);
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/users.json", fixture->folder);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    clock_set_for_test(-1, -1);
    remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static struct users *open_store(const struct fixture *fixture, const char *text)
{
    struct users *users = NULL;
    char error[512];

    write_file(fixture->folder, "users.json", text);
    if (users_file_create(fixture->path, &users, error, sizeof(error)) != STATUS_OK)
        fail_msg("%s", error);
    return users;
}

static bool knows(struct users *users, const char *id)
{
    struct user *user = NULL;
    enum status status = users->ops->find(users, slice_from_string(id), &user);

    user_unref(user);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    return status == STATUS_OK;
}

static void test_good(void **state)
{
    struct users *users = open_store(
        *state, "{\"users\":[{\"_id\":\"zoe\"},"
                "{\"_id\":\"a.*> }\\u00e9\",\"industries\":[\"A\",\" a\",\"B\"],\"role\":\"admin\","
                "\"disabled\":true,\"tokensValidAfter\":1700000000000}]}");
    struct user *user = NULL;

    assert_int_equal(users->ops->find(users, slice_from_string("a.*> }\xc3\xa9"), &user), STATUS_OK);
    assert_int_equal(user->industry_count, 2);
    assert_string_equal(user->industries[0], "a");
    assert_string_equal(user->industries[1], "b");
    assert_string_equal(user->role, "admin");
    assert_true(user->disabled);
    assert_int_equal(user->tokens_valid_after_ms, INT64_C(1700000000000));
    user_unref(user);
    assert_true(knows(users, "zoe"));
    assert_false(knows(users, "zo"));
    assert_false(knows(users, ""));
    users->ops->free(users);
    users = open_store(*state, "{\"users\":[]}");
    assert_false(knows(users, "zoe"));
    users->ops->free(users);
}

static void test_bad(void **state)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"", "line 1: the text ends too early"},
        {"{\n\"users\":[\n{\"_id\":\"a\",}\n]}", "line 3: not valid JSON"},
        {"[]", "line 1: expected an object whose only member is the array \"users\""},
        {"{\"users\":{}}", "line 1: expected an object"},
        {"{\"users\":[],\"more\":1}", "line 1: expected an object"},
        {"{\"users\":[\n{\"_id\":\"a\"},\n\n{\"industries\":[]}]}", "line 4: user 2: _id is missing"},
        {"{\"users\":[\n{\"_id\":\"a {[\\\"\"},\n{\"_id\":5}]}", "line 3: user 2: _id must be a string"},
        {"{\"users\":[\n{\"_id\":\"\"}]}", "line 2: user 1: _id must be a string of 1 to 128 bytes"},
        {"{\"users\":[\n{\"_id\":\"a\",\"rule\":\"admin\"}]}", "line 2: user 1: only _id, industries"},
        {"{\"users\":[\n{\"_id\":\"a\",\"industries\":\"x\"}]}", "industries must be an array"},
        {"{\"users\":[\n{\"_id\":\"a\",\"industries\":[1]}]}", "industries must be an array"},
        {"{\"users\":[\n{\"_id\":\"a\",\"industries\":[\" \"]}]}", "an industry is empty"},
        {"{\"users\":[\n{\"_id\":\"a\",\"role\":7}]}", "role must be a string"},
        {"{\"users\":[\n{\"_id\":\"a\",\"disabled\":\"no\"}]}", "disabled must be true or false"},
        {"{\"users\":[\n{\"_id\":\"a\",\"tokensValidAfter\":\"now\"}]}", "tokensValidAfter must be a number"},
        {"{\"users\":[\n{\"_id\":\"a\",\"tokensValidAfter\":1e18}]}", "tokensValidAfter is out of range"},
        {"{\"users\":[\n{\"_id\":\"a\"},{\"_id\":\"b\"},{\"_id\":\"a\"}]}", "two users have the _id \"a\""},
        {"{\"users\":[\n{\"_id\":\"a\",\"_id\":\"b\"}]}", "a key stands twice"},
        {"{\"users\":[7]}", "user 1: must be an object"},
    };
    const struct fixture *fixture = *state;
    char error[512];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct users *users = NULL;
        write_file(fixture->folder, "users.json", rows[i].text);
        assert_int_equal(users_file_create(fixture->path, &users, error, sizeof(error)), STATUS_MALFORMED);
        assert_null(users);
        if (!strstr(error, rows[i].reason) || !strstr(error, fixture->path))
            fail_msg("%s: said '%s'", rows[i].text, error);
    }
}

/* A look at most once a second; a bad version is told once and leaves the users as they were. */
static void test_changes(void **state)
{
    const struct fixture *fixture = *state;
    struct users *users;
    char error[512];

    clock_set_for_test(1000000, 0);
    users = open_store(fixture, "{\"users\":[{\"_id\":\"a\"}]}");
    write_file(fixture->folder, "users.json", "{\"users\":[{\"_id\":\"b\"}]}");
    clock_set_for_test(1500000, 0);
    assert_int_equal(users->ops->poll(users, false, error, sizeof(error)), USERS_UP);
    assert_true(knows(users, "a"));
    clock_set_for_test(2000000, 0);
    assert_int_equal(users->ops->poll(users, false, error, sizeof(error)), USERS_CHANGED);
    assert_true(knows(users, "b"));
    assert_false(knows(users, "a"));
    write_file(fixture->folder, "users.json", "{\"users\":[{\"_id\":\"c\"}");
    clock_set_for_test(3000000, 0);
    assert_int_equal(users->ops->poll(users, false, error, sizeof(error)), USERS_UP);
    assert_non_null(strstr(error, "line 1: the text ends too early"));
    clock_set_for_test(4000000, 0);
    assert_int_equal(users->ops->poll(users, false, error, sizeof(error)), USERS_UP);
    assert_string_equal(error, "");
    assert_true(knows(users, "b"));
    write_file(fixture->folder, "users.json", "{\"users\":[{\"_id\":\"d\"}]}");
    assert_int_equal(users->ops->poll(users, true, error, sizeof(error)),
                     USERS_CHANGED); /* SIGHUP waits for nothing */
    assert_true(knows(users, "d"));
    assert_int_equal(unlink(fixture->path), 0);
    clock_set_for_test(6000000, 0);
    assert_int_equal(users->ops->poll(users, false, error, sizeof(error)), USERS_UP);
    assert_true(knows(users, "d"));
    users->ops->free(users);
}

/* Records outlive the table they came from. */
static void test_record_outlives_file(void **state)
{
    const struct fixture *fixture = *state;
    struct users *users = open_store(fixture, "{\"users\":[{\"_id\":\"a\",\"industries\":[\"x\"]}]}");
    struct user *user = NULL;
    char error[512];

    assert_int_equal(users->ops->find(users, SLICE_LITERAL("a"), &user), STATUS_OK);
    write_file(fixture->folder, "users.json", "{\"users\":[]}");
    assert_int_equal(users->ops->poll(users, true, error, sizeof(error)), USERS_CHANGED);
    users->ops->free(users);
    assert_string_equal(user->industries[0], "x");
    user_unref(user);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_outlives_file, setup, teardown),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
