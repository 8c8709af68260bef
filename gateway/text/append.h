/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A run of appends to one buf that is kept whole or not at all: the first failure makes the rest do nothing,
 * and append_end takes back what was written. Pure; any thread.
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
    size_t start;    /* its length before */
    enum status status;
};

struct append append_start(struct buf *buf);
void append_text(struct append *out, const char *text);
void append_slice(struct append *out, struct slice bytes);
void append_number(struct append *out, uint64_t number);

/* With quotes; the text must be valid UTF-8. */
void append_json_string(struct append *out, struct slice text);

/* Adds the outcome of something else that appended to the same buf. */
void append_status(struct append *out, enum status status);

enum status append_end(struct append *out);

#endif
