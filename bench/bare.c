/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The bare path of an event, nothing else: fetched from the stream, value-svc's script in Redis (which
 * appends to the user's history), an append to the industry's, two publishes, acknowledged. No payload is
 * read, checked or made: user and frames are constant. What value-svc adds to this is its own cost. Ends when
 * nothing has come for a while and prints how many it did and when the last was done.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "bus_open.h"
#include "common/bus/subject.h"
#include "common/clock.h"
#include "records/store_history.h"

#define BATCH         256
#define FETCH_WAIT_MS 200
#define ACK_WAIT_MS   30000
#define TIMEOUT_MS    5000
#define WINDOW_MS     600000
#define DUPLICATES_MS 120000
#define IDLE_FETCHES  15
#define DATA_BYTES    160
#define LANE          1
#define LENGTH        1000 /* of histories */
#define HISTORY_MS    120000

static const char usage[] = "usage: bench-bare --broker PORT --redis PORT --users N [--ready]\n"
                            "  --ready: only make the stream and the consumer, and end\n";

struct path {
    struct bus *bus;
    struct store_url url; /* the store borrows it */
    struct store *store;
    struct bus_consumer *consumer;
    uint32_t users;
    uint64_t done;
    uint64_t last_done; /* monotonic ns */
    char data[DATA_BYTES];
    char names[BATCH][16];
    char keys[BATCH][32];
    struct store_event events[BATCH];
    struct store_append appends[BATCH];
};

static bool apply(struct path *path, struct bus_batch *batch, size_t count)
{
    struct store_rules rules = {.window_ms = WINDOW_MS,
                                .retention_ms = 2 * WINDOW_MS,
                                .history_length = LENGTH,
                                .history_window_ms = HISTORY_MS};

    for (size_t i = 0; i < count; i++) {
        struct bus_delivery delivery = {0};
        if (bus_batch_delivery(batch, i, &delivery) != STATUS_OK)
            return false;
        snprintf(path->names[i], sizeof(path->names[i]), "u%" PRIu64, delivery.stream_sequence % path->users);
        snprintf(path->keys[i], sizeof(path->keys[i]), "%" PRIu64, delivery.stream_sequence);
        path->events[i] =
            (struct store_event){.user_id = path->names[i],
                                 .key = path->keys[i],
                                 .change = 1,
                                 .sequence = delivery.stream_sequence,
                                 .time_ms = delivery.timestamp_ms,
                                 .counts = true,
                                 .lane = LANE,
                                 .user_number = 2 * (path->done + i) + 2,
                                 .stamp_us = delivery.timestamp_ms * 1000,
                                 .update = {2 * (path->done + i) + 2, delivery.stream_sequence}};
        path->appends[i] =
            (struct store_append){.industry = "quiet", .frame = slice_make(path->data, sizeof(path->data))};
    }
    return store_apply(path->store, &rules, path->events, count) == STATUS_OK &&
           store_append(path->store, &rules, path->appends, count) == STATUS_OK;
}

static bool publish(struct path *path, size_t index)
{
    char subject[SUBJECT_SIZE];

    return bus_publish(path->bus, SUBJECT_OUT_INDUSTRY, path->data, sizeof(path->data)) == STATUS_OK &&
           subject_make(subject, SUBJECT_OUT_USER, slice_from_string(path->names[index])) == STATUS_OK &&
           bus_publish(path->bus, subject, path->data, sizeof(path->data)) == STATUS_OK;
}

static bool handle(struct path *path, struct bus_batch *batch)
{
    size_t count = bus_batch_count(batch);
    bool good = apply(path, batch, count);

    for (size_t i = 0; good && i < count; i++)
        good = publish(path, i);
    for (size_t i = 0; good && i < count; i++)
        good = bus_batch_ack(batch, i) == STATUS_OK;
    path->done += good ? count : 0;
    path->last_done = clock_monotonic_ns();
    return good;
}

static bool work(struct path *path)
{
    int idle = 0;
    bool good = true;

    while (good && idle < IDLE_FETCHES) {
        struct bus_batch *batch = NULL;
        if (bus_fetch(path->consumer, BATCH, FETCH_WAIT_MS, &batch) != STATUS_OK) {
            idle += path->done > 0;
            continue;
        }
        idle = 0;
        good = handle(path, batch);
        bus_batch_free(batch);
    }
    return good;
}

static bool open_all(struct path *path, uint16_t broker, uint16_t redis)
{
    static const char *const subjects[] = {SUBJECT_EVENTS_ANY, NULL};
    const struct bus_stream_options stream = {
        .name = STREAM_EVENTS, .subjects = subjects, .duplicates_ms = DUPLICATES_MS, .replicas = 1};
    const struct bus_consumer_options consumer = {.stream = STREAM_EVENTS,
                                                  .durable = "bare",
                                                  .filter = SUBJECT_EVENTS_ANY,
                                                  .ack_wait_ms = ACK_WAIT_MS,
                                                  .maximum_ack_pending = BATCH * 24};
    struct store_options options = {.url = &path->url, .timeout_ms = TIMEOUT_MS, .any_epoch = true};
    char text[64];
    char error[256] = "";

    snprintf(text, sizeof(text), "redis://127.0.0.1:%u", redis);
    path->bus = bus_open(broker, "bench-bare");
    if (!path->bus || store_url_parse(text, &path->url, error, sizeof(error)) != STATUS_OK ||
        store_create(&options, &path->store) != STATUS_OK || store_connect(path->store) != STATUS_OK ||
        bus_stream_ensure(path->bus, &stream, error, sizeof(error)) != STATUS_OK ||
        bus_consumer_create(path->bus, &consumer, &path->consumer, error, sizeof(error)) != STATUS_OK) {
        fprintf(stderr, "bench-bare: %s%s\n", error, path->store ? store_error(path->store) : "");
        return false;
    }
    return true;
}

static void read_arguments(int count, char **values, uint16_t ports[2], uint32_t *users, bool *only_ready)
{
    static const struct option options[] = {{"broker", required_argument, NULL, 'b'},
                                            {"redis", required_argument, NULL, 'r'},
                                            {"users", required_argument, NULL, 'u'},
                                            {"ready", no_argument, NULL, 'y'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(count, values, "", options, NULL)) != -1) {
        switch (option) {
        case 'b': ports[0] = (uint16_t)argument_number("--broker", optarg, 1, 65535); break;
        case 'r': ports[1] = (uint16_t)argument_number("--redis", optarg, 1, 65535); break;
        case 'u': *users = (uint32_t)argument_number("--users", optarg, 1, 10000000); break;
        case 'y': *only_ready = true; break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (!ports[0] || !ports[1] || !*users) {
        fputs(usage, stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct path path;
    uint16_t ports[2] = {0};
    bool only_ready = false;
    bool good;

    read_arguments(argc, argv, ports, &path.users, &only_ready);
    memset(path.data, 'x', sizeof(path.data));
    good = open_all(&path, ports[0], ports[1]);
    if (good && !only_ready) {
        good = work(&path);
        printf("{\"done\":%" PRIu64 ",\"ended_ns\":%" PRIu64 "}\n", path.done, path.last_done);
        if (!good)
            fprintf(stderr, "bench-bare: %s\n", store_error(path.store));
    }
    bus_consumer_free(path.consumer);
    store_free(path.store);
    bus_free(path.bus);
    return good ? 0 : 1;
}
