/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The JSON subprotocol and the scanner under it: frames round trip, and the scanner and jansson agree.
 */
#include "fuzz.h"

#include "codec/ws_json.h"
#include "common/json.h"
#include "text/json_scan.h"

static void append(struct buf *buf, struct slice bytes)
{
    CHECK(bytes.length == 0 || buf_append(buf, bytes.data, bytes.length) == STATUS_OK);
}

static void check_frame(const struct client_frame *frame)
{
    struct client_frame again;
    struct client_reason reason;
    struct buf text;

    CHECK(frame->answer ? frame->event[0] == '\0' && frame->id.length == 0
                        : event_name_valid(client_frame_event(frame)));
    CHECK(frame->data.length == 0 || json_valid(frame->data));
    buf_init(&text, 1 << 20);
    if (frame->answer)
        CHECK(buf_append_format(&text, "{\"answer\":%llu", (unsigned long long)frame->answer) == STATUS_OK);
    else
        CHECK(buf_append_format(&text, "{\"event\":\"%s\"", frame->event) == STATUS_OK);
    append(&text, frame->id.length > 0 ? SLICE_LITERAL(",\"id\":") : (struct slice){0});
    append(&text, frame->id);
    append(&text, frame->data.length > 0 ? SLICE_LITERAL(",\"data\":") : (struct slice){0});
    append(&text, frame->data);
    append(&text, SLICE_LITERAL("}"));
    CHECK(ws_json_decode(buf_slice(&text), &again, &reason) == STATUS_OK);
    CHECK(slice_equal(again.id, frame->id));
    CHECK(slice_equal(again.data, frame->data));
    CHECK(strcmp(again.event, frame->event) == 0 && again.answer == frame->answer);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(data, size);
    struct client_frame frame;
    struct client_reason reason = {""};
    struct client_result result = {.status = STATUS_INVALID_PAYLOAD};
    struct buf ack;

    if (json_valid(text))
        CHECK(json_scan_check(text, SIZE_MAX) == STATUS_OK);
    if (ws_json_decode(text, &frame, &reason) == STATUS_OK) {
        check_frame(&frame);
        return 0;
    }
    CHECK(reason.text[0] != '\0');
    buf_init(&ack, 4096);
    result.message = slice_from_string(reason.text);
    CHECK(ws_json_ack_append(&ack, frame.id, &result) == STATUS_OK);
    CHECK(json_scan_check(buf_slice(&ack), 100) == STATUS_OK);
    buf_done(&ack);
    return 0;
}
