/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The end of a process that has found a bug in itself: one error line, then abort (a core if allowed).
 */
#include "common/check.h"

#include <stdlib.h>

#include "common/log.h"

void check_failed(const char *condition, const char *file, int line, const char *function)
{
    /* log_write takes no lock and allocates nothing, so it is safe whatever is broken. */
    log_event(LOG_ERROR, "a check failed: this is a bug", LOG_S("condition", condition), LOG_S("file", file),
              LOG_I("line", line), LOG_S("function", function));
    abort();
}
