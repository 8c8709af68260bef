/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Industries match case-insensitively after trimming: this is the one function that says which name two
 * spellings share. Gateways use the result as the room's name, value-svc as the key's. Any thread.
 */
#ifndef POLLEN8_COMMON_INDUSTRY_H
#define POLLEN8_COMMON_INDUSTRY_H

#include "common/slice.h"
#include "common/status.h"

#define INDUSTRY_MAXIMUM_BYTES   64  /* as written */
#define INDUSTRY_NORMALISED_SIZE 256 /* enough for any normalised name and its NUL */
#define INDUSTRIES_MAXIMUM       32  /* in one event, one record or one subscribe */

/* Trims Unicode white space, folds case (Unicode default caseless matching) and composes (NFC) into `out`,
 * NUL-terminated. STATUS_INVALID_PAYLOAD for an empty or over-long name, invalid UTF-8 or a control
 * character. The length is in bytes. */
enum status industry_normalise(struct slice name, char out[INDUSTRY_NORMALISED_SIZE], size_t *ret_length);

#endif
