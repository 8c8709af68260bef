/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room submit/: events that clients submit, and answers to gateways. Input: InboundFrames from gateways.
 * Output: Event messages into the stream, and acks, session replies and refusals (reply.h) back to the
 * gateways.
 *
 * This file: pollen8.in.<event> (queue `value-svc`) -> checked -> may this session? -> stream -> ack. The ack
 * means: stored by JetStream. Its data is {}, or {"duplicate":true} if the stream received the same eventId
 * within its own two minutes. If the stream refuses, or does not answer, the answer is UNAVAILABLE; the
 * client then does not know whether the event was stored, and may safely repeat the same eventId.
 *
 * Works on the bus's delivery thread and never blocks it. The bus's limit of outstanding requests also limits
 * the submissions in progress; beyond it the answer is UNAVAILABLE.
 */
#ifndef POLLEN8_VALUE_SVC_SUBMIT_INTAKE_H
#define POLLEN8_VALUE_SVC_SUBMIT_INTAKE_H

#include "identity.pb-c.h"
#include "service/service.h"

struct intake; /* opaque */

enum status intake_create(struct service *service, struct intake **ret_intake);

/* Waits until every submission in progress is answered, at most timeout_ms. Main thread, after bus_drain. */
void intake_finish(struct intake *intake, int64_t timeout_ms);

/* After bus_free, which ends what is still outstanding. NULL is accepted. */
void intake_free(struct intake *intake);

/* Whether the session may submit the event: STATUS_OK or STATUS_FORBIDDEN. With a permission for its own
 * events only, the subject must be its own user id and the industries its own; an import is
 * never allowed. Pure. */
enum status intake_authorise(const struct event *event, const Pollen8__Identity *identity);

#endif
