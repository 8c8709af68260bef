/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Walks JSON text in place. Members and elements are raw slices into the input, so that payloads pass on byte
 * for byte and tokens leave no copies behind. It checks all syntax of RFC 8259, UTF-8, the depth
 * (JSON_DEPTH_MAXIMUM) and the number of values. It does not check nested duplicate keys: json_valid does. No
 * allocation, no recursion. Pure; any thread.
 */
#ifndef POLLEN8_GATEWAY_TEXT_JSON_SCAN_H
#define POLLEN8_GATEWAY_TEXT_JSON_SCAN_H

#include "common/slice.h"
#include "common/status.h"

enum json_scan_kind {
    JSON_SCAN_NONE = 0, /* empty text */
    JSON_SCAN_OBJECT,
    JSON_SCAN_ARRAY,
    JSON_SCAN_STRING,
    JSON_SCAN_NUMBER,
    JSON_SCAN_WORD /* true, false, null */
};

/* The kind of a value, from its first byte. */
enum json_scan_kind json_scan_kind(struct slice value);

/* Whether a valid number is written as an integer: no fraction, no exponent. */
bool json_scan_is_integer(struct slice number);

/* STATUS_OK if the whole text, including white space around it, is one JSON text with at most `values`
 * values, and every string is valid UTF-8 without NUL. STATUS_FULL past `values` or the depth; otherwise
 * STATUS_MALFORMED. */
enum status json_scan_check(struct slice text, size_t values);

/* The text without JSON white space around it. */
struct slice json_scan_trim(struct slice text);

/* The same, but escapes that name no character (\u0000, lone surrogates) pass. For a message whose kind must
 * be known before its strings are judged, because stock clients write such escapes. */
enum status json_scan_check_syntax(struct slice text, size_t values);

/* A walk over the members of an object or the elements of an array, one level. */
struct json_scan_walk {
    const char *at; /* borrowed from the text */
    const char *end;
    bool object;
    bool first;
};

/* Starts at an object or array; the text must have passed json_scan_check. STATUS_MALFORMED if it is
 * neither. */
enum status json_scan_walk_start(struct json_scan_walk *walk, struct slice text);

/* The next member (key with its quotes) or element (`ret_key` is not touched for arrays; may be NULL).
 * STATUS_NOT_FOUND at the end. */
enum status json_scan_walk_next(struct json_scan_walk *walk, struct slice *ret_key, struct slice *ret_value);

/* Decodes a string with its quotes: escapes and surrogate pairs become UTF-8. STATUS_FULL past `capacity`;
 * STATUS_MALFORMED for a lone surrogate, a NUL or anything that is not a string. The output is not
 * terminated. */
enum status json_scan_string(struct slice raw, char *out, size_t capacity, size_t *ret_length);

/* Whether a string with its quotes decodes to exactly this text (at most 127 bytes). */
bool json_scan_string_equal(struct slice raw, const char *text);

#endif
