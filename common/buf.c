/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The bounded byte buffer. Growth doubles up to the maximum; every append reserves first and then cannot
 * fail, so that a refused append changes nothing.
 */
#include "common/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"

#define FIRST_CAPACITY 64

void buf_init(struct buf *buf, size_t maximum)
{
    *buf = (struct buf){.maximum = maximum < SIZE_MAX ? maximum : SIZE_MAX - 1};
}

void buf_done(struct buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    buf->data = NULL;
    buf->length = 0;
    buf->capacity = 0;
}

void buf_clear(struct buf *buf)
{
    buf->length = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

/* The capacity to allocate so that `needed` bytes fit: doubled, within the maximum. */
static size_t grown(const struct buf *buf, size_t needed)
{
    size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity = capacity > buf->maximum / 2 ? buf->maximum : capacity * 2;
    return capacity < buf->maximum ? capacity : buf->maximum;
}

enum status buf_reserve(struct buf *buf, size_t more)
{
    if (more > buf->maximum - buf->length)
        return STATUS_FULL;
    if (more == 0 || (buf->data && buf->length + more <= buf->capacity))
        return STATUS_OK;
    size_t capacity = grown(buf, buf->length + more);
    char *data = realloc(buf->data, capacity + 1);
    if (!data)
        return STATUS_NO_MEMORY;
    data[buf->length] = '\0';
    buf->data = data;
    buf->capacity = capacity;
    return STATUS_OK;
}

enum status buf_append(struct buf *buf, const void *data, size_t length)
{
    enum status status = buf_reserve(buf, length);
    if (status != STATUS_OK || length == 0)
        return status;
    memcpy(buf->data + buf->length, data, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
    return STATUS_OK;
}

enum status buf_append_string(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

enum status buf_append_char(struct buf *buf, char c)
{
    return buf_append(buf, &c, 1);
}

enum status buf_append_format(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    enum status status = buf_reserve(buf, (size_t)length);
    if (status != STATUS_OK || length == 0)
        return status;
    va_start(arguments, format);
    vsnprintf(buf->data + buf->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buf->length += (size_t)length;
    return STATUS_OK;
}

/* The letter after the backslash in JSON's short escapes; 0 if the character has none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

/* Writes one character as it appears in a JSON string, at most 6 bytes; returns how many. */
static size_t json_character(char out[6], unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char escape = short_escape(c);
    if (escape) {
        out[0] = '\\';
        out[1] = escape;
        return 2;
    }
    if (c < 0x20) {
        memcpy(out, "\\u00", 4);
        out[4] = digits[c >> 4];
        out[5] = digits[c & 15];
        return 6;
    }
    out[0] = (char)c;
    return 1;
}

enum status buf_append_json_string(struct buf *buf, struct slice text)
{
    char scratch[6];
    size_t length = 2; /* the quotes */
    for (size_t i = 0; i < text.length; i++)
        length += json_character(scratch, (unsigned char)text.data[i]);
    enum status status = buf_reserve(buf, length);
    if (status != STATUS_OK)
        return status;
    buf->data[buf->length++] = '"';
    for (size_t i = 0; i < text.length; i++) {
        size_t written = json_character(scratch, (unsigned char)text.data[i]);
        memcpy(buf->data + buf->length, scratch, written);
        buf->length += written;
    }
    buf->data[buf->length++] = '"';
    buf->data[buf->length] = '\0';
    return STATUS_OK;
}

char *buf_take(struct buf *buf, size_t *ret_length)
{
    char *data = buf->data;
    if (ret_length)
        *ret_length = buf->length;
    buf->data = NULL;
    buf->length = 0;
    buf->capacity = 0;
    return data;
}
