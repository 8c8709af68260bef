/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Kept in order of expiry, which is the order of arrival, and in chains by the index of the session in its
 * table: that index is in the key and in the handle alike.
 */
#include "cluster/departures.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"

struct entry {
    struct departure departure;
    uint64_t end_ms;
    struct entry *newer; /* by time */
    struct entry *next;  /* in its chain */
};

struct departures {
    size_t maximum;
    uint64_t keep_ms;
    size_t count;
    struct entry *oldest;
    struct entry *newest;
    size_t mask;
    struct entry *chains[];
};

struct departures *departures_create(size_t maximum, uint64_t keep_ms)
{
    size_t chains = 64;
    while (chains < maximum / 2)
        chains *= 2;
    struct departures *departures = calloc(1, sizeof(*departures) + chains * sizeof(struct entry *));
    if (!departures)
        return NULL;
    departures->maximum = maximum;
    departures->keep_ms = keep_ms;
    departures->mask = chains - 1;
    return departures;
}

static struct entry **chain_of(struct departures *departures, uint64_t handle)
{
    return &departures->chains[(size_t)(handle & UINT32_MAX) & departures->mask];
}

static void forget_oldest(struct departures *departures)
{
    struct entry *entry = departures->oldest;
    struct entry **link = chain_of(departures, entry->departure.handle);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    departures->oldest = entry->newer;
    if (!departures->oldest)
        departures->newest = NULL;
    departures->count--;
    free(entry);
}

void departures_free(struct departures *departures)
{
    if (!departures)
        return;
    while (departures->oldest)
        forget_oldest(departures);
    free(departures);
}

enum status departures_add(struct departures *departures, const struct departure *departure, uint64_t now_ms)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return STATUS_NO_MEMORY;
    while (departures->oldest &&
           (departures->count >= departures->maximum || departures->oldest->end_ms <= now_ms))
        forget_oldest(departures);
    struct entry **chain = chain_of(departures, departure->handle);
    entry->departure = *departure;
    entry->end_ms = now_ms + departures->keep_ms;
    entry->next = *chain;
    *chain = entry;
    if (departures->newest)
        departures->newest->newer = entry;
    else
        departures->oldest = entry;
    departures->newest = entry;
    departures->count++;
    return STATUS_OK;
}

static const struct entry *chain_at(const struct departures *departures, uint64_t handle)
{
    return departures->chains[(size_t)(handle & UINT32_MAX) & departures->mask];
}

const struct departure *departures_by_key(const struct departures *departures, struct slice key,
                                          uint64_t now_ms)
{
    unsigned char bytes[SID_KEY_SIZE];
    size_t length = 0;
    uint32_t place;
    if (base64url_decode(bytes, sizeof(bytes), key, &length) != STATUS_OK || length < sizeof(place))
        return NULL;
    memcpy(&place, bytes, sizeof(place));
    for (const struct entry *entry = chain_at(departures, place); entry; entry = entry->next)
        if (entry->end_ms > now_ms && sid_key_equal(entry->departure.key, key))
            return &entry->departure;
    return NULL;
}

const struct departure *departures_by_handle(const struct departures *departures, uint64_t handle,
                                             uint64_t now_ms)
{
    for (const struct entry *entry = chain_at(departures, handle); entry; entry = entry->next)
        if (entry->end_ms > now_ms && entry->departure.handle == handle)
            return &entry->departure;
    return NULL;
}

bool departures_has(const struct departures *departures, const struct sid *sid, uint64_t now_ms)
{
    return departures && departures_by_key(departures, sid->key, now_ms);
}
