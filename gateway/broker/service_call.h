/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A request to a service and its answer, both as messages: relay asks for sessions, history and opening for
 * the gateway. The answer is unpacked as it arrives, if it may be large on the bus's delivery thread, and
 * handed to the loop in its turn. Comes back exactly once, also on timeout and disconnect. Loop thread, but
 * for `take`.
 */
#ifndef POLLEN8_GATEWAY_BROKER_SERVICE_CALL_H
#define POLLEN8_GATEWAY_BROKER_SERVICE_CALL_H

#include "base/mailbox.h"
#include "common/wire.h"

struct gateway;
struct service_call;

struct service_call_kind {
    const ProtobufCMessageDescriptor *descriptor; /* of the answer */

    /* The loop's or the delivery thread: copies what is wanted out of the answer. What it returns becomes the
     * call's status: a failure, or the service's refusal. */
    enum status (*take)(struct service_call *call, const ProtobufCMessage *answer);

    /* Loop: the answer is here, or `status` says why not. The call is freed afterwards. */
    void (*answered)(struct gateway *gateway, struct service_call *call);

    void (*free)(struct service_call *call);
};

/* First member of what a kind needs. */
struct service_call {
    struct mail mail;
    const struct service_call_kind *kind;
    struct gateway *gateway;
    enum status status; /* STATUS_INTERNAL: an answer that cannot be read */
    bool follows;       /* the broker must know every subscription made so far before it is asked */
    bool large;         /* of one that follows: not to be unpacked on the loop */
    bool secret;        /* of one that does not: what is asked is wiped from memory */
};

/* Takes the call; if this fails it has been freed and no answer comes. */
enum status service_call_send(struct gateway *gateway, struct service_call *call, const char *subject,
                              const ProtobufCMessage *message, uint32_t timeout_ms);

#endif
