/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * in:  fragments -> one message -> the transport's decoder
 * out: the session's queue -> (one frame: its shared bytes; several: gathered in a scratch buffer) -> one raw
 *      write, only while the library holds no unsent rest, which it finishes by itself and then calls
 *      writeable.
 *
 * Sessions of a room usually wait for the same frames: the scratch buffer remembers what it was made of, and
 * is written again as it is.
 */
#include "websocket.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#include "../common/check.h"
#include "gateway.h"
#include "session.h"
#include "written.h"

#define MAGIC          0x57534f43u
#define SCRATCH_BYTES  65536
#define SCRATCH_FRAMES 512

struct websocket {
    uint32_t magic;
    bool closing; /* on the list below */
    bool fragment_binary;
    uint16_t close_code;
    const char *close_text;
    struct lws *wsi; /* NULL once closed */
    struct gateway *gateway;
    struct session *session; /* NULL: detached */
    websocket_message_fn *message;
    websocket_lost_fn *lost; /* NULL: the session's transport is this one */
    char *sid;               /* owned; NULL: it was a WebSocket from the start */
    struct buf *fragments;   /* owned; NULL: no message is half-way */
    struct websocket *next_closing;
};

/* Loop thread only. */
static struct websocket *closing_list;

static struct {
    uint64_t serials[SCRATCH_FRAMES];
    uint32_t count;
    uint32_t length;
    enum frame_format format;
    unsigned char bytes[LWS_PRE + SCRATCH_BYTES];
} scratch;

struct websocket *websocket_create(struct gateway *gateway, struct lws *wsi, websocket_message_fn *message)
{
    struct websocket *websocket = calloc(1, sizeof(*websocket));
    if (!websocket)
        return NULL;
    websocket->magic = MAGIC;
    websocket->gateway = gateway;
    websocket->wsi = wsi;
    websocket->message = message;
    return websocket;
}

void websocket_carry(struct websocket *websocket, struct session *session)
{
    websocket->session = session;
}

void websocket_attend(struct websocket *websocket, struct session *session, websocket_lost_fn *lost)
{
    websocket->session = session;
    websocket->lost = lost;
}

enum status websocket_take_over(struct websocket *websocket, websocket_message_fn *message, const char *sid)
{
    char *copy = sid ? strdup(sid) : NULL;
    if (sid && !copy)
        return STATUS_NO_MEMORY;
    websocket->sid = copy;
    websocket->message = message;
    websocket->lost = NULL;
    return STATUS_OK;
}

const char *websocket_sid(const struct websocket *websocket)
{
    return websocket->sid;
}

static void drop_fragments(struct websocket *websocket)
{
    if (!websocket->fragments)
        return;
    buf_done(websocket->fragments);
    free(websocket->fragments);
    websocket->fragments = NULL;
}

static void websocket_free(struct websocket *websocket)
{
    drop_fragments(websocket);
    free(websocket->sid);
    websocket->magic = 0;
    free(websocket);
}

/* ---- in ----------------------------------------------------------------------------------------------- */

static void deliver(struct websocket *websocket, bool binary, struct slice message)
{
    struct gateway *gateway = websocket->gateway;
    metrics_add(gateway->metrics, METRIC_FRAMES_IN, 1);
    metrics_add(gateway->metrics, METRIC_BYTES_IN, message.length);
    websocket->message(gateway, websocket->session, binary, message);
}

static enum status add_fragment(struct websocket *websocket, const void *data, size_t length)
{
    if (!websocket->fragments) {
        websocket->fragments = calloc(1, sizeof(struct buf));
        if (!websocket->fragments)
            return STATUS_NO_MEMORY;
        buf_init(websocket->fragments, (size_t)websocket->gateway->settings->max_payload);
        websocket->fragment_binary = lws_frame_is_binary(websocket->wsi);
    }
    return buf_append(websocket->fragments, data, length);
}

/* What is too much for the socket ends what it carries, or itself alone. */
static void fail(struct websocket *websocket, enum session_cause cause)
{
    struct session *session = websocket->session;
    if (!websocket->lost) {
        session_close(websocket->gateway, session, cause);
        return;
    }
    websocket_lost_fn *lost = websocket->lost;
    websocket_end(websocket, 1009, "");
    lost(websocket->gateway, session);
}

void websocket_receive(struct websocket *websocket, const void *data, size_t length)
{
    CHECK(websocket->magic == MAGIC);
    struct lws *wsi = websocket->wsi;
    size_t rest = lws_remaining_packet_payload(wsi);
    bool whole = rest == 0 && lws_is_final_fragment(wsi);
    if (!websocket->session)
        return;
    if (length + rest > (size_t)websocket->gateway->settings->max_payload) {
        fail(websocket, CAUSE_TOO_LARGE);
        return;
    }
    if (whole && !websocket->fragments) {
        deliver(websocket, lws_frame_is_binary(wsi), slice_make(data, length));
        return;
    }
    enum status status = add_fragment(websocket, data, length);
    if (status != STATUS_OK) {
        fail(websocket, status == STATUS_FULL ? CAUSE_TOO_LARGE : CAUSE_MEMORY);
        drop_fragments(websocket);
    } else if (whole) {
        deliver(websocket, websocket->fragment_binary, buf_slice(websocket->fragments));
        drop_fragments(websocket);
    }
}

void websocket_pong(struct websocket *websocket)
{
    if (websocket->session && !websocket->lost)
        session_pong(websocket->gateway, websocket->session);
}

void websocket_read(struct websocket *websocket, bool on)
{
    if (websocket->wsi)
        lws_rx_flow_control(websocket->wsi, on);
}

/* ---- out ---------------------------------------------------------------------------------------------- */

/* How many of the waiting frames fit into one write; their bytes. At least one. */
static uint32_t choose(struct frame *const *frames, uint32_t waiting, enum frame_format format,
                       uint32_t *ret_length)
{
    uint32_t count = 0;
    uint32_t length = 0;
    while (count < waiting && count < SCRATCH_FRAMES) {
        uint32_t more = frames[count]->wires[format]->length;
        if (count && length + more > SCRATCH_BYTES)
            break;
        length += more;
        count++;
    }
    *ret_length = length;
    return count;
}

static bool scratch_holds(struct frame *const *frames, uint32_t count, enum frame_format format)
{
    if (scratch.count != count || scratch.format != format)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (scratch.serials[i] != frames[i]->serial)
            return false;
    return true;
}

static void gather(struct frame *const *frames, uint32_t count, enum frame_format format)
{
    unsigned char *at = scratch.bytes + LWS_PRE;
    if (scratch_holds(frames, count, format))
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct wire *wire = frames[i]->wires[format];
        memcpy(at, wire->bytes, wire->length);
        at += wire->length;
        scratch.serials[i] = frames[i]->serial;
    }
    scratch.count = count;
    scratch.format = format;
}

/* Writes what fits into one write. False: the socket is dead. */
static bool write_once(struct gateway *gateway, struct session *session, struct lws *wsi)
{
    enum frame_format format = (enum frame_format)session->format;
    struct frame *const *frames = outq_frames(&session->outq);
    uint32_t length;
    uint32_t count = choose(frames, session->outq.count, format, &length);
    /* A raw write leaves the bytes alone: the one frame's shared buffer may be written from. */
    unsigned char *bytes = (unsigned char *)(uintptr_t)frames[0]->wires[format]->bytes;
    if (count > 1) {
        gather(frames, count, format);
        bytes = scratch.bytes + LWS_PRE;
    }
    int written = lws_write(wsi, bytes, length, LWS_WRITE_RAW);
    metrics_add(gateway->metrics, METRIC_WRITES, 1);
    metrics_add(gateway->metrics, METRIC_FRAMES_OUT, count);
    metrics_add(gateway->metrics, METRIC_BYTES_OUT, length);
    if (session->outq.kept && written >= 0)
        written_note(gateway, session, count);
    outq_pop(&session->outq, (uint16_t)count, length);
    return written >= 0;
}

void websocket_write(struct websocket *websocket, struct slice text)
{
    struct buf buf;
    buf_init(&buf, text.length + WS_FRAME_HEADER_MAXIMUM);
    if (websocket->wsi && ws_frame_append(&buf, WS_TEXT, text) == STATUS_OK &&
        lws_write(websocket->wsi, (unsigned char *)buf.data, buf.length, LWS_WRITE_RAW) >= 0)
        metrics_add(websocket->gateway->metrics, METRIC_WRITES, 1);
    buf_done(&buf);
}

void websocket_flush(struct gateway *gateway, struct session *session)
{
    struct websocket *websocket = session->transport;
    struct lws *wsi = websocket ? websocket->wsi : NULL;
    if (!wsi || websocket->session != session)
        return;
    while (session->outq.count && !lws_partial_buffered(wsi)) {
        if (!write_once(gateway, session, wsi)) {
            outq_clear(&session->outq);
            session_close(gateway, session, CAUSE_CLIENT);
            return;
        }
        session_wrote(gateway, session, true);
    }
    if (lws_partial_buffered(wsi)) {
        metrics_add(gateway->metrics, METRIC_PARTIAL_WRITES, 1);
        if (!session->write_ms) /* from when it got stuck, however often more is tried */
            session_wrote(gateway, session, false);
        lws_callback_on_writable(wsi);
    }
}

bool websocket_writable(const struct session *session)
{
    return session->transport && !session->write_ms;
}

void websocket_writeable(struct websocket *websocket)
{
    struct session *session = websocket->session;
    if (!session || websocket->lost)
        return;
    if (session->write_ms)
        session_wrote(websocket->gateway, session, true);
    if (session->outq.count)
        session_mark_dirty(websocket->gateway, session);
}

/* ---- close -------------------------------------------------------------------------------------------- */

void websocket_end(struct websocket *websocket, uint16_t code, const char *text)
{
    websocket->session = NULL;
    websocket->lost = NULL;
    if (websocket->closing || !websocket->wsi)
        return;
    websocket->closing = true;
    websocket->close_code = code;
    websocket->close_text = text;
    lws_rx_flow_control(websocket->wsi, 1); /* the client's part of the closing handshake must be read */
    websocket->next_closing = closing_list;
    closing_list = websocket;
}

void websocket_close(struct gateway *gateway, struct session *session, uint16_t code, const char *text)
{
    if (code)
        websocket_flush(gateway, session); /* what it is still to be told */
    websocket_end(session->transport, code, text);
}

void websocket_closed(struct websocket *websocket)
{
    CHECK(websocket->magic == MAGIC);
    struct session *session = websocket->session;
    struct gateway *gateway = websocket->gateway;
    websocket_lost_fn *lost = websocket->lost;
    websocket->wsi = NULL;
    websocket->session = NULL;
    if (!websocket->closing)
        websocket_free(websocket);
    if (session && lost) {
        lost(gateway, session);
    } else if (session) {
        session->transport = NULL;
        session_close(gateway, session, CAUSE_CLIENT);
    }
}

static void close_now(struct websocket *websocket)
{
    struct lws *wsi = websocket->wsi;
    websocket->closing = false;
    if (!wsi) {
        websocket_free(websocket);
        return;
    }
    if (websocket->close_code)
        lws_close_reason(wsi, (enum lws_close_status)websocket->close_code,
                         (unsigned char *)(uintptr_t)websocket->close_text, strlen(websocket->close_text));
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC); /* may free the websocket */
}

void websockets_end_turn(struct gateway *gateway)
{
    (void)gateway;
    struct websocket *websocket;
    while ((websocket = closing_list)) {
        closing_list = websocket->next_closing;
        close_now(websocket);
    }
}
