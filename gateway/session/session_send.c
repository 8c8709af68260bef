/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * frame -> meant for this session? news to it? -> its queue -> flushed by its transport at the end of the
 * turn. If the queue is full, the session catches up later or is closed.
 *
 * Versions: the newest version of each coalesce key that a session has been sent, one in place and further
 * ones in a list. A version is noted once its frame is in the queue, so that a frame that found no room is
 * news again. What the client had before the session began is not known; its first snapshot is newer than all
 * of that.
 */
#include "session/session_send.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "session/session.h"
#include "session/session_events.h"
#include "session/sessions.h"

#define SLOW_ALLOWANCE 16384 /* for acks and heartbeats of a client whose queue is full */

/* ---- versions ----------------------------------------------------------------------------------------- */

/* The version the session has of this key; NULL: none yet. */
static struct session_version *find_version(struct session *session, uint64_t coalesce)
{
    if (session->version_count > 0 && session->version.coalesce == coalesce)
        return &session->version;
    for (int i = 0; i < session->version_count - 1; i++)
        if (session->versions[i].coalesce == coalesce)
            return &session->versions[i];
    return NULL;
}

/* The same, made if there is none; NULL when out of memory. At the bound the oldest makes room. */
static struct session_version *version_of(struct session *session, uint64_t coalesce)
{
    struct session_version *known = find_version(session, coalesce);
    if (known)
        return known;
    if (session->version_count == 0) {
        session->version = (struct session_version){.coalesce = coalesce};
        session->version_count = 1;
        return &session->version;
    }
    if (!session->versions)
        session->versions = calloc(SESSION_VERSIONS_MAXIMUM - 1, sizeof(*session->versions));
    if (!session->versions)
        return NULL;
    if (session->version_count == SESSION_VERSIONS_MAXIMUM) {
        memmove(session->versions, session->versions + 1,
                (SESSION_VERSIONS_MAXIMUM - 2) * sizeof(*session->versions));
        session->version_count--;
    }
    struct session_version *added = &session->versions[session->version_count++ - 1];
    *added = (struct session_version){.coalesce = coalesce};
    return added;
}

bool session_has(struct session *session, const struct frame_rule *rule)
{
    const struct session_version *had = find_version(session, rule->coalesce);
    return had && had->epoch == rule->epoch && had->version == rule->version;
}

bool session_is_news(struct session *session, const struct frame_rule *rule)
{
    if (!rule->coalesce || (!rule->epoch && !rule->version))
        return true;
    if (!session->valued)
        return false;
    const struct session_version *had = find_version(session, rule->coalesce);
    return !had || rule->epoch > had->epoch || (rule->epoch == had->epoch && rule->version > had->version);
}

void session_note_had(struct session *session, const struct frame_rule *rule)
{
    if (!rule->coalesce || (!rule->epoch && !rule->version))
        return;
    struct session_version *had = version_of(session, rule->coalesce);
    if (!had)
        return;
    had->epoch = rule->epoch;
    had->version = rule->version;
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static bool is_meant(const struct session *session, const struct frame *frame)
{
    return !frame->namespace || slice_equal_string(session_namespace(session), frame->namespace);
}

/* Frames that do not simply wait in the queue: a volatile frame that would have to wait is dropped; a frame
 * that asks is made for each session. */
static bool take_apart(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    if (frame->is_volatile && !session->ops->writable(session)) {
        metrics_add(gateway->metrics, METRIC_VOLATILE_DROPPED, 1);
        return true;
    }
    if (frame->ask)
        gateway->events->ask(gateway, session, frame);
    return frame->ask != NULL;
}

bool session_send(struct gateway *gateway, struct session *session, struct frame *frame)
{
    if (session->state == SESSION_CLOSING)
        return false;
    if (!is_meant(session, frame) || !session_is_news(session, &frame->rule) ||
        take_apart(gateway, session, frame))
        return true;
    enum frame_format format = (enum frame_format)session->format;
    uint32_t maximum = (uint32_t)gateway->settings->session_queue_bytes;
    if (session->write_ms) /* what the socket's own buffer holds is our responsibility too */
        maximum -= maximum / 4;
    enum status status = outq_push(&session->outq, frame, format, maximum);
    if (status == STATUS_FULL) { /* the socket may take more than this turn has tried to write */
        session->ops->flush(gateway, session);
        if (session->state == SESSION_CLOSING)
            return false;
        if (session->slow)
            maximum += SLOW_ALLOWANCE;
        status = outq_push(&session->outq, frame, format, maximum);
    }
    if (status == STATUS_OK) {
        session_note_had(session, &frame->rule);
        session_mark_dirty(gateway, session);
    } else if (status != STATUS_FULL || !gateway->events->full(gateway, session, frame)) {
        session_close(gateway, session, status == STATUS_FULL ? CAUSE_SLOW : CAUSE_MEMORY);
    }
    return status == STATUS_OK;
}

void session_send_messages(struct gateway *gateway, struct session *session, struct slice payload,
                           const struct attachments *attachments)
{
    enum frame_format format = (enum frame_format)session->format;
    struct frame *frame = NULL;
    if (frame_create_messages(format, formats[format].opcode, payload, attachments, &frame) == STATUS_OK)
        session_send(gateway, session, frame);
    else
        session_close(gateway, session, CAUSE_MEMORY);
    frame_unref(frame);
}

void session_send_message(struct gateway *gateway, struct session *session, struct slice payload)
{
    session_send_messages(gateway, session, payload, NULL);
}

/* ---- the transport ------------------------------------------------------------------------------------ */

void session_change_transport(struct gateway *gateway, struct session *session,
                              const struct transport_ops *ops, void *transport)
{
    metric_subtract(measure_cell(gateway->metrics, session->ops->label), 1);
    session->ops = ops;
    session->transport = transport;
    metric_add(measure_cell(gateway->metrics, ops->label), 1);
    if (session->outq.count)
        session_mark_dirty(gateway, session);
}

void session_wrote(struct gateway *gateway, struct session *session, bool all)
{
    uint64_t due = all ? 0 : gateway->now_ms + (uint64_t)gateway->settings->write_timeout;
    if (due != session->write_ms) {
        session->write_ms = due;
        session_rearm(gateway, session);
    }
}
