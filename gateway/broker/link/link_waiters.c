/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A list that grows at the end and shrinks at the front.
 */
#include "broker/link/link_waiters.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_START 64

struct link_waiter {
    uint64_t number;
    link_waiter_fn *function;
    void *context;
};

void link_waiters_done(struct link_waiters *waiters)
{
    free(waiters->list);
    *waiters = (struct link_waiters){0};
}

bool link_waiters_any(const struct link_waiters *waiters)
{
    return waiters->end > waiters->start;
}

static enum status reserve(struct link_waiters *waiters)
{
    if (waiters->end < waiters->capacity)
        return STATUS_OK;
    size_t count = waiters->end - waiters->start;
    if (waiters->start > 0 && count <= waiters->capacity / 2) {
        memmove(waiters->list, waiters->list + waiters->start, count * sizeof(*waiters->list));
    } else {
        size_t capacity = waiters->capacity ? waiters->capacity * 2 : CAPACITY_START;
        struct link_waiter *more = malloc(capacity * sizeof(*more));
        if (!more)
            return STATUS_NO_MEMORY;
        if (count)
            memcpy(more, waiters->list + waiters->start, count * sizeof(*more));
        free(waiters->list);
        waiters->list = more;
        waiters->capacity = capacity;
    }
    waiters->start = 0;
    waiters->end = count;
    return STATUS_OK;
}

enum status link_waiters_add(struct link_waiters *waiters, uint64_t number, link_waiter_fn *function,
                             void *context)
{
    enum status status = reserve(waiters);
    if (status == STATUS_OK)
        waiters->list[waiters->end++] = (struct link_waiter){number, function, context};
    return status;
}

void link_waiters_call(struct link_waiters *waiters, uint64_t number, enum status status)
{
    size_t left = waiters->end - waiters->start;
    for (; left > 0; left--) {
        struct link_waiter first = waiters->list[waiters->start];
        if (first.number > number)
            return;
        waiters->start++;
        first.function(first.context, status);
    }
}
