/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The policy's grammar, and Origins that look like the right one but are not.
 */
#include "gateway_test.h"

#include "http/origin.h"

static struct origin_policy *policy_of(const char *text)
{
    struct origin_policy *policy = NULL;
    char error[300] = "";

    if (origin_policy_create(text, &policy, error, sizeof(error)) != STATUS_OK)
        fail_msg("%s: %s", text, error);
    return policy;
}

static bool allows(const char *policy_text, const char *origin, const char *host)
{
    struct origin_policy *policy = policy_of(policy_text);
    struct slice exact_origin = origin ? exact_string(origin) : (struct slice){0};
    struct slice exact_host = host ? exact_string(host) : (struct slice){0};
    bool allowed = origin_allowed(policy, exact_origin, exact_host);

    exact_free(exact_origin);
    exact_free(exact_host);
    origin_policy_free(policy);
    return allowed;
}

static void same_origin_is_the_default(void **state)
{
    static const char *const texts[] = {NULL, "", "same-origin"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_true(allows(texts[i], NULL, "a.example"));
        assert_true(allows(texts[i], NULL, NULL));
        assert_true(allows(texts[i], "http://a.example", "a.example"));
        assert_true(allows(texts[i], "https://a.example", "a.example"));
        assert_true(allows(texts[i], "https://A.Example", "a.EXAMPLE"));
        assert_true(allows(texts[i], "https://a.example", "a.example:443"));
        assert_true(allows(texts[i], "http://a.example:80", "a.example"));
        assert_true(allows(texts[i], "http://127.0.0.1:3001", "127.0.0.1:3001"));
        assert_true(allows(texts[i], "http://[::1]:3001", "[::1]:3001"));
        assert_true(allows(texts[i], "http://[::1]", "[::1]"));
        assert_false(allows(texts[i], "http://a.example", "a.example:3001"));
        assert_false(allows(texts[i], "http://a.example:3001", "a.example"));
        assert_false(allows(texts[i], "http://a.example:3001", "a.example:3002"));
        assert_false(allows(texts[i], "http://a.example", "a.example:443"));
        assert_false(allows(texts[i], "https://b.example", "a.example"));
        assert_false(allows(texts[i], "https://x.a.example", "a.example"));
        assert_false(allows(texts[i], "https://a.example.evil", "a.example"));
        assert_false(allows(texts[i], "null", "a.example"));
        assert_false(allows(texts[i], "", "a.example"));
        assert_false(allows(texts[i], "https://a.example", NULL));
        assert_false(allows(texts[i], "https://a.example", ""));
        assert_false(allows(texts[i], "ftp://a.example", "a.example"));
    }
}

static void any_is_any(void **state)
{
    (void)state;
    assert_true(allows("*", "https://b.example", "a.example"));
    assert_true(allows("*", "null", "a.example"));
    assert_true(allows("*", "what ever", "a.example"));
    origin_policy_free(NULL);
}

static void a_list_is_exact(void **state)
{
    static const char list[] =
        " https://app.example , http://localhost:5173,capacitor://localhost,HTTPS://Up.Example:443 ";

    (void)state;
    assert_true(allows(list, "https://app.example", "api.example"));
    assert_true(allows(list, "https://app.example:443", "api.example"));
    assert_true(allows(list, "https://APP.example", "api.example"));
    assert_true(allows(list, "http://localhost:5173", "api.example"));
    assert_true(allows(list, "capacitor://localhost", "api.example"));
    assert_true(allows(list, "https://up.example", "api.example"));
    assert_true(allows(list, NULL, "api.example"));
    assert_false(allows(list, "http://app.example", "api.example"));
    assert_false(allows(list, "https://app.example:8443", "api.example"));
    assert_false(allows(list, "https://x.app.example", "api.example"));
    assert_false(allows(list, "http://localhost", "api.example"));
    assert_false(allows(list, "https://api.example", "api.example")); /* same origin, but not listed */
    assert_false(allows(list, "null", "api.example"));
    assert_true(allows("https://app.example,same-origin", "https://api.example", "api.example"));
    assert_true(allows("null", "null", "api.example"));
}

static void a_wildcard_stands_for_labels(void **state)
{
    (void)state;
    assert_true(allows("https://*.app.example", "https://a.app.example", "x"));
    assert_true(allows("https://*.app.example", "https://a.b.app.example", "x"));
    assert_false(allows("https://*.app.example", "https://app.example", "x"));
    assert_false(allows("https://*.app.example", "https://evilapp.example", "x"));
    assert_false(allows("https://*.app.example", "https://.app.example", "x"));
    assert_false(allows("https://*.app.example", "https://*.app.example", "x"));
    assert_false(allows("https://*.app.example", "http://a.app.example", "x"));
    assert_false(allows("https://*.app.example", "https://a.app.example:8443", "x"));
    assert_true(allows("https://*.app.example:8443", "https://a.app.example:8443", "x"));
    assert_false(allows("https://*.app.example", "https://a.app.example.evil", "x"));
}

static void names_the_bad_item(void **state)
{
    static const struct {
        const char *text;
        const char *item;
    } rows[] = {
        {"app.example", "'app.example'"},
        {"https://app.example,", "''"},
        {",", "''"},
        {" ", "''"},
        {"https://", "'https://'"},
        {"://app.example", "'://app.example'"},
        {"https://app.example/", "'https://app.example/'"},
        {"https://ok.example,https://app.example/path,x", "'https://app.example/path'"},
        {"https://user@app.example", "'https://user@app.example'"},
        {"https://app.example:0", ":0'"},
        {"https://app.example:65536", ":65536'"},
        {"https://app.example:", "'https://app.example:'"},
        {"https://app.example:80a", ":80a'"},
        {"https://app..example", "app..example"},
        {"https://app.example.", "app.example.'"},
        {"https://*", "'https://*'"},
        {"https://*.", "'https://*.'"},
        {"https://a*.example", "a*.example"},
        {"https://a.*.example", "a.*.example"},
        {"https://[::1", "[::1"},
        {"*.example", "'*.example'"},
        {"9http://a", "'9http://a'"},
        {"same origin", "'same origin'"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct origin_policy *policy = NULL;
        char error[300] = "";

        if (origin_policy_create(rows[i].text, &policy, error, sizeof(error)) != STATUS_MALFORMED)
            fail_msg("accepted: %s", rows[i].text);
        assert_null(policy);
        if (!strstr(error, rows[i].item))
            fail_msg("%s gave: %s", rows[i].text, error);
    }
}

static void bounds_the_list(void **state)
{
    char *many = repeated("https://a.example,", ORIGIN_LIST_MAXIMUM, "https://b.example", "");
    struct origin_policy *policy = NULL;
    char error[300];

    (void)state;
    assert_int_equal(origin_policy_create(many, &policy, error, sizeof(error)), STATUS_MALFORMED);
    assert_non_null(strstr(error, "more than 64"));
    many[strlen("https://a.example,") * ORIGIN_LIST_MAXIMUM - 1] = '\0';
    policy = policy_of(many);
    origin_policy_free(policy);
    free(many);
}

static void refuses_what_no_browser_sends(void **state)
{
    static const char *const rows[] = {
        "a.example",
        "https//a.example",
        "https://a.example/",
        "https://a.example?x",
        "https://a.example#x",
        "https://u@a.example",
        "https://a.example:",
        "https://a.example:99999",
        "https://a.example:-1",
        "https://a example",
        "https://a.example, https://b.example",
        "https://[a.example",
        "https://a.example\n",
        "https://\xc3\xa9.example",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (allows("same-origin,https://a.example,https://*.example", rows[i], "a.example"))
            fail_msg("allowed: %s", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_origin_is_the_default),
        cmocka_unit_test(any_is_any),
        cmocka_unit_test(a_list_is_exact),
        cmocka_unit_test(a_wildcard_stands_for_labels),
        cmocka_unit_test(names_the_bad_item),
        cmocka_unit_test(bounds_the_list),
        cmocka_unit_test(refuses_what_no_browser_sends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
