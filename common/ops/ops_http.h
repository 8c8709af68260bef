/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The ops port: GET /metrics, /healthz (200 while the process runs its loop) and /readyz (200 `ready`, else
 * 503 with one line per failing check), on its own thread. Never the public port.
 */
#ifndef POLLEN8_COMMON_OPS_OPS_HTTP_H
#define POLLEN8_COMMON_OPS_OPS_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ops/metrics.h"

struct ops_http; /* opaque */

/* A check's name ("nats") and whether it holds now. Called on the ops thread: must not block; reads atomics.
 */
struct ops_check {
    const char *name;
    bool (*passes)(void *context);
    void *context;
};

struct ops_options {
    const char *address; /* borrowed during create */
    uint16_t port;
    const char *service;
    struct metrics *metrics; /* borrowed */
    /* Called before each /metrics, on the ops thread, to bring gauges up to date; may be NULL. */
    void (*refresh)(void *context);
    void *refresh_context;
    const struct ops_check *ready; /* copied */
    size_t ready_count;
    const struct ops_check *alive; /* copied; may be none */
    size_t alive_count;
};

/* STATUS_DISCONNECTED if the port cannot be bound (errno says why). */
enum status ops_http_create(const struct ops_options *options, struct ops_http **ret_ops);

/* Not-ready from now on (drain), whatever the checks say. Any thread. */
void ops_http_drain(struct ops_http *ops);

void ops_http_free(struct ops_http *ops);

#endif
