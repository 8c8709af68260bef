/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The service within the test's own process, on a broker and a Redis of the test's: what its sources share,
 * without its threads. Failures end the running test. One thread.
 */
#ifndef POLLEN8_TESTS_VALUE_SERVICE_FIXTURE_H
#define POLLEN8_TESTS_VALUE_SERVICE_FIXTURE_H

#include "fixture.h"
#include "service/service.h"

extern struct service service;

/* Broker, Redis, `rig`, `service` with its streams, and `store`, in whose epoch the service is. */
int service_set_up(void **state);
int service_tear_down(void **state);

/* A metric's line as it is rendered: the value behind `series`, -1: it is not there. */
int64_t service_metric(const char *series);

#endif
