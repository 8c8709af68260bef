/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * frame -> a number and a deadline in the session's list -> the event in the session's format -> the client's
 * answer, or the deadline, or the session's end -> ClientAnswer -> sender ~> reply subject.
 */
#include "ingress/client_ask.h"

#include <stdlib.h>
#include <string.h>

#include "frame.pb-c.h"

#include "base/gateway.h"
#include "broker/sender.h"
#include "codec/format.h"
#include "common/wire.h"
#include "frame/frame_ask.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/session_extra.h"
#include "session/session_send.h"

#define MESSAGE_MAXIMUM (4u * 1024 * 1024)

struct ask {
    struct ask *next;
    struct session *session;
    uint64_t number;
    struct wheel_timer timer;
    char reply[];
};

/* ---- to the service ----------------------------------------------------------------------------------- */

static void publish(struct gateway *gateway, const struct session *session, const char *reply,
                    Pollen8__ClientAnswer *answer, enum gateway_label result)
{
    answer->session = (char *)(uintptr_t)session->id;
    if (session->identity)
        answer->user_id = session->identity->message.user_id;
    enum status status = sender_publish_message(gateway->sender, reply, NULL, &answer->base);
    gateway_count(gateway, status == STATUS_OK ? result : LABEL_ASKS_DROPPED);
}

static void publish_error(struct gateway *gateway, const struct session *session, const char *reply,
                          enum status status, const char *text, enum gateway_label result)
{
    Pollen8__ClientAnswer answer = POLLEN8__CLIENT_ANSWER__INIT;
    Pollen8__Error error = POLLEN8__ERROR__INIT;
    error.code = (char *)(uintptr_t)status_code(status);
    error.message = (char *)(uintptr_t)text;
    answer.result_case = POLLEN8__CLIENT_ANSWER__RESULT_ERROR;
    answer.error = &error;
    publish(gateway, session, reply, &answer, result);
}

static void publish_data(struct gateway *gateway, const struct session *session, const char *reply,
                         struct slice array, const struct attachments *attachments)
{
    Pollen8__ClientAnswer answer = POLLEN8__CLIENT_ANSWER__INIT;
    ProtobufCBinaryData list[ATTACHMENTS_MAXIMUM];
    answer.result_case = POLLEN8__CLIENT_ANSWER__RESULT_DATA;
    answer.data = wire_borrow(array);
    answer.n_attachments = attachments_borrow(attachments, list);
    answer.attachments = list;
    publish(gateway, session, reply, &answer, LABEL_ASKS_ANSWERED);
}

/* ---- the list ----------------------------------------------------------------------------------------- */

static void ask_free(struct gateway *gateway, struct ask *ask)
{
    timer_wheel_cancel(gateway->wheel, &ask->timer);
    free(ask);
}

/* Takes the ask out of the list of those awaited; NULL: not in it. */
static struct ask *take(struct session *session, uint64_t number)
{
    struct session_extra *extra = session->extra;
    struct ask **link = extra ? &extra->asks : NULL;
    while (link && *link && (*link)->number != number)
        link = &(*link)->next;
    struct ask *ask = link ? *link : NULL;
    if (ask) {
        *link = ask->next;
        extra->ask_count--;
    }
    return ask;
}

static void too_late(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct ask *ask = TIMER_OWNER(timer, struct ask, timer);
    (void)take(ask->session, ask->number);
    publish_error(gateway, ask->session, ask->reply, STATUS_UNAVAILABLE, "the client did not answer in time",
                  LABEL_ASKS_TIMEOUT);
    ask_free(gateway, ask);
}

enum status client_ask_resume(struct gateway *gateway, struct session *session, uint64_t number,
                              const char *reply, uint32_t left_ms)
{
    struct session_extra *extra = session_extra(session);
    size_t size = strlen(reply) + 1;
    struct ask *ask = extra ? calloc(1, sizeof(*ask) + size) : NULL;
    if (!ask)
        return STATUS_NO_MEMORY;
    ask->session = session;
    ask->number = number;
    memcpy(ask->reply, reply, size);
    ask->timer.fire = too_late;
    ask->next = extra->asks;
    extra->asks = ask;
    extra->ask_count++;
    timer_wheel_arm(gateway->wheel, &ask->timer, gateway->now_ms + left_ms);
    return STATUS_OK;
}

static enum status add(struct gateway *gateway, struct session *session, const struct frame_ask *wanted,
                       uint64_t *ret_number)
{
    struct session_extra *extra = session_extra(session);
    if (extra && extra->ask_count >= ASKS_MAXIMUM)
        return STATUS_FULL;
    if (!extra)
        return STATUS_NO_MEMORY;
    *ret_number = ++extra->asked;
    return client_ask_resume(gateway, session, *ret_number, wanted->reply, wanted->timeout_ms);
}

void client_asks_each(const struct gateway *gateway, const struct session *session,
                      void (*callback)(void *context, uint64_t number, const char *reply, uint32_t left_ms),
                      void *context)
{
    for (const struct ask *ask = session->extra ? session->extra->asks : NULL; ask; ask = ask->next) {
        uint64_t due_ms = ask->timer.due_tick * TIMER_WHEEL_TICK_MS;
        callback(context, ask->number, ask->reply,
                 due_ms > gateway->now_ms ? (uint32_t)(due_ms - gateway->now_ms) : 0);
    }
}

void client_asks_forget(struct gateway *gateway, struct session *session)
{
    while (session->extra && session->extra->asks)
        ask_free(gateway, take(session, session->extra->asks->number));
}

/* ---- to the client ------------------------------------------------------------------------------------ */

static void send(struct gateway *gateway, struct session *session, const struct frame *frame, uint64_t number)
{
    const struct format_ops *format = &formats[session->format];
    struct client_event event = frame_event(frame);
    struct buf message;
    event.ask = number;
    event.offset = (struct slice){0};
    buf_init(&message, MESSAGE_MAXIMUM);
    if (format->append_event(&message, session_namespace(session), &event) == STATUS_OK)
        session_send_messages(gateway, session, buf_slice(&message),
                              format->attachments_follow ? frame->attachments : NULL);
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&message);
}

void client_ask_send(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    uint64_t number = 0;
    enum status status = add(gateway, session, frame->ask, &number);
    if (status == STATUS_OK)
        send(gateway, session, frame, number);
    else if (status == STATUS_FULL)
        publish_error(gateway, session, frame->ask->reply, STATUS_RATE_LIMITED,
                      "the client has too many questions to answer", LABEL_ASKS_REFUSED);
    else
        session_close(gateway, session, CAUSE_MEMORY);
}

bool client_ask_answered(struct gateway *gateway, struct session *session, uint64_t number,
                         struct slice array, const struct attachments *attachments)
{
    struct client_reason reason = {{0}};
    struct ask *ask = take(session, number);
    if (!ask)
        return false;
    enum status status = client_data_check(array, &reason);
    if (status == STATUS_OK)
        publish_data(gateway, session, ask->reply, array, attachments);
    else
        publish_error(gateway, session, ask->reply,
                      status == STATUS_INVALID_PAYLOAD ? status : STATUS_INTERNAL,
                      reason.text[0] ? reason.text : status_message(STATUS_INTERNAL), LABEL_ASKS_INVALID);
    ask_free(gateway, ask);
    return true;
}

void client_asks_end(struct gateway *gateway, struct session *session)
{
    while (session->extra && session->extra->asks) {
        struct ask *ask = take(session, session->extra->asks->number);
        publish_error(gateway, session, ask->reply, STATUS_UNAVAILABLE, "the session has ended",
                      LABEL_ASKS_ENDED);
        ask_free(gateway, ask);
    }
}
