/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * judge: the table of epoch_plan.h. plan: from which event on the stream is handed out again, and how
 * complete Redis is after that.
 */
#include "epoch/epoch_plan.h"

#include <stdio.h>
#include <string.h>

#define EMPTY_SILENT_MS 15000
#define COPY_SILENT_MS  5000
#define SAME_SILENT_MS  2500  /* instances that count announce it once per second */
#define LEAVING_MS      10000 /* the longest that a batch begun before may take */
#define CLOCKS_APART_MS 5000  /* of this host and of gateways' */
#define WHOLE_MAXIMUM   10000 /* most events with which an empty Redis is filled automatically */

bool epoch_stream_anew(const struct store_world *world, const struct bus_stream_state *stream)
{
    const struct store_position *position = &world->position;
    if (world->epoch == 0)
        return false;
    if (position->stream_created_ms == 0) /* of a version before 0.2: both times are the broker's */
        return position->sequence > 0 && stream->created_ms > position->time_ms;
    return position->stream_created_ms != stream->created_ms;
}

/* ---- judging ---------------------------------------------------------------------------------------- */

/* Nobody else counts, and no sentinel names a different server. */
static bool abandoned(const struct epoch_facts *facts, int64_t silent_ms)
{
    return facts->silent_ms >= silent_ms && facts->elected == facts->sentinels;
}

static enum epoch_verdict judge_own(const struct epoch_facts *facts, const char **ret_why)
{
    const struct store_world *world = facts->world;
    const struct epoch_record *record = facts->record;
    if (world->epoch == record->epoch && world->of_server && strcmp(world->server, record->server) == 0 &&
        world->position.stream_created_ms == facts->stream->created_ms && !facts->tail_lost)
        return EPOCH_SETTLED;
    if (strcmp(world->server, record->server) == 0 || facts->elected ||
        abandoned(facts, world->epoch >= record->epoch ? SAME_SILENT_MS : COPY_SILENT_MS))
        return EPOCH_RAISE;
    *ret_why =
        "this Redis (REDIS_URL) is a copy, or an older state, of the one in which other instances count";
    return EPOCH_WAIT;
}

enum epoch_verdict epoch_judge(const struct epoch_facts *facts, const char **ret_why)
{
    const struct store_world *world = facts->world;
    const struct epoch_record *record = facts->record;
    if (world->state == STORE_REBUILD) {
        *ret_why = "a rebuild is running in this Redis, or was interrupted and must be run again "
                   "(value-svc --rebuild)";
        return EPOCH_WAIT;
    }
    if (record->place == 0)
        return EPOCH_RAISE;
    if (world->identity[0] != '\0' && strcmp(world->identity, record->redis) == 0)
        return judge_own(facts, ret_why);
    if (world->identity[0] == '\0' &&
        (abandoned(facts, EMPTY_SILENT_MS) ||
         (world->epoch == 0 && strcmp(world->server, record->server) == 0))) /* emptied while it ran */
        return EPOCH_RAISE;
    if (world->epoch == 0)
        *ret_why = "this Redis (REDIS_URL) is empty, and the stream was counted in another one";
    else
        *ret_why = world->identity[0] == '\0'
                       ? "this Redis (REDIS_URL) was used by an older version, and the stream was counted in "
                         "another one"
                       : "the stream is counted in another Redis than this one (REDIS_URL); value-svc "
                         "--rebuild moves it here";
    return EPOCH_WAIT;
}

/* ---- planning --------------------------------------------------------------------------------------- */

/* An empty Redis is filled automatically if the stream still has all its events, and they are
 * few or recent. */
static void plan_new(const struct epoch_facts *facts, struct store_world *world)
{
    const struct bus_stream_state *stream = facts->stream;
    bool complete = stream->first_sequence == 1 && stream->messages == stream->last_sequence;
    bool little =
        stream->messages <= WHOLE_MAXIMUM || stream->last_time_ms - stream->first_time_ms <= facts->window_ms;
    world->position = (struct store_position){0};
    world->quiet = 0;
    world->state = complete && little ? STORE_WHOLE : STORE_LOST;
    /* Only a rebuild can count what the stream has. */
    if (world->state == STORE_LOST)
        world->position =
            (struct store_position){.sequence = stream->last_sequence, .time_ms = stream->last_time_ms};
}

/* The numbers above it may now belong to other events, so all of them are handed out again. Known events are
 * recognised by number and time together. */
static void plan_cut(const struct epoch_facts *facts, struct store_world *world)
{
    const struct bus_stream_state *stream = facts->stream;
    bool young =
        stream->first_sequence == 1 && stream->last_time_ms - stream->first_time_ms <= facts->window_ms;
    world->position = facts->held ? *facts->held : (struct store_position){0};
    if (!facts->held && !young)
        world->state = STORE_LOST;
    if (world->quiet > world->position.sequence)
        world->quiet = world->position.sequence;
}

static void plan_same(const struct epoch_facts *facts, struct store_world *world)
{
    if (world->position.sequence + 1 < facts->stream->first_sequence)
        world->state = STORE_LOST;
    if (world->position.sequence > world->quiet)
        world->quiet = world->position.sequence;
}

static void plan_anew(const struct epoch_facts *facts, struct store_world *world)
{
    world->position = (struct store_position){0};
    world->quiet = 0;
    if (facts->stream->first_sequence > 1)
        world->state = STORE_LOST;
}

/* Instances that are connected to another primary still deliver for a moment, and their frames are in no
 * history of this one. Not if this one has every event, nor without sentinels: then the Redis process itself
 * was restarted. */
static int64_t whole_from(const struct epoch_facts *facts, const struct store_world *next)
{
    bool all = facts->stream->last_sequence == next->position.sequence && facts->world->epoch != 0;
    return all || !facts->sentinels ? 0 : facts->now_ms + LEAVING_MS + CLOCKS_APART_MS;
}

/* The events stored until now are delivered by whoever was handed them, or still is, from the durable of the
 * epoch that ends: nobody else knows which were. The new epoch only counts them. Without that durable, or
 * without a place for it in the list, the new epoch delivers what is behind the boundary and behind what was
 * acknowledged: some of it a second time perhaps, but all of it. What earlier durables still have stays theirs
 * in any case. */
static void plan_drains(const struct epoch_facts *facts, struct store_world *world, struct epoch_record *next)
{
    const struct epoch_record *record = facts->record;
    uint64_t last = facts->stream->last_sequence;
    bool renumbered =
        facts->tail_lost || (facts->world->epoch != 0 && epoch_stream_anew(facts->world, facts->stream));

    if (!renumbered) {
        memcpy(next->drains, record->drains, record->drain_count * sizeof(next->drains[0]));
        next->drain_count = record->drain_count;
        if (record->boundary > world->quiet)
            world->quiet = record->boundary;
        if (facts->drained && next->drain_count < SERVICE_DRAINS_MAXIMUM) {
            if (last > record->boundary)
                next->drains[next->drain_count++] =
                    (struct service_drain){.epoch = record->epoch, .above = record->boundary, .to = last};
            world->quiet = last;
        }
    }
    next->boundary = world->quiet;
}

void epoch_plan(const struct epoch_facts *facts, const char *identity, struct store_world *ret_world,
                struct epoch_record *ret_record)
{
    const struct epoch_record *record = facts->record;
    uint64_t newest = facts->world->epoch > record->epoch ? facts->world->epoch : record->epoch;
    *ret_world = *facts->world;
    ret_world->epoch = newest + 1 > (uint64_t)facts->now_ms ? newest + 1 : (uint64_t)facts->now_ms;
    if (ret_world->identity[0] == '\0')
        snprintf(ret_world->identity, sizeof(ret_world->identity), "%s",
                 record->place != 0 ? record->redis : identity);
    if (facts->world->state == STORE_NEW)
        plan_new(facts, ret_world);
    else if (epoch_stream_anew(facts->world, facts->stream))
        plan_anew(facts, ret_world);
    else if (facts->tail_lost)
        plan_cut(facts, ret_world);
    else
        plan_same(facts, ret_world);
    ret_world->position.stream_created_ms = facts->stream->created_ms;
    *ret_record = (struct epoch_record){
        .epoch = ret_world->epoch, .cut_epoch = record->cut_epoch, .cut_sequence = record->cut_sequence};
    ret_world->whole_from_ms = whole_from(facts, ret_world);
    plan_drains(facts, ret_world, ret_record);
    if (facts->tail_lost) {
        ret_record->cut_epoch = ret_world->epoch;
        ret_record->cut_sequence = ret_world->position.sequence;
    }
    snprintf(ret_record->redis, sizeof(ret_record->redis), "%s", ret_world->identity);
    snprintf(ret_record->server, sizeof(ret_record->server), "%s", ret_world->server);
}
