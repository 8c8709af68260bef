/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Functions that wait for a PONG of the broker, each for one with its number, in order. Part of broker_link;
 * zeroed to start. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_BROKER_LINK_LINK_WAITERS_H
#define POLLEN8_GATEWAY_BROKER_LINK_LINK_WAITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

typedef void link_waiter_fn(void *context, enum status status);

struct link_waiters {
    struct link_waiter *list; /* owned; in order, [start, end) */
    size_t start;
    size_t end;
    size_t capacity;
};

void link_waiters_done(struct link_waiters *waiters);

bool link_waiters_any(const struct link_waiters *waiters);

/* `number` never decreases. STATUS_NO_MEMORY. */
enum status link_waiters_add(struct link_waiters *waiters, uint64_t number, link_waiter_fn *function,
                             void *context);

/* Calls, with `status`, those that wait for a number up to this one. They may add others, which wait for the
 * next call. */
void link_waiters_call(struct link_waiters *waiters, uint64_t number, enum status status);

#endif
