/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One XADD a batch: s = "first-last first-last ..."; read whole, once after Redis was another one.
 */
#include "store_handled.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "store_internal.h"

#define STORE_KEY_HANDLED "p8:handled"
#define RUN_BYTES         44
#define SPAN_MAXIMUM      (1U << 20) /* events looked at */
#define READ_ONCE         "1000"     /* notes */
#define ID_SIZE           48

/* ---- Writing ---------------------------------------------------------------------------------------- */

enum status store_send_handled(struct store *store, const uint64_t *sequences, size_t count)
{
    char oldest[24];
    struct buf text;
    enum status status = STATUS_OK;

    buf_init(&text, (count + 1) * RUN_BYTES);
    for (size_t i = 0, next = 0; i < count && status == STATUS_OK; i = next) {
        for (next = i + 1; next < count && sequences[next] == sequences[next - 1] + 1; next++)
            ;
        status = buf_append_format(&text, "%" PRIu64 "-%" PRIu64 " ", sequences[i], sequences[next - 1]);
    }
    snprintf(oldest, sizeof oldest, "%" PRId64, clock_wall_ms() - HANDLED_KEPT_MS);
    if (status == STATUS_OK)
        status = store_send_slices(store,
                                   (const struct slice[]){
                                       SLICE_LITERAL("XADD"),
                                       SLICE_LITERAL(STORE_KEY_HANDLED),
                                       SLICE_LITERAL("MINID"),
                                       SLICE_LITERAL("~"),
                                       slice_from_string(oldest),
                                       SLICE_LITERAL("*"),
                                       SLICE_LITERAL("s"),
                                       buf_slice(&text),
                                   },
                                   8);
    else
        status = store_fail(store, "out of memory for a note");
    buf_done(&text);
    return status;
}

/* ---- Reading ---------------------------------------------------------------------------------------- */

struct span {
    uint64_t after;
    uint64_t until;
    uint8_t *noted; /* one an event */
    size_t count;   /* of those that are */
};

static void mark(struct span *span, uint64_t first, uint64_t last)
{
    if (first <= span->after)
        first = span->after + 1;
    if (last > span->until)
        last = span->until;
    for (uint64_t i = first; i <= last; i++) {
        span->count += span->noted[i - span->after - 1] == 0;
        span->noted[i - span->after - 1] = 1;
    }
}

static void mark_note(struct span *span, const char *text)
{
    char *end = NULL;

    for (;;) {
        uint64_t first = strtoull(text, &end, 10);
        uint64_t last;

        if (end == text || *end != '-')
            return;
        text = end + 1;
        last = strtoull(text, &end, 10);
        if (end == text)
            return;
        mark(span, first, last);
        text = end;
    }
}

/* [id, ["s", text]]...; the last one's id is where to go on, "" at the end. */
static void mark_notes(struct span *span, const redisReply *reply, char id[ID_SIZE])
{
    id[0] = '\0';
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *entry = reply->element[i];
        const redisReply *fields;

        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2)
            continue;
        fields = entry->element[1];
        snprintf(id, ID_SIZE, "(%s", entry->element[0]->str);
        if (fields->type == REDIS_REPLY_ARRAY && fields->elements == 2)
            mark_note(span, fields->element[1]->str);
    }
}

static enum status read_notes(struct store *store, struct span *span)
{
    char from[ID_SIZE] = "-";
    enum status status = STATUS_OK;

    while (status == STATUS_OK && from[0] != '\0') {
        redisReply *reply = NULL;

        status = store_send(
            store, (const char *const[]){"XRANGE", STORE_KEY_HANDLED, from, "+", "COUNT", READ_ONCE, NULL});
        if (status == STATUS_OK)
            status = store_receive(store, &reply);
        if (status != STATUS_OK)
            return status;
        mark_notes(span, reply, from);
        freeReplyObject(reply);
    }
    store_measure(store);
    return status;
}

enum status store_handled(struct store *store, uint64_t after, uint64_t until, bool *ret_all)
{
    struct span span = {.after = after, .until = until};
    enum status status;

    *ret_all = until == after;
    if (until <= after || until - after > SPAN_MAXIMUM)
        return STATUS_OK;
    span.noted = calloc(until - after, 1);
    if (!span.noted)
        return STATUS_OK; /* as too many */
    status = read_notes(store, &span);
    *ret_all = status == STATUS_OK && span.count == until - after;
    free(span.noted);
    return status;
}
