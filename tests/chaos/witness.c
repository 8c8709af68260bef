/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * MSG -> OutboundFrame -> its lane's highest number; an offset's lanes -> no higher than that.
 */
#include "witness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.pb-c.h"

#include "broker_line.h"
#include "common/clock.h"
#include "load_number.h"

#define AGAIN_MS        20
#define TEXT_MAXIMUM    512 /* docs/protocol.md */
#define SKEW_MS         2000
#define LANES_A_BREAK   4
#define UNHEARD_ALLOWED 8

bool witness_create(struct witness *witness, const struct ring *ring, struct report *report)
{
    *witness = (struct witness){.report = report, .ring = ring, .fd = -1};
    witness->buffer = malloc(WITNESS_BUFFER_BYTES);
    witness->lanes = calloc(WITNESS_LANES, sizeof(*witness->lanes));
    return witness->buffer && witness->lanes;
}

void witness_free(struct witness *witness)
{
    if (witness->buffer && witness->fd >= 0)
        close(witness->fd);
    free(witness->buffer);
    free(witness->lanes);
}

/* Its entry, or the free one where it belongs. */
static struct witness_lane *find(const struct witness *witness, uint32_t lane)
{
    uint32_t at = lane * 2654435761U;

    while (witness->lanes[at % WITNESS_LANES].lane && witness->lanes[at % WITNESS_LANES].lane != lane)
        at++;
    return &witness->lanes[at % WITNESS_LANES];
}

static struct witness_lane *find_or_add(struct witness *witness, uint32_t lane)
{
    struct witness_lane *entry = find(witness, lane);

    if (entry->lane || lane == 0 || witness->used >= WITNESS_LANES / 2)
        return entry;
    witness->used++;
    entry->lane = lane;
    return entry;
}

/* ---- what is published ------------------------------------------------------------------------------ */

static void take_frame(struct witness *witness, struct slice bytes)
{
    Pollen8__OutboundFrame *frame =
        pollen8__outbound_frame__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    struct witness_lane *entry;

    if (!frame)
        return;
    witness->frames++;
    if (frame->history_epoch > witness->epoch)
        witness->epoch = frame->history_epoch;
    if (frame->lane) {
        entry = find_or_add(witness, frame->lane);
        witness->count += entry->lane && entry->sequence == 0;
        if (frame->lane_sequence > entry->sequence)
            entry->sequence = frame->lane_sequence;
    }
    pollen8__outbound_frame__free_unpacked(frame, NULL);
}

/* One line, and the message that it announces. The bytes used; 0: it is not all there. */
static size_t take_line(struct witness *witness, const char *at, const char *end)
{
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    const char *number = line_end;
    size_t line;
    uint64_t size;

    if (!line_end)
        return 0;
    line = (size_t)(line_end + 1 - at);
    if (line > 5 && memcmp(at, "PING", 4) == 0 && send(witness->fd, "PONG\r\n", 6, MSG_NOSIGNAL) < 0)
        return line;
    if (line < 8 || memcmp(at, "MSG ", 4) != 0)
        return line;
    while (number > at && number[-1] != ' ')
        number--;
    size = read_number(&number, line_end);
    if ((size_t)(end - at) < line + size + 2)
        return 0;
    take_frame(witness, slice_make(at + line, size));
    return line + size + 2;
}

static void take_lines(struct witness *witness)
{
    const char *at = witness->buffer;
    const char *end = at + witness->length;
    size_t used;

    while (at < end && (used = take_line(witness, at, end)) > 0)
        at += used;
    witness->length = (size_t)(end - at);
    memmove(witness->buffer, at, witness->length);
}

static void lose(struct witness *witness, uint64_t now_ms)
{
    close(witness->fd);
    witness->fd = -1;
    witness->length = 0;
    witness->try_ms = now_ms + AGAIN_MS;
}

void witness_turn(struct witness *witness, uint64_t now_ms)
{
    if (witness->fd < 0 && now_ms >= witness->try_ms) {
        witness->fd = broker_line_open(witness->ring->nats->port, "SUB pollen8.out.> 1\r\n");
        witness->try_ms = now_ms + AGAIN_MS;
    }
    while (witness->fd >= 0) {
        ssize_t more = recv(witness->fd, witness->buffer + witness->length,
                            WITNESS_BUFFER_BYTES - witness->length, MSG_DONTWAIT);
        if (more < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (more <= 0) {
            lose(witness, now_ms);
            return;
        }
        witness->length += (size_t)more;
        take_lines(witness);
    }
}

/* ---- what clients are given ------------------------------------------------------------------------- */

static const char *judge_lane(struct witness *witness, const struct offset_lane *lane)
{
    struct witness_lane *entry = find_or_add(witness, lane->lane);

    if (entry->lane == 0 || lane->sequence == 0)
        return "a lane that cannot be";
    if (lane->sequence > entry->sequence + WITNESS_AHEAD) {
        witness->told = entry->told;
        entry->told = true;
        return "a number that was never published";
    }
    if (entry->sequence == 0) { /* once: from here on it is known */
        witness->unheard++;
        entry->sequence = lane->sequence;
    }
    return NULL;
}

static const char *judge(struct witness *witness, struct slice text)
{
    struct offset offset;
    const char *fault = NULL;

    if (text.length > TEXT_MAXIMUM)
        return "more than 512 characters";
    if (!offset_read(text, &offset))
        return "no offset";
    if (offset.count > witness->most)
        witness->most = offset.count;
    if (offset.time_ms > (uint64_t)clock_wall_ms() + SKEW_MS)
        return "a time in the future";
    if (witness->epoch && offset.epoch > (uint64_t)clock_wall_ms() + SKEW_MS)
        return "an epoch that never was";
    for (uint32_t i = 0; i < offset.count && !fault; i++)
        fault = judge_lane(witness, &offset.lanes[i]);
    return fault;
}

void witness_check(struct witness *witness, uint32_t client, const char *offset)
{
    struct slice text = slice_from_string(offset);
    const char *fault;

    if (text.length == 0 ||
        (text.length == witness->last_length && memcmp(offset, witness->last, text.length) == 0))
        return;
    if (text.length < sizeof(witness->last)) {
        memcpy(witness->last, offset, text.length);
        witness->last_length = text.length;
    }
    witness->offsets++;
    witness->told = false;
    if (text.length > witness->longest)
        witness->longest = (uint32_t)text.length;
    fault = judge(witness, text);
    if (!fault)
        return;
    witness->wrong++;
    if (!witness->told)
        report_violation(witness->report, "client %u was given an offset with %s: %s", client, fault, offset);
}

void witness_settle(struct witness *witness, uint32_t breaks)
{
    if (witness->unheard > UNHEARD_ALLOWED + LANES_A_BREAK * breaks)
        report_violation(witness->report,
                         "clients were given offsets with %u lanes that were never published",
                         witness->unheard);
}
