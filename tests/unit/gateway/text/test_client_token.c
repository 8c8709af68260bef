/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Where tokens are found, in which order, and what is not a token.
 */
#include "gateway_test.h"

#include "text/client_token.h"

#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_"

typedef enum status (*finder)(struct slice text, struct client_token *ret_token);

struct row {
    const char *text;
    enum status status;
    const char *token;
};

static void run_rows(finder find, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice text = exact_string(rows[i].text);
        struct client_token token = {0};
        enum status status = find(text, &token);

        if (status != rows[i].status)
            fail_msg("%s gave %s", rows[i].text, status_code(status));
        if (rows[i].token)
            assert_string_equal(token.text, rows[i].token);
        else
            assert_null(token.text);
        client_token_wipe(&token);
        assert_null(token.text);
        assert_int_equal(token.length, 0);
        exact_free(text);
    }
}

static void reads_the_auth_object(void **state)
{
    static const struct row rows[] = {
        {"", STATUS_NOT_FOUND, NULL},
        {"{}", STATUS_NOT_FOUND, NULL},
        {"{\"other\":{\"token\":\"x\"}}", STATUS_NOT_FOUND, NULL},
        {"{\"token\":\"" JWT "\"}", STATUS_OK, JWT},
        {"{\"x-auth-token\":\"" JWT "\"}", STATUS_OK, JWT},
        {"{\"x-auth-token\":\"second\",\"a\":[1],\"token\":\"first\"}", STATUS_OK, "first"},
        {"{\"tok\\u0065n\":\"a\\u002eb\\/c\"}", STATUS_OK, "a.b/c"},
        {"{\"token\":7}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":null}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":null,\"x-auth-token\":\"x\"}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":{\"a\":1}}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":[\"x\"]}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"\"}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"a b\"}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"a\\nb\"}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"a\\u0000b\"}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"\xc3\xa9\"}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"a\",\"token\":\"b\"}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"a\",\"token\":\"a\"}", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"a\"", STATUS_AUTH_INVALID, NULL},
        {"[\"token\"]", STATUS_AUTH_INVALID, NULL},
        {"\"token\"", STATUS_AUTH_INVALID, NULL},
        {"null", STATUS_AUTH_INVALID, NULL},
        {"{\"token\":\"\xff\"}", STATUS_AUTH_INVALID, NULL},
    };

    (void)state;
    run_rows(client_token_from_auth, rows, COUNT(rows));
}

static void reads_the_authorization_header(void **state)
{
    static const struct row rows[] = {
        {"", STATUS_NOT_FOUND, NULL},
        {"Basic dXNlcjpwYXNz", STATUS_NOT_FOUND, NULL},
        {"Bearer", STATUS_AUTH_INVALID, NULL},
        {"Bearer ", STATUS_AUTH_INVALID, NULL},
        {"Bearers x", STATUS_NOT_FOUND, NULL},
        {"Bear", STATUS_NOT_FOUND, NULL},
        {"Bearer " JWT, STATUS_OK, JWT},
        {"bearer " JWT, STATUS_OK, JWT},
        {"BEARER   " JWT "  ", STATUS_OK, JWT},
        {"Bearer abc==", STATUS_OK, "abc=="},
        {"Bearer ==", STATUS_AUTH_INVALID, NULL},
        {"Bearer a=b", STATUS_AUTH_INVALID, NULL},
        {"Bearer a b", STATUS_AUTH_INVALID, NULL},
        {"Bearer a,b", STATUS_AUTH_INVALID, NULL},
        {"Bearer a\tb", STATUS_AUTH_INVALID, NULL},
    };

    (void)state;
    run_rows(client_token_from_authorization, rows, COUNT(rows));
}

static void bounds_the_length(void **state)
{
    char *longest = repeated("a", CLIENT_TOKEN_MAXIMUM_BYTES, "", "");
    char *too_long = repeated("a", CLIENT_TOKEN_MAXIMUM_BYTES + 1, "", "");
    char *bomb = repeated("{\"a\":", 3000, "1", "}");
    struct client_token token = {0};
    struct buf auth;

    (void)state;
    buf_init(&auth, 1 << 20);
    assert_int_equal(client_token_from_value(slice_from_string(longest), &token), STATUS_OK);
    assert_int_equal(token.length, CLIENT_TOKEN_MAXIMUM_BYTES);
    client_token_wipe(&token);
    assert_int_equal(client_token_from_value(slice_from_string(too_long), &token), STATUS_AUTH_INVALID);
    assert_int_equal(buf_append_format(&auth, "{\"token\":\"%s\"}", longest), STATUS_OK);
    assert_int_equal(client_token_from_auth(buf_slice(&auth), &token), STATUS_OK);
    client_token_wipe(&token);
    buf_clear(&auth);
    assert_int_equal(buf_append_format(&auth, "{\"token\":\"%s\"}", too_long), STATUS_OK);
    assert_int_equal(client_token_from_auth(buf_slice(&auth), &token), STATUS_AUTH_INVALID);
    assert_int_equal(client_token_from_auth(slice_from_string(bomb), &token), STATUS_AUTH_INVALID);
    client_token_wipe(NULL);
    buf_done(&auth);
    free(longest);
    free(too_long);
    free(bomb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_auth_object),
        cmocka_unit_test(reads_the_authorization_header),
        cmocka_unit_test(bounds_the_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
