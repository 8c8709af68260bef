/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A link: away → connecting to a gateway → upgraded → joining → live → lost → away. link_text.c reads what
 * comes.
 */
#include "links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "link_text.h"

#define EVENTS_A_TURN   1024
#define OPENING_AT_ONCE 400
#define BACK_LEAST_MS   100 /* a lost link comes back within these */
#define BACK_MOST_MS    1000
#define JOINING_MS      20000
#define SILENCE_MS      50000 /* more than the heartbeat and its patience */

static uint32_t number_of(const struct links *links, const struct link *link)
{
    for (uint32_t i = 0; i < links->count; i++)
        if (links->all[i] == link)
            return i;
    return links->count;
}

void link_lost(struct links *links, struct link *link, int64_t back_ms)
{
    bool was_live = link->state == LINK_LIVE;

    if (link->state == LINK_AWAY)
        return;
    if (was_live) {
        links->live--;
        link->lost_ms = links->now_ms;
    } else {
        links->opening--;
    }
    link->state = LINK_AWAY;
    link->deaf = false;
    ws_client_close(&link->client);
    if (back_ms < 0)
        back_ms = (int64_t)dice_between(&links->dice, BACK_LEAST_MS, BACK_MOST_MS);
    link->due_ms = links->now_ms + (uint64_t)back_ms;
    link->refusals = 0;
    link->gateway = (uint32_t)dice_between(&links->dice, 0, links->ring->gateway_count);
    if (was_live && links->handlers.lost)
        links->handlers.lost(links->handlers.context, link);
}

void link_joined(struct links *links, struct link *link, bool recovered)
{
    uint64_t bucket = (links->now_ms - links->report->started_ms) / 100;

    if (link->state != LINK_JOINING)
        return;
    links->opening--;
    links->live++;
    link->state = LINK_LIVE;
    link->joined_ms = links->now_ms;
    if (link->joined_before) {
        links->joins[bucket < LINK_BUCKETS ? bucket : LINK_BUCKETS - 1]++;
        if (link->keeps_place) {
            *(recovered ? &links->recovered : &links->unrecovered) += 1;
            histogram_add(&links->recovery, (links->now_ms - link->lost_ms) * 1000000);
        }
    }
    links->handlers.joined(links->handlers.context, link, recovered);
    link->joined_before = true;
    link->lost_ms = 0;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static void refused_by_gateway(struct links *links, struct link *link)
{
    uint32_t refusals = link->refusals + 1;
    uint32_t next = (link->gateway + 1) % links->ring->gateway_count;

    if (refusals >= links->ring->gateway_count) {
        link_lost(links, link, -1);
        return;
    }
    link_lost(links, link, 0); /* another one at once, as behind a balancer */
    link->refusals = refusals;
    link->gateway = next;
}

static void go_on_connecting(struct links *links, uint32_t number)
{
    struct link *link = links->all[number];
    char header[512];

    snprintf(header, sizeof(header), "Authorization: Bearer %s", link->token);
    if (!ws_client_connect(&link->client, links->epoll, number, links->ring->gateways[link->gateway]->port,
                           link->socketio ? "/socket.io/?EIO=4&transport=websocket" : "/ws",
                           link->socketio ? NULL : header))
        refused_by_gateway(links, link);
}

static void start(struct links *links, uint32_t number)
{
    struct link *link = links->all[number];

    link->state = LINK_OPENING;
    links->opening++;
    link->heard_ms = links->now_ms;
    if (!ws_client_start(&link->client, links->epoll, number, links->ring->gateways[link->gateway]->port,
                         links->source + number, false)) {
        refused_by_gateway(links, link);
        return;
    }
    if (links->receive_bytes)
        setsockopt(link->client.stream.fd, SOL_SOCKET, SO_RCVBUF, &links->receive_bytes, sizeof(int));
    if (link->client.stream.connected)
        go_on_connecting(links, number);
}

static bool on_opened(void *context, struct ws_client *client)
{
    struct links *links = context;
    struct link *link = (struct link *)(void *)client;
    char text[LINK_OFFSET_SIZE + 64];

    link->state = LINK_JOINING;
    if (links->handlers.claims)
        links->handlers.claims(links->handlers.context, link);
    if (link->socketio || !link->keeps_place || !link->offset[0])
        return true;
    snprintf(text, sizeof(text), "{\"event\":\"resume\",\"data\":{\"offset\":\"%s\"}}", link->offset);
    return ws_client_send(client, FRAME_TEXT, slice_from_string(text));
}

static void on_message(void *context, struct ws_client *client, enum frame_opcode opcode,
                       struct slice payload)
{
    struct links *links = context;
    struct link *link = (struct link *)(void *)client;

    if (opcode == FRAME_CLOSE)
        link_take_close(links, link, payload);
    else if (link->socketio)
        link_take_socketio(links, link, payload);
    else
        link_take_json(links, link, payload);
}

static void on_refused(void *context, struct ws_client *client, struct slice line)
{
    (void)context;
    (void)client;
    (void)line; /* 503 or 429: the stream ends and it comes back */
}

/* ---- turns ------------------------------------------------------------------------------------------ */

static void open_due(struct links *links)
{
    for (uint32_t i = 0; i < links->count; i++) {
        struct link *link = links->all[i];
        if (link->state == LINK_AWAY) {
            if (link->due_ms <= links->now_ms && links->opening < OPENING_AT_ONCE)
                start(links, i);
        } else if (links->now_ms - link->heard_ms > (link->state == LINK_LIVE ? SILENCE_MS : JOINING_MS)) {
            report_say(links->report, "%s %u heard nothing for too long (%s)",
                       link->hostile ? "attacker" : "client", i,
                       link->state == LINK_LIVE ? "live" : "joining");
            link_lost(links, link, -1);
        }
    }
}

static void take(struct links *links, uint32_t number)
{
    struct link *link = links->all[number];

    if (link->state == LINK_AWAY || link->deaf)
        return;
    if (link->client.state == WS_CLIENT_CONNECTING) {
        go_on_connecting(links, number);
        return;
    }
    link->heard_ms = links->now_ms;
    if (ws_client_read(&link->client, &links->client_handlers) < 0)
        link_lost(links, link, -1);
}

void links_turn(struct links *links, uint64_t now_ms)
{
    struct epoll_event ready[EVENTS_A_TURN];
    int count;

    if (links->now_ms != now_ms) {
        links->now_ms = now_ms;
        open_due(links);
    }
    count = epoll_wait(links->epoll, ready, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        take(links, ready[i].data.u32);
}

bool link_emit(struct links *links, struct link *link, uint32_t id, const char *name, const char *data)
{
    char text[1024];

    if (link->state != LINK_LIVE)
        return false;
    if (link->socketio)
        snprintf(text, sizeof(text), "42%s%s%u[\"%s\",%s]", link->namespace ? link->namespace : "",
                 link->namespace ? "," : "", id, name, data);
    else
        snprintf(text, sizeof(text), "{\"id\":%u,\"event\":\"%s\",\"data\":%s}", id, name, data);
    if (ws_client_send(&link->client, FRAME_TEXT, slice_from_string(text)))
        return true;
    if (!link->hostile)
        report_say(links->report, "link %u: a message could not be sent", number_of(links, link));
    link_lost(links, link, -1);
    return false;
}

void link_leave(struct links *links, struct link *link, int64_t back_ms)
{
    link_lost(links, link, back_ms);
}

void link_deafen(struct links *links, struct link *link)
{
    struct epoll_event event = {.data.u32 = number_of(links, link)};

    link->deaf = epoll_ctl(links->epoll, EPOLL_CTL_DEL, link->client.stream.fd, &event) == 0;
}

bool links_create(struct links *links, struct link **all, uint32_t count, uint64_t seed)
{
    links->all = all;
    links->count = count;
    links->dice.state = seed;
    links->epoll = epoll_create1(EPOLL_CLOEXEC);
    links->client_handlers =
        (struct ws_client_handlers){.opened = on_opened,
                                    .message = on_message,
                                    .refused = on_refused,
                                    .context = links,
                                    .input = malloc(WS_CLIENT_TAIL_BYTES + WS_CLIENT_READ_BYTES)};
    for (uint32_t i = 0; i < count; i++) {
        ws_client_init(&all[i]->client);
        all[i]->gateway = i % links->ring->gateway_count;
    }
    return links->epoll >= 0 && links->client_handlers.input;
}

void links_close(struct links *links)
{
    for (uint32_t i = 0; i < links->count; i++) {
        link_lost(links, links->all[i], -1);
        links->all[i]->due_ms = UINT64_MAX;
    }
}

void links_free(struct links *links)
{
    for (uint32_t i = 0; links->all && i < links->count; i++)
        ws_client_done(&links->all[i]->client);
    free(links->client_handlers.input);
    if (links->all)
        close(links->epoll);
}
