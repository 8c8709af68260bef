/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Part of a frame that asks each client for an answer (ingress/client_ask.h).
 */
#ifndef POLLEN8_GATEWAY_FRAME_FRAME_ASK_H
#define POLLEN8_GATEWAY_FRAME_FRAME_ASK_H

#include <stdint.h>

#define ASK_TIMEOUT_MAXIMUM_MS  300000
#define ASK_REPLY_MAXIMUM_BYTES 256

struct frame_ask {
    uint32_t timeout_ms; /* at most ASK_TIMEOUT_MAXIMUM_MS */
    char reply[];        /* subject of the answers, NUL-terminated; at most ASK_REPLY_MAXIMUM_BYTES */
};

#endif
