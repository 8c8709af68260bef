/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A growable byte buffer that cannot be made without a maximum. "Full" means an append would pass the
 * maximum: it then returns STATUS_FULL and changes nothing. Contents are kept NUL-terminated one byte past
 * `length`, which does not count towards the maximum. One thread at a time.
 *
 * Life cycle: buf_init, appends, buf_take or buf_done. A zeroed buf with a maximum of 0 refuses every byte.
 */
#ifndef POLLEN8_COMMON_BUF_H
#define POLLEN8_COMMON_BUF_H

#include "common/slice.h"
#include "common/status.h"

struct buf {
    char *data;      /* owned; NULL until the first append */
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated, less the terminator */
    size_t maximum;  /* bytes length may reach */
};

void buf_init(struct buf *buf, size_t maximum);

/* Frees the contents; the buf may be used again with the same maximum. NULL is accepted. */
void buf_done(struct buf *buf);

/* Empties without freeing. */
void buf_clear(struct buf *buf);

/* Room for `more` further bytes, so that the next appends cannot fail. */
enum status buf_reserve(struct buf *buf, size_t more);

enum status buf_append(struct buf *buf, const void *data, size_t length);
enum status buf_append_string(struct buf *buf, const char *text);
enum status buf_append_char(struct buf *buf, char c);
enum status buf_append_format(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends `text` as a JSON string with its quotes. The text must be valid UTF-8 (RFC 8259 section 7). */
enum status buf_append_json_string(struct buf *buf, struct slice text);

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_make(buf->data, buf->length);
}

/* Hands the bytes over (caller frees with free()) and empties the buf; NULL if it never held any. */
char *buf_take(struct buf *buf, size_t *ret_length);

#endif
