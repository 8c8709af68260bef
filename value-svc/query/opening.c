/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * SessionOpen -> opening -> (store) -> SessionOpenReply, and SessionEvict to who had the pid.
 */
#include "query/opening.h"

#include "common/bus/subject.h"
#include "peer.pb-c.h"

#define ANSWER_MAXIMUM 524288
#define EVICT_MAXIMUM  1024
#define ROOMS_MAXIMUM  64
#define ENDED_AT_ONCE  128

/* A gateway that names no lease reports its sessions twice a day. */
#define LEASE_MAXIMUM_MS (INT64_C(25) * 3600 * 1000)

/* Numbers of the fields of SessionOpenReply and SessionOpened. */
#define FIELD_OPENED 1
#define FIELD_KEPT   5

/* ---- reading ---------------------------------------------------------------------------------------- */

static bool take_text(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length >= size)
        return false;
    memcpy(out, text, length + 1);
    return true;
}

/* Names of industries contain no newline: they are clean. */
static bool take_rooms(struct opening *opening, const Pollen8__SessionOpen *open)
{
    opening->rooms_length = 0;
    for (size_t i = 0; i < open->n_industries; i++) {
        size_t length = strlen(open->industries[i]);
        if (opening->rooms_length + length + 1 > sizeof(opening->rooms))
            return false;
        if (i > 0)
            opening->rooms[opening->rooms_length++] = '\n';
        memcpy(opening->rooms + opening->rooms_length, open->industries[i], length);
        opening->rooms_length += length;
    }
    return true;
}

enum status opening_read(struct wire_arena *arena, struct slice bytes, struct opening *opening)
{
    const ProtobufCMessage *message = NULL;
    enum status status = wire_unpack(arena, &pollen8__session_open__descriptor, bytes, &message);
    if (status != STATUS_OK)
        return STATUS_INVALID_PAYLOAD;
    const Pollen8__SessionOpen *open = (const Pollen8__SessionOpen *)message;
    if (!id_valid(slice_from_string(open->user_id)) ||
        !take_text(opening->user_id, sizeof(opening->user_id), open->user_id) ||
        !take_text(opening->session, sizeof(opening->session), open->session))
        return STATUS_INVALID_PAYLOAD;
    opening->purpose = open->purpose;
    opening->narrowed = open->narrowed;
    opening->fresh = open->fresh;
    opening->lease_ms = open->lease_ms;
    opening->rooms_length = 0;
    if (open->narrowed && !take_rooms(opening, open))
        return STATUS_INVALID_PAYLOAD;
    opening->gateway[0] = opening->pid[0] = '\0';
    if (event_name_valid(slice_from_string(open->gateway)))
        take_text(opening->gateway, sizeof(opening->gateway), open->gateway);
    if (store_pid_valid(slice_from_string(open->pid)))
        take_text(opening->pid, sizeof(opening->pid), open->pid);
    return STATUS_OK;
}

static int64_t lease(const struct opening *opening)
{
    return opening->lease_ms > 0 && opening->lease_ms < LEASE_MAXIMUM_MS ? opening->lease_ms
                                                                         : LEASE_MAXIMUM_MS;
}

void opening_ask(const struct opening *opening, int64_t history_window_ms, struct store_opening *ret_asked)
{
    *ret_asked = (struct store_opening){.kind = OPENING_SNAPSHOT,
                                        .user_id = opening->user_id,
                                        .pid = opening->pid,
                                        .gateway = opening->gateway,
                                        .session = opening->session,
                                        .expires_ms = lease(opening) + history_window_ms,
                                        .narrowed = opening->narrowed,
                                        .fresh = opening->fresh,
                                        .rooms = slice_make(opening->rooms, opening->rooms_length)};
    if (opening->purpose == POLLEN8__SESSION_OPEN__PURPOSE__RECOVER)
        ret_asked->kind = OPENING_CLAIM;
    else if (opening->purpose == POLLEN8__SESSION_OPEN__PURPOSE__RECORD)
        ret_asked->kind = OPENING_RECORD;
}

enum status opening_ended(struct store *store, struct wire_arena *arena, struct slice bytes,
                          int64_t history_window_ms)
{
    wire_arena_reset(arena);
    const ProtobufCMessage *unpacked = NULL;
    enum status status = wire_unpack(arena, &pollen8__sessions_ended__descriptor, bytes, &unpacked);
    if (status != STATUS_OK)
        return status;
    const Pollen8__SessionsEnded *message = (const Pollen8__SessionsEnded *)unpacked;
    struct store_ended ended[ENDED_AT_ONCE];
    size_t count = 0;
    for (size_t i = 0; i < message->n_ended && status == STATUS_OK; i++) {
        if (store_pid_valid(slice_from_string(message->ended[i]->pid)))
            ended[count++] =
                (struct store_ended){.session = message->ended[i]->session, .pid = message->ended[i]->pid};
        if (count == ENDED_AT_ONCE || i + 1 == message->n_ended) {
            status = store_sessions_ended(store, message->gateway, ended, count, history_window_ms);
            count = 0;
        }
    }
    return status;
}

/* ---- answering -------------------------------------------------------------------------------------- */

/* protobuf-c's fields are not const; packing does not write to them. */
static char *unconst(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* Splits a copy of the rooms in place. */
static size_t split(char *text, char *rooms[ROOMS_MAXIMUM])
{
    char *rest = text;
    size_t count = 0;
    char *room;
    while (count < ROOMS_MAXIMUM && (room = strsep(&rest, "\n")) != NULL) {
        if (room[0] != '\0')
            rooms[count++] = room;
    }
    return count;
}

static enum status pack_opened(const struct store_opened *opened, uint64_t epoch,
                               const Pollen8__OutboundFrame *snapshot, struct buf *buf)
{
    char text[OPENING_ROOMS_SIZE + 1];
    size_t length = opened->rooms.length < sizeof(text) ? opened->rooms.length : 0;
    if (length > 0)
        memcpy(text, opened->rooms.data, length);
    text[length] = '\0';
    Pollen8__SessionOpened message = POLLEN8__SESSION_OPENED__INIT;
    message.snapshot = (Pollen8__OutboundFrame *)(uintptr_t)snapshot;
    message.known = opened->known;
    message.narrowed = opened->narrowed;
    char *rooms[ROOMS_MAXIMUM];
    message.n_industries = split(text, rooms);
    message.industries = rooms;
    message.history_epoch = epoch;
    enum status status = wire_pack(buf, &message.base);
    for (size_t i = 0; i < opened->kept_count && status == STATUS_OK; i++)
        status = wire_append_bytes(buf, FIELD_KEPT, opened->kept[i]);
    return status;
}

static void evict(struct bus *bus, const struct opening *opening, const struct store_opened *opened)
{
    char session[OPENING_ID_SIZE];
    char subject[SUBJECT_SIZE];
    if ((slice_equal_string(opened->gateway, opening->gateway) &&
         slice_equal_string(opened->session, opening->session)) ||
        opened->session.length >= sizeof(session) ||
        subject_make(subject, SUBJECT_GATEWAY, opened->gateway) != STATUS_OK)
        return;
    memcpy(session, opened->session.data, opened->session.length);
    session[opened->session.length] = '\0';
    Pollen8__SessionEvict evicted = POLLEN8__SESSION_EVICT__INIT;
    evicted.session = session;
    evicted.pid = unconst(opening->pid);
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_EVICT;
    message.evict = &evicted;
    struct buf buf;
    buf_init(&buf, EVICT_MAXIMUM);
    if (wire_pack(&buf, &message.base) == STATUS_OK)
        bus_publish(bus, subject, buf.data, buf.length);
    buf_done(&buf);
}

enum status opening_answer(struct bus *bus, struct batch_answers *answers, const struct opening *opening,
                           const struct store_opened *opened, uint64_t epoch,
                           const Pollen8__OutboundFrame *snapshot)
{
    if (opening->purpose == POLLEN8__SESSION_OPEN__PURPOSE__RECOVER && opened->known)
        evict(bus, opening, opened);
    if (opening->reply.length == 0)
        return STATUS_OK;
    struct buf message;
    buf_init(&message, ANSWER_MAXIMUM);
    struct buf reply;
    buf_init(&reply, ANSWER_MAXIMUM);
    enum status status = pack_opened(opened, epoch, snapshot, &message);
    if (status == STATUS_OK)
        status = wire_append_bytes(&reply, FIELD_OPENED, buf_slice(&message));
    if (status == STATUS_OK)
        status = batch_answers_add(answers, opening->reply, opening->id, buf_slice(&reply));
    buf_done(&message);
    buf_done(&reply);
    return status;
}
