/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Random identifiers and jitter from the kernel's generator (getrandom). Any thread.
 */
#ifndef POLLEN8_COMMON_RNG_H
#define POLLEN8_COMMON_RNG_H

#include <stddef.h>
#include <stdint.h>

/* Fills `out`; ends the process with a log line if the kernel has no random bytes. */
void rng_bytes(void *out, size_t length);

uint64_t rng_u64(void);

/* Evenly in [0, bound); 0 for a bound of 0. */
uint64_t rng_below(uint64_t bound);

/* A base64url identifier made of `bytes` random bytes (at most 48), NUL-terminated; `out` must hold
 * BASE64URL_LENGTH(bytes) + 1 characters. */
void rng_id(char *out, size_t bytes);

#endif
