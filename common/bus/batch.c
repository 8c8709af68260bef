/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Items are packed one behind the other: the concatenation is a Batch.
 */
#include "common/bus/batch.h"

#include <string.h>

#include "batch.pb-c.h"

#define FIELD_ID     1
#define FIELD_BODY   2
#define ITEM_MAXIMUM WIRE_MAXIMUM_BYTES

enum status batch_append(struct buf *batch, struct buf *item, uint64_t id, struct slice body)
{
    buf_clear(item);
    enum status status = wire_append_integer(item, FIELD_ID, id);
    if (status == STATUS_OK)
        status = wire_append_bytes(item, FIELD_BODY, body);
    return status == STATUS_OK ? wire_append_bytes(batch, FIELD_BATCH_ITEMS, buf_slice(item)) : status;
}

void batch_answers_init(struct batch_answers *answers, batch_respond_fn *respond, void *context)
{
    answers->respond = respond;
    answers->context = context;
    answers->reply_length = 0;
    answers->arena = (struct wire_arena){0};
    buf_init(&answers->items, BATCH_BYTES + ITEM_MAXIMUM);
    buf_init(&answers->item, ITEM_MAXIMUM);
}

void batch_answers_done(struct batch_answers *answers)
{
    buf_done(&answers->items);
    buf_done(&answers->item);
    wire_arena_done(&answers->arena);
}

void batch_answers_flush(struct batch_answers *answers)
{
    if (answers->items.length > 0)
        answers->respond(answers->context, slice_make(answers->reply, answers->reply_length),
                         answers->items.data, answers->items.length);
    buf_clear(&answers->items);
}

static bool same_asker(const struct batch_answers *answers, struct slice reply)
{
    return slice_equal(reply, slice_make(answers->reply, answers->reply_length));
}

enum status batch_answers_add(struct batch_answers *answers, struct slice reply, uint64_t id,
                              struct slice answer)
{
    if (id == 0) {
        answers->respond(answers->context, reply, answer.data, answer.length);
        return STATUS_OK;
    }
    if (reply.length > sizeof(answers->reply))
        return STATUS_MALFORMED;
    if (answers->items.length > 0 && (!same_asker(answers, reply) || answers->items.length > BATCH_BYTES))
        batch_answers_flush(answers);
    memcpy(answers->reply, reply.data, reply.length);
    answers->reply_length = reply.length;
    size_t before = answers->items.length;
    enum status status = batch_append(&answers->items, &answers->item, id, answer);
    if (status != STATUS_OK)
        answers->items.length = before;
    return status;
}

enum status batch_read(struct batch_answers *answers, struct slice reply, struct slice bytes,
                       batch_take_fn *take, void *context)
{
    const ProtobufCMessage *message = NULL;
    enum status status = wire_unpack(&answers->arena, &pollen8__batch__descriptor, bytes, &message);
    if (status != STATUS_OK)
        return status;
    const Pollen8__Batch *batch = (const Pollen8__Batch *)message;
    if (batch->n_items == 0 && reply.length > 0)
        answers->respond(answers->context, reply, "", 0);
    for (size_t i = 0; i < batch->n_items; i++)
        take(context, reply, batch->items[i]->id,
             slice_make(batch->items[i]->body.data, batch->items[i]->body.len));
    batch_answers_flush(answers);
    wire_arena_reset(&answers->arena);
    return STATUS_OK;
}
