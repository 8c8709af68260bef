/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * gap -> rooms with members, in batches -> history.read, a few at a time ~> frames, gathered -> in the order
 * of their lanes -> egress takes them one by one -> the mailbox continues
 *
 * A batch with an incomplete answer is split, so that only rooms that miss something close.
 */
#include "gaps/gaps.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "base/mailbox.h"
#include "broker/delivery.h"
#include "broker/reader.h"
#include "common/clock.h"
#include "common/log.h"
#include "frame/progress.h"
#include "gaps/history.h"
#include "gaps/live_starts.h"
#include "gaps/room_names.h"
#include "rooms/rooms.h"
#include "rooms/users.h"
#include "session/session.h"

#define SETTLE_MS       200 /* time for the broker to know the subscriptions again */
#define RETRY_MS        300
#define ASKED_AT_ONCE   8
#define USER_WAIT_MS    150
#define BATCHES_MAXIMUM 65536

enum gap_stage { GAP_NONE, GAP_SETTLING, GAP_ASKING, GAP_GIVING };

struct batch {
    enum room_kind kind;
    size_t from, count;
};

struct gathered {
    struct delivery **frames; /* owned */
    size_t count, capacity;
};

struct gaps {
    struct wheel_timer timer;
    struct wheel_timer user_timer;
    enum gap_stage stage;
    bool again;               /* a gap everywhere follows when this one has ended */
    struct delivery *pending; /* owned: the delivery that showed the gap; NULL: everywhere */
    struct position after;
    /* All rooms are read as of one moment, which the first answer states: so all rooms return the frames of a
     * lane up to the same number. 0: not known yet. */
    int64_t moment_ms;
    struct room_names industries;
    struct room_names users;
    struct batch *batches; /* those still to be asked */
    size_t batch_count, batch_capacity;
    size_t asked; /* without an answer yet */
    uint64_t generation;
    uint64_t give_up_ms;
    struct gathered gathered;
    size_t given;
    size_t closed;              /* sessions */
    struct room_names suspects; /* users with gaps of their own, still to be checked */
    struct position suspects_after;
    struct room_names asked_users;               /* requested now */
    uint64_t asked_until[HISTORY_ROOMS_MAXIMUM]; /* anything newer comes live, or already has */
    struct position user_after;
    uint64_t user_give_up_ms;
    struct gathered user_gathered;
    size_t user_given;
};

/* A batch as a number, so that the answer shows which batch it is for. */
static uint64_t pack(const struct batch *batch, uint64_t generation)
{
    return (uint64_t)batch->from | (uint64_t)batch->count << 32 | (uint64_t)(batch->kind == ROOM_USER) << 47 |
           generation << 48;
}

static struct batch unpack(uint64_t packed)
{
    return (struct batch){.kind = packed >> 47 & 1 ? ROOM_USER : ROOM_INDUSTRY,
                          .from = (size_t)(packed & UINT32_MAX),
                          .count = (size_t)(packed >> 32 & 0x7fff)};
}

static void ask_more(struct gateway *gateway);

/* ---- the rooms ---------------------------------------------------------------------------------------- */

static void gather_room(void *context, const struct room *room)
{
    (void)room_names_add(context, room_key(room)); /* out of memory: the room is not asked for */
}

static bool push(struct gaps *gaps, struct batch batch)
{
    if (batch.count == 0)
        return true;
    if (gaps->batch_count == gaps->batch_capacity) {
        size_t capacity = gaps->batch_capacity ? gaps->batch_capacity * 2 : 16;
        struct batch *list =
            capacity <= BATCHES_MAXIMUM ? realloc(gaps->batches, capacity * sizeof(*list)) : NULL;
        if (!list)
            return false;
        gaps->batches = list;
        gaps->batch_capacity = capacity;
    }
    gaps->batches[gaps->batch_count++] = batch;
    return true;
}

static void push_all(struct gaps *gaps, enum room_kind kind, size_t count)
{
    for (size_t from = 0; from < count; from += HISTORY_ROOMS_MAXIMUM) {
        size_t left = count - from;
        (void)push(gaps,
                   (struct batch){.kind = kind,
                                  .from = from,
                                  .count = left < HISTORY_ROOMS_MAXIMUM ? left : HISTORY_ROOMS_MAXIMUM});
    }
}

static void close_room(struct gateway *gateway, enum room_kind kind, const char *name)
{
    struct room *room = rooms_find(gateway->rooms, kind, slice_from_string(name));
    for (uint32_t i = room ? room->count : 0; i > 0; i--) {
        if (i > room->count) /* closing one may close others, never add any */
            continue;
        session_close(gateway, room->members[i - 1], CAUSE_GAP); /* takes it out of all its rooms */
        gateway->gaps->closed++;
    }
}

static void close_batch(struct gateway *gateway, const struct batch *batch)
{
    const struct gaps *gaps = gateway->gaps;
    const struct room_names *list = batch->kind == ROOM_USER ? &gaps->users : &gaps->industries;
    for (size_t i = 0; i < batch->count; i++)
        close_room(gateway, batch->kind, list->names[batch->from + i]);
}

/* ---- asking ------------------------------------------------------------------------------------------- */

static bool gather(struct gathered *gathered, struct history_answer *answer)
{
    size_t count = gathered->count + answer->count;
    if (count > gathered->capacity) {
        struct delivery **frames = realloc(gathered->frames, count * 2 * sizeof(struct delivery *));
        if (!frames)
            return false;
        gathered->frames = frames;
        gathered->capacity = count * 2;
    }
    for (size_t i = 0; i < answer->count; i++) {
        gathered->frames[gathered->count++] = answer->frames[i];
        answer->frames[i] = NULL;
    }
    return true;
}

static void drop(struct gathered *gathered, size_t from)
{
    for (size_t i = from; i < gathered->count; i++)
        delivery_free(gathered->frames[i]);
    free(gathered->frames);
    *gathered = (struct gathered){0};
}

struct waiting {
    struct gateway *gateway;
    struct live_starts starts;
};

static void note_waiting(void *context, const struct mail *mail)
{
    struct waiting *waiting = context;
    if (mail->kind != &delivery_mail)
        return;
    const struct lane_mark *mark = &((const struct delivery *)mail)->mark;
    live_starts_take(&waiting->starts, mark, progress_heard(waiting->gateway->progress, mark->lane));
}

/* Keeps only what lies in the gap if that is known; otherwise what does not come live. */
static bool fills(const struct gaps *gaps, const struct waiting *waiting, const struct delivery *delivery)
{
    if (!gaps->pending)
        return !live_starts_cover(&waiting->starts, &delivery->mark);
    return delivery->mark.lane == gaps->pending->mark.lane &&
           delivery->mark.sequence < gaps->pending->mark.sequence;
}

static void complete(struct gateway *gateway)
{
    struct gaps *gaps = gateway->gaps;
    struct gathered *gathered = &gaps->gathered;
    struct waiting waiting = {.gateway = gateway};
    size_t kept = 0;
    if (!gaps->pending)
        mailbox_each(gateway->mailbox, MAIL_FRAMES, note_waiting, &waiting);
    for (size_t i = 0; i < gathered->count; i++) {
        if (fills(gaps, &waiting, gathered->frames[i]))
            gathered->frames[kept++] = gathered->frames[i];
        else
            delivery_free(gathered->frames[i]);
    }
    gathered->count = kept;
    (void)history_order(gathered->frames, gathered->count);
    gaps->stage = GAP_GIVING;
    gaps->given = 0;
    gateway_count(gateway, gaps->closed ? LABEL_GAP_REPAIRS_LOST : LABEL_GAP_REPAIRS_REPAIRED);
    log_event(gaps->closed ? LOG_WARN : LOG_INFO, "a gap was repaired from history",
              LOG_S("where", gaps->pending ? "lane" : "everywhere"), LOG_U("frames", kept),
              LOG_U("sessions_closed", gaps->closed));
}

static void split(struct gateway *gateway, const struct batch *batch)
{
    struct gaps *gaps = gateway->gaps;
    struct batch first = *batch;
    struct batch second = *batch;
    first.count = batch->count / 2;
    second.from += first.count;
    second.count -= first.count;
    if (!push(gaps, first) || !push(gaps, second))
        close_batch(gateway, batch);
}

static void on_answer(struct gateway *gateway, uint64_t context, struct history_answer *answer)
{
    struct gaps *gaps = gateway->gaps;
    struct batch batch = unpack(context);
    if (context >> 48 != (gaps->generation & 0xffff) || gaps->stage != GAP_ASKING)
        return;
    gaps->asked--;
    if (answer->status == STATUS_OK && !gaps->moment_ms)
        gaps->moment_ms = answer->moment_ms;
    if (answer->status == STATUS_OK && answer->complete) {
        if (!gather(&gaps->gathered, answer))
            close_batch(gateway, &batch);
    } else if (answer->status == STATUS_OK && answer->by_room && batch.count > 1) {
        split(gateway, &batch);
    } else if (answer->status != STATUS_OK && gateway->now_ms < gaps->give_up_ms && push(gaps, batch)) {
        timer_wheel_arm(gateway->wheel, &gaps->timer, gateway->now_ms + RETRY_MS);
        return;
    } else if (answer->status != STATUS_NO_RESPONDERS) { /* a value-svc without histories */
        close_batch(gateway, &batch);
    }
    ask_more(gateway);
}

static enum status ask(struct gateway *gateway, const struct position *after, const struct batch *batch,
                       const struct room_names *list, history_fn *answered)
{
    char *const *names = list->names + batch->from;
    const struct gaps *gaps = gateway->gaps;
    const struct delivery *gap = answered == on_answer ? gaps->pending : NULL; /* only in its own lane */
    bool users = batch->kind == ROOM_USER;
    struct history_query query = {.after = after,
                                  .missed_lanes = gap ? &gap->mark.lane : NULL,
                                  .missed_count = gap ? 1 : 0,
                                  .users = names,
                                  .user_count = users ? batch->count : 0,
                                  .industries = names,
                                  .industry_count = users ? 0 : batch->count};
    if (answered == on_answer)
        query.until_ms = gaps->moment_ms;
    else
        query.user_until = gaps->asked_until;
    return history_read(gateway, &query, answered, pack(batch, gaps->generation));
}

static void ask_more(struct gateway *gateway)
{
    struct gaps *gaps = gateway->gaps;
    while (gaps->batch_count > 0 && gaps->asked < (gaps->moment_ms ? ASKED_AT_ONCE : 1)) {
        struct batch batch = gaps->batches[--gaps->batch_count];
        const struct room_names *list = batch.kind == ROOM_USER ? &gaps->users : &gaps->industries;
        if (ask(gateway, &gaps->after, &batch, list, on_answer) == STATUS_OK)
            gaps->asked++;
        else
            close_batch(gateway, &batch);
    }
    if (gaps->asked == 0 && gaps->batch_count == 0)
        complete(gateway);
}

/* Asks for every room that has members now. */
static void begin(struct gateway *gateway)
{
    struct gaps *gaps = gateway->gaps;
    gaps->stage = GAP_ASKING;
    gaps->generation++;
    gaps->asked = 0;
    gaps->closed = 0;
    gaps->moment_ms = 0;
    gaps->give_up_ms = gateway->now_ms + (uint64_t)gateway->settings->recovery_timeout;
    gaps->after = *progress_position(gateway->progress);
    if (position_known(&gaps->after) || gaps->pending) { /* otherwise no history can help */
        rooms_each(gateway->rooms, ROOM_INDUSTRY, gather_room, &gaps->industries);
        rooms_each(gateway->rooms, ROOM_USER, gather_room, &gaps->users);
    }
    push_all(gaps, ROOM_INDUSTRY, gaps->industries.count);
    push_all(gaps, ROOM_USER, gaps->users.count);
    ask_more(gateway);
}

void gaps_lane(struct gateway *gateway, struct delivery *delivery)
{
    metrics_add(gateway->metrics, METRIC_GAPS, 1);
    gateway->gaps->pending = delivery;
    begin(gateway);
}

void gaps_everywhere(struct gateway *gateway)
{
    struct gaps *gaps = gateway->gaps;
    if (gaps->stage == GAP_ASKING || gaps->stage == GAP_GIVING) {
        gaps->again = true;
        return;
    }
    gaps->stage = GAP_SETTLING;
    timer_wheel_arm(gateway->wheel, &gaps->timer, gateway->now_ms + SETTLE_MS);
}

static void fired(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    (void)timer;
    if (gateway->gaps->stage == GAP_ASKING)
        ask_more(gateway);
    else if (gateway->gaps->stage == GAP_SETTLING &&
             (!reader_connected(gateway->reader) || reconnect_due(gateway)))
        timer_wheel_arm(gateway->wheel, &gateway->gaps->timer, gateway->now_ms + SETTLE_MS);
    else if (gateway->gaps->stage == GAP_SETTLING)
        begin(gateway);
}

bool gaps_holds(const struct gateway *gateway)
{
    const struct gaps *gaps = gateway->gaps;
    return gaps && (gaps->stage == GAP_SETTLING || gaps->stage == GAP_ASKING || reconnect_due(gateway));
}

/* From now on everything that is stored later comes live. What was published before frames arrived again has
 * been requested. */
static void start_again(struct gateway *gateway)
{
    const struct gaps *gaps = gateway->gaps;
    int64_t since_ms = gaps->moment_ms ? gaps->moment_ms : clock_wall_ms();
    if (!gaps->again && !reconnect_due(gateway) && reader_connected(gateway->reader))
        progress_start(gateway->progress, gateway->now_ms, since_ms - PROGRESS_EARLY_MS);
}

/* Everything has been given: the mailbox continues. */
static struct delivery *end(struct gateway *gateway)
{
    struct gaps *gaps = gateway->gaps;
    struct delivery *pending = gaps->pending;
    drop(&gaps->gathered, gaps->given);
    room_names_done(&gaps->industries);
    room_names_done(&gaps->users);
    gaps->stage = GAP_NONE;
    gaps->pending = NULL;
    if (!pending)
        start_again(gateway);
    if (gaps->again) {
        gaps->again = false;
        gaps_everywhere(gateway);
    }
    return pending;
}

struct delivery *gaps_next(struct gateway *gateway, bool *ret_in_lane)
{
    struct gaps *gaps = gateway->gaps;
    if (!gaps)
        return NULL;
    *ret_in_lane = gaps->user_gathered.count == 0;
    if (gaps->user_given < gaps->user_gathered.count)
        return gaps->user_gathered.frames[gaps->user_given++];
    drop(&gaps->user_gathered, gaps->user_given);
    gaps->user_given = 0;
    *ret_in_lane = true;
    if (gaps->stage != GAP_GIVING)
        return NULL;
    if (gaps->given < gaps->gathered.count)
        return gaps->gathered.frames[gaps->given++];
    return end(gateway);
}

/* ---- users -------------------------------------------------------------------------------------------- */

static void on_user_answer(struct gateway *gateway, uint64_t context, struct history_answer *answer)
{
    struct gaps *gaps = gateway->gaps;
    bool whole = answer->status == STATUS_OK && answer->complete && gather(&gaps->user_gathered, answer);
    (void)context;
    if (answer->status != STATUS_OK && gateway->now_ms < gaps->user_give_up_ms) {
        timer_wheel_arm(gateway->wheel, &gaps->user_timer, gateway->now_ms + RETRY_MS);
        return;
    }
    gateway_count(gateway, whole ? LABEL_GAP_REPAIRS_REPAIRED : LABEL_GAP_REPAIRS_LOST);
    for (size_t i = 0; !whole && i < gaps->asked_users.count; i++)
        if (answer->status != STATUS_NO_RESPONDERS) /* a value-svc without histories */
            close_room(gateway, ROOM_USER, gaps->asked_users.names[i]);
    room_names_done(&gaps->asked_users);
    if (gaps->suspects.count)
        timer_wheel_arm(gateway->wheel, &gaps->user_timer, gateway->now_ms + USER_WAIT_MS);
}

/* Takes the users who still miss something; for the others the frames only arrived out of order. */
static void choose_users(struct gateway *gateway)
{
    struct gaps *gaps = gateway->gaps;
    struct room_names missing = gaps->suspects;
    gaps->suspects = (struct room_names){0};
    gaps->user_after = gaps->suspects_after;
    gaps->user_give_up_ms = gateway->now_ms + (uint64_t)gateway->settings->recovery_timeout;
    for (size_t i = 0; i < missing.count; i++) {
        struct room *room = rooms_find(gateway->rooms, ROOM_USER, slice_from_string(missing.names[i]));
        if (!room || room->count == 0 || users_whole(room))
            continue;
        if (gaps->asked_users.count == HISTORY_ROOMS_MAXIMUM) {
            /* in the next round, after the same position */
            (void)room_names_add(&gaps->suspects, room_key(room));
            continue;
        }
        users_forget(room);
        metrics_add(gateway->metrics, METRIC_GAPS, 1);
        gaps->asked_until[gaps->asked_users.count] = users_newest(room);
        (void)room_names_add(&gaps->asked_users, room_key(room));
    }
    room_names_done(&missing);
}

static void ask_users(struct gateway *gateway)
{
    struct gaps *gaps = gateway->gaps;
    struct batch batch = {.kind = ROOM_USER, .count = gaps->asked_users.count};
    if (batch.count &&
        ask(gateway, &gaps->user_after, &batch, &gaps->asked_users, on_user_answer) != STATUS_OK)
        timer_wheel_arm(gateway->wheel, &gaps->user_timer, gateway->now_ms + RETRY_MS);
}

static void user_fired(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    (void)timer;
    if (gateway->gaps->asked_users.count == 0)
        choose_users(gateway);
    ask_users(gateway);
}

void gaps_user(struct gateway *gateway, const struct room *room)
{
    struct gaps *gaps = gateway->gaps;
    if (!gaps)
        return;
    if (gaps->suspects.count == 0) {
        gaps->suspects_after = *progress_position(gateway->progress);
        if (gaps->asked_users.count == 0)
            timer_wheel_arm(gateway->wheel, &gaps->user_timer, gateway->now_ms + USER_WAIT_MS);
    }
    (void)room_names_add(&gaps->suspects, room_key(room));
}

/* ---- life --------------------------------------------------------------------------------------------- */

enum status gaps_create(struct gateway *gateway, struct gaps **ret_gaps)
{
    struct gaps *gaps = calloc(1, sizeof(*gaps));
    (void)gateway;
    if (!gaps)
        return STATUS_NO_MEMORY;
    gaps->timer.fire = fired;
    gaps->user_timer.fire = user_fired;
    *ret_gaps = gaps;
    return STATUS_OK;
}

void gaps_free(struct gateway *gateway, struct gaps *gaps)
{
    if (!gaps)
        return;
    timer_wheel_cancel(gateway->wheel, &gaps->timer);
    timer_wheel_cancel(gateway->wheel, &gaps->user_timer);
    drop(&gaps->gathered, gaps->given);
    drop(&gaps->user_gathered, gaps->user_given);
    room_names_done(&gaps->industries);
    room_names_done(&gaps->users);
    room_names_done(&gaps->suspects);
    room_names_done(&gaps->asked_users);
    delivery_free(gaps->pending);
    free(gaps->batches);
    free(gaps);
}
