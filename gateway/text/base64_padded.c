/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Digits by common/base64.c, straight into the buf -> '=' up to a group of four.
 */
#include "text/base64_padded.h"

#include "common/base64.h"

enum status base64_padded_append(struct buf *buf, struct slice bytes)
{
    size_t length = (bytes.length + 2) / 3 * 4;
    enum status status = buf_reserve(buf, length);

    if (status != STATUS_OK || length == 0)
        return status;
    size_t digits = base64_encode(buf->data + buf->length, bytes.data, bytes.length, BASE64_STANDARD);
    while (digits < length)
        buf->data[buf->length + digits++] = '=';
    buf->length += length;
    buf->data[buf->length] = '\0';
    return STATUS_OK;
}

enum status base64_padded_decode(struct slice text, struct buf *out)
{
    size_t written;

    if (text.length % 4 != 0)
        return STATUS_MALFORMED;
    if (text.length == 0)
        return STATUS_OK;
    for (int i = 0; i < 2 && text.length > 0 && text.data[text.length - 1] == '='; i++)
        text.length--;
    enum status status = buf_reserve(out, text.length * 3 / 4);
    if (status == STATUS_OK)
        status = base64_decode(out->data + out->length, text.length * 3 / 4, text, BASE64_STANDARD, &written);
    if (status != STATUS_OK)
        return status;
    out->length += written;
    out->data[out->length] = '\0';
    return STATUS_OK;
}
