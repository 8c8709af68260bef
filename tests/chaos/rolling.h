/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A rolling restart: gateways end one after another on SIGTERM and start again, under the load. One thread.
 */
#ifndef POLLEN8_CHAOS_ROLLING_H
#define POLLEN8_CHAOS_ROLLING_H

#include "run.h"

/* Three gateways that drain slowly. */
void rolling_options(struct run_options *options);

/* Each is restarted once. A violation: an exit status that is not 0; more than twice the paced rate of
 * clients that come back in a second. */
void rolling_run(struct run *run);

#endif
