/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message -> sessions, their queue, then what was held for them here and is beyond its position
 */
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "cluster/move/session_move.h"
#include "codec/sio_assembly.h"
#include "ingress/client_ask.h"
#include "recovery/catchup_live.h"
#include "recovery/catchup_read.h"
#include "session/session.h"
#include "session/session_extra.h"
#include "transport/namespace.h"

static enum status take_versions(struct session *session, const Pollen8__MovedSession *moved)
{
    size_t count = moved->n_versions;
    if (count > SESSION_VERSIONS_MAXIMUM)
        return STATUS_MALFORMED;
    session->version_count = 0;
    if (count > 1 && !session->versions) {
        session->versions = calloc(SESSION_VERSIONS_MAXIMUM - 1, sizeof(*session->versions));
        if (!session->versions)
            return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const Pollen8__MovedVersion *from = moved->versions[i];
        struct session_version *to = i ? &session->versions[i - 1] : &session->version;
        *to = (struct session_version){from->coalesce, from->epoch, from->version};
        session->version_count++;
    }
    session->valued = count > 0;
    return STATUS_OK;
}

static enum status take_pid(struct session *session, const char *pid)
{
    if (!pid[0])
        return STATUS_OK;
    session->pid = strdup(pid);
    return session->pid ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status take_asks(struct gateway *gateway, struct session *session,
                             const Pollen8__MovedSession *moved)
{
    struct session_extra *extra = moved->asked ? session_extra(session) : NULL;
    enum status status = STATUS_OK;
    if (!moved->asked)
        return STATUS_OK;
    if (!extra)
        return STATUS_NO_MEMORY;
    extra->asked = moved->asked;
    for (size_t i = 0; status == STATUS_OK && i < moved->n_asks && i < ASKS_MAXIMUM; i++)
        status = client_ask_resume(gateway, session, moved->asks[i]->number, moved->asks[i]->reply,
                                   moved->asks[i]->left_ms);
    return status;
}

static enum status take_session(struct gateway *gateway, struct session *session,
                                const Pollen8__MovedSession *moved)
{
    outq_clear(&session->outq); /* at most a snapshot, which will be requested again */
    session->events = (struct token_bucket){gateway->now_ms, moved->rate_missing};
    session->refused_in_a_row = (uint16_t)moved->refused_in_a_row;
    session->wants_kept = moved->wants_kept;
    if (session->state == SESSION_OPEN) {
        session->snapshots_left = moved->snapshots_left > 0 ? (uint8_t)moved->snapshots_left : 1;
        session->snapshot_ms = gateway->now_ms + 1; /* also tells value-svc where it is */
    } else {
        session->deadline_ms = moved->deadline_ms ? gateway->now_ms + moved->deadline_ms : 0;
    }
    session_rearm(gateway, session);
    enum status status = take_pid(session, moved->pid);
    if (status == STATUS_OK)
        status = take_asks(gateway, session, moved);
    return status ? status : take_versions(session, moved);
}

static enum status take_frame(struct session *carrier, const Pollen8__MovedFrame *moved)
{
    struct frame *frame = NULL;
    enum status status =
        frame_create_wire(FRAME_SOCKETIO, slice_make(moved->wire.data, moved->wire.len), &frame);
    if (status != STATUS_OK)
        return status;
    frame->rule = (struct frame_rule){moved->coalesce, moved->epoch, moved->version};
    frame->event_id = moved->event_id;
    frame->keep = moved->keep;
    frame_set_offset(frame, slice_make(moved->offset.data, moved->offset.len));
    status = outq_push(&carrier->outq, frame, FRAME_SOCKETIO, UINT32_MAX);
    frame_unref(frame);
    return status;
}

static enum status take_half(struct gateway *gateway, struct session *carrier,
                             const Pollen8__SessionMove *move)
{
    struct session_extra *extra = NULL;
    if (move->half.len == 0)
        return STATUS_OK;
    if (move->half_attachments == 0 || move->half_attachments > ATTACHMENTS_MAXIMUM ||
        move->n_half_parts >= move->half_attachments)
        return STATUS_MALFORMED;
    extra = session_extra(carrier);
    if (!extra)
        return STATUS_NO_MEMORY;
    enum status status =
        sio_assembly_create(slice_make(move->half.data, move->half.len), move->half_attachments,
                            (size_t)gateway->settings->max_payload, &extra->assembly);
    for (size_t i = 0; status == STATUS_OK && i < move->n_half_parts; i++)
        status =
            sio_assembly_add(extra->assembly, slice_make(move->half_parts[i].data, move->half_parts[i].len));
    return status;
}

static enum status take_all(struct gateway *gateway, struct session *carrier,
                            const Pollen8__SessionMove *move)
{
    enum status status = move->n_sessions > 0 ? STATUS_OK : STATUS_MALFORMED;
    for (size_t i = 0; status == STATUS_OK && i < move->n_sessions; i++) {
        struct session *session = session_move_find(carrier, move->sessions[i]->name_space);
        status = session ? take_session(gateway, session, move->sessions[i]) : STATUS_NOT_FOUND;
    }
    for (size_t i = 0; status == STATUS_OK && i < move->n_frames; i++)
        status = take_frame(carrier, move->frames[i]);
    return status ? status : take_half(gateway, carrier, move);
}

/* Gives what has come here since the rooms were joined, if it is new. May close the session. */
static void give_held(struct gateway *gateway, struct session *session, const Pollen8__MovedSession *moved,
                      const struct position *left_at)
{
    struct position last;
    if (!session || session->state != SESSION_OPEN || !session->catchup)
        return;
    for (size_t i = 0; i < moved->n_had; i++)
        catchup_note_had(gateway, session, moved->had[i]);
    if (moved->slow_after && position_from_message(moved->slow_after, &last) == STATUS_OK)
        catchup_arrived_slow(gateway, session, &last);
    else
        catchup_arrived(gateway, session, left_at);
}

enum status session_move_unpack(struct gateway *gateway, struct session *carrier,
                                const Pollen8__SessionMove *move)
{
    struct position position;
    enum status status = move->position ? position_from_message(move->position, &position) : STATUS_MALFORMED;
    if (status == STATUS_OK)
        status = take_all(gateway, carrier, move);
    if (status != STATUS_OK)
        return status;
    carrier->awaiting_pong = move->awaiting_pong;
    timer_wheel_arm(gateway->wheel, &carrier->heartbeat, gateway->now_ms + move->heartbeat_ms);
    for (size_t i = 0; i < move->n_sessions && carrier->state != SESSION_CLOSING; i++)
        give_held(gateway, session_move_find(carrier, move->sessions[i]->name_space), move->sessions[i],
                  &position);
    return STATUS_OK;
}

void session_move_asked(struct session *carrier)
{
    for (struct session *one = carrier; one; one = namespace_next(carrier, one))
        catchup_asked(one);
}
