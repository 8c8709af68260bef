/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the gateway's unit tests share: exact copies, so that the sanitizer sees a read past the end of a
 * slice, and texts built from pieces.
 */
#ifndef POLLEN8_TESTS_GATEWAY_TEST_H
#define POLLEN8_TESTS_GATEWAY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A slice over a heap block of exactly its length; exact_free gives it back. */
static inline struct slice exact(const void *data, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);

    assert_non_null(copy);
    if (length > 0)
        memcpy(copy, data, length);
    return slice_make(copy, length);
}

static inline struct slice exact_string(const char *text)
{
    return exact(text, strlen(text));
}

static inline void exact_free(struct slice copy)
{
    void *data;

    memcpy(&data, &copy.data, sizeof(data));
    free(data);
}

/* `open` x count, then `middle`, then `close` x count; the caller frees. */
static inline char *repeated(const char *open, size_t count, const char *middle, const char *close)
{
    size_t size = count * (strlen(open) + strlen(close)) + strlen(middle) + 1;
    char *text = malloc(size);
    char *at = text;

    assert_non_null(text);
    for (size_t i = 0; i < count; i++, at += strlen(open))
        memcpy(at, open, strlen(open));
    memcpy(at, middle, strlen(middle));
    at += strlen(middle);
    for (size_t i = 0; i < count; i++, at += strlen(close))
        memcpy(at, close, strlen(close));
    *at = '\0';
    return text;
}

static inline void assert_slice(struct slice slice, const char *expected)
{
    assert_int_equal(slice.length, strlen(expected));
    if (slice.length > 0)
        assert_memory_equal(slice.data, expected, slice.length);
}

/* Compares what a buf holds and empties it. */
static inline void assert_buf(struct buf *buf, const char *expected)
{
    assert_non_null(buf->data);
    assert_string_equal(buf->data, expected);
    assert_int_equal(buf->length, strlen(expected));
    buf_clear(buf);
}

#endif
