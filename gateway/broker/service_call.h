/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A request to a service and its answer, both as messages: relay sends one for a session, history and opening
 * for the gateway. The answer is unpacked on arrival, on the bus's delivery thread if it may be large, and
 * passed to the loop in its turn. It is answered exactly once, even on timeout and disconnect. Loop thread,
 * except for `take`.
 */
#ifndef POLLEN8_GATEWAY_BROKER_SERVICE_CALL_H
#define POLLEN8_GATEWAY_BROKER_SERVICE_CALL_H

#include "base/mailbox.h"
#include "common/wire.h"

struct gateway;
struct service_call;

struct service_call_kind {
    const ProtobufCMessageDescriptor *descriptor; /* of the answer */

    /* On the loop's or the delivery thread: copies what is needed out of the answer. Its result becomes the
     * call's status: a failure, or the service's refusal. */
    enum status (*take)(struct service_call *call, const ProtobufCMessage *answer);

    /* On the loop: the answer is here, or `status` says why not. The call is freed afterwards. */
    void (*answered)(struct gateway *gateway, struct service_call *call);

    void (*free)(struct service_call *call);
};

/* First member of the call struct of each kind. */
struct service_call {
    struct mail mail;
    const struct service_call_kind *kind;
    struct gateway *gateway;
    enum status status; /* STATUS_INTERNAL: an answer that cannot be read */
    bool follows;       /* the broker must know every subscription made so far before it sees the request */
    bool large;         /* of one that follows: not to be unpacked on the loop */
    bool secret;        /* of one that does not: the request is wiped from memory */
};

/* Takes the call. If this fails, the call has been freed and no answer comes. */
enum status service_call_send(struct gateway *gateway, struct service_call *call, const char *subject,
                              const ProtobufCMessage *message, uint32_t timeout_ms);

#endif
