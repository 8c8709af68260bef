/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * sessions, what they wait for, what waits for them -> message, which borrows from them
 */
#include "base/gateway.h"
#include "cluster/move/session_move.h"
#include "codec/sio_assembly.h"
#include "common/clock.h"
#include "common/wire.h"
#include "frame/progress.h"
#include "ingress/client_ask.h"
#include "recovery/catchup.h"
#include "session/session.h"
#include "session/session_extra.h"
#include "transport/namespace.h"

static uint32_t left(const struct gateway *gateway, uint64_t due_ms)
{
    return due_ms > gateway->now_ms ? (uint32_t)(due_ms - gateway->now_ms) : 1;
}

static uint64_t rate_missing(const struct gateway *gateway, const struct token_bucket *bucket)
{
    uint64_t back = (gateway->now_ms - bucket->updated_ms) * gateway->event_rule.per_minute;
    return bucket->missing > back ? bucket->missing - back : 0;
}

static enum status fill_versions(struct pack_arena *pack_arena, const struct session *session,
                                 Pollen8__MovedSession *moved)
{
    moved->versions = (Pollen8__MovedVersion **)pack_arena_take_list(pack_arena, session->version_count,
                                                                     sizeof(Pollen8__MovedVersion));
    if (!moved->versions)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < session->version_count; i++) {
        const struct session_version *version = i ? &session->versions[i - 1] : &session->version;
        Pollen8__MovedVersion *to = moved->versions[moved->n_versions++];
        pollen8__moved_version__init(to);
        to->coalesce = version->coalesce;
        to->epoch = version->epoch;
        to->version = version->version;
    }
    return STATUS_OK;
}

static enum status fill_catchup(struct pack_arena *pack_arena, const struct session *session,
                                Pollen8__MovedSession *moved)
{
    const struct catchup *catchup = session->catchup;
    if (!catchup)
        return STATUS_OK;
    moved->had = catchup->had.list;
    moved->n_had = catchup->had.count;
    if (catchup->stage != CATCHUP_SLOW)
        return STATUS_OK;
    struct position_message *position = pack_arena_take(pack_arena, sizeof(*position));
    if (!position)
        return STATUS_NO_MEMORY;
    position_to_message(&catchup->claim, position);
    moved->slow_after = &position->message;
    return STATUS_OK;
}

static void fill_ask(void *context, uint64_t number, const char *reply, uint32_t left_ms)
{
    Pollen8__MovedSession *moved = context;
    Pollen8__MovedAsk *ask = moved->asks[moved->n_asks++];
    pollen8__moved_ask__init(ask);
    ask->number = number;
    ask->reply = (char *)(uintptr_t)reply;
    ask->left_ms = left_ms;
}

static enum status fill_asks(const struct gateway *gateway, struct pack_arena *pack_arena,
                             const struct session *session, Pollen8__MovedSession *moved)
{
    if (!session->extra)
        return STATUS_OK;
    moved->asked = session->extra->asked;
    moved->asks = (Pollen8__MovedAsk **)pack_arena_take_list(pack_arena, session->extra->ask_count,
                                                             sizeof(Pollen8__MovedAsk));
    if (!moved->asks)
        return STATUS_NO_MEMORY;
    client_asks_each(gateway, session, fill_ask, moved);
    return STATUS_OK;
}

static enum status fill_session(struct gateway *gateway, struct pack_arena *pack_arena,
                                struct session *session, Pollen8__MovedSession *moved)
{
    pollen8__moved_session__init(moved);
    moved->name_space = (char *)(uintptr_t)session_namespace_text(session);
    moved->rate_missing = rate_missing(gateway, &session->events);
    moved->refused_in_a_row = session->refused_in_a_row;
    moved->snapshots_left = session->snapshots_left;
    if (session->state != SESSION_OPEN && session->deadline_ms)
        moved->deadline_ms = left(gateway, session->deadline_ms);
    if (session->pid)
        moved->pid = session->pid;
    moved->wants_kept = session->wants_kept;
    enum status status = fill_catchup(pack_arena, session, moved);
    if (status == STATUS_OK)
        status = fill_asks(gateway, pack_arena, session, moved);
    return status ? status : fill_versions(pack_arena, session, moved);
}

static void fill_frame(struct frame *frame, Pollen8__MovedFrame *moved)
{
    struct wire *wire = frame->wires[FRAME_SOCKETIO];
    pollen8__moved_frame__init(moved);
    moved->wire.data = wire->bytes;
    moved->wire.len = wire->length;
    moved->coalesce = frame->rule.coalesce;
    moved->epoch = frame->rule.epoch;
    moved->version = frame->rule.version;
    moved->event_id = frame->event_id;
    moved->keep = frame->keep;
    moved->offset.data = (uint8_t *)frame->offset;
    moved->offset.len = frame->offset_length;
}

static enum status fill_frames(struct pack_arena *pack_arena, const struct session *carrier,
                               Pollen8__SessionMove *move)
{
    move->frames = (Pollen8__MovedFrame **)pack_arena_take_list(pack_arena, carrier->outq.count,
                                                                sizeof(Pollen8__MovedFrame));
    if (!move->frames)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < carrier->outq.count; i++)
        fill_frame(outq_frames(&carrier->outq)[i], move->frames[move->n_frames++]);
    return STATUS_OK;
}

static enum status fill_half(struct pack_arena *pack_arena, const struct session *carrier,
                             Pollen8__SessionMove *move)
{
    const struct sio_assembly *assembly = carrier->extra ? carrier->extra->assembly : NULL;
    if (!assembly)
        return STATUS_OK;
    struct attachments parts = sio_assembly_attachments(assembly);
    move->half_parts = pack_arena_take(pack_arena, ATTACHMENTS_MAXIMUM * sizeof(*move->half_parts));
    if (!move->half_parts)
        return STATUS_NO_MEMORY;
    struct slice text = sio_assembly_text(assembly);
    move->half = wire_borrow(text);
    move->half_attachments = (uint32_t)sio_assembly_wanted(assembly);
    move->n_half_parts = attachments_borrow(&parts, move->half_parts);
    return STATUS_OK;
}

void session_move_position(const struct gateway *gateway, struct position_message *ret_position)
{
    struct position position = *progress_position(gateway->progress);
    int64_t now_ms = clock_wall_ms();
    position.time_ms = now_ms > position.since_ms ? now_ms : position.since_ms;
    position_to_message(&position, ret_position);
}

static enum status fill_position(const struct gateway *gateway, struct pack_arena *pack_arena,
                                 Pollen8__SessionMove *move)
{
    struct position_message *position = pack_arena_take(pack_arena, sizeof(*position));
    if (!position)
        return STATUS_NO_MEMORY;
    session_move_position(gateway, position);
    move->position = &position->message;
    return STATUS_OK;
}

enum status session_move_pack(struct gateway *gateway, struct pack_arena *pack_arena, struct session *carrier,
                              Pollen8__SessionMove *ret_move)
{
    pollen8__session_move__init(ret_move);
    ret_move->sessions = (Pollen8__MovedSession **)pack_arena_take_list(
        pack_arena, session_move_size(carrier), sizeof(Pollen8__MovedSession));
    enum status status = ret_move->sessions ? STATUS_OK : STATUS_NO_MEMORY;
    struct session *one = carrier;
    do {
        if (status == STATUS_OK && one != carrier)
            one->ops->flush(gateway, one); /* into the carrier's queue */
        if (status == STATUS_OK)
            status = fill_session(gateway, pack_arena, one, ret_move->sessions[ret_move->n_sessions++]);
    } while ((one = namespace_next(carrier, one)));
    if (status == STATUS_OK)
        status = fill_frames(pack_arena, carrier, ret_move);
    if (status == STATUS_OK)
        status = fill_half(pack_arena, carrier, ret_move);
    if (status == STATUS_OK)
        status = fill_position(gateway, pack_arena, ret_move);
    ret_move->awaiting_pong = carrier->awaiting_pong;
    ret_move->heartbeat_ms = left(gateway, carrier->heartbeat.due_tick * TIMER_WHEEL_TICK_MS);
    return status;
}
