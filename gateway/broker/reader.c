/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * loop:    broker_link -> the subject's kind -> its callback, on this thread · a user's subscription is a
 *          number
 * library: the bus's delivery thread -> its callback · subscriptions are made on the sender's thread, in
 *          order with the requests that follow them
 */
#include "broker/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/gateway.h"
#include "base/mailbox.h"
#include "broker/link/broker_link.h"
#include "broker/requests.h"
#include "broker/sender.h"
#include "common/bus/broker_protocol.h"
#include "common/bus/subject.h"
#include "common/log.h"

struct topic {
    const char *subject;
    bus_message_fn *callback;
};

struct reader {
    struct gateway *gateway;
    struct broker_link *link; /* NULL: library */
    uint64_t numbers;         /* subscriptions ever numbered */
    size_t ready_depth;       /* reading pauses at this many waiting frames */
    const struct reader_events *events;
    size_t topic_count;
    struct topic topics[READER_TOPICS]; /* subscription i + 1 is topic i */
};

/* ---- library ------------------------------------------------------------------------------------------ */

/* Touched on the sender's thread only. */
struct feed {
    struct gateway *gateway;
    bus_message_fn *callback;
    struct bus_subscription *frames;
    size_t length;
    char user[];
};

static void subscribe(void *context, struct bus *bus)
{
    struct feed *feed = context;
    char subject[SUBJECT_SIZE];
    enum status status = subject_make(subject, SUBJECT_OUT_USER, slice_make(feed->user, feed->length));
    if (status == STATUS_OK)
        status = bus_subscribe(bus, subject, NULL, feed->callback, feed->gateway, &feed->frames);
    if (status != STATUS_OK)
        log_event_limited(LOG_ERROR, "a user's subscription failed", LOG_S("status", status_code(status)));
}

static void unsubscribe(void *context, struct bus *bus)
{
    struct feed *feed = context;
    (void)bus;
    bus_unsubscribe(feed->frames);
    free(feed);
}

static enum status enter_library(struct reader *reader, struct slice user, struct reader_feed *ret_feed)
{
    struct feed *feed = calloc(1, sizeof(*feed) + user.length);
    if (!feed)
        return STATUS_NO_MEMORY;
    feed->gateway = reader->gateway;
    feed->callback = reader->events->user_frame;
    feed->length = user.length;
    memcpy(feed->user, user.data, user.length);
    enum status status = sender_call(reader->gateway->sender, subscribe, feed);
    if (status != STATUS_OK) {
        free(feed);
        return status;
    }
    ret_feed->library = feed;
    return STATUS_OK;
}

/* ---- loop --------------------------------------------------------------------------------------------- */

static void on_message(struct gateway *gateway, const struct broker_operation *operation)
{
    const struct reader *reader = gateway->reader;
    const struct bus_message message = {
        .subject = operation->subject, .reply = operation->reply, .data = operation->data};
    if (operation->subscription - 1 < reader->topic_count)
        reader->topics[operation->subscription - 1].callback(gateway, &message);
    else
        reader->events->user_frame(gateway, &message);
}

static bool is_ready(struct gateway *gateway)
{
    return mailbox_depth(gateway->mailbox, MAIL_FRAMES) < gateway->reader->ready_depth;
}

static void on_subscribe(struct gateway *gateway)
{
    struct reader *reader = gateway->reader;
    for (size_t i = 0; i < reader->topic_count; i++)
        broker_link_subscribe(reader->link, reader->topics[i].subject, i + 1);
    reader->events->renew(gateway);
}

static void on_event(struct gateway *gateway, enum broker_link_event event)
{
    static const char *const lines[] = {
        [BROKER_LINK_FIRST] = "frames come from NATS",
        [BROKER_LINK_AGAIN] = "frames come from NATS again",
        [BROKER_LINK_LOST] = "no frames come from NATS",
    };
    log_event(event == BROKER_LINK_LOST ? LOG_WARN : LOG_INFO, lines[event]);
    const struct reader_events *events = gateway->reader->events;
    if (event == BROKER_LINK_FIRST)
        events->first(gateway);
    else if (event == BROKER_LINK_AGAIN)
        events->again(gateway);
    else
        events->lost(gateway);
}

static const struct broker_link_handlers handlers = {
    .subscribe = on_subscribe, .message = on_message, .ready = is_ready, .event = on_event};

static enum status enter_loop(struct reader *reader, struct slice user, struct reader_feed *feed)
{
    char subject[SUBJECT_SIZE];
    enum status status = subject_make(subject, SUBJECT_OUT_USER, user);
    if (status != STATUS_OK)
        return status;
    if (!feed->number)
        feed->number = ++reader->numbers;
    broker_link_subscribe(reader->link, subject, feed->number);
    return STATUS_OK;
}

/* ---- both --------------------------------------------------------------------------------------------- */

/* Whether the loop can read from these servers. */
static bool loop_can(const struct settings *settings)
{
    struct broker_server servers[BROKER_SERVERS];
    size_t count = 0;
    char *list = strdup(settings->nats_url);
    bool can = list && broker_servers_parse(list, servers, &count) == STATUS_OK &&
               !(settings->nats_credentials_file && settings->nats_credentials_file[0]) &&
               !(settings->nats_ca_file && settings->nats_ca_file[0]);
    free(list);
    return can;
}

static enum status start_link(struct reader *reader, struct uv_loop_s *loop)
{
    const struct settings *settings = reader->gateway->settings;
    char name[64];
    snprintf(name, sizeof(name), "gateway %s frames", settings->gateway_name);
    return broker_link_create(reader->gateway, loop, settings->nats_url, name, &handlers, &reader->link);
}

enum status reader_create(struct gateway *gateway, struct uv_loop_s *loop, const struct reader_events *events,
                          struct reader **ret_reader, char *error, size_t error_size)
{
    enum reader_kind kind = (enum reader_kind)gateway->settings->broker_reader;
    bool can = loop_can(gateway->settings);
    if (kind == READER_LOOP && !can) {
        snprintf(error, error_size,
                 "BROKER_READER=loop needs NATS_URL with nats:// only, and no credentials or CA file");
        return STATUS_MALFORMED;
    }
    struct reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return STATUS_NO_MEMORY;
    reader->gateway = gateway;
    reader->events = events;
    reader->numbers = READER_TOPICS;
    reader->ready_depth = (size_t)gateway->settings->inbound_queue / 2;
    gateway->reader = reader;
    enum status status = can && kind != READER_LIBRARY ? start_link(reader, loop) : STATUS_OK;
    if (status != STATUS_OK) {
        gateway->reader = NULL;
        free(reader);
        return status;
    }
    atomic_store(&gateway->bus_has_frames, reader->link == NULL);
    *ret_reader = reader;
    return STATUS_OK;
}

enum status reader_subscribe(struct reader *reader, const char *subject, bus_message_fn *callback)
{
    struct bus_subscription *kept; /* kept until the bus is freed */
    if (!reader->link)
        return bus_subscribe(reader->gateway->bus, subject, NULL, callback, reader->gateway, &kept);
    if (reader->topic_count == READER_TOPICS)
        return STATUS_FULL;
    reader->topics[reader->topic_count++] = (struct topic){subject, callback};
    broker_link_subscribe(reader->link, subject, reader->topic_count);
    return STATUS_OK;
}

enum status reader_enter(struct reader *reader, struct slice user, struct reader_feed *feed)
{
    return reader->link ? enter_loop(reader, user, feed) : enter_library(reader, user, feed);
}

void reader_leave(struct reader *reader, struct reader_feed *feed)
{
    if (feed->number) {
        broker_link_unsubscribe(reader->link, feed->number);
    } else if (feed->library &&
               sender_call(reader->gateway->sender, unsubscribe, feed->library) != STATUS_OK) {
        log_event_limited(LOG_ERROR, "a user's subscription stays: out of memory");
    }
    *feed = (struct reader_feed){0};
}

/* A request that waits until the broker knows its subscriptions. */
struct held {
    struct gateway *gateway;
    bus_reply_fn *callback;
    void *context;
    uint32_t timeout_ms;
    bool large;
    char subject[SUBJECT_SIZE];
    size_t length;
    char data[];
};

static enum status ask(struct gateway *gateway, const char *subject, struct slice data, bool large,
                       uint32_t timeout_ms, bus_reply_fn *callback, void *context)
{
    if (large)
        return sender_request(gateway->sender, subject, data, false, timeout_ms, callback, context);
    return requests_ask(gateway->requests, subject, data, false, timeout_ms, callback, context);
}

static void go_on(void *context, enum status status)
{
    struct held *held = context;
    if (status == STATUS_OK)
        status = ask(held->gateway, held->subject, slice_make(held->data, held->length), held->large,
                     held->timeout_ms, held->callback, held->context);
    if (status != STATUS_OK)
        held->callback(held->context, status, NULL);
    free(held);
}

enum status reader_request(struct reader *reader, const char *subject, struct slice data, bool large,
                           uint32_t timeout_ms, bus_reply_fn *callback, void *context)
{
    if (!reader->link || broker_link_settled(reader->link)) /* the sender keeps them in order */
        return ask(reader->gateway, subject, data, large, timeout_ms, callback, context);
    struct held *held = malloc(sizeof(*held) + data.length);
    if (!held)
        return STATUS_NO_MEMORY;
    *held = (struct held){.gateway = reader->gateway,
                          .callback = callback,
                          .context = context,
                          .timeout_ms = timeout_ms,
                          .large = large,
                          .length = data.length};
    snprintf(held->subject, sizeof(held->subject), "%s", subject);
    if (data.length)
        memcpy(held->data, data.data, data.length);
    broker_link_then(reader->link, go_on, held);
    return STATUS_OK;
}

bool reader_on_loop(const struct reader *reader)
{
    return reader->link != NULL;
}

bool reader_connected(const struct reader *reader)
{
    return reader->link ? broker_link_up(reader->link) : bus_connected(reader->gateway->bus);
}

bool reader_turn(struct reader *reader)
{
    return reader && reader->link && broker_link_turn(reader->link);
}

void reader_stop(struct reader *reader)
{
    if (reader && reader->link)
        broker_link_stop(reader->link);
}

void reader_free(struct reader *reader)
{
    if (!reader)
        return;
    broker_link_free(reader->link);
    free(reader);
}
