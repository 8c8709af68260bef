/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The submit path: pollen8.in.<event> (queue `value-svc`) -> checked -> may this session? -> stream -> ack.
 * The ack says: stored by JetStream. Its data is {} or, where the stream had the same eventId within its own
 * two minutes, {"duplicate":true}. No answer from the stream, or a refusal: UNAVAILABLE, and the client does
 * not know whether it was stored (the same eventId again is safe).
 *
 * Works on the bus's delivery thread and never blocks it; the number of submissions under way is bounded by
 * the bus's outstanding requests, beyond which UNAVAILABLE.
 */
#ifndef POLLEN8_VALUE_SVC_SUBMIT_INTAKE_H
#define POLLEN8_VALUE_SVC_SUBMIT_INTAKE_H

#include "identity.pb-c.h"
#include "service/service.h"

struct intake; /* opaque */

enum status intake_create(struct service *service, struct intake **ret_intake);

/* Waits until every submission under way is answered, at most timeout_ms. Main thread, after bus_drain. */
void intake_finish(struct intake *intake, int64_t timeout_ms);

/* After bus_free, which ends what is still outstanding. NULL is accepted. */
void intake_free(struct intake *intake);

/* Whether the session may submit the event: STATUS_OK or STATUS_FORBIDDEN. With permission for its own alone
 * the subject must be its own user id, and the industries among its own; an import is never. Pure. */
enum status intake_authorise(const struct event *event, const Pollen8__Identity *identity);

#endif
