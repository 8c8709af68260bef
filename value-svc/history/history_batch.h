/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Many readers of histories at once: what each has missed, with every room read once, from the smallest
 * position wanted.
 *
 *   history_batch_begin, history_batch_add..., history_batch_read, history_batch_answer for each
 *
 * A reader already has an entry if it has reached the entry's number, or the number under which the entry was
 * published before. An event may be in the history several times (its publisher died). If the reader has any
 * of them, all are left out; else all are given, under one event id, because only the asker knows which of
 * them arrives live. The order is that of the stamps, within a lane that of the numbers.
 *
 * Bounds: HISTORY_QUERIES questions and HISTORY_ROOMS rooms per batch; an answer of HISTORY_FRAMES frames and
 * HISTORY_BYTES. A larger answer is reported as incomplete. One thread.
 */
#ifndef POLLEN8_VALUE_SVC_HISTORY_HISTORY_BATCH_H
#define POLLEN8_VALUE_SVC_HISTORY_HISTORY_BATCH_H

#include "common/buf.h"
#include "presence.pb-c.h"
#include "records/store_history.h"

#define HISTORY_QUERIES     256
#define HISTORY_ROOMS       1024
#define HISTORY_FRAMES      1000
#define HISTORY_BYTES       (512 * 1024)
#define HISTORY_ROOMS_EACH  256 /* industries, and as many users, of one question */
#define HISTORY_LANES       64  /* of a position */
#define HISTORY_REPLY_BYTES (HISTORY_BYTES + 64)

struct history_batch; /* opaque */

enum status history_batch_create(struct history_batch **ret_batch);
void history_batch_free(struct history_batch *batch); /* NULL is accepted */

/* What holds for all questions of the batch. */
struct history_now {
    uint64_t epoch;
    int64_t whole_from_ms; /* store_world's */
    int64_t wall_ms;
    int64_t window_ms;
    int64_t length;
};
void history_batch_begin(struct history_batch *batch, const struct history_now *now);

/* Adds a question; nothing of it is borrowed. STATUS_FULL: it no longer fits, read first.
 * STATUS_INVALID_PAYLOAD: it can never be answered. */
enum status history_batch_add(struct history_batch *batch, const Pollen8__HistoryRead *read,
                              size_t *ret_index);

size_t history_batch_rooms(const struct history_batch *batch); /* different ones, to be read */

/* One of them, as history_batch_read found it. */
const struct store_room *history_batch_room(const struct history_batch *batch, size_t index);

/* May be called again after a failure. */
enum status history_batch_read(struct history_batch *batch, struct store *store);

/* Appends the packed HistoryReply. *ret_result: "complete" or the reason. */
enum status history_batch_answer(struct history_batch *batch, size_t index, struct buf *buf,
                                 const char **ret_result);

#endif
