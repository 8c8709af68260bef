/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * packet of a transport -> heartbeat: here · message: the handler.
 */
#include "transport/engineio.h"

#include "base/gateway.h"
#include "session/session.h"
#include "session/session_send.h"
#include "text/sid.h"

#define OPEN_MAXIMUM 512

/* ---- down --------------------------------------------------------------------------------------------- */

void engineio_send_open(struct gateway *gateway, struct session *session, const char *key, bool upgradable)
{
    char sid[SID_SIZE];
    sid_write(sid, key, gateway->settings->gateway_name);
    const struct settings *settings = gateway->settings;
    struct eio_open open = {
        .sid = slice_from_string(sid),
        .upgrade_websocket = upgradable,
        .ping_interval_ms = (uint32_t)settings->ping_interval,
        .ping_timeout_ms = (uint32_t)settings->ping_timeout,
        .max_payload = (uint32_t)settings->max_payload,
    };
    struct buf buf;
    buf_init(&buf, OPEN_MAXIMUM);
    if (eio_open_append(&buf, &open) == STATUS_OK)
        session_send_message(gateway, session, buf_slice(&buf));
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&buf);
}

void engineio_opened(struct gateway *gateway, struct session *session, struct slice id)
{
    gateway->engineio->opened(gateway, session, id);
}

void engineio_refused(struct gateway *gateway, struct session *session, struct slice id,
                      const struct client_result *result)
{
    gateway->engineio->refused(gateway, session, id, result);
}

void engineio_ping(struct gateway *gateway, struct session *session)
{
    session_send(gateway, session, gateway->pings[FRAME_SOCKETIO]);
}

void engineio_ended(struct gateway *gateway, struct session *session)
{
    gateway->engineio->ended(gateway, session);
}

/* ---- up ----------------------------------------------------------------------------------------------- */

void engineio_take(struct gateway *gateway, struct session *session, const struct eio_packet *packet)
{
    const struct engineio_handler *handler = gateway->engineio;
    switch (packet->type) {
    case EIO_MESSAGE:
        (packet->binary ? handler->binary : handler->text)(gateway, session, packet->data);
        break;
    case EIO_PONG: session_pong(gateway, session); break;
    case EIO_NOOP: break;
    default: session_close(gateway, session, CAUSE_PROTOCOL); break; /* heartbeats go the other way */
    }
}
