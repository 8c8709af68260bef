/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A command's connection to the broker: made, waited for, and where it fails told in one line. One thread.
 */
#ifndef POLLEN8_TOOLS_BROKER_H
#define POLLEN8_TOOLS_BROKER_H

#include "common/bus/bus.h"

#define BROKER_EVENTS "pollen8.events." /* what a backend publishes under; the event's name follows */

struct broker; /* opaque */

/* Connects to `url` (NULL or empty: NATS_URL, else nats://localhost:4222), waiting up to 5 s; credentials and
 * CA come from NATS_CREDENTIALS_FILE and NATS_CA_FILE. NULL on failure, which has been told. */
struct broker *broker_open(const char *url);
void broker_close(struct broker *broker); /* NULL is accepted */
struct bus *broker_bus(struct broker *broker);

#endif
