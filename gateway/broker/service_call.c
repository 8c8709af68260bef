/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   loop                         message packed -> requests ~> service
 *   loop, or delivery thread     answer unpacked, its kind takes what it needs -> mailbox (reply lane)
 *   loop                         its kind acts
 */
#include "broker/service_call.h"

#include <string.h>

#include "base/gateway.h"
#include "broker/reader.h"
#include "broker/requests.h"

#define PACKED_MAXIMUM (4u * 1024 * 1024)

static void act_on_answer(struct gateway *gateway, struct mail *mail);
static void dispose_call(struct mail *mail);

static const struct mail_kind answer_mail = {.act = act_on_answer, .dispose = dispose_call};

static void on_answer(void *context, enum status status, const struct bus_message *message)
{
    struct service_call *call = context;
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    if (status == STATUS_OK && wire_unpack(&arena, call->kind->descriptor, message->data, &unpacked))
        status = STATUS_INTERNAL;
    if (status == STATUS_OK)
        status = call->kind->take(call, unpacked);
    call->status = status;
    wire_arena_done(&arena);
    (void)mailbox_post(call->gateway->mailbox, MAIL_REPLIES, &call->mail); /* that lane is never full */
}

static void count_in_flight(struct gateway *gateway, int by)
{
    gateway->in_flight += (uint32_t)by;
    metrics_set(gateway->metrics, METRIC_REQUESTS_IN_FLIGHT, gateway->in_flight);
}

static enum status publish(struct gateway *gateway, struct service_call *call, const char *subject,
                           struct slice packed, uint32_t timeout_ms)
{
    if (call->follows)
        return reader_request(gateway->reader, subject, packed, call->large, timeout_ms, on_answer, call);
    return requests_ask(gateway->requests, subject, packed, call->secret, timeout_ms, on_answer, call);
}

enum status service_call_send(struct gateway *gateway, struct service_call *call, const char *subject,
                              const ProtobufCMessage *message, uint32_t timeout_ms)
{
    struct buf packed;
    call->mail.kind = &answer_mail;
    call->gateway = gateway;
    buf_init(&packed, PACKED_MAXIMUM);
    enum status status = wire_pack(&packed, message);
    if (status == STATUS_OK)
        status = publish(gateway, call, subject, buf_slice(&packed), timeout_ms);
    if (packed.data && call->secret)
        explicit_bzero(packed.data, packed.length);
    buf_done(&packed);
    if (status == STATUS_OK)
        count_in_flight(gateway, 1);
    else
        call->kind->free(call);
    return status;
}

static void act_on_answer(struct gateway *gateway, struct mail *mail)
{
    struct service_call *call = (struct service_call *)mail;
    count_in_flight(gateway, -1);
    call->kind->answered(gateway, call);
    call->kind->free(call);
}

static void dispose_call(struct mail *mail)
{
    struct service_call *call = (struct service_call *)mail;
    call->kind->free(call);
}
