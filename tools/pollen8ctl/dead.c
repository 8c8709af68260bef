/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `dead`: events that value-svc moved to POLLEN8_DEAD because they could not be processed. Listing, and
 * replaying all, walk the stream with a temporary consumer. A single message is fetched by its sequence.
 */
#include "dead.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "command.h"
#include "common/bus/bus_stream.h"

#define LIMIT_DEFAULT "50"
#define PAGE          64
#define FETCH_WAIT_MS 2000
#define ACK_WAIT_MS   60000

static const char usage[] =
    "usage: pollen8ctl dead list [--limit N] [--json]\n"
    "       pollen8ctl dead show SEQUENCE [--json]\n"
    "       pollen8ctl dead replay SEQUENCE|--all\n"
    "       pollen8ctl dead drop SEQUENCE|--all --yes\n"
    "\n"
    "  Events that value-svc put aside: their content is wrong, or they failed in 8 tries.\n"
    "\n"
    "  list     the oldest 50, oldest first: sequence, time, event, reason. --limit N lists N of them\n"
    "           (0: all). Standard error says how many more there are\n"
    "  show     headers and body of one\n"
    "  replay   publishes the body again as the event it was, then deletes it here. Use it once the reason\n"
    "           for the refusal is fixed. An eventId in it still counts only once\n"
    "  drop     deletes permanently\n"
    "  --nats URL  the broker (default: NATS_URL, else nats://localhost:4222)\n"
    "\n"
    "  Exit status: 0 done, 1 failed or no such message, 2 wrong usage.\n";

struct request {
    const char *action;
    const char *url;
    uint64_t sequence; /* 0: none given */
    uint64_t limit;    /* 0: no limit */
    uint64_t listed;
    bool all;
    bool json;
    bool yes;
};

/* ---- all of them ------------------------------------------------------------------------------------- */

/* Called for each message. A result other than 0 makes the whole command fail. */
typedef int entry_fn(void *context, struct bus *bus, const struct dead_entry *entry);

static int fail_stream(enum status status)
{
    if (status == STATUS_NOT_FOUND)
        return command_fail(EXIT_FAILED, "there is no stream " DEAD_STREAM " yet: value-svc creates it");
    return command_fail(EXIT_FAILED, "the stream cannot be read: %s", status_message(status));
}

static int walk_batch(struct bus *bus, struct bus_batch *batch, uint64_t last_sequence, uint64_t *left,
                      entry_fn *each, void *context)
{
    struct bus_delivery delivery;
    struct bus_message message;
    struct dead_entry entry;
    int result = 0;

    for (size_t i = 0; i < bus_batch_count(batch) && *left > 0; i++) {
        bus_batch_message(batch, i, &message);
        if (bus_batch_delivery(batch, i, &delivery) != STATUS_OK)
            continue;
        if (delivery.stream_sequence > last_sequence) { /* it arrived after the command started */
            *left = 0;
            break;
        }
        dead_entry_fill(&entry, &message, delivery.stream_sequence, delivery.timestamp_ms);
        if (each(context, bus, &entry) != 0)
            result = EXIT_FAILED;
        bus_batch_ack(batch, i);
        *left = delivery.pending == 0 ? 0 : *left - 1;
    }
    return result;
}

/* Walks at most `limit` of the messages that exist now, oldest first. */
static int walk(struct bus *bus, uint64_t limit, entry_fn *each, void *context)
{
    const struct bus_consumer_options options = {.stream = DEAD_STREAM,
                                                 .filter = DEAD_ANY,
                                                 .ack_wait_ms = ACK_WAIT_MS,
                                                 .maximum_ack_pending = 2 * PAGE};
    struct bus_stream_state state;
    struct bus_consumer *consumer = NULL;
    struct bus_consumer_state progress = {0};
    uint64_t left = limit ? limit : UINT64_MAX;
    int result = 0;
    enum status status = bus_stream_state(bus, DEAD_STREAM, &state);

    if (status == STATUS_OK && state.messages == 0)
        return 0;
    if (status == STATUS_OK)
        status = bus_consumer_create(bus, &options, &consumer, NULL, 0);
    while (status == STATUS_OK && left > 0) {
        struct bus_batch *batch = NULL;

        status = bus_fetch(consumer, left < PAGE ? (uint32_t)left : PAGE, FETCH_WAIT_MS, &batch);
        if (status == STATUS_OK && walk_batch(bus, batch, state.last_sequence, &left, each, context) != 0)
            result = EXIT_FAILED;
        bus_batch_free(batch);
        /* The next messages may have been deleted in the meantime. */
        if (status == STATUS_TIMEOUT)
            status = bus_consumer_state(consumer, &progress);
        if (status == STATUS_OK && !batch && progress.pending == 0)
            left = 0;
    }
    bus_consumer_free(consumer);
    return status == STATUS_OK ? result : fail_stream(status);
}

static int list_entry(void *context, struct bus *bus, const struct dead_entry *entry)
{
    struct request *request = context;

    (void)bus;
    request->listed++;
    dead_entry_print_line(entry, request->json);
    return 0;
}

static int list(struct bus *bus, struct request *request)
{
    struct bus_stream_state state;
    int result = walk(bus, request->limit, list_entry, request);

    if (result != 0 || request->limit == 0 || request->listed < request->limit)
        return result;
    if (bus_stream_state(bus, DEAD_STREAM, &state) == STATUS_OK && state.messages > request->listed)
        fprintf(stderr, "... and %" PRIu64 " more: --limit N, 0 for all\n", state.messages - request->listed);
    return result;
}

struct replay {
    uint64_t done;
    uint64_t failed;
};

static int replay_entry(void *context, struct bus *bus, const struct dead_entry *entry)
{
    struct replay *replay = context;
    int result = dead_entry_replay(bus, entry);

    if (result == 0)
        replay->done++;
    else
        replay->failed++;
    return result;
}

static int replay_all(struct bus *bus)
{
    struct replay replay = {0};
    int result = walk(bus, 0, replay_entry, &replay);

    if (result == 0 || replay.done + replay.failed > 0)
        printf("%" PRIu64 " replayed, %" PRIu64 " failed\n", replay.done, replay.failed);
    return result;
}

static int drop_all(struct bus *bus)
{
    struct bus_stream_state state;
    enum status status = bus_stream_state(bus, DEAD_STREAM, &state);

    if (status == STATUS_OK && state.messages > 0)
        status = bus_stream_purge(bus, DEAD_STREAM, NULL, state.last_sequence + 1);
    if (status != STATUS_OK)
        return fail_stream(status);
    printf("%" PRIu64 " dropped\n", state.messages);
    return 0;
}

/* ---- one of them ------------------------------------------------------------------------------------- */

static int one(struct bus *bus, const struct request *request)
{
    struct bus_stored *stored = NULL;
    struct bus_message message;
    struct dead_entry entry;
    int result = 0;
    enum status status = bus_stored_get(bus, DEAD_STREAM, request->sequence, &stored);

    if (status == STATUS_NOT_FOUND)
        return command_fail(EXIT_FAILED, "there is no dead letter %" PRIu64, request->sequence);
    if (status != STATUS_OK)
        return fail_stream(status);
    bus_stored_message(stored, &message);
    dead_entry_fill(&entry, &message, bus_stored_sequence(stored), bus_stored_time_ms(stored));
    if (strcmp(request->action, "show") == 0)
        dead_entry_print_whole(&entry, request->json);
    else if (strcmp(request->action, "replay") == 0)
        result = dead_entry_replay(bus, &entry);
    else if (bus_stored_delete(bus, DEAD_STREAM, request->sequence) != STATUS_OK)
        result = command_fail(EXIT_FAILED, "dead letter %" PRIu64 " cannot be deleted", request->sequence);
    if (result == 0 && strcmp(request->action, "show") != 0)
        printf("1 %s\n", strcmp(request->action, "replay") == 0 ? "replayed" : "dropped");
    bus_stored_free(stored);
    return result;
}

static int run(struct bus *bus, struct request *request)
{
    if (strcmp(request->action, "list") == 0)
        return list(bus, request);
    if (!request->all)
        return one(bus, request);
    return strcmp(request->action, "replay") == 0 ? replay_all(bus) : drop_all(bus);
}

/* ---- the command line -------------------------------------------------------------------------------- */

static bool parse_number(const char *text, uint64_t *ret_number)
{
    char *end = NULL;

    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    *ret_number = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static int check(const struct request *request, int operands)
{
    bool list = strcmp(request->action, "list") == 0;
    bool show = strcmp(request->action, "show") == 0;
    bool drop = strcmp(request->action, "drop") == 0;

    if (!list && !show && !drop && strcmp(request->action, "replay") != 0)
        return command_fail(EXIT_USAGE, "unknown action '%s' of dead: list, show, replay or drop",
                            request->action);
    if (list && (operands > 0 || request->all))
        return command_fail(EXIT_USAGE, "dead list takes no sequence");
    if (!list && (operands > 1 || (operands == 1) == request->all || (show && request->all)))
        return command_fail(EXIT_USAGE, "dead %s takes one SEQUENCE%s", request->action,
                            show ? "" : " or --all");
    if (drop && !request->yes)
        return command_fail(EXIT_USAGE, "dead drop deletes permanently; add --yes to confirm");
    return 0;
}

static int parse(int argc, char **argv, struct request *request)
{
    const char *limit = LIMIT_DEFAULT;
    const struct command_option options[] = {{"nats", &request->url, NULL},  {"limit", &limit, NULL},
                                             {"json", NULL, &request->json}, {"all", NULL, &request->all},
                                             {"yes", NULL, &request->yes},   {NULL, NULL, NULL}};
    int result = command_options(argc, argv, usage, options);

    if (result != 0)
        return result;
    if (!parse_number(limit, &request->limit))
        return command_fail(EXIT_USAGE, "--limit is '%s', expected a number", limit);
    if (optind == argc)
        return command_fail(EXIT_USAGE,
                            "dead takes list, show, replay or drop; pollen8ctl dead --help says more");
    request->action = argv[optind];
    optind++;
    if (optind < argc && (!parse_number(argv[optind], &request->sequence) || request->sequence == 0))
        return command_fail(EXIT_USAGE, "'%s' is not a sequence", argv[optind]);
    return check(request, argc - optind);
}

int command_dead(int argc, char **argv)
{
    struct request request = {.action = ""};
    struct broker *broker;
    int result = parse(argc, argv, &request);

    if (result != 0)
        return result == COMMAND_HELPED ? 0 : result;
    broker = broker_open(request.url);
    if (!broker)
        return EXIT_FAILED;
    result = run(broker_bus(broker), &request);
    broker_close(broker);
    return result;
}
