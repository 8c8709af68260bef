/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * loop: message packed -> questions ~> service
 * loop, or where it is large the delivery thread: answer unpacked, its kind takes what it wants -> mailbox
 * (reply lane)
 * loop: its kind acts
 */
#include "inquiry.h"

#include "gateway.h"
#include "questions.h"
#include "reader.h"

#define PACKED_MAXIMUM (1u * 1024 * 1024)

static void on_answer(void *context, enum status status, const struct bus_message *message)
{
    struct inquiry *inquiry = context;
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

enum status inquiry_send(struct gateway *gateway, struct inquiry *inquiry, const char *subject,
                         const ProtobufCMessage *message, uint32_t timeout_ms)
{
    struct buf packed;
    inquiry->mail.kind = MAIL_INQUIRY;
    inquiry->gateway = gateway;
    buf_init(&packed, PACKED_MAXIMUM);
    enum status status = wire_pack(&packed, message);
    if (status == STATUS_OK)
        status = inquiry->follows ? reader_request(gateway->reader, subject, buf_slice(&packed),
                                                   inquiry->large, timeout_ms, on_answer, inquiry)
                                  : questions_ask(gateway->questions, subject, buf_slice(&packed), false,
                                                  timeout_ms, on_answer, inquiry);
    buf_done(&packed);
    if (status == STATUS_OK)
        count_in_flight(gateway, 1);
    else
        inquiry->kind->free(inquiry);
    return status;
}

void inquiry_answer(struct gateway *gateway, struct mail *mail)
{
    struct inquiry *inquiry = (struct inquiry *)mail;
    count_in_flight(gateway, -1);
    inquiry->kind->answered(gateway, inquiry);
    inquiry->kind->free(inquiry);
}

void inquiry_dispose(struct mail *mail)
{
    struct inquiry *inquiry = (struct inquiry *)mail;
    inquiry->kind->free(inquiry);
}
