/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What all transports have in common: the check of a frame's data (a scan in place bounds what the full parse
 * after it may cost) and the members of an ack.
 */
#include "codec/client_frame.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/json.h"
#include "text/append.h"
#include "text/base64_padded.h"
#include "text/json_scan.h"

void client_reason_set(struct client_reason *reason, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (vsnprintf(reason->text, sizeof(reason->text), format, arguments) < 0)
        reason->text[0] = '\0';
    va_end(arguments);
}

enum status client_data_check(struct slice text, struct client_reason *reason)
{
    json_t *value = NULL;
    char detail[100] = "";
    enum status status = json_scan_check(text, CLIENT_DATA_VALUES);

    if (status == STATUS_FULL) {
        client_reason_set(reason, "data is nested too deeply or has more than %d values", CLIENT_DATA_VALUES);
        return STATUS_INVALID_PAYLOAD;
    }
    if (status == STATUS_OK)
        status = json_parse(text, &value, detail, sizeof(detail));
    json_decref(value);
    if (status == STATUS_OK || status == STATUS_NO_MEMORY)
        return status;
    client_reason_set(reason, "data is not valid JSON%s%s", detail[0] ? ": " : "", detail);
    return STATUS_INVALID_PAYLOAD;
}

enum status client_array_inside(struct slice array, struct slice *ret_inside)
{
    array = json_scan_trim(array);
    if (array.length < 2 || array.data[0] != '[' || array.data[array.length - 1] != ']')
        return STATUS_MALFORMED;
    *ret_inside = json_scan_trim(slice_make(array.data + 1, array.length - 2));
    return STATUS_OK;
}

enum status client_array_make(struct slice inside, struct buf *ret_array)
{
    buf_init(ret_array, inside.length + 2);
    enum status status = buf_reserve(ret_array, inside.length + 2);
    if (status == STATUS_OK)
        status = buf_append_char(ret_array, '[');
    if (status == STATUS_OK && inside.length)
        status = buf_append(ret_array, inside.data, inside.length);
    return status ? status : buf_append_char(ret_array, ']');
}

enum status client_attachments_append(struct buf *buf, const struct attachments *attachments)
{
    struct append out = append_start(buf);

    if (attachments_count(attachments) == 0)
        return STATUS_OK;
    append_text(&out, ",\"attachments\":[");
    for (size_t i = 0; i < attachments->count; i++) {
        append_text(&out, i > 0 ? ",\"" : "\"");
        append_status(&out, base64_padded_append(buf, attachments->list[i]));
        append_text(&out, "\"");
    }
    append_text(&out, "]");
    return append_end(&out);
}

static void append_error(struct append *out, const struct client_result *result)
{
    struct slice message = result->message;

    if (message.length == 0)
        message = slice_from_string(status_message(result->status));
    append_text(out, "\"ok\":false,\"error\":{\"code\":");
    append_json_string(out, slice_from_string(status_code(result->status)));
    append_text(out, ",\"message\":");
    append_json_string(out, message);
    if (result->retry_after_ms > 0) {
        append_text(out, ",\"retryAfterMs\":");
        append_number(out, result->retry_after_ms);
    }
    append_text(out, "}");
}

enum status client_result_append_members(struct buf *buf, const struct client_result *result)
{
    struct append out = append_start(buf);

    if (result->status != STATUS_OK) {
        append_error(&out, result);
        return append_end(&out);
    }
    append_text(&out, "\"ok\":true,\"data\":");
    append_slice(&out, result->data.length > 0 ? result->data : SLICE_LITERAL("{}"));
    return append_end(&out);
}

enum status client_result_append(struct buf *buf, const struct client_result *result)
{
    struct append out = append_start(buf);

    append_text(&out, "{");
    append_status(&out, client_result_append_members(buf, result));
    append_text(&out, "}");
    return append_end(&out);
}
