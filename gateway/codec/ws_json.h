/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The subprotocol pollen8.v1.json of /ws, one JSON object per text message:
 *
 *   in   {"id"?: string | integer, "event": string, "data"?: any}
 *   out  {"event":"...","data":...[,"attachments":["<base64>",...]][,"ask":n][,"offset":"..."]}
 *   ack  {"id":<as received>,"ok":true,"data":...[,"attachments":[...]]}
 *        | {"id":...,"ok":false,"error":{"code","message",...}}
 *   answer to an event with "ask", in   {"answer": n, "data"?: any}
 *
 * An integer id has 64 bits, signed; a string id has at most 128 bytes as written. Strict: an unknown member,
 * a duplicate key, a wrong type or text after the object is INVALID_PAYLOAD. Pure; any thread.
 *
 * Memory: a frame borrows from its message; checking `data` costs what client_data_check says. Encoders
 * append to the caller's buf, all or nothing, and allocate nothing else.
 */
#ifndef POLLEN8_GATEWAY_CODEC_WS_JSON_H
#define POLLEN8_GATEWAY_CODEC_WS_JSON_H

#include "codec/client_frame.h"

#define WS_JSON_SUBPROTOCOL "pollen8.v1.json"

/* STATUS_INVALID_PAYLOAD with a reason (which names an unknown member), STATUS_NO_MEMORY. On a refusal
 * ret_frame->id is set if one valid id could be read, so that the ack can carry the refusal; the rest of the
 * frame is empty. */
enum status ws_json_decode(struct slice text, struct client_frame *ret_frame, struct client_reason *reason);

/* Missing data is written as null. */
enum status ws_json_event_append(struct buf *buf, const struct client_event *event);

/* `id` is the frame's id; empty (a frame too broken to have one) is written as null. */
enum status ws_json_ack_append(struct buf *buf, struct slice id, const struct client_result *result);

#endif
