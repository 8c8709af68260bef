/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A borrowed run of bytes: never owned, never NUL-terminated by promise, valid as long as what it points
 * into. A zero-length slice may have a NULL pointer. Any thread.
 */
#ifndef POLLEN8_COMMON_SLICE_H
#define POLLEN8_COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t length; /* bytes */
};

#define SLICE_LITERAL(text) ((struct slice){.data = (text), .length = sizeof(text) - 1})

static inline struct slice slice_make(const void *data, size_t length)
{
    return (struct slice){.data = data, .length = length};
}

static inline struct slice slice_from_string(const char *text)
{
    return (struct slice){.data = text, .length = text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_equal_string(struct slice a, const char *text)
{
    return slice_equal(a, slice_from_string(text));
}

static inline bool slice_starts_with(struct slice a, struct slice prefix)
{
    return a.length >= prefix.length &&
           (prefix.length == 0 || memcmp(a.data, prefix.data, prefix.length) == 0);
}

#endif
