/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The grammar of names and ids, and the hash that names deliveries.
 */
#include "common/names.h"

#include <endian.h>

#include "common/utf8.h"

static bool event_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':' || c == '-';
}

bool event_name_valid(struct slice name)
{
    if (name.length > EVENT_NAME_MAXIMUM_BYTES)
        return false;
    bool part_empty = true;
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] == '.' ? part_empty : !event_character(name.data[i]))
            return false;
        part_empty = name.data[i] == '.';
    }
    return !part_empty;
}

bool id_valid(struct slice id)
{
    return id.length > 0 && id.length <= ID_MAXIMUM_BYTES && utf8_clean(id);
}

/* Spreads every input bit over the whole word (the finaliser of splitmix64). */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

uint64_t hash64(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint64_t hash = mix(seed + 0x9e3779b97f4a7c15u + length);
    while (length > 0) {
        size_t step = length < sizeof(uint64_t) ? length : sizeof(uint64_t);
        uint64_t word = 0;
        memcpy(&word, bytes, step);
        hash = mix(hash ^ le64toh(word)) + 0x9e3779b97f4a7c15u;
        bytes += step;
        length -= step;
    }
    return mix(hash);
}
