/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Escaping and bounded appending for log lines: the place where text from outside becomes harmless.
 */
#include "common/log_line.h"

#include <stdint.h>
#include <stdio.h>

#include "common/utf8.h"

void log_line_append(struct log_line *line, struct slice text)
{
    if (text.length > sizeof(line->text) - line->length) {
        line->overflowed = true;
        return;
    }
    if (text.length == 0)
        return;
    memcpy(line->text + line->length, text.data, text.length);
    line->length += text.length;
}

void log_line_append_string(struct log_line *line, const char *text)
{
    log_line_append(line, slice_from_string(text));
}

/* Length of the valid character at the front, 0 if there is none. */
static size_t character_length(struct slice text)
{
    for (size_t size = 1; size <= 4 && size <= text.length; size++) {
        if (utf8_valid(slice_make(text.data, size)))
            return size;
    }
    return 0;
}

static uint32_t code_point(const char *text, size_t length)
{
    uint32_t point = (unsigned char)text[0];
    if (length == 1)
        return point;
    point &= 0x7fu >> length;
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3f);
    return point;
}

/* Characters that could end a line, move the cursor or turn the direction of what follows. */
static bool harmful(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
           point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

/* Appends the first character escaped as needed; returns its bytes in `text`. */
static size_t append_character(struct log_line *line, struct slice text)
{
    size_t length = character_length(text);
    char escaped[16];
    if (length == 0) {
        /* A byte that is no character: shown as \xff, its backslash escaped as any other. */
        snprintf(escaped, sizeof(escaped), "\\\\x%02x", (unsigned)(unsigned char)text.data[0]);
        log_line_append_string(line, escaped);
        return 1;
    }
    uint32_t point = code_point(text.data, length);
    if (harmful(point)) {
        snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)point);
        log_line_append_string(line, escaped);
    } else if (point == '"' || point == '\\') {
        snprintf(escaped, sizeof(escaped), "\\%c", (int)point);
        log_line_append_string(line, escaped);
    } else {
        log_line_append(line, slice_make(text.data, length));
    }
    return length;
}

void log_line_append_escaped(struct log_line *line, struct slice text)
{
    size_t at = 0;
    while (at < text.length) {
        struct slice rest = slice_make(text.data + at, text.length - at);
        size_t length = character_length(rest);
        if (at + (length ? length : 1) > LOG_VALUE_MAXIMUM_BYTES) {
            log_line_append_string(line, "\xe2\x80\xa6"); /* an ellipsis */
            return;
        }
        at += append_character(line, rest);
    }
}

static bool plain(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return text.length > 0;
}

void log_line_append_quoted(struct log_line *line, struct slice text, bool always)
{
    bool quotes = always || !plain(text);
    if (quotes)
        log_line_append_string(line, "\"");
    log_line_append_escaped(line, text);
    if (quotes)
        log_line_append_string(line, "\"");
}
