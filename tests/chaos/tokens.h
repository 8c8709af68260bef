/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Tokens of the run's own users (HS256). Any thread.
 */
#ifndef POLLEN8_CHAOS_TOKENS_H
#define POLLEN8_CHAOS_TOKENS_H

#include <stdint.h>

#define TOKEN_SIZE 320

/* For a user, with a role where that is not NULL, good until `expires_s` (Unix). */
void token_write(char out[TOKEN_SIZE], const char *user, const char *role, int64_t expires_s);

#endif
