/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table behind status.h: errors.def gives the refusals, the local statuses are here.
 */
#include "common/status.h"

#include <string.h>

struct status_row {
    const char *code;
    const char *message;
    unsigned close_code;
    bool final;
};

static const struct status_row rows[STATUS_COUNT] = {
    [STATUS_OK] = {"ok", "done", 0, false},
    [STATUS_NO_MEMORY] = {"no_memory", "out of memory", 0, false},
    [STATUS_FULL] = {"full", "a bound was reached", 0, false},
    [STATUS_AGAIN] = {"again", "nothing there now", 0, false},
    [STATUS_TIMEOUT] = {"timeout", "a deadline passed", 0, false},
    [STATUS_NOT_FOUND] = {"not_found", "no such thing", 0, false},
    [STATUS_MALFORMED] = {"malformed", "input breaks its grammar", 0, false},
    [STATUS_DISCONNECTED] = {"disconnected", "the peer cannot be reached", 0, false},
    [STATUS_NO_RESPONDERS] = {"no_responders", "nobody listens on the subject", 0, false},
#define ERROR(suffix, code_, message_, close_code_, final_)                                                  \
    [STATUS_##suffix] = {code_, message_, close_code_, (final_) != 0},
#include "common/errors.def"
#undef ERROR
};

/* A status from outside the enum is a bug of the caller; it reads as an internal error. */
static const struct status_row *row_of(enum status status)
{
    if ((unsigned)status >= STATUS_COUNT)
        return &rows[STATUS_INTERNAL];
    return &rows[status];
}

const char *status_code(enum status status)
{
    return row_of(status)->code;
}

const char *status_message(enum status status)
{
    return row_of(status)->message;
}

unsigned status_close_code(enum status status)
{
    return row_of(status)->close_code;
}

bool status_final(enum status status)
{
    return row_of(status)->final;
}

enum status status_from_code(const char *code, size_t length)
{
    for (int i = STATUS_AUTH_REQUIRED; i < STATUS_COUNT; i++) {
        if (strlen(rows[i].code) == length && memcmp(rows[i].code, code, length) == 0)
            return (enum status)i;
    }
    return STATUS_INTERNAL;
}
