/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * loop: message packed -> questions ~> service
 * loop, or where it is large the delivery thread: answer unpacked, its kind takes what it wants -> mailbox
 * (reply lane)
 * loop: its kind acts
 */
#include "broker/service_call.h"

#include "base/gateway.h"
#include "broker/reader.h"
#include "broker/requests.h"

#define PACKED_MAXIMUM (1u * 1024 * 1024)

static void act_on_answer(struct gateway *gateway, struct mail *mail);
static void dispose_call(struct mail *mail);

static const struct mail_kind answer_mail = {.act = act_on_answer, .dispose = dispose_call};

static void on_answer(void *context, enum status status, const struct bus_message *message)
{
    struct service_call *inquiry = context;
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    if (status == STATUS_OK)
        status = wire_unpack(&arena, inquiry->kind->descriptor, message->data, &unpacked);
    if (status == STATUS_OK)
        status = inquiry->kind->take(inquiry, unpacked);
    inquiry->status = status;
    wire_arena_done(&arena);
    (void)mailbox_post(inquiry->gateway->mailbox, MAIL_REPLIES, &inquiry->mail); /* that lane is never full */
}

static void count_in_flight(struct gateway *gateway, int by)
{
    gateway->in_flight += (uint32_t)by;
    metrics_set(gateway->metrics, METRIC_REQUESTS_IN_FLIGHT, gateway->in_flight);
}

enum status service_call_send(struct gateway *gateway, struct service_call *inquiry, const char *subject,
                              const ProtobufCMessage *message, uint32_t timeout_ms)
{
    struct buf packed;
    inquiry->mail.kind = &answer_mail;
    inquiry->gateway = gateway;
    buf_init(&packed, PACKED_MAXIMUM);
    enum status status = wire_pack(&packed, message);
    if (status == STATUS_OK)
        status = inquiry->follows ? reader_request(gateway->reader, subject, buf_slice(&packed),
                                                   inquiry->large, timeout_ms, on_answer, inquiry)
                                  : requests_ask(gateway->questions, subject, buf_slice(&packed), false,
                                                 timeout_ms, on_answer, inquiry);
    buf_done(&packed);
    if (status == STATUS_OK)
        count_in_flight(gateway, 1);
    else
        inquiry->kind->free(inquiry);
    return status;
}

static void act_on_answer(struct gateway *gateway, struct mail *mail)
{
    struct service_call *inquiry = (struct service_call *)mail;
    count_in_flight(gateway, -1);
    inquiry->kind->answered(gateway, inquiry);
    inquiry->kind->free(inquiry);
}

static void dispose_call(struct mail *mail)
{
    struct service_call *inquiry = (struct service_call *)mail;
    inquiry->kind->free(inquiry);
}
