/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * result -> protobuf -> the asker's reply subject.
 */
#include "submit/reply.h"

#include "common/wire.h"
#include "presence.pb-c.h"

#define REPLY_MAXIMUM_BYTES 4096

static enum status send_reply(struct bus *bus, struct slice reply, const ProtobufCMessage *message)
{
    if (reply.length == 0)
        return STATUS_OK;
    struct buf buf;
    buf_init(&buf, REPLY_MAXIMUM_BYTES);
    enum status status = wire_pack(&buf, message);
    if (status == STATUS_OK)
        status = bus_respond(bus, reply, buf.data, buf.length);
    buf_done(&buf);
    return status;
}

static void fill_error(Pollen8__Error *error, enum status refusal, const char *message)
{
    /* protobuf-c's fields are not const; packing does not write to them. */
    error->code = (char *)(uintptr_t)status_code(refusal);
    error->message = (char *)(uintptr_t)(message ? message : status_message(refusal));
    error->retry_after_ms = refusal == STATUS_UNAVAILABLE ? REPLY_RETRY_MS : 0;
}

enum status reply_frame(struct bus *bus, struct slice reply, struct slice data)
{
    Pollen8__FrameReply message = POLLEN8__FRAME_REPLY__INIT;
    message.result_case = POLLEN8__FRAME_REPLY__RESULT_DATA;
    message.data.data = (uint8_t *)(uintptr_t)data.data;
    message.data.len = data.length;
    return send_reply(bus, reply, &message.base);
}

enum status reply_frame_refused(struct bus *bus, struct slice reply, enum status refusal, const char *message)
{
    Pollen8__Error error = POLLEN8__ERROR__INIT;
    fill_error(&error, refusal, message);
    Pollen8__FrameReply frame = POLLEN8__FRAME_REPLY__INIT;
    frame.result_case = POLLEN8__FRAME_REPLY__RESULT_ERROR;
    frame.error = &error;
    return send_reply(bus, reply, &frame.base);
}

enum status reply_session_refused(struct batch_answers *answers, struct slice reply, uint64_t id,
                                  enum status refusal, const char *message)
{
    if (reply.length == 0)
        return STATUS_OK;
    Pollen8__Error error = POLLEN8__ERROR__INIT;
    fill_error(&error, refusal, message);
    Pollen8__SessionOpenReply frame = POLLEN8__SESSION_OPEN_REPLY__INIT;
    frame.result_case = POLLEN8__SESSION_OPEN_REPLY__RESULT_ERROR;
    frame.error = &error;
    struct buf buf;
    buf_init(&buf, REPLY_MAXIMUM_BYTES);
    enum status status = wire_pack(&buf, &frame.base);
    if (status == STATUS_OK)
        status = batch_answers_add(answers, reply, id, buf_slice(&buf));
    buf_done(&buf);
    return status;
}

enum status reply_history_refused(struct bus *bus, struct slice reply, enum status refusal)
{
    Pollen8__Error error = POLLEN8__ERROR__INIT;
    fill_error(&error, refusal, NULL);
    Pollen8__HistoryReply message = POLLEN8__HISTORY_REPLY__INIT;
    message.result_case = POLLEN8__HISTORY_REPLY__RESULT_ERROR;
    message.error = &error;
    return send_reply(bus, reply, &message.base);
}
