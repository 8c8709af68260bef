/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The real program at its subject: a broker and an auth-svc started here, tokens sent to
 * pollen8.auth.verify, files changed under it, signals sent to it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth_test.h"
#include "process.h"
#include "support/nats_server.h"

#define TRIES 3000

static const char users_text[] =
    "{\"users\":[\n"
    "  {\"_id\":\"ada\",\"industries\":[\" Technology\",\"finance\",\"TECHNOLOGY\"]},\n"
    "  {\"_id\":\"eve\",\"disabled\":true},\n"
    "  {\"_id\":\"root\",\"role\":\"admin\",\"industries\":[]},\n"
    "  {\"_id\":\"lost\",\"role\":\"nobody-knows\"},\n"
    "  {\"_id\":\"out\",\"tokensValidAfter\":1700000000}\n"
    "]}\n";

struct fixture {
    struct nats_server server;
    struct bus *bus;
    char folder[64];
    char store[128], secret[128], roles[128], keys[128];
    const char *settings[8];
    struct process service;
};

static void pause_shortly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000L}, NULL);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct bus_options options = {.name = "test"};
    char error[256];

    assert_non_null(fixture);
    make_folder(fixture->folder);
    write_file(fixture->folder, "users.json", users_text);
    (void)snprintf(fixture->store, sizeof(fixture->store), "USER_STORE=file:%s/users.json", fixture->folder);
    (void)snprintf(fixture->secret, sizeof(fixture->secret), "JWT_SECRET=%s", TEST_SECRET);
    (void)snprintf(fixture->roles, sizeof(fixture->roles), "ROLES_FILE=%s/roles.json", fixture->folder);
    (void)snprintf(fixture->keys, sizeof(fixture->keys), "JWT_PUBLIC_KEYS=%s", fixture->folder);
    fixture->settings[0] = fixture->store;
    fixture->settings[1] = fixture->secret;
    assert_true(nats_server_init(&fixture->server));
    assert_true(nats_server_start(&fixture->server));
    options.url = fixture->server.url;
    assert_int_equal(bus_create(&options, &fixture->bus, error, sizeof(error)), STATUS_OK);
    while (!bus_connected(fixture->bus))
        pause_shortly();
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->service.pid > 0)
        (void)process_stop(&fixture->service, SIGKILL);
    bus_free(fixture->bus);
    nats_server_done(&fixture->server);
    remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture)
{
    assert_true(process_start(&fixture->service, fixture->server.url, fixture->settings));
    assert_true(process_wait_ready(&fixture->service, 200));
}

static void ask_claims(struct fixture *fixture, const char *claims, struct answer *answer)
{
    char *token = make_user_token(claims);

    ask(fixture->bus, token, answer);
    free(token);
}

/* Asks until the code is as wanted: what a reload changed shows a moment later. */
static void ask_until(struct fixture *fixture, const char *claims, const char *code, struct answer *answer)
{
    for (int i = 0; i < TRIES; i++) {
        ask_claims(fixture, claims, answer);
        if (strcmp(answer->code, code) == 0)
            return;
        pause_shortly();
    }
    assert_string_equal(answer->code, code);
}

static void test_identities(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    char claims[128];
    int64_t expires = (int64_t)time(NULL) + 3600;

    start(fixture);
    (void)snprintf(claims, sizeof(claims), "{\"sub\":\"ada\",\"exp\":%lld}", (long long)expires);
    for (int i = 0; i < 3; i++) { /* the second one on are answered from the caches */
        ask_claims(fixture, claims, &answer);
        assert_string_equal(answer.code, "ok");
        assert_string_equal(answer.user_id, "ada");
        assert_string_equal(answer.role, "user");
        assert_string_equal(answer.industries, "technology,finance");
        assert_string_equal(answer.permissions, "emit:value.get,emit:invite.seen");
        assert_int_equal(answer.expires_at_ms, expires * 1000);
    }
    ask_claims(fixture, "{\"sub\":\"ada\",\"role\":\"admin\"}", &answer); /* the record names no role */
    assert_string_equal(answer.role, "admin");
    ask_claims(fixture, "{\"sub\":\"root\",\"role\":\"user\"}", &answer); /* the record's role wins */
    assert_string_equal(answer.role, "admin");
    assert_null(strstr(answer.permissions, "rate:none"));
    assert_non_null(strstr(answer.permissions, "emit:connection.import"));
    ask_claims(fixture, "{\"sub\":\"backend\",\"role\":\"service\"}", &answer); /* needs no record */
    assert_string_equal(answer.code, "ok");
    assert_string_equal(answer.role, "service");
    assert_int_equal(answer.expires_at_ms, 0);
    assert_non_null(strstr(answer.permissions, "emit:*,subscribe:*,rate:none"));
    ask_claims(fixture, "{\"sub\":\"lost\"}", &answer);
    assert_string_equal(answer.code, "ok");
    assert_string_equal(answer.permissions, "");
}

static void test_refusals(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    char claims[128];
    char *token;

    ask(fixture->bus, "", &answer);
    assert_string_equal(answer.code, "AUTH_REQUIRED");
    ask(fixture->bus, "not a token", &answer);
    assert_string_equal(answer.code, "AUTH_INVALID");
    ask(fixture->bus, "\xff\xfe.a.b", &answer);
    assert_string_equal(answer.code, "AUTH_INVALID");
    ask_claims(fixture, "{\"sub\":\"ada\",\"exp\":1600000000}", &answer);
    assert_string_equal(answer.code, "AUTH_EXPIRED");
    (void)snprintf(claims, sizeof(claims), "{\"sub\":\"ada\",\"nbf\":%lld}", (long long)time(NULL) + 600);
    ask_claims(fixture, claims, &answer);
    assert_string_equal(answer.code, "AUTH_INVALID");
    assert_string_equal(answer.message, "the token is not valid yet");
    ask_claims(fixture, "{\"sub\":\"nobody\"}", &answer);
    assert_string_equal(answer.code, "AUTH_USER_UNKNOWN");
    ask_claims(fixture, "{\"sub\":\"eve\"}", &answer);
    assert_string_equal(answer.code, "AUTH_USER_DISABLED");
    ask_claims(fixture, "{\"sub\":\"out\"}", &answer);
    assert_string_equal(answer.code, "AUTH_EXPIRED"); /* no iat: it cannot be told to be newer */
    ask_claims(fixture, "{\"sub\":\"out\",\"iat\":1699999999}", &answer);
    assert_string_equal(answer.code, "AUTH_EXPIRED");
    ask_claims(fixture, "{\"sub\":\"out\",\"iat\":1700000000}", &answer);
    assert_string_equal(answer.code, "ok");
    token = make_token("{\"alg\":\"HS256\"}", "{\"sub\":\"ada\"}", SIGN_HS256,
                       "another secret, also of more than 32 bytes");
    ask(fixture->bus, token, &answer);
    assert_string_equal(answer.code, "AUTH_INVALID");
    free(token);
}

/* An expiry that comes while the verdict is remembered. */
static void test_expiry_of_a_seen_token(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    char claims[128];

    (void)snprintf(claims, sizeof(claims), "{\"sub\":\"ada\",\"exp\":%lld}", (long long)time(NULL) - 28);
    ask_claims(fixture, claims, &answer);
    assert_string_equal(answer.code, "ok"); /* in the leeway of 30 s, with an end still to come */
    assert_true(answer.expires_at_ms > (int64_t)time(NULL) * 1000 - 2000);
    ask_until(fixture, claims, "AUTH_EXPIRED", &answer);
}

static void test_users_change(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    char body[32768];

    ask_claims(fixture, "{\"sub\":\"new\"}", &answer);
    assert_string_equal(answer.code, "AUTH_USER_UNKNOWN");
    write_file(fixture->folder, "users.json", "{\"users\":[{\"_id\":\"new\"},{\"_id\":\"ada\"}]}");
    ask_until(fixture, "{\"sub\":\"new\"}", "ok", &answer);
    ask_claims(fixture, "{\"sub\":\"eve\"}", &answer);
    assert_string_equal(answer.code, "AUTH_USER_UNKNOWN");
    write_file(fixture->folder, "users.json", "{\"users\":[{\"_id\":\"new\"}");
    assert_int_equal(kill(fixture->service.pid, SIGHUP), 0);
    do { /* the bad file is counted and the one before stays */
        pause_shortly();
        assert_int_equal(process_get(&fixture->service, "/metrics", body, sizeof(body)), 200);
    } while (!strstr(body, "pollen8_auth_reloads_total{result=\"failed\"} 1"));
    ask_claims(fixture, "{\"sub\":\"new\"}", &answer);
    assert_string_equal(answer.code, "ok");
    assert_non_null(strstr(body, "pollen8_auth_user_store_up 1"));
    assert_non_null(strstr(body, "pollen8_auth_verifications_total{result=\"AUTH_EXPIRED\"}"));
}

static void test_broker_returns(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;

    nats_server_stop(&fixture->server);
    assert_true(process_wait_ready(&fixture->service, 503));
    assert_true(nats_server_start(&fixture->server));
    assert_true(process_wait_ready(&fixture->service, 200));
    while (!bus_connected(fixture->bus))
        pause_shortly();
    ask_until(fixture, "{\"sub\":\"ada\"}", "ok", &answer);
}

static void test_term(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(process_stop(&fixture->service, SIGTERM), 0);
}

/* A key is taken out: the tokens it signed are no longer good, though their verdicts were remembered. */
static void test_keys_and_roles_change(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    char path[128];
    EVP_PKEY *key = make_rsa_key(2048);
    char *pem = public_pem(key);
    char *token = make_token("{\"alg\":\"RS256\",\"kid\":\"one\"}",
                             "{\"sub\":\"backend\",\"role\":\"service\"}", SIGN_RS256, key);

    write_file(fixture->folder, "users.json", "{\"users\":[{\"_id\":\"new\"}]}");
    write_file(fixture->folder, "one.pem", pem);
    write_file(fixture->folder, "two.pem", pem);
    write_file(fixture->folder, "roles.json", "{\"roles\":{\"service\":[\"emit:a.*\"]}}");
    fixture->settings[2] = fixture->keys;
    fixture->settings[3] = fixture->roles;
    fixture->settings[4] = "CLIENT_SUBMIT=on";
    start(fixture);
    for (int i = 0; i < 2; i++) {
        ask(fixture->bus, token, &answer);
        assert_string_equal(answer.code, "ok");
        assert_string_equal(answer.permissions, "emit:a.*");
    }
    ask_claims(fixture, "{\"sub\":\"new\"}", &answer);
    assert_string_equal(answer.permissions,
                        "emit:connection.new@own,emit:connection.removed@own,emit:invite.created@own");
    write_file(fixture->folder, "one.pem", "not a key");
    assert_int_equal(kill(fixture->service.pid, SIGHUP), 0); /* bad: all stays as it was */
    ask(fixture->bus, token, &answer);
    assert_string_equal(answer.code, "ok");
    (void)snprintf(path, sizeof(path), "%s/one.pem", fixture->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(kill(fixture->service.pid, SIGHUP), 0);
    for (int i = 0; i < TRIES && strcmp(answer.code, "ok") == 0; i++) {
        pause_shortly();
        ask(fixture->bus, token, &answer);
    }
    assert_string_equal(answer.code, "AUTH_INVALID");
    assert_int_equal(process_stop(&fixture->service, SIGTERM), 0);
    free(token);
    free(pem);
    EVP_PKEY_free(key);
}

/* No store: not ready, nobody who needs a record gets in, and nobody is told that he does not exist. */
static void test_store_down(void **state)
{
    struct fixture *fixture = *state;
    const char *const settings[] = {fixture->secret, "MONGODB_URI=mongodb://127.0.0.1:1/pollen8",
                                    "MONGODB_TIMEOUT=200ms", NULL};
    struct answer answer;
    char body[512];

    assert_true(process_start(&fixture->service, fixture->server.url, settings));
    assert_true(process_wait_ready(&fixture->service, 503));
    ask_until(fixture, "{\"sub\":\"ada\"}", "AUTH_UNAVAILABLE", &answer);
    assert_true(answer.retry_after_ms > 0);
    ask_claims(fixture, "{\"sub\":\"backend\",\"role\":\"service\"}", &answer);
    assert_string_equal(answer.code, "ok");
    assert_int_equal(process_get(&fixture->service, "/healthz", body, sizeof(body)), 200);
    assert_int_equal(process_get(&fixture->service, "/readyz", body, sizeof(body)), 503);
    assert_non_null(strstr(body, "users"));
    assert_int_equal(process_stop(&fixture->service, SIGTERM), 0);
}

/* The program with a real store, where the environment names one. */
static void test_mongodb(void **state)
{
    struct fixture *fixture = *state;
    const char *uri = getenv("MONGODB_URI");
    char setting[1024];
    const char *const settings[] = {fixture->secret, setting, "USERS_COLLECTION=users_nobody_made", NULL};
    struct answer answer;

    if (!uri || !*uri) {
        print_message("MONGODB_URI is not set: nothing to ask\n");
        skip();
        return; /* never reached, which an analyser cannot know */
    }
    (void)snprintf(setting, sizeof(setting), "MONGODB_URI=%s%s", uri,
                   uri[strlen(uri) - 1] == '/' ? "pollen8" : "");
    assert_true(process_start(&fixture->service, fixture->server.url, settings));
    assert_true(process_wait_ready(&fixture->service, 200));
    ask_claims(fixture, "{\"sub\":\"ada\"}", &answer);
    assert_string_equal(answer.code, "AUTH_USER_UNKNOWN");
    assert_int_equal(process_stop(&fixture->service, SIGTERM), 0);
}

static void test_bad_settings(void **state)
{
    struct fixture *fixture = *state;
    const char *const rows[][4] = {
        {fixture->store, NULL},
        {fixture->store, "JWT_SECRET=short", NULL},
        {fixture->secret, "USER_STORE=ldap", NULL},
        {fixture->secret, "USER_STORE=file:/nowhere/users.json", NULL},
        {fixture->secret, "MONGODB_URI=mongodb://u:hidden@127.0.0.1:1", NULL},
        {fixture->secret, fixture->store, "JWT_PUBLIC_KEYS=/nowhere", NULL},
        {fixture->secret, fixture->store, "ROLES_FILE=/nowhere", NULL},
        {fixture->secret, fixture->store, "WORKERS=0", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct process process;
        assert_true(process_start(&process, fixture->server.url, rows[i]));
        assert_int_equal(process_wait(&process), 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_expiry_of_a_seen_token),
        cmocka_unit_test(test_users_change),
        cmocka_unit_test(test_broker_returns),
        cmocka_unit_test(test_term),
        cmocka_unit_test(test_keys_and_roles_change),
        cmocka_unit_test(test_store_down),
        cmocka_unit_test(test_mongodb),
        cmocka_unit_test(test_bad_settings),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
