/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * request -> slot -> PUB <subject> <inbox>.<generation and slot in hex> · MSG <inbox>.<the same> -> slot ->
 * callback. A request leaves its slot with its answer, its deadline or the loss of the connection, whichever
 * comes first. So it is answered exactly once.
 */
#include "broker/requests_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "broker/sender.h"
#include "common/bus/broker_protocol.h"
#include "common/rng.h"

#define SUBSCRIPTION 1

static void too_late(void *context, struct wheel_timer *timer)
{
    (void)context;
    request_end(TIMER_OWNER(timer, struct request, timer), STATUS_TIMEOUT, NULL);
}

/* ---- the connection ----------------------------------------------------------------------------------- */

static void on_subscribe(struct gateway *gateway)
{
    char pattern[INBOX_LENGTH + 3];
    snprintf(pattern, sizeof(pattern), "%s.*", gateway->requests->inbox);
    broker_link_subscribe(gateway->requests->link, pattern, SUBSCRIPTION);
}

static void on_message(struct gateway *gateway, const struct broker_operation *operation)
{
    const struct bus_message message = {
        .subject = operation->subject, .reply = operation->reply, .data = operation->data};
    struct request *request = NULL; /* NULL: the request has ended */
    uint64_t id;
    if (subject_reply_id(operation->subject, INBOX_LENGTH, &id))
        request = request_find(gateway->requests, id);
    if (!request)
        return;
    if (!request->callback)
        gather_take(request, operation);
    else if (broker_no_responders(operation))
        request_end(request, STATUS_NO_RESPONDERS, NULL);
    else
        request_end(request, STATUS_OK, &message);
}

static bool is_ready(struct gateway *gateway)
{
    (void)gateway;
    return true;
}

static void on_event(struct gateway *gateway, enum broker_link_event event)
{
    if (event != BROKER_LINK_LOST) {
        gathers_start(gateway->requests);
        return;
    }
    gathers_stop(gateway->requests);
    requests_end_all(gateway->requests, STATUS_DISCONNECTED);
}

static const struct broker_link_handlers handlers = {
    .subscribe = on_subscribe, .message = on_message, .ready = is_ready, .event = on_event};

/* ---- asking ------------------------------------------------------------------------------------------- */

static enum status ask(struct request *request, const char *subject, struct slice data, bool secret,
                       uint32_t timeout_ms)
{
    struct requests *requests = request->requests;
    struct gather *gather = gather_of(requests, subject);
    enum status status = request_put(requests, request);
    if (status != STATUS_OK)
        return status;
    if (gather && gather_add(gather, request, data, secret, timeout_ms) == STATUS_OK)
        return STATUS_OK;
    status = request_publish(request, subject, data, secret);
    if (status != STATUS_OK)
        request_take_out(request);
    else if (gather) {
        request->gather = gather;
        gather->on_the_way++;
    }
    return status;
}

enum status requests_ask(struct requests *requests, const char *subject, struct slice data, bool secret,
                         uint32_t timeout_ms, bus_reply_fn *callback, void *context)
{
    struct gateway *gateway = requests->gateway;
    if (!requests->link || !broker_link_up(requests->link))
        return sender_request(gateway->sender, subject, data, secret, timeout_ms, callback, context);
    struct request *request = calloc(1, sizeof(*request));
    if (!request)
        return STATUS_NO_MEMORY;
    request->requests = requests;
    request->callback = callback;
    request->context = context;
    request->timer.fire = too_late;
    enum status status = ask(request, subject, data, secret, timeout_ms);
    if (status == STATUS_OK)
        timer_wheel_arm(gateway->wheel, &request->timer, gateway->now_ms + timeout_ms);
    else
        free(request);
    return status;
}

void requests_turn(struct requests *requests)
{
    if (!requests || !requests->link)
        return;
    gathers_turn(requests);
    (void)broker_link_turn(requests->link); /* nothing limits what it reads */
}

/* ---- life --------------------------------------------------------------------------------------------- */

enum status requests_create(struct gateway *gateway, struct uv_loop_s *loop, struct requests **ret_requests)
{
    const struct settings *settings = gateway->settings;
    struct requests *requests = calloc(1, sizeof(*requests));
    char id[BASE64URL_LENGTH(INBOX_BYTES) + 1];
    char name[64];
    if (!requests)
        return STATUS_NO_MEMORY;
    requests->gateway = gateway;
    requests_slots_init(requests);
    rng_id(id, INBOX_BYTES);
    gathers_init(requests);
    snprintf(requests->inbox, sizeof(requests->inbox), "_INBOX.%s", id);
    *ret_requests = requests;
    if (!loop)
        return STATUS_OK;
    snprintf(name, sizeof(name), "gateway %s questions", settings->gateway_name);
    return broker_link_create(gateway, loop, settings->nats_url, name, &handlers, &requests->link);
}

void requests_stop(struct requests *requests)
{
    if (!requests)
        return;
    if (requests->link)
        broker_link_stop(requests->link);
    gathers_stop(requests);
    requests_end_all(requests, STATUS_DISCONNECTED);
}

void requests_free(struct requests *requests)
{
    if (!requests)
        return;
    broker_link_free(requests->link);
    gathers_done(requests);
    slots_done(&requests->slots);
    free(requests);
}
