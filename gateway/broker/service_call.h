/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A question of the gateway's own to a service, as history and recovery ask them: its answer is
 * unpacked, where it may be large on the bus's delivery thread, and handed to the loop in its turn. Comes
 * back exactly once, also on timeout and disconnect. Loop thread but for `take`.
 */
#ifndef POLLEN8_GATEWAY_BROKER_SERVICE_CALL_H
#define POLLEN8_GATEWAY_BROKER_SERVICE_CALL_H

#include "base/mailbox.h"
#include "common/wire.h"

struct gateway;
struct service_call;

struct service_call_kind {
    const ProtobufCMessageDescriptor *descriptor; /* of the answer */

    /* The loop's or the delivery thread: copies what is wanted out of the answer. A failure becomes the
     * inquiry's status. */
    enum status (*take)(struct service_call *inquiry, const ProtobufCMessage *answer);

    /* Loop: the answer is here, or `status` says why not. The inquiry is freed afterwards. */
    void (*answered)(struct gateway *gateway, struct service_call *inquiry);

    void (*free)(struct service_call *inquiry);
};

/* First member of what a kind needs. */
struct service_call {
    struct mail mail;
    const struct service_call_kind *kind;
    struct gateway *gateway;
    enum status status;
    bool follows; /* the broker must know every subscription made so far before it is asked */
    bool large;   /* of one that follows: not to be unpacked on the loop */
};

/* Takes the inquiry; where this fails it has been freed and no answer comes. */
enum status service_call_send(struct gateway *gateway, struct service_call *inquiry, const char *subject,
                              const ProtobufCMessage *message, uint32_t timeout_ms);

#endif
