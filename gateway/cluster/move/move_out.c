/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * PROBE -> makes way · COMMIT -> (settled) -> packed, sent, gone · LOST -> keeps polling
 */
#include "cluster/move/move_out.h"

#include <stdio.h>
#include <string.h>

#include "base/gateway.h"
#include "cluster/departures.h"
#include "cluster/forward.h"
#include "cluster/move/session_move.h"
#include "cluster/peer_message.h"
#include "common/bus/bus.h"
#include "frame/progress.h"
#include "ingress/client_ask.h"
#include "session/session.h"
#include "transport/engineio_ws.h"
#include "transport/namespace.h"
#include "transport/polling.h"

/* A queue may take this part (1/n) of the longest message if the session is to be upgraded. */
#define QUEUE_SHARE 2

static enum status send_reply(struct gateway *gateway, const char *reply, Pollen8__UpgradeReply *body)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_UPGRADE_REPLY;
    message.upgrade_reply = body;
    return peer_message_reply(gateway, reply, &message);
}

/* A lost reply is requested again, or the WebSocket there ends. */
static void answer(struct gateway *gateway, const char *reply, uint64_t id,
                   Pollen8__UpgradeReply__Result result)
{
    Pollen8__UpgradeReply body = POLLEN8__UPGRADE_REPLY__INIT;
    body.id = id;
    body.result = result;
    (void)send_reply(gateway, reply, &body);
}

static void answer_rooms(struct gateway *gateway, const char *reply, struct session *session, uint64_t id,
                         Pollen8__UpgradeReply__Result result)
{
    Pollen8__UpgradeReply body = POLLEN8__UPGRADE_REPLY__INIT;
    struct pack_arena pack_arena = {0};
    body.id = id;
    body.result = result;
    /* none: it is requested again */
    (void)session_move_rooms(&pack_arena, session, &body.rooms, &body.n_rooms);
    (void)send_reply(gateway, reply, &body);
    pack_arena_done(&pack_arena);
}

/* Tells the other gateway that the session has ended. */
static void on_away_ended(struct gateway *gateway, const char *gateway_name, uint64_t id)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__UpgradeReply body = POLLEN8__UPGRADE_REPLY__INIT;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_UPGRADE_REPLY;
    message.upgrade_reply = &body;
    body.id = id;
    body.result = POLLEN8__UPGRADE_REPLY__RESULT__REFUSED;
    (void)peer_message_tell(gateway, gateway_name,
                            &message); /* else the WebSocket there ends by its timeout */
}

static void probe(struct gateway *gateway, struct session *session, const Pollen8__UpgradeRequest *request,
                  const char *reply)
{
    int64_t room = bus_maximum_payload(gateway->bus) / QUEUE_SHARE;
    if (!session || polling_upgrading(session) || (int64_t)session->outq.bytes > room ||
        polling_set_away(gateway, session, request->gateway, request->id, on_away_ended) != STATUS_OK)
        answer(gateway, reply, request->id, POLLEN8__UPGRADE_REPLY__RESULT__REFUSED);
    else
        answer_rooms(gateway, reply, session, request->id, POLLEN8__UPGRADE_REPLY__RESULT__PROBED);
}

/* ---- leaving ------------------------------------------------------------------------------------------ */

/* Whether everything that the other gateway has taken has been taken here too. */
static bool caught_up(const struct gateway *gateway, const Pollen8__UpgradeRequest *request)
{
    const struct position *here = progress_position(gateway->progress);
    struct position there;
    if (!request->position || position_from_message(request->position, &there) != STATUS_OK)
        return false;
    for (uint32_t i = 0; i < there.count; i++) {
        const struct position_lane *lane = position_find(here, there.lanes[i].lane);
        if (lane && lane->sequence < there.lanes[i].sequence)
            return false;
    }
    return true;
}

static void note(struct gateway *gateway, struct session *carrier, const Pollen8__UpgradeRequest *request)
{
    for (const struct session *one = carrier; one; one = namespace_next(carrier, one)) {
        struct departure departure = {
            .handle = one->handle, .id = request->id, .namespace = forward_name(one)};
        snprintf(departure.key, sizeof(departure.key), "%s", polling_sid(carrier));
        snprintf(departure.gateway, sizeof(departure.gateway), "%s", request->gateway);
        /* else it is not remembered */
        (void)departures_add(gateway->departures, &departure, gateway->now_ms);
    }
}

static void leave(struct gateway *gateway, struct session *session, const Pollen8__UpgradeRequest *request,
                  const char *reply)
{
    Pollen8__UpgradeReply body = POLLEN8__UPGRADE_REPLY__INIT;
    Pollen8__SessionMove move = POLLEN8__SESSION_MOVE__INIT;
    struct pack_arena pack_arena = {0};
    body.id = request->id;
    body.result = POLLEN8__UPGRADE_REPLY__RESULT__MOVED;
    body.move = &move;
    enum status status = session_move_pack(gateway, &pack_arena, session, &move);
    if (status == STATUS_OK)
        status = send_reply(gateway, reply, &body);
    pack_arena_done(&pack_arena);
    if (status != STATUS_OK) { /* its client no longer polls */
        answer(gateway, reply, request->id, POLLEN8__UPGRADE_REPLY__RESULT__REFUSED);
        session_close(gateway, session, status == STATUS_FULL ? CAUSE_TOO_LARGE : CAUSE_MEMORY);
        return;
    }
    gateway_count(gateway, LABEL_MOVES_OUT);
    note(gateway, session, request);
    for (struct session *one = session; one; one = namespace_next(session, one))
        client_asks_forget(gateway, one); /* they are awaited there */
    outq_clear(&session->outq);
    polling_leave(gateway, session);
    session_close(gateway, session, CAUSE_MOVED);
}

static bool commit(struct gateway *gateway, struct session *session, const Pollen8__UpgradeRequest *request,
                   const char *reply, enum peer_stage stage)
{
    if (!session || !polling_is_away(session, request->gateway, request->id)) {
        answer(gateway, reply, request->id, POLLEN8__UPGRADE_REPLY__RESULT__REFUSED);
        return false;
    }
    bool ready = session_move_ready(session) && stage != PEER_UNSETTLED;
    if (ready && !session_move_rooms_equal(session, request->rooms, request->n_rooms)) {
        answer_rooms(gateway, reply, session, request->id, POLLEN8__UPGRADE_REPLY__RESULT__AGAIN);
        return false;
    }
    if (ready && stage == PEER_FIRST && request->n_rooms > 0)
        return true;
    if (ready && caught_up(gateway, request))
        leave(gateway, session, request, reply);
    else
        answer(gateway, reply, request->id, POLLEN8__UPGRADE_REPLY__RESULT__AGAIN);
    return false;
}

bool move_out_request(struct gateway *gateway, const Pollen8__UpgradeRequest *request, const char *reply,
                      enum peer_stage stage)
{
    struct session *session = engineio_find(gateway, slice_from_string(request->sid));
    if (session && !polling_carries(session))
        session = NULL;
    switch (request->kind) {
    case POLLEN8__UPGRADE_REQUEST__KIND__PROBE: probe(gateway, session, request, reply); break;
    case POLLEN8__UPGRADE_REQUEST__KIND__COMMIT: return commit(gateway, session, request, reply, stage);
    case POLLEN8__UPGRADE_REQUEST__KIND__LOST:
        if (session && polling_is_away(session, request->gateway, request->id))
            polling_probe_lost(gateway, session);
        break;
    default: break;
    }
    return false;
}
