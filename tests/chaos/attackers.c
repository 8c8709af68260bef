/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A real offset -> something made of it -> claimed -> a while -> away, to the next gateway.
 */
#include "attackers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "offset_text.h"
#include "witness.h"

#define SOURCE_OFFSET 600
#define STAY_LEAST_MS 200
#define STAY_MOST_MS  12000 /* a claim takes effect only after some seconds, if it does */
#define AGAIN_MOST_MS 6000
#define BACK_MOST_MS  500
#define RECEIVE_BYTES 4096
#define FAR           (WITNESS_AHEAD * 100ULL) /* far beyond what any lane comes to */
#define LANES_BOUND   40                       /* more is no claim */

enum lie {
    LIE_RAISED,    /* real lanes, far ahead */
    LIE_NEAR,      /* real lanes, a little ahead */
    LIE_LANES,     /* beside the real ones others, far ahead */
    LIE_SMALL,     /* the same, with small numbers */
    LIE_FUTURE,    /* a time to come */
    LIE_SINCE,     /* complete since the first day */
    LIE_EPOCH,     /* an epoch to come */
    LIE_TOO_MANY,  /* more lanes than an offset may have */
    LIE_MALFORMED, /* lanes not in order, and zeroes */
    LIE_GARBAGE,   /* no offset at all */
    LIE_NONE,      /* what it was given */
    LIE_KINDS
};

uint32_t attacker_industries(uint32_t attacker, uint32_t industries)
{
    if (attacker % ATTACKERS_WIDE != 0)
        return 1;
    return industries < ATTACKERS_INDUSTRIES ? industries : ATTACKERS_INDUSTRIES;
}

uint32_t attacker_industry(uint32_t attacker, uint32_t which, uint32_t industries)
{
    return (attacker + which) % industries;
}

/* ---- claims ----------------------------------------------------------------------------------------- */

/* From `least` to the highest there is, of every order of magnitude. */
static uint64_t number_from(struct dice *dice, uint64_t least)
{
    uint64_t number = dice_roll(dice);

    if (dice_between(dice, 0, 4) == 0)
        return UINT64_MAX;
    number >>= dice_between(dice, 0, 44);
    return number > UINT64_MAX - least ? number : number + least;
}

static int by_lane(const void *one, const void *other)
{
    uint32_t a = ((const struct offset_lane *)one)->lane;
    uint32_t b = ((const struct offset_lane *)other)->lane;

    return (a > b) - (a < b);
}

static void add_lanes(struct dice *dice, struct offset *offset, uint32_t up_to, bool small)
{
    while (offset->count < up_to)
        offset->lanes[offset->count++] =
            (struct offset_lane){.lane = (uint32_t)dice_between(dice, 1, UINT32_MAX),
                                 .sequence = small ? dice_between(dice, 1, 1000) : number_from(dice, FAR)};
    qsort(offset->lanes, offset->count, sizeof(offset->lanes[0]), by_lane);
}

static void raise_lanes(struct dice *dice, struct offset *offset, bool near)
{
    for (uint32_t i = 0; i < offset->count; i++) {
        struct offset_lane *lane = &offset->lanes[i];
        if (near)
            lane->sequence += dice_between(dice, 1, 50);
        else
            lane->sequence = number_from(dice, lane->sequence + FAR);
    }
}

static void distort(struct dice *dice, struct offset *offset, enum lie lie)
{
    uint32_t room = offset->count < LANES_BOUND ? LANES_BOUND - offset->count : 0;

    switch (lie) {
    case LIE_RAISED:
    case LIE_NEAR: raise_lanes(dice, offset, lie == LIE_NEAR); break;
    case LIE_LANES:
    case LIE_SMALL:
        add_lanes(dice, offset, offset->count + (uint32_t)dice_between(dice, 0, room + 1), lie == LIE_SMALL);
        break;
    case LIE_FUTURE: offset->time_ms += dice_between(dice, 60000, 1ULL << dice_between(dice, 18, 61)); break;
    case LIE_SINCE: offset->complete_ms = offset->time_ms; break;
    case LIE_EPOCH: offset->epoch += number_from(dice, FAR) >> 1; break;
    case LIE_TOO_MANY:
        add_lanes(dice, offset, (uint32_t)dice_between(dice, LANES_BOUND + 1, OFFSET_LANES_MAXIMUM), true);
        break;
    case LIE_MALFORMED:
        raise_lanes(dice, offset, false);
        offset->lanes[offset->count ? dice_between(dice, 0, offset->count) : 0] =
            (struct offset_lane){.lane = (uint32_t)dice_between(dice, 0, 3)};
        offset->count += offset->count == 0;
        break;
    case LIE_GARBAGE:
    case LIE_NONE:
    case LIE_KINDS:
    default: break;
    }
}

static void write_garbage(struct dice *dice, char out[LINK_OFFSET_SIZE])
{
    static const char letters[] = "ABCXYZabcxyz0189-_AAAAAA= ~";
    size_t length = dice_between(dice, 0, LINK_OFFSET_SIZE);

    for (size_t i = 0; i < length; i++)
        out[i] = letters[dice_between(dice, 0, sizeof(letters) - 1)];
    out[length] = 0;
}

/* Into the link's offset, from the last that came in a frame. */
static void make_claim(struct attackers *attackers, struct attacker *attacker)
{
    struct link *link = &attacker->link;
    enum lie lie = (enum lie)dice_between(&attackers->dice, 0, LIE_KINDS);
    struct offset offset;
    char text[OFFSET_TEXT_SIZE];

    if (strcmp(link->offset, attacker->claimed) != 0)
        memcpy(attacker->base, link->offset, sizeof(attacker->base));
    attackers->claims++;
    if (lie == LIE_GARBAGE) {
        write_garbage(&attackers->dice, link->offset);
    } else if (offset_read(slice_from_string(attacker->base), &offset)) {
        distort(&attackers->dice, &offset, lie);
        if (offset_write(&offset, text) < sizeof(link->offset))
            memcpy(link->offset, text, strlen(text) + 1);
    }
    memcpy(attacker->claimed, link->offset, sizeof(attacker->claimed));
}

/* Its own (a record may be kept of it), another one's, or one that nobody has. */
static void make_pid(struct attackers *attackers, struct link *link)
{
    static const char letters[] = "ABCXYZabcxyz0189-_";
    struct dice *dice = &attackers->dice;
    size_t length = dice_between(dice, 1, LINK_PID_SIZE);

    switch (dice_between(dice, 0, 4)) {
    case 0:
        for (size_t i = 0; i < length; i++)
            link->pid[i] = letters[dice_between(dice, 0, sizeof(letters) - 1)];
        link->pid[length] = 0;
        break;
    case 1: {
        const struct link *other = attackers->clients->list[dice_between(dice, 0, attackers->clients->count)];
        if (other->pid[0])
            memcpy(link->pid, other->pid, sizeof(link->pid));
        break;
    }
    default: break;
    }
    if (!link->pid[0])
        memcpy(link->pid, "made-up", sizeof "made-up");
}

static void on_claims(void *context, struct link *link)
{
    struct attackers *attackers = context;

    make_claim(attackers, (struct attacker *)(void *)link);
    if (link->socketio)
        make_pid(attackers, link);
}

/* ---- life ------------------------------------------------------------------------------------------- */

static void on_joined(void *context, struct link *link, bool recovered)
{
    struct attackers *attackers = context;
    struct attacker *attacker = (struct attacker *)(void *)link;
    uint64_t now_ms = attackers->links.now_ms;

    attackers->believed += recovered;
    attacker->leave_ms = now_ms + dice_between(&attackers->dice, STAY_LEAST_MS, STAY_MOST_MS);
    attacker->again_ms = now_ms + dice_between(&attackers->dice, 0, AGAIN_MOST_MS);
    if (dice_between(&attackers->dice, 0, 3) == 0) {
        attackers->deaf++;
        link_deafen(&attackers->links, link);
    }
}

static void on_event(void *context, struct link *link, struct slice name, struct slice data)
{
    (void)context;
    (void)link;
    (void)name;
    (void)data;
}

static void on_answer(void *context, struct link *link, uint32_t id, bool ok, struct slice text)
{
    (void)context;
    (void)link;
    (void)id;
    (void)ok;
    (void)text;
}

static void claim_again(struct attackers *attackers, struct attacker *attacker)
{
    char data[LINK_OFFSET_SIZE + 32];

    attacker->again_ms = UINT64_MAX;
    make_claim(attackers, attacker);
    snprintf(data, sizeof(data), "{\"offset\":\"%s\"}", attacker->link.offset);
    link_emit(&attackers->links, &attacker->link, 1, "resume", data);
}

void attackers_turn(struct attackers *attackers, uint64_t now_ms)
{
    if (attackers->count == 0)
        return;
    links_turn(&attackers->links, now_ms);
    for (uint32_t i = 0; i < attackers->count; i++) {
        struct attacker *attacker = &attackers->all[i];
        uint32_t gateway = attacker->link.gateway;

        if (attacker->link.state != LINK_LIVE)
            continue;
        if (attacker->leave_ms <= now_ms) {
            link_leave(&attackers->links, &attacker->link,
                       (int64_t)dice_between(&attackers->dice, 0, BACK_MOST_MS));
            attacker->link.gateway = (gateway + 1) % attackers->links.ring->gateway_count;
        } else if (!attacker->link.socketio && attacker->again_ms <= now_ms) {
            claim_again(attackers, attacker);
        }
    }
}

bool attackers_create(struct attackers *attackers, const struct ring *ring, const struct clients *clients,
                      uint32_t count, uint64_t seed, int64_t expires_s)
{
    *attackers = (struct attackers){.clients = clients, .count = count, .dice = {seed}};
    attackers->all = calloc(count + 1, sizeof(*attackers->all));
    attackers->list = calloc(count + 1, sizeof(struct link *));
    if (!attackers->all || !attackers->list)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct attacker *attacker = &attackers->all[i];
        char user[32];

        snprintf(user, sizeof(user), ATTACKER_USER, i);
        token_write(attacker->token, user, NULL, expires_s);
        attacker->link.token = attacker->token;
        attacker->link.socketio = i % 2 == 0;
        attacker->link.namespace = i % 4 == 0 ? RING_NAMESPACE : NULL;
        attacker->link.keeps_place = true;
        attacker->link.hostile = true;
        attackers->list[i] = &attacker->link;
    }
    attackers->links.report = clients->links.report;
    attackers->links.ring = ring;
    attackers->links.source = SOURCE_OFFSET;
    attackers->links.receive_bytes = RECEIVE_BYTES;
    attackers->links.handlers = (struct link_handlers){.joined = on_joined,
                                                       .claims = on_claims,
                                                       .event = on_event,
                                                       .answer = on_answer,
                                                       .context = attackers};
    return links_create(&attackers->links, attackers->list, count, seed + 1);
}

void attackers_free(struct attackers *attackers)
{
    if (attackers->list)
        links_free(&attackers->links);
    free(attackers->all);
    free(attackers->list);
}
