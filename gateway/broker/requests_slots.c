/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * request -> slot -> its id: generation and number of the slot · id -> the request, unless its slot has been
 * used again since.
 */
#include "broker/requests_internal.h"

#include <stdlib.h>

#include "base/gateway.h"

#define SLOTS_START   64
#define SLOTS_MAXIMUM 65536
#define NONE          UINT32_MAX

struct slot {
    struct request *request; /* owned; NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

static enum status grow(struct requests *requests)
{
    uint32_t capacity = requests->capacity ? requests->capacity * 2 : SLOTS_START;
    if (capacity > SLOTS_MAXIMUM)
        return STATUS_FULL;
    struct slot *slots = realloc(requests->slots, capacity * sizeof(*slots));
    if (!slots)
        return STATUS_NO_MEMORY;
    requests->slots = slots;
    requests->capacity = capacity;
    return STATUS_OK;
}

enum status request_put(struct requests *requests, struct request *request)
{
    uint32_t index = requests->free;
    if (index == NONE && requests->used == requests->capacity) {
        enum status status = grow(requests);
        if (status != STATUS_OK)
            return status;
    }
    if (index == NONE) {
        index = requests->used++;
        requests->slots[index] = (struct slot){.generation = 1};
    } else {
        requests->free = requests->slots[index].next_free;
    }
    requests->slots[index].request = request;
    request->slot = index;
    return STATUS_OK;
}

uint64_t request_id(const struct request *request)
{
    return (uint64_t)request->requests->slots[request->slot].generation << 32 | request->slot;
}

struct request *request_find(const struct requests *requests, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    if (index >= requests->used || requests->slots[index].generation != (uint32_t)(id >> 32))
        return NULL;
    return requests->slots[index].request;
}

void request_take_out(struct request *request)
{
    struct requests *requests = request->requests;
    struct slot *slot = &requests->slots[request->slot];
    timer_wheel_cancel(requests->gateway->wheel, &request->timer);
    slot->request = NULL;
    if (++slot->generation == 0) /* no id is 0 */
        slot->generation = 1;
    slot->next_free = requests->free;
    requests->free = request->slot;
}

void request_returned(struct request *request)
{
    if (request->gather && request->gather->on_the_way > 0)
        request->gather->on_the_way--;
    request->gather = NULL;
}

void request_end(struct request *request, enum status status, const struct bus_message *answer)
{
    bus_reply_fn *callback = request->callback;
    void *context = request->context;
    request_returned(request);
    request_take_out(request);
    free(request);
    if (callback)
        callback(context, status, answer);
}

void slots_end_all(struct requests *requests, enum status status)
{
    uint32_t used = requests->used; /* what is asked meanwhile is asked elsewhere */
    for (uint32_t i = 0; i < used; i++)
        if (requests->slots[i].request)
            request_end(requests->slots[i].request, status, NULL);
}

enum status request_publish(const struct request *request, const char *subject, struct slice data,
                            bool secret)
{
    char reply[REPLY_SIZE];
    subject_reply_make(reply, sizeof(reply), request->requests->inbox, request_id(request));
    return broker_link_publish(request->requests->link, subject, reply, data, secret);
}

void slots_init(struct requests *requests)
{
    requests->free = NONE;
}

void slots_done(struct requests *requests)
{
    free(requests->slots);
}
