/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A letter is one message on its way to the loop: an unrequested one, with its reply subject, or the reply to
 * one of ours. The letter of a reply is allocated before the request is sent, so that a reply cannot run out
 * of memory.
 */
#include "cluster/peer_message.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "base/mailbox.h"
#include "broker/reader.h"
#include "broker/sender.h"
#include "common/bus/bus.h"
#include "common/bus/subject.h"
#include "common/log.h"
#include "common/wire.h"

struct letter {
    struct mail mail;
    struct gateway *gateway;
    peer_message_reply_fn *answered; /* NULL: it came unrequested */
    uint64_t id;
    enum status status;
    enum peer_stage stage;
    struct wire_arena arena;
    const Pollen8__GatewayMessage *message; /* in the arena; NULL unless status is STATUS_OK */
    char reply[SUBJECT_SIZE];               /* the reply subject; empty: no reply wanted */
};

static void dispose_letter(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    wire_arena_done(&letter->arena);
    free(letter);
}

static void take_letter(struct gateway *gateway, struct mail *mail);

static const struct mail_kind letter_mail = {
    .act = take_letter, .dispose = dispose_letter, .after_board = true};

/* ---- in: delivery thread ------------------------------------------------------------------------------ */

static struct letter *letter_create(struct gateway *gateway)
{
    struct letter *letter = calloc(1, sizeof(*letter));
    if (!letter)
        return NULL;
    letter->mail.kind = &letter_mail;
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
        gateway_count(gateway, LABEL_BROKER_FRAMES_MALFORMED);
        log_event_limited(LOG_WARN, "a message to this gateway was dropped",
                          LOG_S("status", status_code(status)));
        if (letter)
            dispose_letter(&letter->mail);
        return;
    }
    if (message->reply.length)
        memcpy(letter->reply, message->reply.data, message->reply.length);
    if (mailbox_post(gateway->mailbox, MAIL_PEERS, &letter->mail) != STATUS_OK) {
        gateway_count(gateway, LABEL_BROKER_FRAMES_DROPPED);
        dispose_letter(&letter->mail);
    }
}

static void on_reply(void *context, enum status status, const struct bus_message *message)
{
    struct letter *letter = context;
    letter->status = status == STATUS_OK ? read_message(letter, message->data) : status;
    if (mailbox_post(letter->gateway->mailbox, MAIL_PEERS, &letter->mail) == STATUS_OK)
        return;
    letter->status = STATUS_FULL; /* it must arrive, but its content is lost */
    (void)mailbox_post(letter->gateway->mailbox, MAIL_REPLIES, &letter->mail);
}

/* ---- in: loop ----------------------------------------------------------------------------------------- */

static enum status pack(struct gateway *gateway, const Pollen8__GatewayMessage *message, struct buf *packed)
{
    buf_init(packed, (size_t)bus_maximum_payload(gateway->bus));
    return wire_pack(packed, &message->base);
}

static void on_settled(void *context, enum status status, const struct bus_message *message)
{
    struct letter *letter = context;
    (void)message;
    letter->stage = status == STATUS_OK ? PEER_SETTLED : PEER_UNSETTLED;
    if (mailbox_post(letter->gateway->mailbox, MAIL_FRAMES, &letter->mail) == STATUS_OK)
        return;
    letter->stage = PEER_UNSETTLED;
    (void)mailbox_post(letter->gateway->mailbox, MAIL_REPLIES, &letter->mail); /* that lane is never full */
}

/* The broker confirms when it has sent us everything published so far; all of that is then ahead of the
 * letter. */
static void settle(struct gateway *gateway, struct letter *letter)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__PeerPing ping = POLLEN8__PEER_PING__INIT;
    char subject[SUBJECT_SIZE];
    struct buf packed = {0};
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING;
    message.ping = &ping;
    ping.gateway = gateway->settings->gateway_name;
    ping.instance = gateway->instance;
    enum status status = subject_make(subject, SUBJECT_GATEWAY, slice_from_string(ping.gateway));
    if (status == STATUS_OK)
        status = pack(gateway, &message, &packed);
    if (status == STATUS_OK)
        status = reader_request(gateway->reader, subject, buf_slice(&packed), true, PEER_REPLY_MS, on_settled,
                                letter);
    buf_done(&packed);
    if (status != STATUS_OK)
        on_settled(letter, status, NULL);
}

static void take_letter(struct gateway *gateway, struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    if (letter->answered)
        letter->answered(gateway, letter->id, letter->status,
                         letter->status == STATUS_OK ? letter->message : NULL);
    else if (gateway->peer_events->message(gateway, letter->message, letter->reply, letter->stage)) {
        settle(gateway, letter);
        return;
    }
    dispose_letter(mail);
}

bool peer_message_run(struct gateway *gateway)
{
    struct mail *mail;
    do {
        mail = mailbox_take(gateway->mailbox, MAIL_PEERS);
        if (!mail)
            return false;
        mail->kind->act(gateway, mail);
    } while (!turn_past(gateway, TURN_PEERS_US));
    return true;
}

enum status peer_message_subscribe(struct gateway *gateway)
{
    struct bus_subscription *kept; /* until the bus is closed */
    char subject[SUBJECT_SIZE];
    enum status status =
        subject_make(subject, SUBJECT_GATEWAY, slice_from_string(gateway->settings->gateway_name));
    return status ? status : bus_subscribe(gateway->bus, subject, NULL, on_message, gateway, &kept);
}

/* ---- out ---------------------------------------------------------------------------------------------- */

enum status peer_message_ask(struct gateway *gateway, const char *gateway_name,
                             const Pollen8__GatewayMessage *message, bool after_subscriptions,
                             peer_message_reply_fn *answered, uint64_t id)
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
    if (status == STATUS_OK && after_subscriptions)
        status = reader_request(gateway->reader, subject, buf_slice(&packed), true, PEER_REPLY_MS, on_reply,
                                letter);
    else if (status == STATUS_OK)
        status = sender_request(gateway->sender, subject, buf_slice(&packed), false, PEER_REPLY_MS, on_reply,
                                letter);
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

enum status peer_message_tell(struct gateway *gateway, const char *gateway_name,
                              const Pollen8__GatewayMessage *message)
{
    char subject[SUBJECT_SIZE];
    if (subject_make(subject, SUBJECT_GATEWAY, slice_from_string(gateway_name)) != STATUS_OK)
        return STATUS_MALFORMED;
    return publish(gateway, subject, message);
}

enum status peer_message_reply(struct gateway *gateway, const char *subject,
                               const Pollen8__GatewayMessage *message)
{
    return subject[0] ? publish(gateway, subject, message) : STATUS_OK;
}
