/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One pass over the bytes. scan_value is driven by what may come next: a value, a key, or what follows a
 * value. For each open container it remembers only whether it is an object, in the bits of a word. Walks use
 * the same pass to find where each member ends.
 */
#include "text/json_scan.h"

#include <stdint.h>

#include "common/utf8.h"

/* Deeper than JSON_DEPTH_MAXIMUM (32), so that an envelope around data of the full depth still scans.
 * json_valid then judges the data itself. */
#define DEPTH_MAXIMUM 40

struct scan {
    const char *at;
    const char *end;
    size_t values_left;
    unsigned depth;
    uint64_t objects; /* bit n: the container at depth n is an object */
    bool any_escape;  /* \u0000 and lone surrogates pass */
};

enum expect { EXPECT_VALUE, EXPECT_KEY, EXPECT_NEXT };

static bool at_char(const struct scan *scan, char c)
{
    return scan->at < scan->end && *scan->at == c;
}

static bool at_digit(const struct scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static void skip_space(struct scan *scan)
{
    while (at_char(scan, ' ') || at_char(scan, '\n') || at_char(scan, '\t') || at_char(scan, '\r'))
        scan->at++;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits after \u; -1 if they are not hex digits. */
static int32_t scan_hex4(const char *at, const char *end)
{
    int32_t unit = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);

        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* The code point of the escape whose backslash is at **at, which moves behind it; -1 if it is not a valid
 * escape. NUL and lone surrogates are refused. */
static int32_t scan_escape(const char **at, const char *end)
{
    static const char plain[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    const char *p = *at + 1;
    int32_t high;
    int32_t low;

    if (p >= end)
        return -1;
    if (*p != 'u') {
        for (const char *pair = plain; *pair; pair += 2) {
            if (*p == pair[0]) {
                *at = p + 1;
                return pair[1];
            }
        }
        return -1;
    }
    high = scan_hex4(p + 1, end);
    if (high <= 0 || (high >= 0xDC00 && high <= 0xDFFF))
        return -1;
    *at = p + 5;
    if (high < 0xD800 || high > 0xDBFF)
        return high;
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return -1;
    low = scan_hex4(*at + 2, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    *at += 6;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/* Moves behind an escape. One that names no character passes only if `any_escape` is set. */
static bool pass_escape(struct scan *scan)
{
    const char *at = scan->at;

    if (scan_escape(&at, scan->end) >= 0) {
        scan->at = at;
        return true;
    }
    if (!scan->any_escape || scan->end - scan->at < 6 || scan->at[1] != 'u' ||
        scan_hex4(scan->at + 2, scan->end) < 0)
        return false;
    scan->at += 6;
    return true;
}

static enum status scan_string(struct scan *scan)
{
    if (!at_char(scan, '"'))
        return STATUS_MALFORMED;
    scan->at++;
    while (scan->at < scan->end) {
        char c = *scan->at;

        if (c == '"') {
            scan->at++;
            return STATUS_OK;
        }
        if ((unsigned char)c < 0x20)
            return STATUS_MALFORMED;
        if (c != '\\')
            scan->at++;
        else if (!pass_escape(scan))
            return STATUS_MALFORMED;
    }
    return STATUS_MALFORMED;
}

static enum status scan_digits(struct scan *scan)
{
    if (!at_digit(scan))
        return STATUS_MALFORMED;
    while (at_digit(scan))
        scan->at++;
    return STATUS_OK;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static enum status scan_number(struct scan *scan)
{
    if (at_char(scan, '-'))
        scan->at++;
    if (at_char(scan, '0'))
        scan->at++;
    else if (scan_digits(scan) != STATUS_OK)
        return STATUS_MALFORMED;
    if (at_char(scan, '.')) {
        scan->at++;
        if (scan_digits(scan) != STATUS_OK)
            return STATUS_MALFORMED;
    }
    if (at_char(scan, 'e') || at_char(scan, 'E')) {
        scan->at++;
        if (at_char(scan, '+') || at_char(scan, '-'))
            scan->at++;
        if (scan_digits(scan) != STATUS_OK)
            return STATUS_MALFORMED;
    }
    return STATUS_OK;
}

static enum status scan_word(struct scan *scan)
{
    static const struct slice words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    struct slice rest = slice_make(scan->at, (size_t)(scan->end - scan->at));

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_starts_with(rest, words[i])) {
            scan->at += words[i].length;
            return STATUS_OK;
        }
    }
    return STATUS_MALFORMED;
}

static bool in_object(const struct scan *scan)
{
    return (scan->objects >> (scan->depth - 1)) & 1;
}

/* At an opening bracket. */
static enum status open_container(struct scan *scan, enum expect *expect)
{
    bool object = *scan->at == '{';

    if (scan->depth >= DEPTH_MAXIMUM)
        return STATUS_FULL;
    scan->objects &= ~(UINT64_C(1) << scan->depth);
    scan->objects |= (uint64_t)object << scan->depth;
    scan->depth++;
    scan->at++;
    skip_space(scan);
    if (at_char(scan, object ? '}' : ']')) {
        scan->at++;
        scan->depth--;
        *expect = EXPECT_NEXT;
    } else {
        *expect = object ? EXPECT_KEY : EXPECT_VALUE;
    }
    return STATUS_OK;
}

static enum status step_value(struct scan *scan, enum expect *expect)
{
    if (scan->at >= scan->end)
        return STATUS_MALFORMED;
    if (scan->values_left == 0)
        return STATUS_FULL;
    scan->values_left--;
    if (*scan->at == '{' || *scan->at == '[')
        return open_container(scan, expect);
    *expect = EXPECT_NEXT;
    if (*scan->at == '"')
        return scan_string(scan);
    if (*scan->at == '-' || at_digit(scan))
        return scan_number(scan);
    return scan_word(scan);
}

static enum status step_key(struct scan *scan, enum expect *expect)
{
    enum status status = scan_string(scan);

    if (status != STATUS_OK)
        return status;
    skip_space(scan);
    if (!at_char(scan, ':'))
        return STATUS_MALFORMED;
    scan->at++;
    *expect = EXPECT_VALUE;
    return STATUS_OK;
}

static enum status step_next(struct scan *scan, enum expect *expect)
{
    bool object = in_object(scan);

    if (at_char(scan, object ? '}' : ']')) {
        scan->depth--;
        *expect = EXPECT_NEXT;
    } else if (at_char(scan, ',')) {
        *expect = object ? EXPECT_KEY : EXPECT_VALUE;
    } else {
        return STATUS_MALFORMED;
    }
    scan->at++;
    return STATUS_OK;
}

/* One value with everything in it; `at` ends up directly behind it. */
static enum status scan_value(struct scan *scan)
{
    enum expect expect = EXPECT_VALUE;

    while (expect != EXPECT_NEXT || scan->depth > 0) {
        enum status status = STATUS_OK;

        skip_space(scan);
        switch (expect) {
        case EXPECT_VALUE: status = step_value(scan, &expect); break;
        case EXPECT_KEY: status = step_key(scan, &expect); break;
        case EXPECT_NEXT: status = step_next(scan, &expect); break;
        }
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static struct scan scan_start(const char *at, const char *end, size_t values)
{
    return (struct scan){.at = at, .end = end, .values_left = values};
}

enum json_scan_kind json_scan_kind(struct slice value)
{
    if (value.length == 0)
        return JSON_SCAN_NONE;
    switch (value.data[0]) {
    case '{': return JSON_SCAN_OBJECT;
    case '[': return JSON_SCAN_ARRAY;
    case '"': return JSON_SCAN_STRING;
    case 't':
    case 'f':
    case 'n': return JSON_SCAN_WORD;
    default: return JSON_SCAN_NUMBER;
    }
}

bool json_scan_is_integer(struct slice number)
{
    for (size_t i = 0; i < number.length; i++) {
        if (number.data[i] != '-' && (number.data[i] < '0' || number.data[i] > '9'))
            return false;
    }
    return number.length > 0;
}

static enum status check(struct slice text, size_t values, bool any_escape)
{
    struct scan scan;
    enum status status;

    if (text.length == 0 || !utf8_valid(text))
        return STATUS_MALFORMED;
    scan = scan_start(text.data, text.data + text.length, values);
    scan.any_escape = any_escape;
    status = scan_value(&scan);
    if (status != STATUS_OK)
        return status;
    skip_space(&scan);
    return scan.at == scan.end ? STATUS_OK : STATUS_MALFORMED;
}

enum status json_scan_check(struct slice text, size_t values)
{
    return check(text, values, false);
}

enum status json_scan_check_syntax(struct slice text, size_t values)
{
    return check(text, values, true);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct slice json_scan_trim(struct slice text)
{
    while (text.length > 0 && is_space(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && is_space(text.data[text.length - 1]))
        text.length--;
    return text;
}

enum status json_scan_walk_start(struct json_scan_walk *walk, struct slice text)
{
    text = json_scan_trim(text);
    if (json_scan_kind(text) != JSON_SCAN_OBJECT && json_scan_kind(text) != JSON_SCAN_ARRAY)
        return STATUS_MALFORMED;
    *walk = (struct json_scan_walk){
        .at = text.data + 1, .end = text.data + text.length, .object = text.data[0] == '{', .first = true};
    return STATUS_OK;
}

/* What precedes a value: a comma unless it is the first, and in an object the key. */
static enum status walk_to_value(const struct json_scan_walk *walk, struct scan *scan, struct slice *ret_key)
{
    const char *start;

    if (!walk->first) {
        if (!at_char(scan, ','))
            return STATUS_MALFORMED;
        scan->at++;
        skip_space(scan);
    }
    if (!walk->object)
        return STATUS_OK;
    start = scan->at;
    if (scan_string(scan) != STATUS_OK)
        return STATUS_MALFORMED;
    *ret_key = slice_make(start, (size_t)(scan->at - start));
    skip_space(scan);
    if (!at_char(scan, ':'))
        return STATUS_MALFORMED;
    scan->at++;
    skip_space(scan);
    return STATUS_OK;
}

enum status json_scan_walk_next(struct json_scan_walk *walk, struct slice *ret_key, struct slice *ret_value)
{
    struct scan scan = scan_start(walk->at, walk->end, SIZE_MAX);
    scan.any_escape = true; /* json_scan_check has already judged escapes */
    struct slice key = {0};
    const char *start;

    skip_space(&scan);
    if (at_char(&scan, walk->object ? '}' : ']'))
        return STATUS_NOT_FOUND;
    if (walk_to_value(walk, &scan, &key) != STATUS_OK)
        return STATUS_MALFORMED;
    start = scan.at;
    if (scan_value(&scan) != STATUS_OK)
        return STATUS_MALFORMED;
    if (ret_key)
        *ret_key = key;
    *ret_value = slice_make(start, (size_t)(scan.at - start));
    walk->at = scan.at;
    walk->first = false;
    return STATUS_OK;
}

static size_t encode_utf8(int32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | (point >> 6));
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | (point >> 12));
        out[1] = (char)(0x80 | ((point >> 6) & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (point >> 18));
    out[1] = (char)(0x80 | ((point >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((point >> 6) & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

enum status json_scan_string(struct slice raw, char *out, size_t capacity, size_t *ret_length)
{
    const char *at;
    const char *end;
    size_t length = 0;

    if (raw.length < 2 || raw.data[0] != '"' || raw.data[raw.length - 1] != '"')
        return STATUS_MALFORMED;
    at = raw.data + 1;
    end = raw.data + raw.length - 1;
    while (at < end) {
        char bytes[4] = {*at};
        size_t size = 1;

        if ((unsigned char)*at < 0x20 || *at == '"')
            return STATUS_MALFORMED;
        if (*at == '\\') {
            int32_t point = scan_escape(&at, end);

            if (point < 0)
                return STATUS_MALFORMED;
            size = encode_utf8(point, bytes);
        } else {
            at++;
        }
        if (capacity - length < size)
            return STATUS_FULL;
        memcpy(out + length, bytes, size);
        length += size;
    }
    *ret_length = length;
    return STATUS_OK;
}

bool json_scan_string_equal(struct slice raw, const char *text)
{
    char decoded[127];
    size_t length;

    return json_scan_string(raw, decoded, sizeof(decoded), &length) == STATUS_OK &&
           slice_equal_string(slice_make(decoded, length), text);
}
