/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * gap -> rooms with members, in batches -> history.read, a few at a time ~> frames, gathered -> in the order
 * of their lanes -> egress takes them one by one -> the mailbox goes on
 *
 * A batch that is incomplete is split, so that only rooms with something missing close.
 */
#include "repair.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../common/clock.h"
#include "../common/log.h"
#include "gateway.h"
#include "history.h"
#include "intake.h"
#include "live_starts.h"
#include "mailbox.h"
#include "progress.h"
#include "reader.h"
#include "resync.h"
#include "room_list.h"
#include "session.h"
#include "users.h"

#define SETTLE_MS       200 /* the broker knows the subscriptions again */
#define RETRY_MS        300
#define ASKED_AT_ONCE   8
#define USER_WAIT_MS    150
#define BATCHES_MAXIMUM 65536

enum repair_stage { REPAIR_NONE, REPAIR_SETTLING, REPAIR_ASKING, REPAIR_GIVING };

struct batch {
    enum room_kind kind;
    size_t from, count;
};

struct gathered {
    struct delivery **frames; /* owned */
    size_t count, capacity;
};

struct repair {
    struct wheel_timer timer;
    struct wheel_timer user_timer;
    enum repair_stage stage;
    bool again;               /* everywhere, once this has ended */
    struct delivery *pending; /* owned: what showed the gap; NULL: everywhere */
    struct position after;
    /* All rooms are read as of one moment, told by the first answer: a lane's frames that are not published
     * yet are had of all rooms up to the same number. 0: not known yet. */
    int64_t moment_ms;
    struct room_list industries;
    struct room_list users;
    struct batch *batches; /* those still to be asked */
    size_t batch_count, batch_capacity;
    size_t asked; /* without an answer yet */
    uint64_t generation;
    uint64_t give_up_ms;
    struct gathered gathered;
    size_t given;
    size_t closed;         /* sessions */
    struct room_list gaps; /* users with gaps of their own, to be looked at */
    struct position gaps_after;
    struct room_list asked_users;                /* being asked for */
    uint64_t asked_until[HISTORY_ROOMS_MAXIMUM]; /* what is newer comes, or has come, live */
    struct position user_after;
    uint64_t user_give_up_ms;
    struct gathered user_gathered;
    size_t user_given;
};

/* A batch as a number, for the answer to say which it is of. */
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
    (void)room_list_add(context, room_key(room)); /* what does not fit into memory is missed */
}

static bool push(struct repair *repair, struct batch batch)
{
    if (batch.count == 0)
        return true;
    if (repair->batch_count == repair->batch_capacity) {
        size_t capacity = repair->batch_capacity ? repair->batch_capacity * 2 : 16;
        struct batch *list =
            capacity <= BATCHES_MAXIMUM ? realloc(repair->batches, capacity * sizeof(*list)) : NULL;
        if (!list)
            return false;
        repair->batches = list;
        repair->batch_capacity = capacity;
    }
    repair->batches[repair->batch_count++] = batch;
    return true;
}

static void push_all(struct repair *repair, enum room_kind kind, size_t count)
{
    for (size_t from = 0; from < count; from += HISTORY_ROOMS_MAXIMUM) {
        size_t left = count - from;
        (void)push(repair,
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
        gateway->repair->closed++;
    }
}

static void close_batch(struct gateway *gateway, const struct batch *batch)
{
    const struct repair *repair = gateway->repair;
    const struct room_list *list = batch->kind == ROOM_USER ? &repair->users : &repair->industries;
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
    if (mail->kind != MAIL_DELIVERY)
        return;
    const struct lane_mark *mark = &((const struct delivery *)mail)->mark;
    live_starts_take(&waiting->starts, mark, progress_heard(waiting->gateway->progress, mark->lane));
}

/* Only what lies in the gap, where that is known; else what does not come live. */
static bool fills(const struct repair *repair, const struct waiting *waiting, const struct delivery *delivery)
{
    if (!repair->pending)
        return !live_starts_cover(&waiting->starts, &delivery->mark);
    return delivery->mark.lane == repair->pending->mark.lane &&
           delivery->mark.sequence < repair->pending->mark.sequence;
}

static void complete(struct gateway *gateway)
{
    struct repair *repair = gateway->repair;
    struct gathered *gathered = &repair->gathered;
    struct waiting waiting = {.gateway = gateway};
    size_t kept = 0;
    if (!repair->pending)
        mailbox_each(gateway->mailbox, MAIL_FRAMES, note_waiting, &waiting);
    for (size_t i = 0; i < gathered->count; i++) {
        if (fills(repair, &waiting, gathered->frames[i]))
            gathered->frames[kept++] = gathered->frames[i];
        else
            delivery_free(gathered->frames[i]);
    }
    gathered->count = kept;
    (void)history_order(gathered->frames, gathered->count);
    repair->stage = REPAIR_GIVING;
    repair->given = 0;
    gateway_count(gateway, METRIC_GAP_REPAIRS, repair->closed ? "lost" : "repaired");
    log_event(repair->closed ? LOG_WARN : LOG_INFO, "a gap was repaired from history",
              LOG_S("where", repair->pending ? "lane" : "everywhere"), LOG_U("frames", kept),
              LOG_U("sessions_closed", repair->closed));
}

static void split(struct gateway *gateway, const struct batch *batch)
{
    struct repair *repair = gateway->repair;
    struct batch first = *batch;
    struct batch second = *batch;
    first.count = batch->count / 2;
    second.from += first.count;
    second.count -= first.count;
    if (!push(repair, first) || !push(repair, second))
        close_batch(gateway, batch);
}

static void on_answer(struct gateway *gateway, uint64_t context, struct history_answer *answer)
{
    struct repair *repair = gateway->repair;
    struct batch batch = unpack(context);
    if (context >> 48 != (repair->generation & 0xffff) || repair->stage != REPAIR_ASKING)
        return;
    repair->asked--;
    if (answer->status == STATUS_OK && !repair->moment_ms)
        repair->moment_ms = answer->moment_ms;
    if (answer->status == STATUS_OK && answer->complete) {
        if (!gather(&repair->gathered, answer))
            close_batch(gateway, &batch);
    } else if (answer->status == STATUS_OK && answer->by_room && batch.count > 1) {
        split(gateway, &batch);
    } else if (answer->status != STATUS_OK && gateway->now_ms < repair->give_up_ms && push(repair, batch)) {
        wheel_arm(gateway->wheel, &repair->timer, gateway->now_ms + RETRY_MS);
        return;
    } else if (answer->status != STATUS_NO_RESPONDERS) { /* a value-svc without histories */
        close_batch(gateway, &batch);
    }
    ask_more(gateway);
}

static enum status ask(struct gateway *gateway, const struct position *after, const struct batch *batch,
                       const struct room_list *list, history_fn *answered)
{
    char *const *names = list->names + batch->from;
    const struct repair *repair = gateway->repair;
    const struct delivery *gap = answered == on_answer ? repair->pending : NULL; /* it is in its lane alone */
    bool users = batch->kind == ROOM_USER;
    struct history_query query = {.after = after,
                                  .missed_lanes = gap ? &gap->mark.lane : NULL,
                                  .missed_count = gap ? 1 : 0,
                                  .users = names,
                                  .user_count = users ? batch->count : 0,
                                  .industries = names,
                                  .industry_count = users ? 0 : batch->count};
    if (answered == on_answer)
        query.until_ms = repair->moment_ms;
    else
        query.user_until = repair->asked_until;
    return history_read(gateway, &query, answered, pack(batch, repair->generation));
}

static void ask_more(struct gateway *gateway)
{
    struct repair *repair = gateway->repair;
    while (repair->batch_count > 0 && repair->asked < (repair->moment_ms ? ASKED_AT_ONCE : 1)) {
        struct batch batch = repair->batches[--repair->batch_count];
        const struct room_list *list = batch.kind == ROOM_USER ? &repair->users : &repair->industries;
        if (ask(gateway, &repair->after, &batch, list, on_answer) == STATUS_OK)
            repair->asked++;
        else
            close_batch(gateway, &batch);
    }
    if (repair->asked == 0 && repair->batch_count == 0)
        complete(gateway);
}

/* Every room that has members by now. */
static void begin(struct gateway *gateway)
{
    struct repair *repair = gateway->repair;
    repair->stage = REPAIR_ASKING;
    repair->generation++;
    repair->asked = 0;
    repair->closed = 0;
    repair->moment_ms = 0;
    repair->give_up_ms = gateway->now_ms + (uint64_t)gateway->settings->recovery_timeout;
    repair->after = *progress_position(gateway->progress);
    if (position_known(&repair->after) || repair->pending) { /* else no history can tell */
        rooms_each(gateway->rooms, ROOM_INDUSTRY, gather_room, &repair->industries);
        rooms_each(gateway->rooms, ROOM_USER, gather_room, &repair->users);
    }
    push_all(repair, ROOM_INDUSTRY, repair->industries.count);
    push_all(repair, ROOM_USER, repair->users.count);
    ask_more(gateway);
}

void repair_lane(struct gateway *gateway, struct delivery *delivery)
{
    metrics_add(gateway->metrics, METRIC_GAPS, 1);
    gateway->repair->pending = delivery;
    begin(gateway);
}

void repair_everywhere(struct gateway *gateway)
{
    struct repair *repair = gateway->repair;
    if (repair->stage == REPAIR_ASKING || repair->stage == REPAIR_GIVING) {
        repair->again = true;
        return;
    }
    repair->stage = REPAIR_SETTLING;
    wheel_arm(gateway->wheel, &repair->timer, gateway->now_ms + SETTLE_MS);
}

static void fired(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    (void)timer;
    if (gateway->repair->stage == REPAIR_ASKING)
        ask_more(gateway);
    else if (gateway->repair->stage == REPAIR_SETTLING &&
             (!reader_connected(gateway->reader) || resync_due(gateway)))
        wheel_arm(gateway->wheel, &gateway->repair->timer, gateway->now_ms + SETTLE_MS);
    else if (gateway->repair->stage == REPAIR_SETTLING)
        begin(gateway);
}

bool repair_holds(const struct gateway *gateway)
{
    const struct repair *repair = gateway->repair;
    return repair &&
           (repair->stage == REPAIR_SETTLING || repair->stage == REPAIR_ASKING || resync_due(gateway));
}

/* What is stored later comes live; but for what was published before frames came again: that is asked for. */
static void start_anew(struct gateway *gateway)
{
    const struct repair *repair = gateway->repair;
    int64_t since_ms = repair->moment_ms ? repair->moment_ms : clock_wall_ms();
    if (!repair->again && !resync_due(gateway) && reader_connected(gateway->reader))
        progress_start(gateway->progress, gateway->now_ms, since_ms - PROGRESS_EARLY_MS);
}

/* Everything has been given: the mailbox goes on. */
static struct delivery *end(struct gateway *gateway)
{
    struct repair *repair = gateway->repair;
    struct delivery *pending = repair->pending;
    drop(&repair->gathered, repair->given);
    room_list_done(&repair->industries);
    room_list_done(&repair->users);
    repair->stage = REPAIR_NONE;
    repair->pending = NULL;
    if (!pending)
        start_anew(gateway);
    if (repair->again) {
        repair->again = false;
        repair_everywhere(gateway);
    }
    return pending;
}

struct delivery *repair_next(struct gateway *gateway, bool *ret_in_lane)
{
    struct repair *repair = gateway->repair;
    if (!repair)
        return NULL;
    *ret_in_lane = repair->user_gathered.count == 0;
    if (repair->user_given < repair->user_gathered.count)
        return repair->user_gathered.frames[repair->user_given++];
    drop(&repair->user_gathered, repair->user_given);
    repair->user_given = 0;
    *ret_in_lane = true;
    if (repair->stage != REPAIR_GIVING)
        return NULL;
    if (repair->given < repair->gathered.count)
        return repair->gathered.frames[repair->given++];
    return end(gateway);
}

/* ---- users -------------------------------------------------------------------------------------------- */

static void on_user_answer(struct gateway *gateway, uint64_t context, struct history_answer *answer)
{
    struct repair *repair = gateway->repair;
    bool whole = answer->status == STATUS_OK && answer->complete && gather(&repair->user_gathered, answer);
    (void)context;
    if (answer->status != STATUS_OK && gateway->now_ms < repair->user_give_up_ms) {
        wheel_arm(gateway->wheel, &repair->user_timer, gateway->now_ms + RETRY_MS);
        return;
    }
    gateway_count(gateway, METRIC_GAP_REPAIRS, whole ? "repaired" : "lost");
    for (size_t i = 0; !whole && i < repair->asked_users.count; i++)
        if (answer->status != STATUS_NO_RESPONDERS) /* a value-svc without histories */
            close_room(gateway, ROOM_USER, repair->asked_users.names[i]);
    room_list_done(&repair->asked_users);
    if (repair->gaps.count)
        wheel_arm(gateway->wheel, &repair->user_timer, gateway->now_ms + USER_WAIT_MS);
}

/* Those of whom something is missing still: others were only overtaken. */
static void choose_users(struct gateway *gateway)
{
    struct repair *repair = gateway->repair;
    struct room_list gaps = repair->gaps;
    repair->gaps = (struct room_list){0};
    repair->user_after = repair->gaps_after;
    repair->user_give_up_ms = gateway->now_ms + (uint64_t)gateway->settings->recovery_timeout;
    for (size_t i = 0; i < gaps.count; i++) {
        struct room *room = rooms_find(gateway->rooms, ROOM_USER, slice_from_string(gaps.names[i]));
        if (!room || room->count == 0 || users_whole(room))
            continue;
        if (repair->asked_users.count == HISTORY_ROOMS_MAXIMUM) {
            (void)room_list_add(&repair->gaps, room_key(room)); /* in its turn, after the same position */
            continue;
        }
        users_forget(room);
        metrics_add(gateway->metrics, METRIC_GAPS, 1);
        repair->asked_until[repair->asked_users.count] = users_newest(room);
        (void)room_list_add(&repair->asked_users, room_key(room));
    }
    room_list_done(&gaps);
}

static void ask_users(struct gateway *gateway)
{
    struct repair *repair = gateway->repair;
    struct batch batch = {.kind = ROOM_USER, .count = repair->asked_users.count};
    if (batch.count &&
        ask(gateway, &repair->user_after, &batch, &repair->asked_users, on_user_answer) != STATUS_OK)
        wheel_arm(gateway->wheel, &repair->user_timer, gateway->now_ms + RETRY_MS);
}

static void user_fired(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    (void)timer;
    if (gateway->repair->asked_users.count == 0)
        choose_users(gateway);
    ask_users(gateway);
}

void repair_user(struct gateway *gateway, const struct room *room)
{
    struct repair *repair = gateway->repair;
    if (!repair)
        return;
    if (repair->gaps.count == 0) {
        repair->gaps_after = *progress_position(gateway->progress);
        if (repair->asked_users.count == 0)
            wheel_arm(gateway->wheel, &repair->user_timer, gateway->now_ms + USER_WAIT_MS);
    }
    (void)room_list_add(&repair->gaps, room_key(room));
}

/* ---- life --------------------------------------------------------------------------------------------- */

enum status repair_create(struct gateway *gateway, struct repair **ret_repair)
{
    struct repair *repair = calloc(1, sizeof(*repair));
    (void)gateway;
    if (!repair)
        return STATUS_NO_MEMORY;
    repair->timer.fire = fired;
    repair->user_timer.fire = user_fired;
    *ret_repair = repair;
    return STATUS_OK;
}

void repair_free(struct gateway *gateway, struct repair *repair)
{
    if (!repair)
        return;
    wheel_cancel(gateway->wheel, &repair->timer);
    wheel_cancel(gateway->wheel, &repair->user_timer);
    drop(&repair->gathered, repair->given);
    drop(&repair->user_gathered, repair->user_given);
    room_list_done(&repair->industries);
    room_list_done(&repair->users);
    room_list_done(&repair->gaps);
    room_list_done(&repair->asked_users);
    delivery_free(repair->pending);
    free(repair->batches);
    free(repair);
}
