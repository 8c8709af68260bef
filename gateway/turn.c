/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A turn:
 *
 *   timers -> replies of services -> messages of peers -> a slice of deliveries
 *   -> one write for each session that has something
 *   -> requested closes (no callback of the library is running now)
 *   -> memory of closed sessions
 *
 * Replies, messages and writes each stop when their time is used up (gateway.h), deliveries after a number of
 * visits. The rest continues in the next turn, after the loop has looked at its sockets.
 */
#include "turn.h"

#include "base/gateway.h"
#include "base/mailbox.h"
#include "base/timer_wheel.h"
#include "broker/reader.h"
#include "broker/requests.h"
#include "cluster/peer_message.h"
#include "egress/egress.h"
#include "http/exchange.h"
#include "http/parked.h"
#include "net/listener.h"
#include "net/socket.h"
#include "net/websocket.h"
#include "presence.h"
#include "session/frames_written.h"
#include "session/session.h"
#include "session/sessions.h"

static bool take_answers(struct gateway *gateway)
{
    struct mail *mail;
    do {
        mail = mailbox_take(gateway->mailbox, MAIL_REPLIES);
        if (!mail)
            return false;
        mail->kind->act(gateway, mail);
    } while (!turn_past(gateway, TURN_ANSWERS_US));
    return true;
}

bool turn_run(struct gateway *gateway)
{
    timer_wheel_advance(gateway->wheel, gateway->now_ms);
    bool more = take_answers(gateway);
    more |= peer_message_run(gateway);
    more |= egress_run(gateway);
    sessions_flush(gateway);
    frames_written_turn(gateway);
    websockets_end_turn(gateway);
    sockets_end_turn(gateway);
    exchanges_end_turn(gateway);
    parking_end_turn(gateway);
    sessions_end_turn(gateway);
    more |= presence_turn(gateway);
    more |= sessions_dirty(gateway->sessions) > 0;
    more |= reader_turn(gateway->reader);
    requests_turn(gateway->requests);
    return more;
}

void turn_polled(struct gateway *gateway)
{
    exchanges_polled(gateway);
}

void turn_close(struct gateway *gateway)
{
    listener_stop(gateway->listener);
    reader_stop(gateway->reader);
    requests_stop(gateway->requests);
    sessions_close_all(gateway); /* some have no connection at the moment */
    websockets_end_turn(gateway);
    sockets_stop(gateway);
    parking_stop(gateway);
}

void turn_free(struct gateway *gateway)
{
    websockets_end_turn(gateway);
    exchanges_end_turn(gateway);
    parking_end_turn(gateway);
    sessions_end_turn(gateway);
}
