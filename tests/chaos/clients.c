/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * connection.new → ledger; network.update → rising counts; value.get → answers.
 */
#include "clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_number.h"

#define HUNDREDTHS_A_CONNECTION 314
#define SOURCE_OFFSET           1000 /* 127.0.3.232 and up */
#define IN_NAMESPACE            10   /* every so many, of those that speak Socket.IO */

static void on_joined(void *context, struct link *link, bool recovered)
{
    struct clients *clients = context;
    const struct client *client = (const struct client *)(const void *)link;

    if (!recovered)
        clients->excused[client->number] = clients->ledger->count;
    else if (link->joined_before)
        clients->whole[client->number] = clients->ledger->count;
}

static void take_value(struct clients *clients, struct client *client, struct slice data)
{
    const char *at = memmem(data.data, data.length, "\"newValue\":", 11);
    uint64_t hundredths;
    uint32_t count;

    if (!at) {
        report_violation(clients->ledger->report, "client %u was sent a network.update without a value",
                         client->number);
        return;
    }
    hundredths = read_hundredths(at + 11, data.data + data.length);
    count = (uint32_t)(hundredths / HUNDREDTHS_A_CONNECTION);
    if (hundredths % HUNDREDTHS_A_CONNECTION != 0)
        report_violation(clients->ledger->report, "client %u was told the value %.2f, which is no count",
                         client->number, (double)hundredths / 100);
    clients->values_fallen += count < client->count;
    if (count < client->count && !clients->values_may_fall)
        report_violation(clients->ledger->report,
                         "client %u was told its value of %u connections after that of %u", client->number,
                         count, client->count);
    client->count = count;
}

static void on_event(void *context, struct link *link, struct slice name, struct slice data)
{
    struct clients *clients = context;
    struct client *client = (struct client *)(void *)link;

    witness_check(clients->witness, client->number, link->offset);
    if (slice_equal_string(name, "connection.new")) {
        int64_t late_ms = ledger_deliver(clients->ledger, client->number, clients->excused[client->number],
                                         data, clients->links.now_ms);
        if (late_ms < 0)
            return;
        histogram_add(&clients->latency, (uint64_t)late_ms * 1000000);
        clients->lag_sum_ms += (uint64_t)late_ms;
        clients->lag_count++;
    } else if (slice_equal_string(name, "network.update")) {
        take_value(clients, client, data);
    } else if (!slice_equal_string(name, "offset")) { /* nothing but where the client stands */
        report_violation(clients->ledger->report, "client %u was sent the event %.*s", client->number,
                         (int)name.length, name.data);
    }
}

static void on_answer(void *context, struct link *link, uint32_t id, bool ok, struct slice text)
{
    struct clients *clients = context;
    struct client *client = (struct client *)(void *)link;
    const char *at = memmem(text.data, text.length, "\"connections\":", 14);

    (void)id;
    if (!ok || !at || client->answered >= 0)
        return;
    at += 14;
    client->answered = (int64_t)read_number(&at, text.data + text.length);
    clients->answers++;
}

uint64_t clients_lag_ms(struct clients *clients)
{
    uint64_t lag_ms = clients->lag_count ? clients->lag_sum_ms / clients->lag_count : 0;

    clients->lag_sum_ms = 0;
    clients->lag_count = 0;
    return lag_ms;
}

void clients_ask(struct clients *clients)
{
    for (uint32_t i = 0; i < clients->count; i++)
        if (clients->all[i].answered < 0)
            link_emit(&clients->links, &clients->all[i].link, 1, "value.get", "{}");
}

bool clients_create(struct clients *clients, const struct ring *ring, struct ledger *ledger,
                    struct witness *witness, uint32_t count, uint64_t seed, int64_t expires_s)
{
    *clients = (struct clients){.ledger = ledger, .witness = witness, .count = count};
    clients->all = calloc(count, sizeof(*clients->all));
    clients->list = calloc(count, sizeof(struct link *));
    clients->excused = calloc(count, sizeof(*clients->excused));
    clients->whole = calloc(count, sizeof(*clients->whole));
    if (!clients->all || !clients->list || !clients->excused || !clients->whole)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct client *client = &clients->all[i];
        char user[32];

        snprintf(user, sizeof(user), LEDGER_USER, i);
        token_write(client->token, user, NULL, expires_s);
        client->number = i;
        client->answered = -1;
        client->link.token = client->token;
        client->link.socketio = i % 2 == 0;
        client->link.namespace = i % IN_NAMESPACE == 0 ? RING_NAMESPACE : NULL;
        client->link.keeps_place = true;
        clients->list[i] = &client->link;
    }
    clients->links.report = ledger->report;
    clients->links.ring = ring;
    clients->links.source = SOURCE_OFFSET;
    clients->links.handlers = (struct link_handlers){
        .joined = on_joined, .event = on_event, .answer = on_answer, .context = clients};
    return links_create(&clients->links, clients->list, count, seed);
}

void clients_free(struct clients *clients)
{
    links_free(&clients->links);
    free(clients->all);
    free(clients->list);
    free(clients->excused);
    free(clients->whole);
}
