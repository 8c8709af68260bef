/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * mark -> its lane's state (a list as short as the position's) -> verdict -> position moved, copies of it
 * released. A lane met for the first time is accepted as it is while the gateway settles. Later its first
 * number must say that nothing came before.
 */
#include "frame/progress.h"

#include <stdlib.h>
#include <string.h>

#define OVER_MS 5000 /* a live lane is heard once a second */
#define SKEW_MS 1000 /* between a stamp and when it is heard, and between clocks */

struct lane_state {
    uint32_t lane;
    bool unsure;    /* what is heard next is accepted as it is */
    uint64_t heard; /* the last number that every gateway hears */
    uint64_t first; /* numbers up to here were not all seen: a repeat of them is not recognised by number */
    uint64_t last_ms;
};

struct progress {
    struct position position;
    struct position *shared; /* a copy of it; NULL: none yet */
    struct lane_state lanes[POSITION_LANES];
    uint32_t count;
    uint64_t keep_ms;
    uint64_t settled_ms;
    uint64_t crowded_ms; /* some lane had no room: no offsets until then */
    char offset[POSITION_TEXT_SIZE];
};

struct progress *progress_create(uint64_t keep_ms, uint64_t now_ms, int64_t wall_ms)
{
    struct progress *progress = calloc(1, sizeof(*progress));
    if (!progress)
        return NULL;
    progress->keep_ms = keep_ms;
    progress_start(progress, now_ms, wall_ms);
    return progress;
}

void progress_free(struct progress *progress)
{
    if (!progress)
        return;
    position_unref(progress->shared);
    free(progress);
}

static void changed(struct progress *progress)
{
    position_unref(progress->shared);
    progress->shared = NULL;
}

/* The time never goes back, even if the clock does. */
static void set_time(struct progress *progress, int64_t wall_ms)
{
    if (wall_ms > progress->position.time_ms)
        progress->position.time_ms = wall_ms;
}

void progress_start(struct progress *progress, uint64_t now_ms, int64_t wall_ms)
{
    progress->settled_ms = now_ms + PROGRESS_SETTLE_MS;
    if (wall_ms > progress->position.since_ms)
        progress->position.since_ms = wall_ms;
    set_time(progress, progress->position.since_ms);
    for (uint32_t i = 0; i < progress->count; i++)
        progress->lanes[i].unsure = true;
    changed(progress);
}

bool progress_settling(const struct progress *progress, uint64_t now_ms)
{
    return now_ms < progress->settled_ms;
}

static struct lane_state *find(struct progress *progress, uint32_t lane)
{
    for (uint32_t i = 0; i < progress->count; i++)
        if (progress->lanes[i].lane == lane)
            return &progress->lanes[i];
    return NULL;
}

/* Removes a lane. Everything that lanes without an entry published before `since_ms` has been heard. */
static void leave(struct progress *progress, struct lane_state *state, int64_t since_ms)
{
    position_remove(&progress->position, state->lane);
    *state = progress->lanes[--progress->count];
    if (since_ms > progress->position.since_ms && since_ms <= progress->position.time_ms)
        progress->position.since_ms = since_ms;
    changed(progress);
}

/* Removes the lane that has been silent longest, if it is over. */
static void make_room(struct progress *progress, uint64_t now_ms)
{
    struct lane_state *oldest = &progress->lanes[0];
    for (uint32_t i = 1; i < progress->count; i++)
        if (progress->lanes[i].last_ms < oldest->last_ms)
            oldest = &progress->lanes[i];
    uint64_t silent_ms = now_ms - oldest->last_ms;
    if (silent_ms >= OVER_MS)
        leave(progress, oldest, progress->position.time_ms - (int64_t)silent_ms + SKEW_MS);
}

/* Adds a lane not met before; NULL if there is no room. */
static struct lane_state *add(struct progress *progress, uint32_t lane, uint64_t now_ms)
{
    if (progress->count == POSITION_LANES)
        make_room(progress, now_ms);
    if (progress->count == POSITION_LANES) {
        progress->crowded_ms = now_ms + progress->keep_ms;
        return NULL;
    }
    struct lane_state *state = &progress->lanes[progress->count++];
    *state = (struct lane_state){.lane = lane, .unsure = progress_settling(progress, now_ms)};
    return state;
}

static void move(struct progress *progress, struct lane_state *state, const struct lane_mark *mark,
                 uint64_t now_ms)
{
    if (mark->heard) {
        if (state->unsure && mark->sequence > state->first)
            state->first = mark->sequence;
        if (mark->sequence > state->heard)
            state->heard = mark->sequence;
        state->unsure = false;
    }
    state->last_ms = now_ms;
    (void)position_advance(&progress->position, mark->lane, mark->sequence); /* as many places as states */
    if (mark->epoch > progress->position.epoch)
        progress->position.epoch = mark->epoch;
    changed(progress);
}

static bool crowded(const struct progress *progress, uint64_t now_ms)
{
    return now_ms < progress->crowded_ms;
}

enum progress_verdict progress_take(struct progress *progress, const struct lane_mark *mark, uint64_t now_ms,
                                    int64_t wall_ms)
{
    if (!mark->lane)
        return PROGRESS_NEW;
    struct lane_state *state = find(progress, mark->lane);
    uint64_t heard = state ? state->heard : 0;
    bool unsure = state ? state->unsure : progress_settling(progress, now_ms);
    if (state && mark->heard && !unsure && mark->sequence <= heard) {
        state->last_ms = now_ms;
        set_time(progress, wall_ms);
        return mark->sequence > state->first ? PROGRESS_REPEAT : PROGRESS_NEW;
    }
    if (!state && crowded(progress, now_ms)) /* earlier messages of the lane may have found no room */
        unsure = true;
    if (mark->heard && !unsure && mark->previous != heard)
        return PROGRESS_GAP;
    if (!state)
        state = add(progress, mark->lane, now_ms);
    if (state) {
        set_time(progress, wall_ms);
        move(progress, state, mark, now_ms);
    }
    return PROGRESS_NEW;
}

void progress_accept(struct progress *progress, const struct lane_mark *mark, uint64_t now_ms)
{
    struct lane_state *state = mark->lane ? find(progress, mark->lane) : NULL;
    if (mark->lane && !state)
        state = add(progress, mark->lane, now_ms);
    if (!state)
        return;
    move(progress, state, mark, now_ms);
    if (mark->heard && mark->sequence > state->first)
        state->first = mark->sequence;
}

void progress_set_epoch(struct progress *progress, uint64_t epoch)
{
    if (progress->position.epoch || !epoch)
        return;
    progress->position.epoch = epoch;
    changed(progress);
}

uint64_t progress_heard(struct progress *progress, uint32_t lane)
{
    const struct lane_state *state = find(progress, lane);
    return state ? state->heard : 0;
}

void progress_expire(struct progress *progress, uint64_t now_ms, int64_t wall_ms)
{
    for (uint32_t i = progress->count; i > 0; i--) {
        struct lane_state *state = &progress->lanes[i - 1];
        if (now_ms - state->last_ms >= progress->keep_ms) /* it has published nothing for a long time */
            leave(progress, state, wall_ms - (int64_t)(progress->keep_ms / 2));
    }
}

const struct position *progress_position(const struct progress *progress)
{
    return &progress->position;
}

struct position *progress_share(struct progress *progress, uint64_t now_ms)
{
    if (crowded(progress, now_ms))
        return NULL;
    if (!progress->shared)
        progress->shared = position_share(&progress->position);
    return progress->shared ? position_ref(progress->shared) : NULL;
}

struct slice progress_offset(struct progress *progress, uint64_t now_ms)
{
    if (!position_known(&progress->position) || crowded(progress, now_ms))
        return (struct slice){0};
    return slice_make(progress->offset, position_write(&progress->position, progress->offset));
}
