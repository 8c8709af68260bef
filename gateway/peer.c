/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A letter is one message on its way to the loop: what came by itself, with the subject a reply goes to, or
 * the reply to what was asked, made before it is asked so that it cannot be missing.
 */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include "../common/bus.h"
#include "../common/log.h"
#include "../common/subject.h"
#include "../common/wire.h"
#include "gateway.h"
#include "peers.h"
#include "poll_host.h"
#include "poll_relay.h"
#include "sender.h"
#include "session.h"

#define MESSAGES_A_TURN 256

struct letter {
    struct mail mail;
    struct gateway *gateway;
    peer_reply_fn *answered; /* NULL: it came by itself */
    uint64_t id;
    enum status status;
    struct wire_arena arena;
    const Pollen8__GatewayMessage *message; /* in the arena; NULL unless status is STATUS_OK */
    char reply[SUBJECT_SIZE];               /* where a reply goes; empty: none is wanted */
};

void peer_dispose(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    wire_arena_done(&letter->arena);
    free(letter);
}

/* ---- in: delivery thread ------------------------------------------------------------------------------ */

static struct letter *letter_create(struct gateway *gateway)
{
    struct letter *letter = calloc(1, sizeof(*letter));
    if (!letter)
        return NULL;
    letter->mail.kind = MAIL_PEER;
    letter->gateway = gateway;
    return letter;
}

static enum status read_message(struct letter *letter, struct slice bytes)
{
    const ProtobufCMessage *unpacked = NULL;
    enum status status = wire_unpack(&letter->arena, &pollen8__gateway_message__descriptor, bytes, &unpacked);
    if (status == STATUS_OK)
        letter->message = (const Pollen8__GatewayMessage *)unpacked;
    return status;
}

static void on_message(void *context, const struct bus_message *message)
{
    struct gateway *gateway = context;
    struct letter *letter = letter_create(gateway);
    enum status status = letter ? read_message(letter, message->data) : STATUS_NO_MEMORY;
    if (status == STATUS_OK && message->reply.length >= sizeof(letter->reply))
        status = STATUS_MALFORMED;
    if (status != STATUS_OK) {
        gateway_count(gateway, METRIC_BROKER_FRAMES, "malformed");
        log_event_limited(LOG_WARN, "a message to this gateway was dropped",
                          LOG_S("status", status_code(status)));
        if (letter)
            peer_dispose(&letter->mail);
        return;
    }
    if (message->reply.length)
        memcpy(letter->reply, message->reply.data, message->reply.length);
    if (mailbox_post(gateway->mailbox, MAIL_PEERS, &letter->mail) != STATUS_OK) {
        gateway_count(gateway, METRIC_BROKER_FRAMES, "dropped");
        peer_dispose(&letter->mail);
    }
}

static void on_reply(void *context, enum status status, const struct bus_message *message)
{
    struct letter *letter = context;
    letter->status = status == STATUS_OK ? read_message(letter, message->data) : status;
    if (mailbox_post(letter->gateway->mailbox, MAIL_PEERS, &letter->mail) == STATUS_OK)
        return;
    letter->status = STATUS_FULL; /* it must come, but says nothing any more */
    (void)mailbox_post(letter->gateway->mailbox, MAIL_REPLIES, &letter->mail);
}

/* ---- in: loop ----------------------------------------------------------------------------------------- */

static void evict(struct gateway *gateway, const Pollen8__SessionEvict *message)
{
    struct session *session = sessions_named(gateway->sessions, slice_from_string(message->session));
    if (session)
        session_close(gateway, session, CAUSE_EVICTED);
}

static void act(struct gateway *gateway, const struct letter *letter)
{
    const Pollen8__GatewayMessage *message = letter->message;
    switch (message->message_case) {
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_EVICT: evict(gateway, message->evict); break;
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_REQUEST:
        poll_host_request(gateway, message->request, letter->reply);
        break;
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_ANSWER: poll_relay_answered(gateway, message->answer); break;
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING: peers_pinged(gateway, message->ping, letter->reply); break;
    default: break; /* of a newer gateway, which gets no reply */
    }
}

void peer_take(struct gateway *gateway, struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    if (letter->answered)
        letter->answered(gateway, letter->id, letter->status,
                         letter->status == STATUS_OK ? letter->message : NULL);
    else
        act(gateway, letter);
    peer_dispose(mail);
}

bool peer_run(struct gateway *gateway)
{
    struct mail *mail;
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        mail = mailbox_take(gateway->mailbox, MAIL_PEERS);
        if (!mail)
            return false;
        peer_take(gateway, mail);
    }
    return true;
}

enum status peer_subscribe(struct gateway *gateway)
{
    struct bus_subscription *kept; /* until the bus goes */
    char subject[SUBJECT_SIZE];
    enum status status =
        subject_make(subject, SUBJECT_GATEWAY, slice_from_string(gateway->settings->gateway_name));
    return status ? status : bus_subscribe(gateway->bus, subject, NULL, on_message, gateway, &kept);
}

/* ---- out ---------------------------------------------------------------------------------------------- */

static enum status pack(struct gateway *gateway, const Pollen8__GatewayMessage *message, struct buf *packed)
{
    buf_init(packed, (size_t)bus_maximum_payload(gateway->bus));
    return wire_pack(packed, &message->base);
}

enum status peer_ask(struct gateway *gateway, const char *gateway_name,
                     const Pollen8__GatewayMessage *message, bool secret, peer_reply_fn *answered,
                     uint64_t id)
{
    char subject[SUBJECT_SIZE];
    struct buf packed;
    if (subject_make(subject, SUBJECT_GATEWAY, slice_from_string(gateway_name)) != STATUS_OK)
        return STATUS_MALFORMED;
    struct letter *letter = letter_create(gateway);
    if (!letter)
        return STATUS_NO_MEMORY;
    letter->answered = answered;
    letter->id = id;
    enum status status = pack(gateway, message, &packed);
    if (status == STATUS_OK)
        status = sender_request(gateway->sender, subject, buf_slice(&packed), secret, PEER_REPLY_MS, on_reply,
                                letter);
    if (secret && packed.data)
        explicit_bzero(packed.data, packed.length);
    buf_done(&packed);
    if (status != STATUS_OK)
        free(letter);
    return status;
}

static enum status publish(struct gateway *gateway, const char *subject,
                           const Pollen8__GatewayMessage *message)
{
    struct buf packed;
    enum status status = pack(gateway, message, &packed);
    if (status == STATUS_OK)
        status = sender_publish(gateway->sender, subject, NULL, buf_slice(&packed));
    buf_done(&packed);
    return status;
}

enum status peer_tell(struct gateway *gateway, const char *gateway_name,
                      const Pollen8__GatewayMessage *message)
{
    char subject[SUBJECT_SIZE];
    if (subject_make(subject, SUBJECT_GATEWAY, slice_from_string(gateway_name)) != STATUS_OK)
        return STATUS_MALFORMED;
    return publish(gateway, subject, message);
}

enum status peer_reply(struct gateway *gateway, const char *subject, const Pollen8__GatewayMessage *message)
{
    return subject[0] ? publish(gateway, subject, message) : STATUS_OK;
}
