/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The offset's bytes, before base64url:
 *
 *   1 | epoch | time_ms | time_ms - since_ms | (lane, 4 bytes big-endian | sequence) ...
 *
 * Numbers without a size are little-endian base-128 (protobuf's varint) in their shortest form. One position
 * has one text.
 */
#include "frame/position.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"

#define VERSION        1
#define BYTES_MAXIMUM  384 /* POSITION_TEXT_MAXIMUM characters */
#define VARINT_MAXIMUM 10
#define SKEW_MS        1000 /* between the clocks of two hosts */

/* ---- lanes -------------------------------------------------------------------------------------------- */

/* Where the lane is or would be. */
static uint32_t place_of(const struct position *position, uint32_t lane)
{
    uint32_t at = 0;
    while (at < position->count && position->lanes[at].lane < lane)
        at++;
    return at;
}

const struct position_lane *position_find(const struct position *position, uint32_t lane)
{
    uint32_t at = place_of(position, lane);
    return at < position->count && position->lanes[at].lane == lane ? &position->lanes[at] : NULL;
}

bool position_covers(const struct position *position, uint32_t lane, uint64_t sequence, int64_t published_ms)
{
    const struct position_lane *known = lane ? position_find(position, lane) : NULL;
    if (known)
        return sequence <= known->sequence;
    return published_ms > 0 && published_ms < position->since_ms - SKEW_MS;
}

enum status position_advance(struct position *position, uint32_t lane, uint64_t sequence)
{
    uint32_t at = place_of(position, lane);
    struct position_lane *lanes = position->lanes;
    if (at < position->count && lanes[at].lane == lane) {
        if (sequence > lanes[at].sequence)
            lanes[at].sequence = sequence;
        return STATUS_OK;
    }
    if (position->count == POSITION_LANES)
        return STATUS_FULL;
    memmove(lanes + at + 1, lanes + at, (position->count - at) * sizeof(*lanes));
    lanes[at] = (struct position_lane){.lane = lane, .sequence = sequence};
    position->count++;
    return STATUS_OK;
}

void position_remove(struct position *position, uint32_t lane)
{
    uint32_t at = place_of(position, lane);
    if (at == position->count || position->lanes[at].lane != lane)
        return;
    position->count--;
    memmove(position->lanes + at, position->lanes + at + 1,
            (position->count - at) * sizeof(position->lanes[0]));
}

enum status position_merge(struct position *position, const struct position *other)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < other->count; i++)
        if (position_advance(position, other->lanes[i].lane, other->lanes[i].sequence) != STATUS_OK)
            status = STATUS_FULL;
    if (other->epoch > position->epoch)
        position->epoch = other->epoch;
    if (other->time_ms > position->time_ms)
        position->time_ms = other->time_ms;
    if (other->since_ms > position->since_ms)
        position->since_ms = other->since_ms;
    return status;
}

struct position *position_share(const struct position *position)
{
    struct position *copy = malloc(sizeof(*copy));
    if (!copy)
        return NULL;
    *copy = *position;
    copy->references = 1;
    return copy;
}

void position_unref(struct position *position)
{
    if (position && --position->references == 0)
        free(position);
}

/* ---- text --------------------------------------------------------------------------------------------- */

static size_t put_varint(unsigned char *out, uint64_t value)
{
    size_t length = 0;
    for (; value >= 0x80; value >>= 7)
        out[length++] = (unsigned char)(value | 0x80);
    out[length++] = (unsigned char)value;
    return length;
}

size_t position_write(const struct position *position, char out[POSITION_TEXT_SIZE])
{
    unsigned char bytes[BYTES_MAXIMUM + VARINT_MAXIMUM * 4];
    size_t length = 0;
    bytes[length++] = VERSION;
    length += put_varint(bytes + length, position->epoch);
    length += put_varint(bytes + length, (uint64_t)position->time_ms);
    length += put_varint(bytes + length, (uint64_t)(position->time_ms - position->since_ms));
    for (uint32_t i = 0; i < position->count && length <= BYTES_MAXIMUM; i++) {
        uint32_t lane = position->lanes[i].lane;
        for (int shift = 24; shift >= 0; shift -= 8)
            bytes[length++] = (unsigned char)(lane >> shift);
        length += put_varint(bytes + length, position->lanes[i].sequence);
    }
    return length <= BYTES_MAXIMUM ? base64url_encode(out, bytes, length) : 0;
}

struct reader {
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
};

static uint64_t take_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        unsigned char byte = *reader->at++;
        bool excess = (shift == 63 && byte > 1) || (shift > 0 && byte == 0);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (excess)
            break;
        if (byte < 0x80)
            return value;
    }
    reader->failed = true;
    return 0;
}

static uint32_t take_lane(struct reader *reader)
{
    uint32_t lane = 0;
    if (reader->end - reader->at < 4) {
        reader->failed = true;
        return 0;
    }
    for (int i = 0; i < 4; i++)
        lane = lane << 8 | *reader->at++;
    return lane;
}

static void take_lanes(struct reader *reader, struct position *position)
{
    uint32_t previous = 0; /* no lane is 0 */
    while (!reader->failed && reader->at < reader->end) {
        uint32_t lane = take_lane(reader);
        uint64_t sequence = take_varint(reader);
        if (lane <= previous || sequence == 0 || position->count == POSITION_LANES)
            reader->failed = true;
        else
            position->lanes[position->count++] = (struct position_lane){.lane = lane, .sequence = sequence};
        previous = lane;
    }
}

enum status position_read(struct slice text, struct position *ret_position)
{
    unsigned char bytes[BYTES_MAXIMUM];
    size_t length = 0;
    struct position position = {0};
    if (text.length > POSITION_TEXT_MAXIMUM ||
        base64url_decode(bytes, sizeof(bytes), text, &length) != STATUS_OK || length == 0 ||
        bytes[0] != VERSION)
        return STATUS_MALFORMED;
    struct reader reader = {.at = bytes + 1, .end = bytes + length};
    position.epoch = take_varint(&reader);
    uint64_t time_ms = take_varint(&reader);
    uint64_t complete_ms = take_varint(&reader);
    if (time_ms > INT64_MAX || complete_ms > time_ms)
        return STATUS_MALFORMED;
    position.time_ms = (int64_t)time_ms;
    position.since_ms = (int64_t)(time_ms - complete_ms);
    take_lanes(&reader, &position);
    if (reader.failed)
        return STATUS_MALFORMED;
    *ret_position = position;
    return STATUS_OK;
}

/* ---- protobuf ----------------------------------------------------------------------------------------- */

void position_to_message(const struct position *position, struct position_message *ret_message)
{
    Pollen8__Position *message = &ret_message->message;
    pollen8__position__init(message);
    message->epoch = position->epoch;
    message->time_ms = position->time_ms;
    message->since_ms = position->since_ms;
    message->n_lanes = position->count;
    message->n_sequences = position->count;
    message->lanes = ret_message->lanes;
    message->sequences = ret_message->sequences;
    for (uint32_t i = 0; i < position->count; i++) {
        ret_message->lanes[i] = position->lanes[i].lane;
        ret_message->sequences[i] = position->lanes[i].sequence;
    }
}

enum status position_from_message(const Pollen8__Position *message, struct position *ret_position)
{
    struct position position = {
        .epoch = message->epoch, .time_ms = message->time_ms, .since_ms = message->since_ms};
    if (message->n_lanes != message->n_sequences || message->since_ms < 0 ||
        message->since_ms > message->time_ms)
        return STATUS_MALFORMED;
    for (size_t i = 0; i < message->n_lanes; i++) {
        if (message->lanes[i] == 0 || message->sequences[i] == 0)
            return STATUS_MALFORMED;
        if (position_advance(&position, message->lanes[i], message->sequences[i]) != STATUS_OK)
            return STATUS_FULL;
    }
    *ret_position = position;
    return STATUS_OK;
}
