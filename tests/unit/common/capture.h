/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Runs code in a child process and gives back what it wrote and how it ended. One thread.
 */
#ifndef POLLEN8_TESTS_CAPTURE_H
#define POLLEN8_TESTS_CAPTURE_H

#include <stddef.h>

struct captured {
    int exit_status; /* -1 where a signal ended it */
    int signal;      /* 0 where it exited */
    char out[65536]; /* standard output, NUL-terminated */
    char err[65536]; /* standard error */
};

/* The child runs `body` and then exits with status 0. */
void capture(void (*body)(void *context), void *context, struct captured *ret);

#endif
