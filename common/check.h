/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Always-on checks of what only a bug can break: the process ends with one line naming the place and the
 * condition (never a value from outside). Wrong input is a status, a broken environment is a status and a
 * retry; neither is ever a CHECK. Any thread.
 */
#ifndef POLLEN8_COMMON_CHECK_H
#define POLLEN8_COMMON_CHECK_H

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0))                                                               \
            check_failed(#condition, __FILE__, __LINE__, __func__);                                          \
    } while (0)

/* Writes the crash line and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line, const char *function);

#endif
