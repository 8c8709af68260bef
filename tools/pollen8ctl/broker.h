/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A command's connection to the broker: connects, waits, and reports a failure in one line. One thread.
 */
#ifndef POLLEN8_TOOLS_BROKER_H
#define POLLEN8_TOOLS_BROKER_H

#include "common/bus/bus.h"

#define BROKER_EVENTS "pollen8.events." /* the subject of a backend's event, before its name */

struct broker; /* opaque */

/* Connects to `url` (NULL or empty: NATS_URL, else nats://localhost:4222), waiting up to 5 s; credentials and
 * CA come from NATS_CREDENTIALS_FILE and NATS_CA_FILE. NULL on failure, which has been reported. */
struct broker *broker_open(const char *url);
void broker_close(struct broker *broker); /* NULL is accepted */
struct bus *broker_bus(struct broker *broker);

#endif
