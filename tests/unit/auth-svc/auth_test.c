/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Helpers end the test program where something of the test itself fails: nothing can be shown then.
 */
#include "auth_test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/base64url.h"

#define SIGNATURE_MAXIMUM 1024

static void need(int condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "the test cannot be set up: %s\n", what);
        abort();
    }
}

/* DER (what OpenSSL makes) to r || s, 32 bytes each (what RFC 7518 section 3.4 wants). */
static size_t raw_ecdsa(unsigned char *signature, size_t length)
{
    const unsigned char *at = signature;
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &at, (long)length);
    unsigned char raw[64];

    need(parsed != NULL, "ECDSA signature");
    need(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), raw, 32) == 32, "r");
    need(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), raw + 32, 32) == 32, "s");
    ECDSA_SIG_free(parsed);
    memcpy(signature, raw, sizeof(raw));
    return sizeof(raw);
}

static size_t sign(const char *text, enum signer signer, const void *key, unsigned char *signature)
{
    size_t length = SIGNATURE_MAXIMUM;
    unsigned mac_length = 0;
    EVP_MD_CTX *context;
    union {
        const void *constant;
        EVP_PKEY *plain;
    } pair = {.constant = key};

    if (signer == SIGN_NOTHING)
        return 0;
    if (signer == SIGN_HS256 || signer == SIGN_HS384) {
        HMAC(signer == SIGN_HS256 ? EVP_sha256() : EVP_sha384(), key, (int)strlen(key),
             (const unsigned char *)text, strlen(text), signature, &mac_length);
        return mac_length;
    }
    context = EVP_MD_CTX_new();
    need(context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pair.plain) == 1, "signing");
    need(EVP_DigestSign(context, signature, &length, (const unsigned char *)text, strlen(text)) == 1,
         "signing");
    EVP_MD_CTX_free(context);
    return signer == SIGN_ES256 ? raw_ecdsa(signature, length) : length;
}

char *make_token(const char *header, const char *claims, enum signer signer, const void *key)
{
    size_t size = BASE64URL_LENGTH(strlen(header)) + BASE64URL_LENGTH(strlen(claims)) +
                  BASE64URL_LENGTH(SIGNATURE_MAXIMUM) + 3;
    unsigned char signature[SIGNATURE_MAXIMUM];
    char *token = malloc(size);
    size_t length, signature_length;

    need(token != NULL, "memory");
    length = base64url_encode(token, header, strlen(header));
    token[length++] = '.';
    length += base64url_encode(token + length, claims, strlen(claims));
    signature_length = sign(token, signer, key, signature);
    token[length++] = '.';
    (void)base64url_encode(token + length, signature, signature_length);
    return token;
}

char *make_user_token(const char *claims)
{
    return make_token("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims, SIGN_HS256, TEST_SECRET);
}

EVP_PKEY *make_rsa_key(unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    need(key != NULL, "RSA key");
    return key;
}

EVP_PKEY *make_ec_key(const char *curve)
{
    EVP_PKEY *key = EVP_EC_gen(curve);
    need(key != NULL, "EC key");
    return key;
}

char *public_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL, *copy;
    long length;

    need(bio && PEM_write_bio_PUBKEY(bio, key) == 1, "PEM");
    length = BIO_get_mem_data(bio, &data);
    copy = strndup(data, (size_t)length);
    need(copy != NULL, "memory");
    BIO_free(bio);
    return copy;
}

void make_folder(char path[64])
{
    (void)snprintf(path, 64, "%s", "/tmp/pollen8-auth-XXXXXX");
    need(mkdtemp(path) != NULL, "mkdtemp");
}

void remove_folder(const char *path)
{
    char name[512];
    const struct dirent *entry;
    DIR *folder = opendir(path);

    need(folder != NULL, path);
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        need(unlink(name) == 0, name);
    }
    (void)closedir(folder);
    need(rmdir(path) == 0, path);
}

void write_file(const char *folder, const char *name, const char *text)
{
    char path[512], temporary[512];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)snprintf(temporary, sizeof(temporary), "%s/.new", folder);
    file = fopen(temporary, "wb");
    need(file && fputs(text, file) >= 0 && fclose(file) == 0, temporary);
    need(rename(temporary, path) == 0, path);
}
