/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room text/: text that is read and written in place. It is the lowest room: functions over slices and
 * bufs that know neither sessions nor the gateway.
 *
 *   in    slices of what clients sent: JSON, base64, tokens, session ids
 *   out   slices into the same bytes, decoded copies in the caller's memory, or text appended to the caller's
 *         buf
 *
 * This file: a run of appends to one buf that is kept whole or not at all. The first failure turns the rest
 * into no-ops, and append_end removes what was written. Pure; any thread.
 *
 *   struct append out = append_start(buf);
 *   append_text(&out, "{\"id\":");
 *   append_slice(&out, id);
 *   return append_end(&out);
 */
#ifndef POLLEN8_GATEWAY_TEXT_APPEND_H
#define POLLEN8_GATEWAY_TEXT_APPEND_H

#include <stdint.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

struct append {
    struct buf *buf; /* borrowed */
    size_t start;    /* its length at append_start */
    enum status status;
};

struct append append_start(struct buf *buf);
void append_text(struct append *out, const char *text);
void append_slice(struct append *out, struct slice bytes);
void append_number(struct append *out, uint64_t number);

/* With quotes; the text must be valid UTF-8. */
void append_json_string(struct append *out, struct slice text);

/* Adds the status of something else that appended to the same buf. */
void append_status(struct append *out, enum status status);

enum status append_end(struct append *out);

#endif
