/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Each step looks at the status first, so that callers write their output in the order of the wire without a
 * check on every line.
 */
#include "text/append.h"

struct append append_start(struct buf *buf)
{
    return (struct append){.buf = buf, .start = buf->length, .status = STATUS_OK};
}

void append_text(struct append *out, const char *text)
{
    append_slice(out, slice_from_string(text));
}

void append_slice(struct append *out, struct slice bytes)
{
    if (out->status == STATUS_OK && bytes.length > 0)
        out->status = buf_append(out->buf, bytes.data, bytes.length);
}

void append_number(struct append *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    append_slice(out, slice_make(digits + at, sizeof(digits) - at));
}

void append_json_string(struct append *out, struct slice text)
{
    if (out->status == STATUS_OK)
        out->status = buf_append_json_string(out->buf, text);
}

void append_status(struct append *out, enum status status)
{
    if (out->status == STATUS_OK)
        out->status = status;
}

enum status append_end(struct append *out)
{
    if (out->status != STATUS_OK && out->buf->length > out->start) {
        out->buf->length = out->start;
        out->buf->data[out->start] = '\0';
    }
    return out->status;
}
