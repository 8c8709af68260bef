/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Base64 with padding (RFC 4648 section 4): how clients write and read binary data if only text can be sent.
 * Strict: no white space, no bits left over. Appends to the caller's buf, all or nothing. Pure; any thread.
 */
#ifndef POLLEN8_GATEWAY_TEXT_BASE64_PADDED_H
#define POLLEN8_GATEWAY_TEXT_BASE64_PADDED_H

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

/* STATUS_FULL at the buf's maximum, STATUS_NO_MEMORY. */
enum status base64_padded_append(struct buf *buf, struct slice bytes);

/* STATUS_MALFORMED, STATUS_FULL at the buf's maximum, STATUS_NO_MEMORY. */
enum status base64_padded_decode(struct slice text, struct buf *out);

#endif
