/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Every way a token can be good or bad as one row: header, claims, who signed, what must come of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jwt.h>

#include "auth_test.h"
#include "common/json.h"
#include "token/token.h"

#define NOW_S  1800000000
#define NOW_MS (NOW_S * INT64_C(1000))

#define HS256  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define ADA    "{\"sub\":\"ada\"}"

static const struct token_rules plain_rules = {.leeway_ms = 30000};

/* The keys of the tests: the secret, `rsa-1` and `ec-1`. */
struct fixture {
    char folder[64];
    EVP_PKEY *rsa, *ec, *other_rsa;
    char *rsa_pem;
    struct keys *secret_only;
    struct keys *all;
    struct keys *public_only;
};

static struct keys *load_keys(const char *secret, const char *folder)
{
    struct keys *keys = NULL;
    char error[512];

    if (keys_create(secret, folder, &keys, error, sizeof(error)) != STATUS_OK)
        fail_msg("%s", error);
    return keys;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char *ec_pem;

    assert_non_null(fixture);
    make_folder(fixture->folder);
    fixture->rsa = make_rsa_key(2048);
    fixture->other_rsa = make_rsa_key(2048);
    fixture->ec = make_ec_key("P-256");
    fixture->rsa_pem = public_pem(fixture->rsa);
    ec_pem = public_pem(fixture->ec);
    write_file(fixture->folder, "rsa-1.pem", fixture->rsa_pem);
    write_file(fixture->folder, "ec-1.pem", ec_pem);
    free(ec_pem);
    fixture->secret_only = load_keys(TEST_SECRET, NULL);
    fixture->all = load_keys(TEST_SECRET, fixture->folder);
    fixture->public_only = load_keys(NULL, fixture->folder);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    keys_free(fixture->secret_only);
    keys_free(fixture->all);
    keys_free(fixture->public_only);
    EVP_PKEY_free(fixture->rsa);
    EVP_PKEY_free(fixture->other_rsa);
    EVP_PKEY_free(fixture->ec);
    free(fixture->rsa_pem);
    remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static enum status verify(const char *token, const struct keys *keys, const struct token_rules *rules,
                          struct token_claims *claims, const char **message)
{
    return token_verify(slice_from_string(token), keys, rules, NOW_MS, claims, message);
}

struct row {
    const char *name;
    const char *header;
    const char *claims;
    enum status expected;
    const char *message; /* NULL: any */
};

static const struct row claim_rows[] = {
    {"only a subject", HS256, ADA, STATUS_OK, NULL},
    {"typ in lower case", "{\"alg\":\"HS256\",\"typ\":\"jwt\"}", ADA, STATUS_OK, NULL},
    {"no typ", "{\"alg\":\"HS256\"}", ADA, STATUS_OK, NULL},
    {"a kid beside a secret", "{\"alg\":\"HS256\",\"kid\":\"whatever\"}", ADA, STATUS_OK, NULL},
    {"exp to come", HS256, "{\"sub\":\"ada\",\"exp\":1800000001}", STATUS_OK, NULL},
    {"exp just past, within the leeway", HS256, "{\"sub\":\"ada\",\"exp\":1799999971}", STATUS_OK, NULL},
    {"exp past the leeway", HS256, "{\"sub\":\"ada\",\"exp\":1799999970}", STATUS_AUTH_EXPIRED,
     "the token has expired"},
    {"exp 0", HS256, "{\"sub\":\"ada\",\"exp\":0}", STATUS_AUTH_EXPIRED, "the token has expired"},
    {"exp with a fraction to come", HS256, "{\"sub\":\"ada\",\"exp\":1800000000.5}", STATUS_OK, NULL},
    {"exp with a fraction past", HS256, "{\"sub\":\"ada\",\"exp\":1799999969.9}", STATUS_AUTH_EXPIRED,
     "the token has expired"},
    {"exp in exponent form", HS256, "{\"sub\":\"ada\",\"exp\":1.9e9}", STATUS_OK, NULL},
    {"exp as text", HS256, "{\"sub\":\"ada\",\"exp\":\"1900000000\"}", STATUS_AUTH_INVALID,
     "the token's exp is not a time in seconds"},
    {"exp null", HS256, "{\"sub\":\"ada\",\"exp\":null}", STATUS_AUTH_INVALID,
     "the token's exp is not a time in seconds"},
    {"exp in milliseconds", HS256, "{\"sub\":\"ada\",\"exp\":1900000000000}", STATUS_AUTH_INVALID,
     "the token's exp is not a time in seconds"},
    {"exp negative", HS256, "{\"sub\":\"ada\",\"exp\":-1}", STATUS_AUTH_INVALID,
     "the token's exp is not a time in seconds"},
    {"exp beyond 64 bits", HS256, "{\"sub\":\"ada\",\"exp\":1e300}", STATUS_AUTH_INVALID,
     "the token's exp is not a time in seconds"},
    {"nbf past", HS256, "{\"sub\":\"ada\",\"nbf\":1799999999}", STATUS_OK, NULL},
    {"nbf within the leeway", HS256, "{\"sub\":\"ada\",\"nbf\":1800000030}", STATUS_OK, NULL},
    {"nbf past the leeway", HS256, "{\"sub\":\"ada\",\"nbf\":1800000031}", STATUS_AUTH_INVALID,
     "the token is not valid yet"},
    {"nbf true", HS256, "{\"sub\":\"ada\",\"nbf\":true}", STATUS_AUTH_INVALID,
     "the token's nbf is not a time in seconds"},
    {"iat to come", HS256, "{\"sub\":\"ada\",\"iat\":1800000031}", STATUS_AUTH_INVALID,
     "the token is not valid yet"},
    {"iat an object", HS256, "{\"sub\":\"ada\",\"iat\":{}}", STATUS_AUTH_INVALID,
     "the token's iat is not a time in seconds"},
    {"no sub", HS256, "{\"exp\":1900000000}", STATUS_AUTH_INVALID, "the token's sub is not a usable user id"},
    {"sub a number", HS256, "{\"sub\":5}", STATUS_AUTH_INVALID, "the token's sub is not a usable user id"},
    {"sub empty", HS256, "{\"sub\":\"\"}", STATUS_AUTH_INVALID, "the token's sub is not a usable user id"},
    {"sub with a NUL", HS256, "{\"sub\":\"a\\u0000b\"}", STATUS_AUTH_INVALID, NULL},
    {"sub with a line break", HS256, "{\"sub\":\"a\\nb\"}", STATUS_AUTH_INVALID,
     "the token's sub is not a usable user id"},
    {"sub with signs that subjects and keys care for", HS256, "{\"sub\":\"a.*>} \\u00e9\"}", STATUS_OK, NULL},
    {"sub of 128 bytes", HS256,
     "{\"sub\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}",
     STATUS_OK, NULL},
    {"sub of 129 bytes", HS256,
     "{\"sub\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef+\"}",
     STATUS_AUTH_INVALID, "the token's sub is not a usable user id"},
    {"sub twice", HS256, "{\"sub\":\"ada\",\"sub\":\"eve\"}", STATUS_AUTH_INVALID,
     "the token's claims are not valid JSON"},
    {"role", HS256, "{\"sub\":\"ada\",\"role\":\"admin\"}", STATUS_OK, NULL},
    {"role null", HS256, "{\"sub\":\"ada\",\"role\":null}", STATUS_OK, NULL},
    {"role a list", HS256, "{\"sub\":\"ada\",\"role\":[\"admin\"]}", STATUS_AUTH_INVALID,
     "the token's role is not a usable name"},
    {"role empty", HS256, "{\"sub\":\"ada\",\"role\":\"\"}", STATUS_AUTH_INVALID,
     "the token's role is not a usable name"},
    {"claims an array", HS256, "[\"ada\"]", STATUS_AUTH_INVALID, NULL},
    {"claims with something after them", HS256, "{\"sub\":\"ada\"} {}", STATUS_AUTH_INVALID, NULL},
    {"alg in lower case", "{\"alg\":\"hs256\"}", ADA, STATUS_AUTH_INVALID,
     "the token's algorithm is not accepted"},
    {"alg missing", "{\"typ\":\"JWT\"}", ADA, STATUS_AUTH_INVALID, "the token's algorithm is not accepted"},
    {"alg a number", "{\"alg\":256}", ADA, STATUS_AUTH_INVALID, "the token's algorithm is not accepted"},
    {"alg twice", "{\"alg\":\"HS256\",\"alg\":\"none\"}", ADA, STATUS_AUTH_INVALID,
     "the token's header is not valid JSON"},
    {"alg none, signed all the same", "{\"alg\":\"none\"}", ADA, STATUS_AUTH_INVALID,
     "the token's algorithm is not accepted"},
    {"alg of another family", "{\"alg\":\"PS256\"}", ADA, STATUS_AUTH_INVALID,
     "the token's algorithm is not accepted"},
    {"EdDSA", "{\"alg\":\"EdDSA\"}", ADA, STATUS_AUTH_INVALID, "the token's algorithm is not accepted"},
    {"HS512 said, HS256 done", "{\"alg\":\"HS512\"}", ADA, STATUS_AUTH_INVALID,
     "the token's algorithm is not accepted"},
    {"RS256 said where only a secret is", "{\"alg\":\"RS256\"}", ADA, STATUS_AUTH_INVALID,
     "the token's signing key is not known"},
    {"typ of an access token", "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", ADA, STATUS_AUTH_INVALID,
     "the token's typ is not JWT"},
    {"typ a number", "{\"alg\":\"HS256\",\"typ\":1}", ADA, STATUS_AUTH_INVALID, "the token's typ is not JWT"},
    {"kid a number", "{\"alg\":\"HS256\",\"kid\":1}", ADA, STATUS_AUTH_INVALID,
     "the token's kid is not a string"},
    {"critical extension", "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", ADA, STATUS_AUTH_INVALID,
     "the token uses critical extensions that are not known here"},
    {"header an array", "[1]", ADA, STATUS_AUTH_INVALID, "the token's header is not valid JSON"},
};

static void test_claims(void **state)
{
    const struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(claim_rows) / sizeof(claim_rows[0]); i++) {
        const struct row *row = &claim_rows[i];
        struct token_claims claims = {0};
        const char *message = NULL;
        char *token = make_token(row->header, row->claims, SIGN_HS256, TEST_SECRET);
        enum status status = verify(token, fixture->secret_only, &plain_rules, &claims, &message);

        if (status != row->expected)
            fail_msg("%s: %s (%s)", row->name, status_code(status), message);
        if (row->message && strcmp(message, row->message) != 0)
            fail_msg("%s: said '%s'", row->name, message);
        free(token);
    }
}

static void test_what_is_read(void **state)
{
    const struct fixture *fixture = *state;
    struct token_claims claims = {0};
    const char *message;
    char *token =
        make_user_token("{\"sub\":\"ada\",\"role\":\"admin\",\"exp\":1800000100.25,\"iat\":1799999000}");

    assert_int_equal(verify(token, fixture->secret_only, &plain_rules, &claims, &message), STATUS_OK);
    assert_string_equal(claims.subject, "ada");
    assert_string_equal(claims.role, "admin");
    assert_int_equal(claims.expires_at_ms, INT64_C(1800000100250));
    assert_int_equal(claims.issued_at_ms, INT64_C(1799999000000));
    assert_false(token_expired(&claims, &plain_rules, INT64_C(1800000130249)));
    assert_true(token_expired(&claims, &plain_rules, INT64_C(1800000130250)));
    free(token);
    token = make_user_token(ADA);
    assert_int_equal(verify(token, fixture->secret_only, &plain_rules, &claims, &message), STATUS_OK);
    assert_string_equal(claims.role, "");
    assert_int_equal(claims.expires_at_ms, 0);
    assert_int_equal(claims.issued_at_ms, -1);
    free(token);
}

static void test_shapes(void **state)
{
    static const char *const shapes[] = {
        ".",         "..",      "...",     "a.b",      "a.b.c",      "a..c",         ".b.c",
        "a.b.",      "a.b.c.d", "a b.c.d", "e30.e30.", "e30=.e30.x", "e30.e30.x\ny", "Bearer e30.e30.x",
        "e30.e30.+/"};
    const struct fixture *fixture = *state;
    struct token_claims claims;
    const char *message = NULL;

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (verify(shapes[i], fixture->all, &plain_rules, &claims, &message) != STATUS_AUTH_INVALID)
            fail_msg("'%s' was not refused", shapes[i]);
    assert_int_equal(verify("", fixture->all, &plain_rules, &claims, &message), STATUS_AUTH_REQUIRED);
    assert_string_equal(message, "a token is required");
    assert_int_equal(
        token_verify(SLICE_LITERAL("e30.e30.x\0y"), fixture->all, &plain_rules, NOW_MS, &claims, &message),
        STATUS_AUTH_INVALID);
}

static void test_length(void **state)
{
    const struct fixture *fixture = *state;
    struct token_claims claims;
    const char *message = NULL;
    char text[8200] = "{\"sub\":\"ada\",\"x\":\"";
    size_t length = strlen(text);
    char *token;

    /* 36 characters of header, 43 of signature, 2 dots: 8111 of claims make 8192. */
    memset(text + length, 'x', 6083 - length - 2);
    memcpy(text + 6081, "\"}", 3);
    token = make_user_token(text);
    assert_int_equal(strlen(token), TOKEN_MAXIMUM_BYTES);
    assert_int_equal(verify(token, fixture->secret_only, &plain_rules, &claims, &message), STATUS_OK);
    free(token);
    memcpy(text + 6081, "x\"}", 4);
    token = make_user_token(text);
    assert_int_equal(verify(token, fixture->secret_only, &plain_rules, &claims, &message),
                     STATUS_AUTH_INVALID);
    assert_string_equal(message, "the token is longer than 8 KB");
    free(token);
}

struct signature_row {
    const char *name;
    const char *header;
    enum signer signer;
    int key;  /* 0 the secret, 1 the RSA pair, 2 the EC pair, 3 a foreign RSA pair, 4 the RSA PEM as a secret
               */
    int keys; /* 0 the secret only, 1 all, 2 the public ones only */
    enum status expected;
};

static const struct signature_row signature_rows[] = {
    {"RS256 by kid", "{\"alg\":\"RS256\",\"kid\":\"rsa-1\"}", SIGN_RS256, 1, 1, STATUS_OK},
    {"RS256 without kid, one such key", "{\"alg\":\"RS256\"}", SIGN_RS256, 1, 1, STATUS_OK},
    {"ES256 by kid", "{\"alg\":\"ES256\",\"kid\":\"ec-1\"}", SIGN_ES256, 2, 1, STATUS_OK},
    {"HS256 beside public keys", "{\"alg\":\"HS256\"}", SIGN_HS256, 0, 1, STATUS_OK},
    {"HS256 where no secret is", "{\"alg\":\"HS256\"}", SIGN_HS256, 0, 2, STATUS_AUTH_INVALID},
    {"RS256 of a foreign pair", "{\"alg\":\"RS256\",\"kid\":\"rsa-1\"}", SIGN_RS256, 3, 1,
     STATUS_AUTH_INVALID},
    {"RS256, kid of the EC key", "{\"alg\":\"RS256\",\"kid\":\"ec-1\"}", SIGN_RS256, 1, 1,
     STATUS_AUTH_INVALID},
    {"ES256, kid of the RSA key", "{\"alg\":\"ES256\",\"kid\":\"rsa-1\"}", SIGN_ES256, 2, 1,
     STATUS_AUTH_INVALID},
    {"unknown kid", "{\"alg\":\"RS256\",\"kid\":\"rsa-2\"}", SIGN_RS256, 1, 1, STATUS_AUTH_INVALID},
    {"kid that climbs", "{\"alg\":\"RS256\",\"kid\":\"../rsa-1\"}", SIGN_RS256, 1, 1, STATUS_AUTH_INVALID},
    {"kid empty", "{\"alg\":\"RS256\",\"kid\":\"\"}", SIGN_RS256, 1, 1, STATUS_AUTH_INVALID},
    {"key confusion: MAC with the public PEM", "{\"alg\":\"HS256\",\"kid\":\"rsa-1\"}", SIGN_HS256, 4, 2,
     STATUS_AUTH_INVALID},
    {"key confusion beside a secret", "{\"alg\":\"HS256\",\"kid\":\"rsa-1\"}", SIGN_HS256, 4, 1,
     STATUS_AUTH_INVALID},
    {"alg none, unsigned", "{\"alg\":\"none\"}", SIGN_NOTHING, 0, 1, STATUS_AUTH_INVALID},
    {"HS256, unsigned", "{\"alg\":\"HS256\"}", SIGN_NOTHING, 0, 0, STATUS_AUTH_INVALID},
    {"HS384 done and said", "{\"alg\":\"HS384\"}", SIGN_HS384, 0, 0, STATUS_AUTH_INVALID},
    {"HS384 done, HS256 said", "{\"alg\":\"HS256\"}", SIGN_HS384, 0, 0, STATUS_AUTH_INVALID},
    {"HS256 done, RS256 said", "{\"alg\":\"RS256\",\"kid\":\"rsa-1\"}", SIGN_HS256, 4, 1,
     STATUS_AUTH_INVALID},
};

static void test_signatures(void **state)
{
    const struct fixture *fixture = *state;
    const void *signing[] = {TEST_SECRET, fixture->rsa, fixture->ec, fixture->other_rsa, fixture->rsa_pem};
    const struct keys *known[] = {fixture->secret_only, fixture->all, fixture->public_only};

    for (size_t i = 0; i < sizeof(signature_rows) / sizeof(signature_rows[0]); i++) {
        const struct signature_row *row = &signature_rows[i];
        struct token_claims claims = {0};
        const char *message = NULL;
        char *token = make_token(row->header, ADA, row->signer, signing[row->key]);
        enum status status = verify(token, known[row->keys], &plain_rules, &claims, &message);

        if (status != row->expected)
            fail_msg("%s: %s (%s)", row->name, status_code(status), message);
        free(token);
    }
}

/* No single character of a token may change without the token being refused. */
static void test_tampering(void **state)
{
    const struct fixture *fixture = *state;
    struct token_claims claims;
    const char *message;
    char *token = make_user_token("{\"sub\":\"ada\",\"exp\":1900000000}");
    size_t length = strlen(token);

    for (size_t i = 0; i + 1 < length; i++) { /* the last one holds bits that stand for nothing */
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        if (verify(token, fixture->secret_only, &plain_rules, &claims, &message) != STATUS_AUTH_INVALID)
            fail_msg("character %zu could be changed", i);
        token[i] = kept;
    }
    assert_int_equal(verify(token, fixture->secret_only, &plain_rules, &claims, &message), STATUS_OK);
    free(token);
}

struct party_row {
    const char *claims;
    const char *issuer, *audience;
    bool require_expiry;
    enum status expected;
};

static const struct party_row party_rows[] = {
    {"{\"sub\":\"a\",\"iss\":\"p8\"}", "p8", NULL, false, STATUS_OK},
    {"{\"sub\":\"a\",\"iss\":\"p8\"}", "", "", false, STATUS_OK},
    {"{\"sub\":\"a\",\"iss\":\"p9\"}", "p8", NULL, false, STATUS_AUTH_INVALID},
    {"{\"sub\":\"a\",\"iss\":[\"p8\"]}", "p8", NULL, false, STATUS_AUTH_INVALID},
    {"{\"sub\":\"a\"}", "p8", NULL, false, STATUS_AUTH_INVALID},
    {"{\"sub\":\"a\",\"aud\":\"live\"}", NULL, "live", false, STATUS_OK},
    {"{\"sub\":\"a\",\"aud\":[\"web\",\"live\"]}", NULL, "live", false, STATUS_OK},
    {"{\"sub\":\"a\",\"aud\":[1,\"live\"]}", NULL, "live", false, STATUS_OK},
    {"{\"sub\":\"a\",\"aud\":[]}", NULL, "live", false, STATUS_AUTH_INVALID},
    {"{\"sub\":\"a\",\"aud\":\"liver\"}", NULL, "live", false, STATUS_AUTH_INVALID},
    {"{\"sub\":\"a\",\"aud\":{\"live\":1}}", NULL, "live", false, STATUS_AUTH_INVALID},
    {"{\"sub\":\"a\"}", NULL, "live", false, STATUS_AUTH_INVALID},
    {"{\"sub\":\"a\"}", NULL, NULL, true, STATUS_AUTH_INVALID},
    {"{\"sub\":\"a\",\"exp\":1900000000}", NULL, NULL, true, STATUS_OK},
};

static void test_parties(void **state)
{
    const struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(party_rows) / sizeof(party_rows[0]); i++) {
        const struct party_row *row = &party_rows[i];
        struct token_rules rules = {.leeway_ms = 30000,
                                    .issuer = row->issuer,
                                    .audience = row->audience,
                                    .require_expiry = row->require_expiry};
        struct token_claims claims;
        const char *message = NULL;
        char *token = make_user_token(row->claims);
        enum status status = verify(token, fixture->secret_only, &rules, &claims, &message);

        if (status != row->expected)
            fail_msg("%s: %s", row->claims, status_code(status));
        free(token);
    }
}

/* The independent oracle: what the JWT library issues is accepted, and no message repeats a token. */
static void test_library_tokens(void **state)
{
    const struct fixture *fixture = *state;
    struct token_claims claims;
    const char *message = NULL;
    jwt_t *jwt = NULL;
    char *token;

    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, "{\"sub\":\"grace\",\"exp\":1900000000,\"role\":\"service\"}"),
                     0);
    assert_int_equal(
        jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)TEST_SECRET, sizeof(TEST_SECRET) - 1), 0);
    token = jwt_encode_str(jwt);
    assert_non_null(token);
    assert_int_equal(verify(token, fixture->all, &plain_rules, &claims, &message), STATUS_OK);
    assert_string_equal(claims.subject, "grace");
    assert_string_equal(claims.role, "service");
    token[strlen(token) - 5] ^= 1;
    assert_int_equal(verify(token, fixture->all, &plain_rules, &claims, &message), STATUS_AUTH_INVALID);
    assert_null(strstr(message, "grace"));
    free(token);
    jwt_free(jwt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),     cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_shapes),     cmocka_unit_test(test_length),
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_parties),    cmocka_unit_test(test_library_tokens),
    };

    json_init();
    return cmocka_run_group_tests(tests, setup, teardown);
}
