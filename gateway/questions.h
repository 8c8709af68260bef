/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests to services, asked and answered on the loop thread over a connection of their own: no thread is
 * woken for one, all that a turn asks leaves in one write, and answers are read many at a time. Apart from
 * the connection that frames come over, so that no answer waits behind frames. Where there is no such
 * connection (BROKER_READER, reader.h) or it is not up, the sender and the bus do it.
 *
 * Memory: about 100 bytes a question that awaits its answer. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_QUESTIONS_H
#define POLLEN8_GATEWAY_QUESTIONS_H

#include "../common/bus.h"

struct gateway;
struct questions; /* opaque */

/* After the reader, which says whether the loop may have connections. Connects in the background. */
enum status questions_create(struct gateway *gateway, struct questions **ret_questions);

/* As sender_request, but the callback comes on the loop thread or one of the bus's. At most as many await
 * their answers as the bus takes: STATUS_FULL. STATUS_PAYLOAD_TOO_LARGE, STATUS_NO_MEMORY. */
enum status questions_ask(struct questions *questions, const char *subject, struct slice data, bool secret,
                          uint32_t timeout_ms, bus_reply_fn *callback, void *context);

/* Once a turn, at its end: sends what the turn has asked. NULL is accepted. */
void questions_turn(struct questions *questions);

/* What awaits an answer ends with STATUS_DISCONNECTED. The loop must turn once more for the handles; then
 * only questions_free. NULL is accepted. */
void questions_stop(struct questions *questions);
void questions_free(struct questions *questions);

#endif
