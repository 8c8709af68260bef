/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Text -> depth scan -> jansson -> value. The depth is bounded before jansson sees the text, because its
 * parser recurses.
 */
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>

/* jansson's scanner ignores a failed allocation and would return a shortened string as if it were whole
 * (2.14, lex_save). So its allocations come through here, and a failure on this thread is remembered. */
static _Thread_local bool allocation_failed;

static void *json_allocate(size_t size)
{
    void *memory = malloc(size);
    if (!memory)
        allocation_failed = true;
    return memory;
}

void json_init(void)
{
    json_set_alloc_funcs(json_allocate, free);
    json_object_seed(0);
}

void json_watch_allocations(void)
{
    allocation_failed = false;
}

bool json_allocation_failed(void)
{
    return allocation_failed;
}

/* The first byte past which nesting is too deep, or the length. Quotes are followed so that brackets in
 * strings do not count; everything else is jansson's to judge. */
static size_t too_deep_at(struct slice text)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAXIMUM)
                return i;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return text.length;
}

/* jansson's own sentences quote the input: only its codes are used. */
static const char *reason_for(enum json_error_code code)
{
    switch (code) {
    case json_error_stack_overflow: return "nested too deep";
    case json_error_premature_end_of_input: return "the text ends too early";
    case json_error_end_of_input_expected: return "something follows the value";
    case json_error_invalid_utf8: return "invalid UTF-8";
    case json_error_duplicate_key: return "a key stands twice in one object";
    case json_error_numeric_overflow: return "a number is out of range";
    case json_error_null_character:
    case json_error_null_byte_in_key: return "a NUL character";
    default: return "not valid JSON";
    }
}

static void give_reason(char *out, size_t size, const char *sentence, size_t byte)
{
    if (out && size > 0)
        snprintf(out, size, "%s (at byte %zu)", sentence, byte);
}

enum status json_parse(struct slice text, json_t **ret_value, char *reason, size_t reason_size)
{
    size_t deep = too_deep_at(text);
    const char *nul = text.length > 0 ? memchr(text.data, '\0', text.length) : NULL;
    if (nul) { /* after a value jansson takes it for the end and ignores the rest */
        give_reason(reason, reason_size, "a NUL character", (size_t)(nul - text.data));
        return STATUS_MALFORMED;
    }
    if (deep < text.length) {
        give_reason(reason, reason_size, "nested too deep", deep);
        return STATUS_MALFORMED;
    }
    allocation_failed = false;
    json_error_t error = {0};
    json_t *value = json_loadb(text.length ? text.data : "", text.length,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (allocation_failed || (!value && error.text[0] == '\0')) {
        json_decref(value);
        return STATUS_NO_MEMORY;
    }
    if (!value) {
        give_reason(reason, reason_size, reason_for(json_error_code(&error)),
                    error.position > 0 ? (size_t)error.position : 0);
        return STATUS_MALFORMED;
    }
    *ret_value = value;
    return STATUS_OK;
}

bool json_valid(struct slice text)
{
    json_t *value = NULL;
    if (json_parse(text, &value, NULL, 0) != STATUS_OK)
        return false;
    json_decref(value);
    return true;
}

struct slice json_string_slice(const json_t *value)
{
    return slice_make(json_string_value(value), json_string_length(value));
}
