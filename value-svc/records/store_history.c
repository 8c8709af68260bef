/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One XADD per industry and event. Now and then it trims by age and renews the key's expiry. Reading takes
 * the entries first, then the stream's length and oldest entry, so that trimming in between is noticed.
 */
#include "records/store_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "store/store_internal.h"

#define TEND_SECONDS    5
#define ROOMS_AT_ONCE   16 /* of one pipeline: bounds the replies that wait in memory */
#define READS_EACH      3  /* commands a room */
#define ENTRY_TEXT_SIZE 256

/* ---- writing ---------------------------------------------------------------------------------------- */

struct append_text {
    char length[24];
    char oldest[24];
    char expiry[24];
    uint32_t second;
};

static bool tend_due(struct store *store, const struct append_text *text, const char *industry)
{
    uint32_t room = (uint32_t)hash64(industry, strlen(industry), 0);
    size_t slot = room % STORE_TENDED;
    if (store->tended[slot].room == room && text->second - store->tended[slot].second < TEND_SECONDS)
        return false;
    store->tended[slot].room = room;
    store->tended[slot].second = text->second;
    return true;
}

static enum status send_append(struct store *store, const struct append_text *text,
                               struct store_append *append)
{
    char key[STORE_ROOM_KEY_SIZE];
    store_industry_key(key, append->industry);
    enum status status = store_send_slices(
        store,
        (const struct slice[]){SLICE_LITERAL("XADD"), slice_from_string(key), SLICE_LITERAL("MAXLEN"),
                               SLICE_LITERAL("~"), slice_from_string(text->length), SLICE_LITERAL("*"),
                               SLICE_LITERAL("f"), append->frame},
        8);
    append->replies = 1;
    append->broken = false;
    if (status != STATUS_OK || !tend_due(store, text, append->industry))
        return status;
    status = store_send(store, (const char *const[]){"XTRIM", key, "MINID", "~", text->oldest, NULL});
    if (status == STATUS_OK)
        status = store_send(store, (const char *const[]){"PEXPIRE", key, text->expiry, NULL});
    append->replies = 3;
    return status;
}

static enum status receive_reply(struct store *store, struct store_append *append)
{
    redisReply *reply = NULL;
    enum status status = store_receive_any(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type == REDIS_REPLY_ERROR && store_fault_of(reply) == FAULT_KEYS)
        append->broken = true;
    else if (reply->type == REDIS_REPLY_ERROR)
        status = store_refuse_reply(store, reply);
    freeReplyObject(reply);
    return status;
}

static enum status receive_append(struct store *store, struct store_append *append)
{
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < append->replies && status == STATUS_OK; i++)
        status = receive_reply(store, append);
    return status;
}

enum status store_append(struct store *store, const struct store_rules *rules, struct store_append *appends,
                         size_t count)
{
    struct append_text text = {.second = (uint32_t)(clock_monotonic_ms() / 1000)};
    int64_t kept_ms = rules->history_window_ms + HISTORY_MARGIN_MS;
    snprintf(text.length, sizeof(text.length), "%" PRId64, rules->history_length + 1);
    snprintf(text.oldest, sizeof(text.oldest), "%" PRId64, clock_wall_ms() - kept_ms);
    snprintf(text.expiry, sizeof(text.expiry), "%" PRId64, kept_ms + 2 * TEND_SECONDS * 1000);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = send_append(store, &text, &appends[i]);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = receive_append(store, &appends[i]);
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static enum status send_room(struct store *store, const struct store_room *room, const char *until)
{
    char key[STORE_ROOM_KEY_SIZE > STORE_KEY_SIZE ? STORE_ROOM_KEY_SIZE : STORE_KEY_SIZE];
    if (room->kind == ROOM_USER)
        store_user_key(key, room->name, ":history");
    else
        store_industry_key(key, room->name);
    char from[24];
    snprintf(from, sizeof(from), "%" PRId64, room->from_ms > 0 ? room->from_ms : 0);
    enum status status = store_send(store, (const char *const[]){"XRANGE", key, from, until, NULL});
    if (status == STATUS_OK)
        status = store_send(store, (const char *const[]){"XRANGE", key, "-", "+", "COUNT", "1", NULL});
    if (status == STATUS_OK)
        status = store_send(store, (const char *const[]){"XLEN", key, NULL});
    return status;
}

/* "lane number id stamp h n sum[ first-lane first-number]" */
static bool read_entry_text(const char *text, struct store_entry *entry)
{
    uint64_t numbers[9] = {0};
    int count = 0;
    char *end = NULL;
    for (; count < 9; count++, text = end) {
        /* Signed ones wrap to what they are. */
        numbers[count] = strtoull(text, &end, 10);
        if (end == text)
            break;
    }
    entry->lane = (uint32_t)numbers[0];
    entry->number = numbers[1];
    entry->event_id = numbers[2];
    entry->stamp_us = (int64_t)numbers[3];
    entry->user_sequence = numbers[4];
    entry->version = numbers[5];
    entry->sum = (int64_t)numbers[6];
    entry->first_lane = (uint32_t)numbers[7];
    entry->first_number = numbers[8];
    return count == 7 || count == 9;
}

/* [id, [name, value]...]; false for an entry that no version of value-svc wrote. */
static bool read_entry(const redisReply *reply, struct store_entry *entry)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return false;
    const redisReply *fields = reply->element[1];
    bool found = false;
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *value = fields->element[i + 1];
        if (fields->element[i]->len != 1 || value->type != REDIS_REPLY_STRING)
            continue;
        if (fields->element[i]->str[0] == 'f') {
            entry->frame = slice_make(value->str, (size_t)value->len);
            found = true;
        } else if (fields->element[i]->str[0] == 'e') {
            if (!read_entry_text(value->str, entry))
                return false;
            found = true;
        }
    }
    return found;
}

static void give_entries(const redisReply *reply, size_t room, store_entry_fn *give, void *context)
{
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        struct store_entry entry = {.lane = 0};
        if (!read_entry(reply->element[i], &entry))
            continue;
        entry.stored_ms = store_integer(reply->element[i]->element[0]); /* "<ms>-<n>" */
        give(context, room, &entry);
    }
}

static int64_t oldest_ms(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->element[0]->type != REDIS_REPLY_ARRAY || reply->element[0]->elements == 0)
        return 0;
    return store_integer(reply->element[0]->element[0]); /* "<ms>-<n>" */
}

static enum status receive_room(struct store *store, struct store_room *rooms, size_t index,
                                store_entry_fn *give, void *context)
{
    struct store_room *room = &rooms[index];
    room->broken = false;
    redisReply *reply = NULL;
    enum status status = STATUS_OK;
    for (int read = 0; read < READS_EACH; read++) {
        status = store_receive_any(store, &reply);
        if (status != STATUS_OK)
            return status;
        if (reply->type == REDIS_REPLY_ERROR) {
            room->broken = store_fault_of(reply) == FAULT_KEYS;
            if (!room->broken)
                status = store_refuse_reply(store, reply);
        } else if (read == 0) {
            give_entries(reply, index, give, context);
        } else if (read == 1) {
            room->oldest_ms = oldest_ms(reply);
        } else {
            room->length = (uint64_t)store_integer(reply);
        }
        freeReplyObject(reply);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* Redis' current millisecond (entries are named by it), once it is over. */
static enum status read_moment(struct store *store, int64_t *ret_moment_ms)
{
    enum status status = store_send(store, (const char *const[]){"TIME", NULL});
    redisReply *reply = NULL;
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    int64_t microseconds = 0;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        microseconds = store_integer(reply->element[0]) * 1000000 + store_integer(reply->element[1]);
    freeReplyObject(reply);
    *ret_moment_ms = microseconds / 1000;
    nanosleep(&(struct timespec){.tv_nsec = (1000 - microseconds % 1000) * 1000}, NULL);
    return STATUS_OK;
}

static enum status read_rooms(struct store *store, struct store_room *rooms, size_t from, size_t to,
                              const char *until, store_entry_fn *give, void *context)
{
    enum status status = STATUS_OK;
    for (size_t i = from; i < to && status == STATUS_OK; i++)
        status = send_room(store, &rooms[i], until);
    for (size_t i = from; i < to && status == STATUS_OK; i++)
        status = receive_room(store, rooms, i, give, context);
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

enum status store_read(struct store *store, struct store_room *rooms, size_t count, store_entry_fn *give,
                       void *context, int64_t *ret_moment_ms, uint64_t *ret_epoch)
{
    enum status status = read_moment(store, ret_moment_ms);
    char until[24];
    if (status == STATUS_OK)
        snprintf(until, sizeof(until), "%" PRId64, *ret_moment_ms);

    for (size_t at = 0; at < count && status == STATUS_OK; at += ROOMS_AT_ONCE)
        status = read_rooms(store, rooms, at, count - at < ROOMS_AT_ONCE ? count : at + ROOMS_AT_ONCE, until,
                            give, context);
    return status == STATUS_OK ? store_epoch_now(store, ret_epoch) : status;
}

bool store_room_whole(const struct store_room *room, int64_t from_ms, int64_t history_length)
{
    if (room->broken)
        return false;
    return room->length <= (uint64_t)history_length || room->oldest_ms < from_ms;
}
