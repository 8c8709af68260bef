/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * request -> slot -> its id, the slot's handle · id -> the request, unless it has ended.
 */
#include "broker/requests_internal.h"

#include <stdlib.h>

#include "base/gateway.h"

#define SLOTS_START   64
#define SLOTS_AT_MOST 65536

enum status request_put(struct requests *requests, struct request *request)
{
    return slots_put(&requests->slots, request, &request->id);
}

struct request *request_find(const struct requests *requests, uint64_t id)
{
    return slots_find(&requests->slots, id);
}

void request_take_out(struct request *request)
{
    struct requests *requests = request->requests;
    timer_wheel_cancel(requests->gateway->wheel, &request->timer);
    slots_remove(&requests->slots, request->id);
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

void requests_end_all(struct requests *requests, enum status status)
{
    uint32_t used = requests->slots.used; /* requests made during the loop are sent elsewhere */
    for (uint32_t i = 0; i < used; i++) {
        struct request *request = slots_at(&requests->slots, i);
        if (request)
            request_end(request, status, NULL);
    }
}

enum status request_publish(const struct request *request, const char *subject, struct slice data,
                            bool secret)
{
    char reply[REPLY_SIZE];
    subject_reply_make(reply, sizeof(reply), request->requests->inbox, request->id);
    return broker_link_publish(request->requests->link, subject, reply, data, secret);
}

void requests_slots_init(struct requests *requests)
{
    slots_init(&requests->slots, SLOTS_START, SLOTS_AT_MOST);
}
