/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message, by its kind -> poll_host | poll_relay | peers | move_out | move_in | forward, or an eviction
 */
#include "peer_inbox.h"

#include "base/gateway.h"
#include "cluster/forward.h"
#include "cluster/move/move_in.h"
#include "cluster/move/move_out.h"
#include "cluster/peer_message.h"
#include "cluster/peers.h"
#include "cluster/poll_host.h"
#include "cluster/poll_relay.h"
#include "session/session.h"
#include "session/sessions.h"

static void evict(struct gateway *gateway, const Pollen8__SessionEvict *message)
{
    struct session *session = sessions_named(gateway->sessions, slice_from_string(message->session));
    if (session)
        session_close(gateway, session, CAUSE_EVICTED);
}

static bool on_message(struct gateway *gateway, const Pollen8__GatewayMessage *message, const char *reply,
                       enum peer_stage stage)
{
    switch (message->message_case) {
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_EVICT: evict(gateway, message->evict); break;
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_REQUEST:
        poll_host_request(gateway, message->request, reply);
        break;
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_ANSWER: poll_relay_answered(gateway, message->answer); break;
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING: peers_pinged(gateway, message->ping, reply); break;
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_UPGRADE:
        return move_out_request(gateway, message->upgrade, reply, stage);
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_UPGRADE_REPLY:
        move_in_ended(gateway, message->upgrade_reply);
        break;
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_FORWARDED: forward_take(gateway, message->forwarded); break;
    default: break; /* of a newer gateway; it gets no reply */
    }
    return false;
}

const struct peer_events peer_inbox = {
    .message = on_message,
    .lost = poll_relay_lost,
    .clients_lost = poll_host_lost,
};
