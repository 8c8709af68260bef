/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * position -> had this entry? -> wanted, in order, each once.
 */
#include "history/history_question.h"

#include <stdlib.h>

bool question_position_valid(const Pollen8__Position *position)
{
    return position && position->n_lanes == position->n_sequences && position->n_lanes <= HISTORY_LANES;
}

uint64_t question_had_lanes(const struct history_question *question, uint32_t lane, uint64_t number)
{
    for (size_t i = 0; i < question->lane_count; i++) {
        if (question->lanes[i] == lane)
            return number <= question->sequences[i] ? UINT64_C(1) << i : 0;
    }
    return 0;
}

/* A lane that is not in the position may be missing from its start: treated as if any lane. */
static uint64_t missed_lanes(const struct history_question *question, const Pollen8__HistoryRead *read)
{
    uint64_t missed = 0;
    for (size_t i = 0; i < read->n_missed_lanes; i++) {
        uint64_t bit = question_had_lanes(question, read->missed_lanes[i], 0);
        if (!bit)
            return 0;
        missed |= bit;
    }
    return missed;
}

void question_begin(struct history_question *question, const Pollen8__HistoryRead *read,
                    const struct history_now *now)
{
    const Pollen8__Position *position = read->after;
    question->until_ms = read->until_ms;
    question->reason = NULL;
    question->room_count = 0;
    question->found_count = 0;
    question->dropped_count = 0;
    question->from_ms = position->time_ms - HISTORY_LOOKBACK_MS;
    question->since_ms = position->since_ms;
    question->lane_count = position->n_lanes;
    for (size_t i = 0; i < position->n_lanes; i++) {
        question->lanes[i] = position->lanes[i];
        question->sequences[i] = position->sequences[i];
    }
    question->missed = missed_lanes(question, read);
    if (position->epoch != now->epoch || position->time_ms < now->whole_from_ms)
        question->reason = "epoch";
    else if (position->time_ms < now->wall_ms - now->window_ms)
        question->reason = "age";
}

static bool had(const struct history_question *question, uint32_t lane, uint64_t number, int64_t stamp_us)
{
    for (size_t i = 0; i < question->lane_count; i++) {
        if (question->lanes[i] == lane)
            return number <= question->sequences[i];
    }
    return stamp_us / 1000 < question->since_ms;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a;
    uint64_t two = *(const uint64_t *)b;
    return (one > two) - (one < two);
}

/* Sorts and removes repeats. */
static void compact_dropped(struct history_question *question)
{
    qsort(question->dropped, question->dropped_count, sizeof(question->dropped[0]), compare_ids);
    size_t kept = 0;
    for (size_t i = 0; i < question->dropped_count; i++) {
        if (kept == 0 || question->dropped[kept - 1] != question->dropped[i])
            question->dropped[kept++] = question->dropped[i];
    }
    question->dropped_count = kept;
}

static bool dropped(const struct history_question *question, uint64_t event_id)
{
    return bsearch(&event_id, question->dropped, question->dropped_count, sizeof(event_id), compare_ids);
}

/* Another entry of this event was already received, so those of it that seem missed are not. */
static void drop(struct history_question *question, uint64_t event_id)
{
    if (question->dropped_count == HISTORY_DROPPED) {
        compact_dropped(question);
        if (dropped(question, event_id))
            return;
    }
    if (question->dropped_count == HISTORY_DROPPED)
        question->reason = "size";
    else
        question->dropped[question->dropped_count++] = event_id;
}

static int compare_found(const struct history_found *a, const struct history_found *b)
{
    if (a->stamp_us != b->stamp_us)
        return a->stamp_us < b->stamp_us ? -1 : 1;
    if (a->lane != b->lane)
        return a->lane < b->lane ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static int compare_indexes(const void *a, const void *b, void *context)
{
    const struct history_found *found = context;
    return compare_found(&found[*(const uint32_t *)a], &found[*(const uint32_t *)b]);
}

void question_compact(struct history_question *question, const struct history_found *found)
{
    qsort_r(question->found, question->found_count, sizeof(question->found[0]), compare_indexes,
            (void *)(uintptr_t)found);
    compact_dropped(question);
    size_t kept = 0;
    for (size_t i = 0; i < question->found_count; i++) {
        const struct history_found *next = &found[question->found[i]];
        if ((kept == 0 || compare_found(&found[question->found[kept - 1]], next) != 0) &&
            !dropped(question, next->event_id))
            question->found[kept++] = question->found[i];
    }
    question->found_count = kept;
}

bool question_wants(struct history_question *question, const struct history_entry *entry)
{
    const struct history_found *mine = &entry->found;
    bool again = entry->first_lane != 0;
    if (question->reason || mine->stamp_us / 1000 < question->from_ms ||
        (question->until_ms != 0 && entry->stored_ms > question->until_ms))
        return false;
    if (had(question, mine->lane, mine->number, mine->stamp_us)) {
        if (again)
            drop(question, mine->event_id);
        return false;
    }
    return !again || !had(question, entry->first_lane, entry->first_number, mine->stamp_us);
}

void question_give(struct history_question *question, const struct history_found *found, uint32_t index)
{
    if (question->found_count == HISTORY_FRAMES)
        question_compact(question, found);
    if (question->found_count == HISTORY_FRAMES)
        question->reason = "size";
    else
        question->found[question->found_count++] = index;
}
