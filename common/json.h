/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Strict, bounded JSON (RFC 8259) around jansson: duplicate keys, invalid UTF-8, NUL characters, NaN and
 * infinities, trailing bytes and nesting deeper than JSON_DEPTH_MAXIMUM are refused. Values are jansson's
 * (json_decref frees them). Any thread; one value on one thread at a time.
 */
#ifndef POLLEN8_COMMON_JSON_H
#define POLLEN8_COMMON_JSON_H

#include <jansson.h>

#include "common/slice.h"
#include "common/status.h"

#define JSON_DEPTH_MAXIMUM 32

/* Seeds jansson's hash once; call before threads start. */
void json_init(void);

/* For callers of a library that uses jansson itself and cannot tell bad text from a failed allocation:
 * whether one of jansson's allocations failed on this thread since json_watch_allocations. */
void json_watch_allocations(void);
bool json_allocation_failed(void);

/* Parses one JSON text of any kind. On STATUS_MALFORMED `reason` (may be NULL) gets one line, NUL-terminated,
 * that never repeats the input's values. STATUS_NO_MEMORY is possible. The caller owns *ret_value. */
enum status json_parse(struct slice text, json_t **ret_value, char *reason, size_t reason_size);

/* Whether the text is one valid JSON text, without keeping it. */
bool json_valid(struct slice text);

/* The string's bytes, or a zero slice with NULL data if the value is not a string; borrowed. */
struct slice json_string_slice(const json_t *value);

#endif
