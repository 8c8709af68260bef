/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reads the secret and the folder of <kid>.pem files into one immutable set. Every public key is parsed
 * once here, so that a wrong file is found at the start and on SIGHUP instead of with the first token.
 */
#include "token/keys.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define RSA_MINIMUM_BITS 2048

struct keys {
    size_t count;
    struct key list[KEYS_MAXIMUM + 1]; /* the secret, if there is one, comes first */
};

static enum status add_secret(struct keys *keys, const char *secret, char *error, size_t error_size)
{
    struct key *key = &keys->list[keys->count];
    size_t length = strlen(secret);

    if (length < KEYS_SECRET_MINIMUM_BYTES) {
        snprintf(error, error_size, "JWT_SECRET has %zu bytes, at least %d are needed", length,
                 KEYS_SECRET_MINIMUM_BYTES);
        return STATUS_MALFORMED;
    }
    key->bytes = malloc(length + 1);
    if (!key->bytes)
        return STATUS_NO_MEMORY;
    memcpy(key->bytes, secret, length + 1);
    key->length = length;
    key->algorithm = KEY_HS256;
    keys->count++;
    return STATUS_OK;
}

/* What a parsed public key may verify; the reason why it may not, or NULL. */
static const char *judge_public_key(EVP_PKEY *public_key, enum key_algorithm *ret_algorithm)
{
    char group[64] = "";

    if (EVP_PKEY_is_a(public_key, "RSA")) {
        if (EVP_PKEY_get_bits(public_key) < RSA_MINIMUM_BITS)
            return "is an RSA key of fewer than 2048 bits";
        *ret_algorithm = KEY_RS256;
        return NULL;
    }
    if (EVP_PKEY_is_a(public_key, "EC")) {
        if (EVP_PKEY_get_group_name(public_key, group, sizeof(group), NULL) != 1 ||
            strcmp(group, "prime256v1") != 0)
            return "is an EC key on a curve other than P-256";
        *ret_algorithm = KEY_ES256;
        return NULL;
    }
    return "is neither an RSA nor a P-256 key";
}

static const char *parse_public_key(const unsigned char *pem, size_t length,
                                    enum key_algorithm *ret_algorithm)
{
    const char *reason = "holds no public key (expected -----BEGIN PUBLIC KEY-----)";
    BIO *bio = BIO_new_mem_buf(pem, (int)length);
    EVP_PKEY *public_key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

    if (public_key)
        reason = judge_public_key(public_key, ret_algorithm);
    EVP_PKEY_free(public_key);
    BIO_free(bio);
    ERR_clear_error();
    return reason;
}

/* Reads a whole small file; the reason why it cannot be, or NULL. */
static const char *read_small_file(const char *path, unsigned char **ret_bytes, size_t *ret_length)
{
    const char *reason = NULL;
    unsigned char *bytes = malloc(KEYS_FILE_MAXIMUM_BYTES + 1);
    FILE *file = bytes ? fopen(path, "rbe") : NULL;
    size_t length = 0;

    if (!bytes)
        return "cannot be read: out of memory";
    if (!file) {
        free(bytes);
        return "cannot be opened";
    }
    length = fread(bytes, 1, KEYS_FILE_MAXIMUM_BYTES + 1, file);
    if (ferror(file))
        reason = "cannot be read";
    else if (length > KEYS_FILE_MAXIMUM_BYTES)
        reason = "is larger than a public key can be";
    (void)fclose(file); /* it was only read */
    if (reason) {
        free(bytes);
        return reason;
    }
    bytes[length] = '\0';
    *ret_bytes = bytes;
    *ret_length = length;
    return NULL;
}

static enum status add_file(struct keys *keys, const char *folder, const char *name, char *error,
                            size_t error_size)
{
    char path[4608];
    struct key *key = &keys->list[keys->count];
    const char *reason;

    if (keys->count > KEYS_MAXIMUM ||
        snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path)) {
        snprintf(error, error_size, "JWT_PUBLIC_KEYS: more than %d keys, or too long a path", KEYS_MAXIMUM);
        return STATUS_MALFORMED;
    }
    reason = read_small_file(path, &key->bytes, &key->length);
    if (!reason)
        reason = parse_public_key(key->bytes, key->length, &key->algorithm);
    if (reason) {
        snprintf(error, error_size, "JWT_PUBLIC_KEYS: %s %s", path, reason);
        free(key->bytes);
        *key = (struct key){0};
        return STATUS_MALFORMED;
    }
    key->id = strndup(name, strlen(name) - strlen(".pem"));
    keys->count++; /* counted even without an id, so that keys_free frees the bytes */
    return key->id ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Skips hidden entries: mounted secrets keep their versions in folders named ..something. */
static bool is_key_file(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > strlen(".pem") && strcmp(name + length - strlen(".pem"), ".pem") == 0;
}

static enum status add_folder(struct keys *keys, const char *folder, char *error, size_t error_size)
{
    enum status status = STATUS_OK;
    const struct dirent *entry;
    DIR *directory = opendir(folder);

    if (!directory) {
        snprintf(error, error_size, "JWT_PUBLIC_KEYS: folder %s cannot be read: %s", folder, strerror(errno));
        return STATUS_MALFORMED;
    }
    while (status == STATUS_OK && (entry = readdir(directory)))
        if (is_key_file(entry->d_name))
            status = add_file(keys, folder, entry->d_name, error, error_size);
    (void)closedir(directory);
    return status;
}

enum status keys_create(const char *secret, const char *folder, struct keys **ret_keys, char *error,
                        size_t error_size)
{
    enum status status = STATUS_OK;
    struct keys *keys = calloc(1, sizeof(*keys));

    snprintf(error, error_size, "%s", "out of memory");
    if (!keys)
        return STATUS_NO_MEMORY;
    if (secret && *secret)
        status = add_secret(keys, secret, error, error_size);
    if (status == STATUS_OK && folder && *folder)
        status = add_folder(keys, folder, error, error_size);
    if (status == STATUS_OK && keys->count == 0) {
        if (folder && *folder)
            snprintf(error, error_size,
                     "JWT_PUBLIC_KEYS: folder %s has no .pem file and JWT_SECRET is not set", folder);
        else
            snprintf(error, error_size, "%s",
                     "JWT_SECRET is not set, expected at least 32 bytes "
                     "(or JWT_PUBLIC_KEYS with a folder of public keys)");
        status = STATUS_MALFORMED;
    }
    if (status != STATUS_OK) {
        keys_free(keys);
        return status;
    }
    *ret_keys = keys;
    return STATUS_OK;
}

void keys_free(struct keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        OPENSSL_cleanse(keys->list[i].bytes, keys->list[i].length);
        free(keys->list[i].bytes);
        free(keys->list[i].id);
    }
    free(keys);
}

size_t keys_count(const struct keys *keys)
{
    return keys->count;
}

bool keys_secret_alone(const struct keys *keys)
{
    return keys->count == 1 && keys->list[0].algorithm == KEY_HS256;
}

const struct key *keys_find(const struct keys *keys, enum key_algorithm algorithm, struct slice id)
{
    const struct key *only = NULL;
    size_t candidates = 0;

    for (size_t i = 0; i < keys->count; i++) {
        const struct key *key = &keys->list[i];
        if (key->algorithm != algorithm)
            continue;
        if (algorithm == KEY_HS256)
            return key;
        if (id.data && slice_equal_string(id, key->id))
            return key;
        only = key;
        candidates++;
    }
    return !id.data && candidates == 1 ? only : NULL;
}
