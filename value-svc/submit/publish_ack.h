/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * JetStream's answer to a publish: {"stream":...,"seq":n,"duplicate":true?} or {"error":{...}}. Pure.
 */
#ifndef POLLEN8_VALUE_SVC_SUBMIT_PUBLISH_ACK_H
#define POLLEN8_VALUE_SVC_SUBMIT_PUBLISH_ACK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

struct publish_ack {
    uint64_t sequence;
    bool duplicate; /* the stream had a message of that id within its own window */
};

/* STATUS_UNAVAILABLE if the stream refused or the text is not such an answer. */
enum status publish_ack_read(struct slice text, struct publish_ack *ret_ack);

#endif
