/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which secrets and files become keys, and which key a token's header gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "auth_test.h"
#include "token/keys.h"

static int setup(void **state)
{
    char *folder = calloc(1, 64);

    assert_non_null(folder);
    make_folder(folder);
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    remove_folder(*state);
    free(*state);
    return 0;
}

static void write_public(const char *folder, const char *name, EVP_PKEY *key)
{
    char *pem = public_pem(key);

    write_file(folder, name, pem);
    free(pem);
    EVP_PKEY_free(key);
}

static void refused(const char *secret, const char *folder, const char *reason)
{
    struct keys *keys = NULL;
    char error[512] = "";

    assert_int_equal(keys_create(secret, folder, &keys, error, sizeof(error)), STATUS_MALFORMED);
    assert_null(keys);
    if (!strstr(error, reason))
        fail_msg("said '%s'", error);
    if (secret && *secret)
        assert_null(strstr(error, secret));
}

static void test_secret(void **state)
{
    struct keys *keys = NULL;
    char error[512];
    const struct key *key;

    (void)state;
    refused(NULL, NULL, "JWT_SECRET is not set");
    refused("", "", "JWT_SECRET is not set");
    refused("0123456789012345678901234567890", NULL, "31 bytes");
    assert_int_equal(keys_create("01234567890123456789012345678901", NULL, &keys, error, sizeof(error)),
                     STATUS_OK);
    assert_int_equal(keys_count(keys), 1);
    key = keys_find(keys, KEY_HS256, SLICE_LITERAL("any"));
    assert_non_null(key);
    assert_int_equal(key->length, 32);
    assert_null(keys_find(keys, KEY_RS256, slice_make(NULL, 0)));
    keys_free(keys);
    keys_free(NULL);
}

static void test_folder(void **state)
{
    const char *folder = *state;
    struct keys *keys = NULL;
    char error[512];

    refused(NULL, folder, "has no .pem file");
    write_public(folder, "r1.pem", make_rsa_key(2048));
    write_public(folder, "e1.pem", make_ec_key("P-256"));
    write_public(folder, "e2.pem", make_ec_key("P-256"));
    write_file(folder, "README", "not a key");
    write_file(folder, ".hidden.pem", "not a key");
    assert_int_equal(keys_create(TEST_SECRET, folder, &keys, error, sizeof(error)), STATUS_OK);
    assert_int_equal(keys_count(keys), 4);
    assert_string_equal(keys_find(keys, KEY_RS256, SLICE_LITERAL("r1"))->id, "r1");
    assert_string_equal(keys_find(keys, KEY_RS256, slice_make(NULL, 0))->id, "r1");
    assert_string_equal(keys_find(keys, KEY_ES256, SLICE_LITERAL("e2"))->id, "e2");
    assert_null(keys_find(keys, KEY_ES256, slice_make(NULL, 0))); /* two: which one is not said */
    assert_null(keys_find(keys, KEY_ES256, SLICE_LITERAL("r1")));
    assert_null(keys_find(keys, KEY_RS256, SLICE_LITERAL("")));
    assert_null(keys_find(keys, KEY_RS256, SLICE_LITERAL("r1.pem")));
    keys_free(keys);
}

static void test_bad_files(void **state)
{
    const char *folder = *state;
    EVP_PKEY *key = make_rsa_key(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = calloc(1, KEYS_FILE_MAXIMUM_BYTES + 2), *data = NULL;
    long length;

    refused(NULL, "/nowhere", "cannot be read");
    write_file(folder, "bad.pem", "");
    refused(NULL, folder, "bad.pem holds no public key");
    write_public(folder, "bad.pem", make_rsa_key(1024));
    refused(TEST_SECRET, folder, "fewer than 2048 bits");
    write_public(folder, "bad.pem", make_ec_key("P-384"));
    refused(TEST_SECRET, folder, "a curve other than P-256");
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    length = BIO_get_mem_data(bio, &data);
    assert_non_null(text);
    memcpy(text, data, (size_t)length);
    write_file(folder, "bad.pem", text);
    refused(TEST_SECRET, folder, "bad.pem holds no public key");
    memset(text, 'x', KEYS_FILE_MAXIMUM_BYTES + 1);
    write_file(folder, "bad.pem", text);
    refused(TEST_SECRET, folder, "larger than a public key");
    free(text);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void test_too_many(void **state)
{
    const char *folder = *state;
    EVP_PKEY *key = make_ec_key("P-256");
    char *pem = public_pem(key);
    char name[32];

    for (int i = 0; i <= KEYS_MAXIMUM + 1; i++) {
        (void)snprintf(name, sizeof(name), "k%d.pem", i);
        write_file(folder, name, pem);
    }
    refused(TEST_SECRET, folder, "more than 64 keys");
    refused(NULL, folder, "more than 64 keys");
    free(pem);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
