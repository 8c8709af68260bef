/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * the session's queue -> (one frame: its shared bytes; several: gathered in the scratch buffer) -> one write,
 * only while the socket holds nothing that has not left
 *
 * Sessions of a room usually wait for the same frames: the scratch buffer remembers what it was made of, and
 * is written again as it is.
 */
#include "transport/ws_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "net/websocket.h"
#include "session/frames_written.h"
#include "session/session.h"
#include "session/session_events.h"
#include "session/session_send.h"
#include "session/sessions.h"

#define SCRATCH_BYTES  65536
#define SCRATCH_FRAMES 512

struct ws_writer {
    uint64_t serials[SCRATCH_FRAMES];
    uint32_t count;
    enum frame_format format;
    char bytes[SCRATCH_BYTES];
};

struct ws_writer *ws_writer_create(void)
{
    return calloc(1, sizeof(struct ws_writer));
}

void ws_writer_free(struct ws_writer *writer)
{
    free(writer);
}

/* ---- writing ------------------------------------------------------------------------------------------ */

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

static bool scratch_holds(const struct ws_writer *scratch, struct frame *const *frames, uint32_t count,
                          enum frame_format format)
{
    if (scratch->count != count || scratch->format != format)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (scratch->serials[i] != frames[i]->serial)
            return false;
    return true;
}

static void gather(struct ws_writer *scratch, struct frame *const *frames, uint32_t count,
                   enum frame_format format)
{
    char *at = scratch->bytes;
    if (scratch_holds(scratch, frames, count, format))
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct wire *wire = frames[i]->wires[format];
        memcpy(at, wire->bytes, wire->length);
        at += wire->length;
        scratch->serials[i] = frames[i]->serial;
    }
    scratch->count = count;
    scratch->format = format;
}

/* Writes what fits into one write. False: the socket is dead. */
static bool write_once(struct gateway *gateway, struct session *session, struct websocket *websocket)
{
    enum frame_format format = (enum frame_format)session->format;
    struct frame *const *frames = outq_frames(&session->outq);
    uint32_t length;
    uint32_t count = choose(frames, session->outq.count, format, &length);
    const void *bytes = frames[0]->wires[format]->bytes;
    if (count > 1) {
        gather(gateway->ws_writer, frames, count, format);
        bytes = gateway->ws_writer->bytes;
    }
    bool written = websocket_send(websocket, slice_make(bytes, length));
    metrics_add(gateway->metrics, METRIC_WRITES, 1);
    metrics_add(gateway->metrics, METRIC_FRAMES_OUT, count);
    metrics_add(gateway->metrics, METRIC_BYTES_OUT, length);
    if (session->outq.kept && written)
        frames_written_note(gateway, session, count);
    outq_pop(&session->outq, (uint16_t)count, length);
    return written;
}

void ws_writer_flush(struct gateway *gateway, struct session *session)
{
    struct websocket *websocket = session->transport;
    if (!websocket || !websocket_serves(websocket, session))
        return;
    if (session->outq.count && !websocket_blocked(websocket))
        session_ping_along(gateway, session);
    while (session->outq.count && !websocket_blocked(websocket)) {
        if (!write_once(gateway, session, websocket)) {
            outq_clear(&session->outq);
            session_close(gateway, session, CAUSE_CLIENT);
            return;
        }
        session_wrote(gateway, session, true);
    }
    if (websocket_blocked(websocket)) {
        metrics_add(gateway->metrics, METRIC_PARTIAL_WRITES, 1);
        if (!session->write_ms) /* from when it got stuck, however often more is tried */
            session_wrote(gateway, session, false);
        websocket_await(websocket);
    } else if (session->catchup) {
        gateway->events->drained(gateway, session);
    }
}

bool ws_writer_writable(const struct session *session)
{
    return session->transport && !session->write_ms;
}

void ws_writer_close(struct gateway *gateway, struct session *session, uint16_t code, const char *text)
{
    if (code)
        ws_writer_flush(gateway, session); /* what it is still to be told */
    websocket_end(session->transport, code, text);
}

/* ---- what the socket tells ---------------------------------------------------------------------------- */

void ws_writer_pong(struct gateway *gateway, void *owner)
{
    session_pong(gateway, owner);
}

void ws_writer_unblocked(struct gateway *gateway, void *owner, bool all)
{
    struct session *session = owner;
    if (session->write_ms)
        session_wrote(gateway, session, all);
    if (all && (session->outq.count || session->catchup))
        session_mark_dirty(gateway, session);
}

void ws_writer_failed(struct gateway *gateway, void *owner, enum status status)
{
    session_close(gateway, owner, status == STATUS_FULL ? CAUSE_TOO_LARGE : CAUSE_MEMORY);
}

void ws_writer_lost(struct gateway *gateway, void *owner)
{
    struct session *session = owner;
    session->transport = NULL;
    session_close(gateway, session, CAUSE_CLIENT);
}
