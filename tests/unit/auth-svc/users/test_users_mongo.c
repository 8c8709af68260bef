/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The MongoDB store. What needs a server runs against the one MONGODB_URI names (any that speaks the
 * protocol), in collections of the test's own, and is skipped with a line where the variable is not set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <mongoc/mongoc.h>

#include "common/clock.h"
#include "users/users.h"

#define OBJECT_ID "65a1b2c3d4e5f60718293a4b"

struct fixture {
    char uri[1024];
    char users_name[64], industries_name[64];
    mongoc_client_t *client; /* NULL: no server */
    mongoc_collection_t *users, *industries;
    struct users *store;
};

static struct users *open_store(const char *uri, const struct fixture *fixture, int64_t timeout_ms)
{
    struct users_mongo_options options = {.uri = uri,
                                          .users_collection = fixture->users_name,
                                          .industries_collection = fixture->industries_name,
                                          .timeout_ms = timeout_ms,
                                          .clients = 3};
    struct users *store = NULL;
    char error[256];

    if (users_mongo_create(&options, &store, error, sizeof(error)) != STATUS_OK)
        fail_msg("%s", error);
    return store;
}

static int setup(void **state)
{
    const char *uri = getenv("MONGODB_URI");
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    mongoc_uri_t *parsed;
    bool database;

    assert_non_null(fixture);
    (void)snprintf(fixture->users_name, sizeof(fixture->users_name), "users_test_%d", (int)getpid());
    (void)snprintf(fixture->industries_name, sizeof(fixture->industries_name), "industries_test_%d",
                   (int)getpid());
    *state = fixture;
    if (!uri || !*uri)
        return 0;
    parsed = mongoc_uri_new(uri);
    assert_non_null(parsed);
    database = mongoc_uri_get_database(parsed) != NULL;
    mongoc_uri_destroy(parsed);
    (void)snprintf(fixture->uri, sizeof(fixture->uri), "%s%s", uri, database ? "" : "pollen8");
    fixture->store = open_store(fixture->uri, fixture, 10000);
    fixture->client = mongoc_client_new(fixture->uri);
    assert_non_null(fixture->client);
    fixture->users = mongoc_client_get_collection(fixture->client, "pollen8", fixture->users_name);
    fixture->industries = mongoc_client_get_collection(fixture->client, "pollen8", fixture->industries_name);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->client) {
        (void)mongoc_collection_drop(fixture->users, NULL);
        (void)mongoc_collection_drop(fixture->industries, NULL);
        mongoc_collection_destroy(fixture->users);
        mongoc_collection_destroy(fixture->industries);
        mongoc_client_destroy(fixture->client);
        fixture->store->ops->free(fixture->store);
    }
    free(fixture);
    return 0;
}

/* True, with a line, where there is no server to ask. */
static bool no_server(const struct fixture *fixture)
{
    if (fixture->client)
        return false;
    print_message("MONGODB_URI is not set: nothing to ask\n");
    return true;
}

static bool try_insert(mongoc_collection_t *collection, const char *json, bson_error_t *error)
{
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, error);
    bool inserted = document && mongoc_collection_insert_one(collection, document, NULL, NULL, error);

    bson_destroy(document);
    return inserted;
}

static void insert(mongoc_collection_t *collection, const char *json)
{
    bson_error_t error;

    if (!try_insert(collection, json, &error))
        fail_msg("%s", error.message);
}

static struct user *find(const struct fixture *fixture, const char *id)
{
    struct user *user = NULL;
    enum status status = fixture->store->ops->find(fixture->store, slice_from_string(id), &user);

    if (status != STATUS_OK)
        fail_msg("%s: %s", id, status_code(status));
    return user;
}

static bool has_industry(const struct user *user, const char *name)
{
    for (size_t i = 0; i < user->industry_count; i++)
        if (strcmp(user->industries[i], name) == 0)
            return true;
    return false;
}

static void test_string_id(void **state)
{
    const struct fixture *fixture = *state;
    struct user *user;

    if (no_server(fixture))
        skip();
    insert(fixture->users, "{\"_id\":\"ada\",\"industries\":[\" Technology\",\"Finance\",\"finance\",\"\"],"
                           "\"role\":\"admin\",\"disabled\":false,\"name\":\"Ada\"}");
    user = find(fixture, "ada");
    assert_int_equal(user->industry_count, 2);
    assert_string_equal(user->industries[0], "technology");
    assert_string_equal(user->industries[1], "finance");
    assert_string_equal(user->role, "admin");
    assert_false(user->disabled);
    assert_int_equal(user->tokens_valid_after_ms, INT64_MIN);
    assert_int_equal(user->defects, 1); /* the empty one */
    user_unref(user);
}

static void test_object_id_and_references(void **state)
{
    const struct fixture *fixture = *state;
    struct user *user;

    if (no_server(fixture))
        skip();
    insert(fixture->industries, "{\"_id\":{\"$oid\":\"65a1b2c3d4e5f60718290001\"},\"name\":\"Health Care\"}");
    insert(fixture->industries, "{\"_id\":{\"$oid\":\"65a1b2c3d4e5f60718290002\"},\"name\":\"Energy\"}");
    insert(fixture->industries, "{\"_id\":\"space\",\"name\":\"Space\"}");
    insert(fixture->users, "{\"_id\":{\"$oid\":\"" OBJECT_ID "\"},\"industries\":["
                           "{\"$oid\":\"65a1b2c3d4e5f60718290001\"},\"Technology\",{\"name\":\"Music\"},"
                           "{\"ref\":1},{\"$oid\":\"65a1b2c3d4e5f60718290009\"}],"
                           "\"tokensValidAfter\":{\"$date\":{\"$numberLong\":\"1700000000123\"}}}");
    user = find(fixture, OBJECT_ID);
    assert_true(has_industry(user, "health care"));
    assert_true(has_industry(user, "technology"));
    assert_true(has_industry(user, "music"));
    assert_int_equal(user->industry_count, 3);
    assert_int_equal(user->defects, 2); /* a document that says nothing, a reference to nothing */
    assert_int_equal(user->tokens_valid_after_ms, INT64_C(1700000000123));
    assert_string_equal(user->role, "");
    user_unref(user);
}

/* {"$ref","$id"}, which MongoDB stores and some that speak its protocol refuse. */
static void test_database_references(void **state)
{
    const struct fixture *fixture = *state;
    bson_error_t error;
    struct user *user;

    if (no_server(fixture))
        skip();
    if (!try_insert(fixture->users,
                    "{\"_id\":\"referrer\",\"industries\":[{\"$ref\":\"industries\",\"$id\":\"space\"},"
                    "{\"$ref\":\"industries\",\"$id\":{\"$oid\":\"65a1b2c3d4e5f60718290002\"}}]}",
                    &error)) {
        print_message("this server stores no DBRef: %s\n", error.message);
        skip();
    }
    user = find(fixture, "referrer");
    assert_true(has_industry(user, "space"));
    assert_true(has_industry(user, "energy"));
    assert_int_equal(user->defects, 0);
    user_unref(user);
}

/* What a record says badly is never in the user's favour. */
static void test_wrong_types(void **state)
{
    const struct fixture *fixture = *state;
    struct user *user;

    if (no_server(fixture))
        skip();
    insert(fixture->users, "{\"_id\":\"odd\",\"industries\":\"technology\",\"role\":7,\"disabled\":\"no\","
                           "\"tokensValidAfter\":\"2026-01-01\"}");
    user = find(fixture, "odd");
    assert_int_equal(user->defects, 4);
    assert_int_equal(user->industry_count, 0);
    assert_string_equal(user->role, "user");
    assert_true(user->disabled);
    assert_int_equal(user->tokens_valid_after_ms, INT64_MAX);
    user_unref(user);
    insert(fixture->users, "{\"_id\":\"nulls\",\"industries\":null,\"role\":null,\"disabled\":null,"
                           "\"tokensValidAfter\":null}");
    user = find(fixture, "nulls");
    assert_int_equal(user->defects, 0);
    assert_false(user->disabled);
    user_unref(user);
    insert(fixture->users, "{\"_id\":\"numbers\",\"disabled\":1,\"tokensValidAfter\":1700000000}");
    user = find(fixture, "numbers");
    assert_true(user->disabled);
    assert_int_equal(user->tokens_valid_after_ms, INT64_C(1700000000000));
    user_unref(user);
}

static void test_not_found(void **state)
{
    const struct fixture *fixture = *state;
    struct user *user = NULL;
    static const char *const ids[] = {"nobody", "65a1b2c3d4e5f607182fffff", "{\"$gt\":\"\"}", "a.b$c"};

    if (no_server(fixture))
        skip();
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        assert_int_equal(fixture->store->ops->find(fixture->store, slice_from_string(ids[i]), &user),
                         STATUS_NOT_FOUND);
    assert_null(user);
}

static void test_poll(void **state)
{
    const struct fixture *fixture = *state;
    char error[256] = "x";

    if (no_server(fixture))
        skip();
    assert_int_equal(fixture->store->ops->poll(fixture->store, false, error, sizeof(error)), USERS_UP);
    assert_string_equal(error, "");
}

/* Nobody listens on port 1: bounded, and never "no such user". */
static void test_unreachable(void **state)
{
    const struct fixture *fixture = *state;
    struct users *store = open_store("mongodb://somebody:hidden@127.0.0.1:1/pollen8", fixture, 300);
    struct user *user = NULL;
    char error[512];
    uint64_t start_ms = clock_monotonic_ms();

    assert_int_equal(store->ops->find(store, SLICE_LITERAL("ada"), &user), STATUS_DISCONNECTED);
    assert_int_equal(store->ops->poll(store, false, error, sizeof(error)), USERS_DOWN);
    assert_true(clock_monotonic_ms() - start_ms < 20000);
    assert_true(strlen(error) > 0);
    assert_null(strstr(error, "hidden"));
    assert_null(user);
    store->ops->free(store);
}

/* Names that cannot be looked up now may be another time: the store is made, and is down. */
static void test_lookup_fails(void **state)
{
    const struct fixture *fixture = *state;
    struct users *store = open_store("mongodb+srv://cluster.of.nobody.invalid/pollen8", fixture, 300);
    struct user *user = NULL;
    char error[512];

    assert_int_equal(store->ops->find(store, SLICE_LITERAL("ada"), &user), STATUS_DISCONNECTED);
    assert_int_equal(store->ops->poll(store, false, error, sizeof(error)), USERS_DOWN);
    assert_true(strlen(error) > 0);
    assert_null(user);
    store->ops->free(store);
}

static void test_bad_uris(void **state)
{
    static const char *const uris[] = {"",
                                       "localhost",
                                       "http://localhost/pollen8",
                                       "mongodb://localhost",
                                       "mongodb://localhost/",

                                       "mongodb://localhost/pollen8?tls=true&tlsCAFile=/nowhere.pem",
                                       "mongodb://u:hidden%zz@localhost/pollen8"};
    const struct fixture *fixture = *state;
    struct users_mongo_options options = {.users_collection = fixture->users_name,
                                          .industries_collection = fixture->industries_name,
                                          .timeout_ms = 300,
                                          .clients = 2};

    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        struct users *store = NULL;
        char error[256] = "";
        options.uri = uris[i];
        if (users_mongo_create(&options, &store, error, sizeof(error)) != STATUS_MALFORMED)
            fail_msg("'%s' was taken", uris[i]);
        assert_memory_equal(error, "MONGODB_URI ", 12);
        assert_null(strstr(error, "hid"));
        assert_null(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_string_id),
        cmocka_unit_test(test_object_id_and_references),
        cmocka_unit_test(test_database_references),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_lookup_fails),
        cmocka_unit_test(test_bad_uris),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
