/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the tests of auth-svc share: tokens made by hand with any header, claims and signature (no JWT
 * library: it would refuse to make the bad ones), key pairs, and files in a folder of the test's own.
 */
#ifndef POLLEN8_TESTS_AUTH_TEST_H
#define POLLEN8_TESTS_AUTH_TEST_H

#include <stddef.h>

#include <openssl/evp.h>

#define TEST_SECRET "a secret of the tests, 32 bytes or more"

enum signer { SIGN_HS256, SIGN_HS384, SIGN_RS256, SIGN_ES256, SIGN_NOTHING };

/* The parts joined, signed with `key`: the NUL-terminated secret, or an EVP_PKEY. The caller frees. */
char *make_token(const char *header, const char *claims, enum signer signer, const void *key);

/* HS256 with TEST_SECRET and the usual header. */
char *make_user_token(const char *claims);

EVP_PKEY *make_rsa_key(unsigned bits);
EVP_PKEY *make_ec_key(const char *curve);
char *public_pem(EVP_PKEY *key); /* the caller frees */

/* A folder made by mkdtemp; removed with its files by remove_folder. */
void make_folder(char path[64]);
void remove_folder(const char *path);

/* Writes folder/name (over what was there, as a new file moved in its place). */
void write_file(const char *folder, const char *name, const char *text);

#endif
