/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Rate → credit → an event in a free slot → sent → answered ok: slot free; else sent again.
 */
#include "publishers.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MS      7000 /* more than the gateway's own patience */
#define AGAIN_LEAST_MS 50
#define AGAIN_MOST_MS  250
#define CREDIT_S       1.0 /* what is caught up after a time when nothing could be sent */
#define LATE_MS        2000
#define SOURCE_OFFSET  500

static void on_joined(void *context, struct link *link, bool recovered)
{
    (void)context;
    (void)link;
    (void)recovered;
}

static void on_event(void *context, struct link *link, struct slice name, struct slice data)
{
    (void)context;
    (void)link;
    (void)name;
    (void)data;
}

/* What was sent and not answered is sent again once the link is back. */
static void on_lost(void *context, struct link *link)
{
    struct publisher *publisher = (struct publisher *)(void *)link;

    (void)context;
    for (uint32_t i = 0; i < PUBLISHER_WINDOW; i++) {
        publisher->slots[i].sent = false;
        publisher->slots[i].due_ms = 0;
    }
}

static void on_answer(void *context, struct link *link, uint32_t id, bool ok, struct slice text)
{
    struct publishers *publishers = context;
    struct publisher *publisher = (struct publisher *)(void *)link;
    struct slot *slot = NULL;

    for (uint32_t i = 0; i < PUBLISHER_WINDOW && !slot; i++)
        if (publisher->slots[i].used && publisher->slots[i].event == id)
            slot = &publisher->slots[i];
    if (ok)
        ledger_ack(publishers->ledger, id);
    if (!slot)
        return;
    if (ok) {
        slot->used = false;
        publisher->used--;
        return;
    }
    publishers->refused++;
    if (memmem(text.data, text.length, "FORBIDDEN", 9) ||
        memmem(text.data, text.length, "INVALID_PAYLOAD", 15))
        report_violation(publishers->ledger->report, "event %u was refused for good: %.*s", id,
                         (int)(text.length < 160 ? text.length : 160), text.data);
    slot->sent = false;
    slot->due_ms = publishers->links.now_ms + dice_between(&publishers->dice, AGAIN_LEAST_MS, AGAIN_MOST_MS);
}

static void send_slot(struct publishers *publishers, struct publisher *publisher, struct slot *slot)
{
    const struct ledger_event *event = &publishers->ledger->events[slot->event];
    char industry[LEDGER_INDUSTRY_SIZE];
    char data[256];

    ledger_write_industry(industry, slot->event, event->industry);
    snprintf(data, sizeof(data),
             "{\"userId\":\"" LEDGER_USER "\",\"industries\":[\"%s\"],\"eventId\":\"e%u\"}", event->user,
             industry, slot->event);
    if (!link_emit(&publishers->links, &publisher->link, slot->event, "connection.new", data))
        return;
    slot->sent = true;
    slot->due_ms = publishers->links.now_ms + ANSWER_MS;
}

static void send_again(struct publishers *publishers, struct publisher *publisher)
{
    for (uint32_t i = 0; i < PUBLISHER_WINDOW && publisher->link.state == LINK_LIVE; i++) {
        struct slot *slot = &publisher->slots[i];
        if (!slot->used || slot->due_ms > publishers->links.now_ms)
            continue;
        publishers->resent++;
        send_slot(publishers, publisher, slot);
    }
}

static bool submit(struct publishers *publishers, struct publisher *publisher)
{
    struct slot *slot = publisher->slots;
    uint32_t user = (uint32_t)dice_between(&publishers->dice, 0, publishers->ledger->clients);
    uint32_t industry = (uint32_t)dice_between(&publishers->dice, 0, publishers->industries);
    uint32_t event = ledger_submit(publishers->ledger, user, industry, publishers->links.now_ms);

    if (event == LEDGER_EVENTS)
        return false;
    while (slot->used)
        slot++;
    *slot = (struct slot){.used = true, .event = event};
    publisher->used++;
    send_slot(publishers, publisher, slot);
    return true;
}

static void submit_due(struct publishers *publishers)
{
    uint32_t busy = 0;

    while (publishers->credit >= 1 && busy < PUBLISHERS) {
        struct publisher *publisher = &publishers->all[publishers->next++ % PUBLISHERS];
        if (publisher->link.state != LINK_LIVE || publisher->used == PUBLISHER_WINDOW ||
            !submit(publishers, publisher)) {
            busy++;
            continue;
        }
        publishers->credit -= 1;
        busy = 0;
    }
}

void publishers_turn(struct publishers *publishers, uint64_t now_ms, bool submit)
{
    double passed_s = (double)(now_ms - publishers->turned_ms) / 1000.0;

    links_turn(&publishers->links, now_ms);
    for (uint32_t i = 0; i < PUBLISHERS && publishers->turned_ms != now_ms; i++)
        if (publishers->all[i].used)
            send_again(publishers, &publishers->all[i]);
    if (submit && publishers->turned_ms) {
        publishers->offered += passed_s * publishers->target;
        publishers->credit += passed_s * publishers->rate;
        if (publishers->credit > publishers->rate * CREDIT_S)
            publishers->credit = publishers->rate * CREDIT_S;
        submit_due(publishers);
    }
    publishers->turned_ms = now_ms;
}

void publishers_pace(struct publishers *publishers, uint64_t lag_ms)
{
    double least = publishers->target / 10;

    if (lag_ms > LATE_MS)
        publishers->rate *= 0.8;
    else
        publishers->rate += publishers->target / 10;
    if (publishers->rate < least)
        publishers->rate = least;
    if (publishers->rate > publishers->target)
        publishers->rate = publishers->target;
}

uint32_t publishers_waiting(const struct publishers *publishers)
{
    uint32_t waiting = 0;

    for (uint32_t i = 0; i < PUBLISHERS; i++)
        waiting += publishers->all[i].used;
    return waiting;
}

bool publishers_create(struct publishers *publishers, const struct ring *ring, struct ledger *ledger,
                       double target, uint64_t seed, int64_t expires_s)
{
    *publishers = (struct publishers){.ledger = ledger,
                                      .target = target,
                                      .rate = target,
                                      .dice = {seed},
                                      .industries = ledger->clients / LEDGER_MEMBERS};
    for (uint32_t i = 0; i < PUBLISHERS; i++) {
        char user[32];
        snprintf(user, sizeof(user), "backend-%u", i);
        token_write(publishers->all[i].token, user, "service", expires_s);
        publishers->all[i].link.token = publishers->all[i].token;
        publishers->all[i].link.socketio = i % 2 == 0;
        publishers->list[i] = &publishers->all[i].link;
    }
    publishers->links.report = ledger->report;
    publishers->links.ring = ring;
    publishers->links.source = SOURCE_OFFSET;
    publishers->links.handlers = (struct link_handlers){
        .joined = on_joined, .event = on_event, .answer = on_answer, .lost = on_lost, .context = publishers};
    return links_create(&publishers->links, publishers->list, PUBLISHERS, seed + 1);
}

void publishers_free(struct publishers *publishers)
{
    links_free(&publishers->links);
}
