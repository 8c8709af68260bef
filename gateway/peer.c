/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * delivery thread: bytes -> GatewayMessage -> its row of the table copies what it needs -> mailbox (peers)
 * loop: the row's act
 */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include "peer.pb-c.h"

#include "../common/log.h"
#include "../common/subject.h"
#include "../common/wire.h"
#include "gateway.h"
#include "session.h"

#define MESSAGES_A_TURN 256

/* What travels to the loop; first member of what each kind of message needs. */
struct errand {
    struct mail mail;
    void (*act)(struct gateway *gateway, struct errand *errand);
};

/* ---- SessionEvict ------------------------------------------------------------------------------------- */

struct eviction {
    struct errand errand;
    char session[SESSION_ID_SIZE];
};

static void evict(struct gateway *gateway, struct errand *errand)
{
    const struct eviction *eviction = (const struct eviction *)errand;
    struct session *session = sessions_named(gateway->sessions, slice_from_string(eviction->session));
    if (session)
        session_close(gateway, session, CAUSE_EVICTED);
}

static enum status take_evict(const Pollen8__GatewayMessage *message, struct errand **ret_errand)
{
    const char *session = message->evict->session;
    size_t length = strlen(session);
    if (length >= SESSION_ID_SIZE)
        return STATUS_MALFORMED;
    struct eviction *eviction = calloc(1, sizeof(*eviction));
    if (!eviction)
        return STATUS_NO_MEMORY;
    memcpy(eviction->session, session, length);
    eviction->errand.act = evict;
    *ret_errand = &eviction->errand;
    return STATUS_OK;
}

/* ---- all ---------------------------------------------------------------------------------------------- */

static enum status take(const Pollen8__GatewayMessage *message, struct errand **ret_errand)
{
    switch (message->message_case) {
    case POLLEN8__GATEWAY_MESSAGE__MESSAGE_EVICT: return take_evict(message, ret_errand);
    default: return STATUS_MALFORMED; /* of a newer version */
    }
}

static void on_message(void *context, const struct bus_message *message)
{
    struct gateway *gateway = context;
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    struct errand *errand = NULL;
    enum status status = wire_unpack(&arena, &pollen8__gateway_message__descriptor, message->data, &unpacked);
    if (status == STATUS_OK)
        status = take((const Pollen8__GatewayMessage *)unpacked, &errand);
    if (status == STATUS_OK) {
        errand->mail.kind = MAIL_PEER;
        status = mailbox_post(gateway->mailbox, MAIL_PEERS, &errand->mail);
        if (status != STATUS_OK)
            peer_dispose(&errand->mail);
    }
    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "a message to this gateway was dropped",
                          LOG_S("status", status_code(status)));
    wire_arena_done(&arena);
}

enum status peer_subscribe(struct gateway *gateway)
{
    struct bus_subscription *kept; /* until the bus goes */
    char subject[SUBJECT_SIZE];
    enum status status =
        subject_make(subject, SUBJECT_GATEWAY, slice_from_string(gateway->settings->gateway_name));
    return status ? status : bus_subscribe(gateway->bus, subject, NULL, on_message, gateway, &kept);
}

bool peer_run(struct gateway *gateway)
{
    struct mail *mail;
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        mail = mailbox_take(gateway->mailbox, MAIL_PEERS);
        if (!mail)
            return false;
        ((struct errand *)mail)->act(gateway, (struct errand *)mail);
        peer_dispose(mail);
    }
    return true;
}

void peer_dispose(struct mail *mail)
{
    free(mail);
}
