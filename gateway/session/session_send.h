/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sending to one client: through its queue, in the format that it speaks, and never an older version of a
 * value after a newer one. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_SESSION_SEND_H
#define POLLEN8_GATEWAY_SESSION_SESSION_SEND_H

#include <stdbool.h>

#include "common/slice.h"
#include "frame/frame.h"

struct attachments;
struct gateway;
struct session;
struct transport_ops;

/* Queues the frame (a reference is taken), unless the session has been sent this version or a newer one. If
 * the queue is full, session_events.full gives the frame later, or the session is closed. False: there was no
 * room for the frame. */
bool session_send(struct gateway *gateway, struct session *session, struct frame *frame);

/* session_is_news: whether a frame with this rule is news to the session. The other notes that the frame is
 * in the queue. */
bool session_is_news(struct session *session, const struct frame_rule *rule);
void session_note_had(struct session *session, const struct frame_rule *rule);
/* Whether exactly this version is the newest that it has been sent. */
bool session_has(struct session *session, const struct frame_rule *rule);

/* Queues a message of the session's own format; the bytes are copied. Attachments (may be NULL) follow it as
 * binary messages. Closes the session when out of memory. */
void session_send_message(struct gateway *gateway, struct session *session, struct slice payload);
void session_send_messages(struct gateway *gateway, struct session *session, struct slice payload,
                           const struct attachments *attachments);

/* Whatever is queued goes over the new transport. The old one is the caller's to free. */
void session_change_transport(struct gateway *gateway, struct session *session,
                              const struct transport_ops *ops, void *transport);

/* The socket has taken something (false) or everything that it held. */
void session_wrote(struct gateway *gateway, struct session *session, bool all);

#endif
