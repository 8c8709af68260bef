/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Signals and exits of a service. Call lifecycle_init first in main, before any thread: it blocks SIGTERM,
 * SIGINT and SIGHUP in every thread and ignores SIGPIPE. The main thread then waits in lifecycle_wait.
 * The first SIGTERM or SIGINT starts the ordered drain; a second one ends the process at once (status 1).
 */
#ifndef POLLEN8_COMMON_OPS_LIFECYCLE_H
#define POLLEN8_COMMON_OPS_LIFECYCLE_H

#include <stdint.h>

enum lifecycle_event { LIFECYCLE_STOP, LIFECYCLE_RELOAD, LIFECYCLE_TIMEOUT };

void lifecycle_init(void);

/* Waits for a signal, at most timeout_ms (negative: for ever). Main thread. */
enum lifecycle_event lifecycle_wait(int64_t timeout_ms);

/* From now on another SIGTERM or SIGINT ends the process at once. Starts a thread that does so, and ends the
 * process with status 1 if the drain has not ended it after `limit_ms`. */
void lifecycle_draining(int64_t limit_ms);

/* A descriptor that becomes readable on SIGTERM, SIGINT and SIGHUP (signalfd), for a loop to watch instead
 * of lifecycle_wait; and the event read from it. The descriptor is the caller's to close. */
int lifecycle_descriptor(void);
enum lifecycle_event lifecycle_read(int descriptor);

/* Raises the soft limit of open files to the hard one, at most `wanted`; returns the limit in force. */
uint64_t lifecycle_raise_open_files(uint64_t wanted);

#endif
