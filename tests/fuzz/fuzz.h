/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the fuzz targets share: the entry's prototype, and lines cut off the input where a target wants
 * several texts. A broken property is a CHECK.
 */
#ifndef POLLEN8_TESTS_FUZZ_H
#define POLLEN8_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text up to the next newline, which is dropped; what is behind it stays in *rest. */
static inline struct slice fuzz_line(struct slice *rest)
{
    struct slice line = *rest;
    const char *newline = line.length > 0 ? memchr(line.data, '\n', line.length) : NULL;

    if (!newline) {
        *rest = (struct slice){0};
        return line;
    }
    line.length = (size_t)(newline - line.data);
    *rest = slice_make(newline + 1, rest->length - line.length - 1);
    return line;
}

#endif
