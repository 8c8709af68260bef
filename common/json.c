/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Text -> depth scan -> jansson -> value, and value -> shortest text. The depth is bounded before jansson
 * sees the text, because its parser recurses. Writing is done here: jansson prints 15.7 as
 * 15.699999999999999 and loses allocation failures.
 */
#include "common/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"

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
    json_error_t error = {0};
    size_t deep = too_deep_at(text);
    const char *nul = text.length > 0 ? memchr(text.data, '\0', text.length) : NULL;
    json_t *value;

    if (nul) { /* behind a value jansson takes it for the end and ignores what follows */
        give_reason(reason, reason_size, "a NUL character", (size_t)(nul - text.data));
        return STATUS_MALFORMED;
    }
    if (deep < text.length) {
        give_reason(reason, reason_size, "nested too deep", deep);
        return STATUS_MALFORMED;
    }
    allocation_failed = false;
    value = json_loadb(text.length ? text.data : "", text.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                       &error);
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

/* The fewest digits that read back as the same number; 17 always do (IEEE 754 binary64). */
static enum status append_real(struct buf *buf, double real)
{
    char text[32];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    return buf_append_string(buf, text);
}

static enum status append_value(struct buf *buf, const json_t *value, int depth);

static enum status append_array(struct buf *buf, const json_t *array, int depth)
{
    enum status status = buf_append_char(buf, '[');

    for (size_t i = 0; status == STATUS_OK && i < json_array_size(array); i++) {
        if (i > 0)
            status = buf_append_char(buf, ',');
        if (status == STATUS_OK)
            status = append_value(buf, json_array_get(array, i), depth + 1);
    }
    return status == STATUS_OK ? buf_append_char(buf, ']') : status;
}

static enum status append_member(struct buf *buf, const char *key, const json_t *value, bool first, int depth)
{
    enum status status = first ? STATUS_OK : buf_append_char(buf, ',');

    if (status == STATUS_OK)
        status = buf_append_json_string(buf, slice_from_string(key));
    if (status == STATUS_OK)
        status = buf_append_char(buf, ':');
    return status == STATUS_OK ? append_value(buf, value, depth + 1) : status;
}

static enum status append_object(struct buf *buf, const json_t *object, int depth)
{
    /* Iterating changes nothing, but jansson's iterators ask for a value that is not const. */
    json_t *iterated = (json_t *)(uintptr_t)object;
    enum status status = buf_append_char(buf, '{');
    bool first = true;

    for (void *at = json_object_iter(iterated); status == STATUS_OK && at;
         at = json_object_iter_next(iterated, at)) {
        status = append_member(buf, json_object_iter_key(at), json_object_iter_value(at), first, depth);
        first = false;
    }
    return status == STATUS_OK ? buf_append_char(buf, '}') : status;
}

static enum status append_value(struct buf *buf, const json_t *value, int depth)
{
    if (depth > JSON_DEPTH_MAXIMUM)
        return STATUS_MALFORMED;
    switch (json_typeof(value)) {
    case JSON_OBJECT: return append_object(buf, value, depth);
    case JSON_ARRAY: return append_array(buf, value, depth);
    case JSON_STRING: return buf_append_json_string(buf, json_string_slice(value));
    case JSON_INTEGER: return buf_append_format(buf, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL: return append_real(buf, json_real_value(value));
    case JSON_TRUE: return buf_append_string(buf, "true");
    case JSON_FALSE: return buf_append_string(buf, "false");
    case JSON_NULL: break;
    }
    return buf_append_string(buf, "null");
}

enum status json_append(struct buf *buf, const json_t *value)
{
    size_t length = buf->length;
    enum status status;

    CHECK(value);
    status = append_value(buf, value, 0);
    if (status != STATUS_OK && buf->data) {
        buf->length = length;
        buf->data[length] = '\0';
    }
    return status;
}

struct slice json_string_slice(const json_t *value)
{
    return slice_make(json_string_value(value), json_string_length(value));
}
