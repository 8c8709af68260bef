/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * questions -> rooms, each with a list of its askers -> entries, given to those who lack them -> sorted, each
 * frame once -> reply. An entry's bytes are copied once, for the first who wants it.
 */
#include "history/history_batch.h"

#include <stdlib.h>

#include "common/industry.h"
#include "common/names.h"
#include "common/wire.h"
#include "event/delivery.h"
#include "history/history_question.h"

#define NAME_SIZE     INDUSTRY_NORMALISED_SIZE
#define SLOTS         (4 * HISTORY_ROOMS)  /* a power of two */
#define WANTS_MAXIMUM (16 * HISTORY_ROOMS) /* pairs of a question and a room */
#define FOUND_MAXIMUM 262144
#define BYTES_MAXIMUM (64U * 1024 * 1024) /* of all frames that somebody wants */
#define BYTES_KEPT    (1U << 20)          /* memory kept from batch to batch */
#define UPDATE_BYTES  2048
#define NONE          UINT32_MAX

/* Numbers of the fields of HistoryReply and HistoryFrames. */
#define FIELD_REPLY_FRAMES 1
#define FIELD_FRAMES       1
#define FIELD_COMPLETE     2
#define FIELD_REASON       3
#define FIELD_MOMENT       4

struct room {
    char name[NAME_SIZE];
    enum store_room_kind kind;
    uint32_t first_want; /* NONE: nobody asks */
};

/* A question asks for a room. */
struct want {
    uint64_t
        had; /* lanes of the position, bit n is lanes[n]: the room holds an entry of it that the asker has */
    uint64_t until; /* no entry with a higher number in a user's history; 0: all */
    uint32_t query;
    uint32_t next; /* of the same room; NONE: the last */
};

struct history_batch {
    struct history_now now;
    int64_t moment_ms; /* as of which it was read */
    size_t question_count;
    size_t room_count;
    size_t want_count;
    uint32_t found_count;
    struct history_question *questions;
    struct room *rooms;
    struct store_room *reads;
    struct want *wants;
    struct history_found *found;
    uint32_t *slots; /* rooms by hash of name and kind; NONE: free */
    struct buf bytes;
    struct buf data; /* of a network.update */
    struct wire_arena arena;
};

enum status history_batch_create(struct history_batch **ret_batch)
{
    struct history_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return STATUS_NO_MEMORY;
    batch->questions = calloc(HISTORY_QUERIES, sizeof(*batch->questions));
    batch->rooms = calloc(HISTORY_ROOMS, sizeof(*batch->rooms));
    batch->reads = calloc(HISTORY_ROOMS, sizeof(*batch->reads));
    batch->wants = calloc(WANTS_MAXIMUM, sizeof(*batch->wants));
    batch->found = calloc(FOUND_MAXIMUM, sizeof(*batch->found));
    batch->slots = calloc(SLOTS, sizeof(*batch->slots));
    buf_init(&batch->bytes, BYTES_MAXIMUM);
    buf_init(&batch->data, UPDATE_BYTES);
    if (!batch->questions || !batch->rooms || !batch->reads || !batch->wants || !batch->found ||
        !batch->slots) {
        history_batch_free(batch);
        return STATUS_NO_MEMORY;
    }
    *ret_batch = batch;
    return STATUS_OK;
}

void history_batch_free(struct history_batch *batch)
{
    if (!batch)
        return;
    free(batch->questions);
    free(batch->rooms);
    free(batch->reads);
    free(batch->wants);
    free(batch->found);
    free(batch->slots);
    buf_done(&batch->bytes);
    buf_done(&batch->data);
    wire_arena_done(&batch->arena);
    free(batch);
}

void history_batch_begin(struct history_batch *batch, const struct history_now *now)
{
    batch->now = *now;
    batch->question_count = 0;
    batch->room_count = 0;
    batch->want_count = 0;
    batch->found_count = 0;
    memset(batch->slots, 0xff, SLOTS * sizeof(*batch->slots));
    if (batch->bytes.capacity > BYTES_KEPT)
        buf_done(&batch->bytes);
    buf_clear(&batch->bytes);
}

size_t history_batch_rooms(const struct history_batch *batch)
{
    return batch->room_count;
}

const struct store_room *history_batch_room(const struct history_batch *batch, size_t index)
{
    return &batch->reads[index];
}

/* ---- questions -------------------------------------------------------------------------------------- */

/* The room's index; adds the room if needed. The caller made sure of the space. */
static uint32_t take_room(struct history_batch *batch, enum store_room_kind kind, const char *name)
{
    size_t slot = (size_t)hash64(name, strlen(name), kind) % SLOTS;
    struct room *room;
    for (; batch->slots[slot] != NONE; slot = (slot + 1) % SLOTS) {
        room = &batch->rooms[batch->slots[slot]];
        if (room->kind == kind && strcmp(room->name, name) == 0)
            return batch->slots[slot];
    }
    batch->slots[slot] = (uint32_t)batch->room_count;
    room = &batch->rooms[batch->room_count];
    room->kind = kind;
    room->first_want = NONE;
    memcpy(room->name, name, strlen(name) + 1);
    batch->reads[batch->room_count] =
        (struct store_room){.kind = kind, .name = room->name, .from_ms = INT64_MAX};
    return (uint32_t)batch->room_count++;
}

static void want_room(struct history_batch *batch, uint32_t query, enum store_room_kind kind,
                      const char *name, uint64_t until)
{
    struct history_question *question = &batch->questions[query];
    uint32_t index = take_room(batch, kind, name);
    question->rooms[question->room_count++] = index;
    batch->wants[batch->want_count] =
        (struct want){.until = until, .query = query, .next = batch->rooms[index].first_want};
    batch->rooms[index].first_want = (uint32_t)batch->want_count++;
    if (question->from_ms < batch->reads[index].from_ms)
        batch->reads[index].from_ms = question->from_ms;
}

static bool names_valid(char *const *names, size_t count, size_t maximum_bytes)
{
    if (count > HISTORY_ROOMS_EACH)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (length == 0 || length > maximum_bytes)
            return false;
    }
    return true;
}

enum status history_batch_add(struct history_batch *batch, const Pollen8__HistoryRead *read,
                              size_t *ret_index)
{
    struct history_question *question = &batch->questions[batch->question_count];
    size_t rooms = read->n_industries + read->n_user_ids;
    uint32_t index = (uint32_t)batch->question_count;
    if (!question_position_valid(read->after) ||
        !names_valid(read->industries, read->n_industries, NAME_SIZE - 1) ||
        !names_valid(read->user_ids, read->n_user_ids, ID_MAXIMUM_BYTES) ||
        (read->n_user_until != 0 && read->n_user_until != read->n_user_ids))
        return STATUS_INVALID_PAYLOAD;
    if (index == HISTORY_QUERIES || batch->room_count + rooms > HISTORY_ROOMS ||
        batch->want_count + rooms > WANTS_MAXIMUM)
        return STATUS_FULL;
    question_begin(question, read, &batch->now);
    question->first_want = (uint32_t)batch->want_count;
    for (size_t i = 0; i < read->n_industries && !question->reason; i++)
        want_room(batch, index, ROOM_INDUSTRY, read->industries[i], 0);
    for (size_t i = 0; i < read->n_user_ids && !question->reason; i++)
        want_room(batch, index, ROOM_USER, read->user_ids[i], read->n_user_until ? read->user_until[i] : 0);
    batch->question_count++;
    *ret_index = index;
    return STATUS_OK;
}

/* ---- entries ---------------------------------------------------------------------------------------- */

/* The frame of a user's entry, as it was published. */
static enum status pack_user(struct history_batch *batch, const char *user_id,
                             const struct store_entry *entry)
{
    const struct delivery_sent sent = {.lane = entry->lane,
                                       .user = entry->number,
                                       .effects = EFFECT_USER,
                                       .stamp_us = entry->stamp_us,
                                       .epoch = batch->now.epoch,
                                       .user_sequence = entry->user_sequence,
                                       .first_lane = entry->first_lane,
                                       .first_user = entry->first_number};
    const struct delivery_value value = {
        .sum = entry->sum, .epoch = batch->now.epoch, .version = entry->version};
    Pollen8__OutboundFrame update = POLLEN8__OUTBOUND_FRAME__INIT;
    enum status status;
    if (entry->frame.length > 0) {
        status = buf_append(&batch->bytes, entry->frame.data, entry->frame.length);
    } else {
        status = delivery_update_frame(user_id, &value, &batch->data, &update);
        update.event_id = entry->event_id;
        if (status == STATUS_OK)
            status = wire_pack(&batch->bytes, &update.base);
    }
    return status == STATUS_OK ? delivery_pack_sent(&sent, EFFECT_USER, &batch->bytes) : status;
}

/* Copies the entry's frame; NONE if there is no space for it. */
static uint32_t keep(struct history_batch *batch, uint32_t room, const struct store_entry *stored,
                     const struct history_found *found)
{
    size_t at = batch->bytes.length;
    if (batch->found_count == FOUND_MAXIMUM)
        return NONE;
    enum status status;
    if (batch->rooms[room].kind == ROOM_USER)
        status = pack_user(batch, batch->rooms[room].name, stored);
    else
        status = buf_append(&batch->bytes, stored->frame.data, stored->frame.length);
    if (status != STATUS_OK) {
        batch->bytes.length = at;
        return NONE;
    }
    batch->found[batch->found_count] = *found;
    batch->found[batch->found_count].at = (uint32_t)at;
    batch->found[batch->found_count].length = (uint32_t)(batch->bytes.length - at);
    return batch->found_count++;
}

static bool read_entry(struct history_batch *batch, uint32_t room, const struct store_entry *stored,
                       struct history_entry *entry)
{
    if (batch->rooms[room].kind == ROOM_USER) {
        *entry = (struct history_entry){.found = {.stamp_us = stored->stamp_us,
                                                  .number = stored->number,
                                                  .event_id = stored->event_id,
                                                  .lane = stored->lane},
                                        .stored_ms = stored->stored_ms,
                                        .first_lane = stored->first_lane,
                                        .first_number = stored->first_number};
        return stored->lane != 0;
    }
    const ProtobufCMessage *message = NULL;
    if (wire_unpack(&batch->arena, &pollen8__outbound_frame__descriptor, stored->frame, &message) !=
        STATUS_OK)
        return false;
    const Pollen8__OutboundFrame *frame = (const Pollen8__OutboundFrame *)message;
    *entry = (struct history_entry){.found = {.stamp_us = frame->published_at_us,
                                              .number = frame->lane_sequence,
                                              .event_id = frame->event_id,
                                              .lane = frame->lane},
                                    .stored_ms = stored->stored_ms,
                                    .first_lane = frame->first_lane,
                                    .first_number = frame->first_lane_sequence};
    return true;
}

/* A room holds a lane's entries in order. If it still holds one that the asker has, then the asker has all
 * dropped entries of that lane too. */
static void note_had(struct history_batch *batch, uint32_t room, const struct history_found *found)
{
    for (uint32_t want = batch->rooms[room].first_want; want != NONE; want = batch->wants[want].next)
        batch->wants[want].had |=
            question_had_lanes(&batch->questions[batch->wants[want].query], found->lane, found->number);
}

static void on_batch_entry(void *context, size_t room, const struct store_entry *stored)
{
    struct history_batch *batch = context;
    struct history_entry entry;
    if (!read_entry(batch, (uint32_t)room, stored, &entry))
        return;
    note_had(batch, (uint32_t)room, &entry.found);
    uint32_t kept = NONE;
    for (uint32_t want = batch->rooms[room].first_want; want != NONE; want = batch->wants[want].next) {
        struct history_question *question = &batch->questions[batch->wants[want].query];
        if (batch->wants[want].until != 0 && stored->user_sequence > batch->wants[want].until)
            continue;
        if (!question_wants(question, &entry))
            continue;
        if (kept == NONE)
            kept = keep(batch, (uint32_t)room, stored, &entry.found);
        if (kept == NONE)
            question->reason = "size";
        else
            question_give(question, batch->found, kept);
    }
}

/* Whether no entry that the asker may lack was dropped from the room: everything dropped was stored before
 * the position, or the asker has an older entry of each lane in which something may be missing. */
static bool room_whole(const struct history_batch *batch, const struct history_question *question,
                       size_t index)
{
    const struct store_room *room = &batch->reads[question->rooms[index]];
    uint64_t had = batch->wants[question->first_want + index].had;
    return store_room_whole(room, question->from_ms, batch->now.length) ||
           (!room->broken && question->missed && (had & question->missed) == question->missed);
}

enum status history_batch_read(struct history_batch *batch, struct store *store)
{
    /* An earlier try may have failed half-way. */
    for (size_t i = 0; i < batch->question_count; i++) {
        batch->questions[i].found_count = 0;
        batch->questions[i].dropped_count = 0;
    }
    for (size_t i = 0; i < batch->want_count; i++)
        batch->wants[i].had = 0;
    batch->found_count = 0;
    buf_clear(&batch->bytes);
    uint64_t epoch = 0;
    enum status status =
        store_read(store, batch->reads, batch->room_count, on_batch_entry, batch, &batch->moment_ms, &epoch);

    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < batch->question_count; i++) {
        struct history_question *question = &batch->questions[i];
        for (size_t room = 0; room < question->room_count && !question->reason; room++) {
            if (!room_whole(batch, question, room))
                question->reason = batch->reads[question->rooms[room]].broken ? "broken" : "length";
        }
        if (epoch != batch->now.epoch)
            question->reason = "epoch"; /* emptied, or restarted, just now */
    }
    return STATUS_OK;
}

/* ---- answers ---------------------------------------------------------------------------------------- */

/* HistoryFrames, whole; STATUS_FULL: more than HISTORY_BYTES. */
static enum status append_frames(struct history_batch *batch, struct history_question *question,
                                 struct buf *buf)
{
    question_compact(question, batch->found);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < question->found_count && status == STATUS_OK; i++) {
        const struct history_found *found = &batch->found[question->found[i]];
        status =
            wire_append_bytes(buf, FIELD_FRAMES, slice_make(batch->bytes.data + found->at, found->length));
        if (status == STATUS_OK && buf->length > HISTORY_BYTES)
            status = STATUS_FULL;
    }
    return status == STATUS_OK ? wire_append_integer(buf, FIELD_COMPLETE, 1) : status;
}

enum status history_batch_answer(struct history_batch *batch, size_t index, struct buf *buf,
                                 const char **ret_result)
{
    struct history_question *question = &batch->questions[index];
    struct buf frames;
    buf_init(&frames, 2 * HISTORY_BYTES);
    enum status status = STATUS_OK;
    if (!question->reason)
        status = append_frames(batch, question, &frames);
    if (status == STATUS_FULL) {
        question->reason = "size";
        status = STATUS_OK;
    }
    if (status == STATUS_OK && question->reason) {
        buf_clear(&frames);
        status = wire_append_bytes(&frames, FIELD_REASON, slice_from_string(question->reason));
    }
    if (status == STATUS_OK)
        status = wire_append_integer(&frames, FIELD_MOMENT,
                                     (uint64_t)(question->until_ms ? question->until_ms : batch->moment_ms));
    if (status == STATUS_OK)
        status = wire_append_bytes(buf, FIELD_REPLY_FRAMES, buf_slice(&frames));
    buf_done(&frames);
    *ret_result = question->reason ? question->reason : "complete";
    return status;
}
