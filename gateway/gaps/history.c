/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * query -> pollen8.history.read ~> value-svc ~> frames made on the delivery thread -> put in order -> the
 * caller's `done`
 */
#include "gaps/history.h"

#include <stdlib.h>
#include <string.h>

#include "presence.pb-c.h"

#include "base/gateway.h"
#include "broker/delivery.h"
#include "broker/service_call.h"
#include "common/bus/subject.h"
#include "frame/position.h"

struct reading {
    struct service_call call;
    history_fn *done;
    uint64_t context;
    struct history_answer answer;
};

/* ---- order -------------------------------------------------------------------------------------------- */

struct place {
    struct delivery *delivery;
    size_t index;
};

static int compare(const void *a, const void *b)
{
    const struct place *one = a;
    const struct place *two = b;
    const struct lane_mark *first = &one->delivery->mark;
    const struct lane_mark *second = &two->delivery->mark;
    if (first->lane != second->lane)
        return first->lane < second->lane ? -1 : 1;
    if (first->sequence != second->sequence)
        return first->sequence < second->sequence ? -1 : 1;
    return one->index < two->index ? -1 : 1;
}

/* The first frame of the lane that has not been placed yet. */
static struct place *next_of(struct place *sorted, size_t count, uint32_t lane)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle].delivery->mark.lane < lane)
            low = middle + 1;
        else
            high = middle;
    }
    /* `index` of a lane's first place counts those already placed */
    return &sorted[low];
}

enum status history_order(struct delivery **frames, size_t count)
{
    struct place *sorted = count ? calloc(count, sizeof(*sorted)) : NULL;
    if (count && !sorted)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct place){.delivery = frames[i], .index = i};
    if (count)
        qsort(sorted, count, sizeof(*sorted), compare);
    for (size_t i = 0; i < count; i++)
        sorted[i].index = 0;
    for (size_t i = 0; i < count; i++) {
        struct place *first = next_of(sorted, count, frames[i]->mark.lane);
        frames[i] = (first + first->index++)->delivery;
    }
    free(sorted);
    return STATUS_OK;
}

/* ---- the request -------------------------------------------------------------------------------------- */

static void reading_free(struct service_call *call)
{
    struct reading *reading = (struct reading *)call;
    for (size_t i = 0; i < reading->answer.count; i++)
        delivery_free(reading->answer.frames[i]);
    free(reading->answer.frames);
    free(reading);
}

static enum status take(struct service_call *call, const ProtobufCMessage *unpacked)
{
    struct history_answer *answer = &((struct reading *)call)->answer;
    const Pollen8__HistoryReply *reply = (const Pollen8__HistoryReply *)unpacked;
    if (reply->result_case != POLLEN8__HISTORY_REPLY__RESULT_FRAMES)
        return STATUS_UNAVAILABLE;
    const Pollen8__HistoryFrames *frames = reply->frames;
    answer->complete = frames->complete;
    answer->moment_ms = frames->moment_ms;
    answer->by_room = strcmp(frames->reason, "length") == 0 || strcmp(frames->reason, "size") == 0;
    if (!frames->complete || !frames->n_frames)
        return STATUS_OK;
    answer->frames = calloc(frames->n_frames, sizeof(struct delivery *));
    if (!answer->frames)
        return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < frames->n_frames; i++) {
        status = delivery_make(frames->frames[i], &answer->frames[i]);
        answer->count += status == STATUS_OK;
    }
    return status ? status : history_order(answer->frames, answer->count);
}

static void answered(struct gateway *gateway, struct service_call *call)
{
    struct reading *reading = (struct reading *)call;
    reading->answer.status = call->status;
    gateway_count(gateway, call->status != STATUS_OK  ? LABEL_HISTORY_READS_FAILED
                           : reading->answer.complete ? LABEL_HISTORY_READS_COMPLETE
                                                      : LABEL_HISTORY_READS_INCOMPLETE);
    reading->done(gateway, reading->context, &reading->answer);
}

static const struct service_call_kind kind = {
    .descriptor = &pollen8__history_reply__descriptor,
    .take = take,
    .answered = answered,
    .free = reading_free,
};

enum status history_read(struct gateway *gateway, const struct history_query *query, history_fn *done,
                         uint64_t context)
{
    Pollen8__HistoryRead message = POLLEN8__HISTORY_READ__INIT;
    struct position_message after;
    struct reading *reading = calloc(1, sizeof(*reading));
    if (!reading)
        return STATUS_NO_MEMORY;
    reading->call.kind = &kind;
    reading->call.follows = true;
    reading->call.large = true;
    reading->done = done;
    reading->context = context;
    position_to_message(query->after, &after);
    message.gateway = gateway->settings->gateway_name;
    message.after = &after.message;
    message.n_industries = query->industry_count;
    message.industries = (char **)(uintptr_t)query->industries;
    message.n_user_ids = query->user_count;
    message.user_ids = (char **)(uintptr_t)query->users;
    if (query->user_until) {
        message.n_user_until = query->user_count;
        message.user_until = (uint64_t *)(uintptr_t)query->user_until;
    }
    message.n_missed_lanes = query->missed_count;
    message.missed_lanes = (uint32_t *)(uintptr_t)query->missed_lanes;
    message.deadline_ms = HISTORY_WAIT_MS;
    message.until_ms = query->until_ms;
    return service_call_send(gateway, &reading->call, SUBJECT_HISTORY_READ, &message.base, HISTORY_WAIT_MS);
}
