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
#include "net/websocket.h"

#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/gateway.h"
#include "common/check.h"
#include "common/utf8.h"
#include "lws_callback.h"
#include "net/listener.h"
#include "net/socket.h"
#include "net/websocket_internal.h"
#include "session/frames_written.h"
#include "session/session_events.h"
#include "session/session_send.h"
#include "session/sessions.h"

#define SCRATCH_BYTES  65536
#define SCRATCH_FRAMES 512

/* What the end of the turn has to do with: new sockets, and those to be closed. Loop thread only. */
static struct websocket *turn_list;

static struct {
    uint64_t serials[SCRATCH_FRAMES];
    uint32_t count;
    uint32_t length;
    enum frame_format format;
    unsigned char bytes[LWS_PRE + SCRATCH_BYTES];
} scratch;

static void list_for_turn(struct websocket *websocket)
{
    if (websocket->listed)
        return;
    websocket->listed = true;
    websocket->turn_next = turn_list;
    turn_list = websocket;
}

/* Best effort: without it there are two segments. */
static void cork(struct lws *wsi, int on)
{
    if (!lws_is_ssl(wsi))
        (void)setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

void websocket_expect(struct lws *wsi)
{
    cork(wsi, 1);
}

struct websocket *websocket_create(struct gateway *gateway, struct lws *wsi, websocket_message_fn *message)
{
    struct websocket *websocket = calloc(1, sizeof(*websocket));
    if (!websocket)
        return NULL;
    websocket->magic = WEBSOCKET_MAGIC;
    websocket->gateway = gateway;
    websocket->wsi = wsi;
    websocket->descriptor = -1;
    websocket->reading = true;
    websocket->message = message;
    if (!lws_is_ssl(wsi))
        list_for_turn(websocket);
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
    if (!binary && websocket->descriptor >= 0 && !utf8_valid(message)) {
        websocket_refuse(websocket, 1007); /* the library has looked at what it reads itself */
        return;
    }
    metrics_add(gateway->metrics, METRIC_FRAMES_IN, 1);
    metrics_add(gateway->metrics, METRIC_BYTES_IN, message.length);
    websocket->message(gateway, websocket->session, binary, message);
}

static enum status add_fragment(struct websocket *websocket, bool binary, struct slice part)
{
    if (!websocket->fragments) {
        websocket->fragments = calloc(1, sizeof(struct buf));
        if (!websocket->fragments)
            return STATUS_NO_MEMORY;
        buf_init(websocket->fragments, (size_t)websocket->gateway->settings->max_payload);
        websocket->fragment_binary = binary;
    }
    return buf_append(websocket->fragments, part.data, part.length);
}

void websocket_fail(struct websocket *websocket, enum session_cause cause)
{
    struct session *session = websocket->session;
    if (session && !websocket->lost) {
        session_close(websocket->gateway, session, cause);
        return;
    }
    websocket_lost_fn *lost = websocket->lost;
    websocket_end(websocket, 1009, "");
    if (session)
        lost(websocket->gateway, session);
}

void websocket_refuse(struct websocket *websocket, uint16_t code)
{
    struct session *session = websocket->session;
    websocket_lost_fn *lost = websocket->lost;
    websocket_end(websocket, code, "");
    if (session && lost) {
        lost(websocket->gateway, session);
    } else if (session) {
        session->transport = NULL;
        session_close(websocket->gateway, session, CAUSE_CLIENT);
    }
}

void websocket_part(struct websocket *websocket, bool first, bool binary, bool final, struct slice part)
{
    if (!websocket->session)
        return;
    if (first && final) {
        deliver(websocket, binary, part);
        return;
    }
    enum status status = add_fragment(websocket, binary, part);
    if (status != STATUS_OK) {
        websocket_fail(websocket, status == STATUS_FULL ? CAUSE_TOO_LARGE : CAUSE_MEMORY);
        drop_fragments(websocket);
    } else if (final) {
        struct buf *whole = websocket->fragments; /* the next message may begin while this one is handled */
        websocket->fragments = NULL;
        deliver(websocket, websocket->fragment_binary, buf_slice(whole));
        buf_done(whole);
        free(whole);
    }
}

void websocket_receive(struct websocket *websocket, const void *data, size_t length)
{
    CHECK(websocket->magic == WEBSOCKET_MAGIC);
    struct lws *wsi = websocket->wsi;
    size_t rest = lws_remaining_packet_payload(wsi);
    bool whole = rest == 0 && lws_is_final_fragment(wsi);
    websocket->received = true;
    if (!websocket->session)
        return;
    if (length + rest > (size_t)websocket->gateway->settings->max_payload)
        websocket_fail(websocket, CAUSE_TOO_LARGE);
    else
        websocket_part(websocket, !websocket->fragments, lws_frame_is_binary(wsi), whole,
                       slice_make(data, length));
}

void websocket_pong(struct websocket *websocket)
{
    if (websocket->session && !websocket->lost)
        session_pong(websocket->gateway, websocket->session);
}

void websocket_read(struct websocket *websocket, bool on)
{
    websocket->reading = on;
    if (websocket->descriptor >= 0)
        socket_watch(websocket);
    else if (websocket->wsi)
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

static bool connected(const struct websocket *websocket)
{
    return websocket->descriptor >= 0 || websocket->wsi;
}

/* Whether something that was written has not left yet. */
static bool blocked(const struct websocket *websocket)
{
    return websocket->descriptor >= 0 ? websocket->rest != NULL : lws_partial_buffered(websocket->wsi);
}

static bool write_bytes(struct websocket *websocket, unsigned char *bytes, size_t length)
{
    if (websocket->descriptor >= 0)
        return socket_write(websocket, bytes, length);
    return lws_write(websocket->wsi, bytes, length, LWS_WRITE_RAW) >= 0;
}

/* Writes what fits into one write. False: the socket is dead. */
static bool write_once(struct gateway *gateway, struct session *session, struct websocket *websocket)
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
    bool written = write_bytes(websocket, bytes, length);
    metrics_add(gateway->metrics, METRIC_WRITES, 1);
    metrics_add(gateway->metrics, METRIC_FRAMES_OUT, count);
    metrics_add(gateway->metrics, METRIC_BYTES_OUT, length);
    if (session->outq.kept && written)
        frames_written_note(gateway, session, count);
    outq_pop(&session->outq, (uint16_t)count, length);
    return written;
}

void websocket_write(struct websocket *websocket, struct slice text)
{
    struct buf buf;
    buf_init(&buf, text.length + WS_FRAME_HEADER_MAXIMUM);
    if (connected(websocket) && ws_frame_append(&buf, WS_TEXT, text) == STATUS_OK &&
        write_bytes(websocket, (unsigned char *)buf.data, buf.length))
        metrics_add(websocket->gateway->metrics, METRIC_WRITES, 1);
    buf_done(&buf);
}

void websocket_flush(struct gateway *gateway, struct session *session)
{
    struct websocket *websocket = session->transport;
    if (!websocket || !connected(websocket) || websocket->session != session)
        return;
    if (session->outq.count && !blocked(websocket))
        session_ping_along(gateway, session);
    while (session->outq.count && !blocked(websocket)) {
        if (!write_once(gateway, session, websocket)) {
            outq_clear(&session->outq);
            session_close(gateway, session, CAUSE_CLIENT);
            return;
        }
        session_wrote(gateway, session, true);
    }
    if (blocked(websocket)) {
        metrics_add(gateway->metrics, METRIC_PARTIAL_WRITES, 1);
        if (!session->write_ms) /* from when it got stuck, however often more is tried */
            session_wrote(gateway, session, false);
        if (websocket->wsi)
            lws_callback_on_writable(websocket->wsi);
    } else if (session->catchup) {
        gateway->events->drained(gateway, session);
    }
}

bool websocket_writable(const struct session *session)
{
    return session->transport && !session->write_ms;
}

void websocket_unblocked(struct websocket *websocket, bool all)
{
    struct session *session = websocket->session;
    if (!session || websocket->lost)
        return;
    if (session->write_ms)
        session_wrote(websocket->gateway, session, all);
    if (all && (session->outq.count || session->catchup))
        session_mark_dirty(websocket->gateway, session);
}

void websocket_writeable(struct websocket *websocket)
{
    websocket_unblocked(websocket, true);
}

/* ---- close -------------------------------------------------------------------------------------------- */

void websocket_end(struct websocket *websocket, uint16_t code, const char *text)
{
    websocket->session = NULL;
    websocket->lost = NULL;
    if (websocket->closing || !connected(websocket))
        return;
    websocket->closing = true;
    websocket->close_code = code;
    websocket->close_text = text;
    websocket_read(websocket, true); /* the client's part of the closing handshake must be read */
    list_for_turn(websocket);
}

void websocket_close(struct gateway *gateway, struct session *session, uint16_t code, const char *text)
{
    if (code)
        websocket_flush(gateway, session); /* what it is still to be told */
    websocket_end(session->transport, code, text);
}

void websocket_closed(struct websocket *websocket)
{
    CHECK(websocket->magic == WEBSOCKET_MAGIC);
    struct session *session = websocket->session;
    struct gateway *gateway = websocket->gateway;
    websocket_lost_fn *lost = websocket->lost;
    if (websocket->descriptor >= 0)
        socket_done(websocket);
    websocket->wsi = NULL;
    websocket->session = NULL;
    if (!websocket->listed)
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
    if (websocket->descriptor >= 0) {
        socket_end(websocket);
        return;
    }
    if (websocket->close_code)
        lws_close_reason(wsi, (enum lws_close_status)websocket->close_code,
                         (unsigned char *)(uintptr_t)websocket->close_text, strlen(websocket->close_text));
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC); /* may free the websocket */
}

/* Takes a new socket out of the library's hands: no message has begun, for a client speaks only once it has
 * been answered. Where that cannot be, the library keeps it. */
static void take_socket(struct websocket *websocket)
{
    struct lws *wsi = websocket->wsi;
    if (websocket->received || lws_partial_buffered(wsi))
        return;
    int descriptor = listener_duplicate(websocket->gateway->listener, lws_get_socket_fd(wsi));
    if (descriptor < 0)
        return;
    if (socket_adopt(websocket, descriptor) != STATUS_OK) {
        close(descriptor);
        return;
    }
    websocket->wsi = NULL;
    lws_callback_forget(wsi);
    listener_let_go(websocket->gateway->listener, wsi);
}

void websockets_end_turn(struct gateway *gateway)
{
    struct websocket *websocket;
    (void)gateway;
    while ((websocket = turn_list)) {
        turn_list = websocket->turn_next;
        websocket->listed = false;
        if (websocket->wsi)
            cork(websocket->wsi, 0);
        if (!connected(websocket))
            websocket_free(websocket);
        else if (websocket->closing)
            close_now(websocket);
        else if (websocket->wsi)
            take_socket(websocket);
    }
}
