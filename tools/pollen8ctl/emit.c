/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `emit`: publishes an event as a platform backend does: the plain JSON payload straight to the stream's
 * subject, then waits for the stream's acknowledgement. Nothing else of the ring is asked, so what value-svc
 * makes of a wrong payload can be tried with it too, as long as it is JSON.
 */
#include "command.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/bus.h"
#include "common/json.h"
#include "common/names.h"

#define CONNECT_WAIT_S 5
#define ACK_WAIT_MS    5000

static const char usage[] =
    "usage: pollen8ctl emit EVENT JSON [--nats URL] [--id ID]\n"
    "\n"
    "  EVENT       connection.new, connection.removed, connection.import, invite.created\n"
    "  JSON        the payload: '{\"userId\":\"ada\",\"industries\":[\"technology\"]}'\n"
    "  --nats URL  the broker (default: NATS_URL, else nats://localhost:4222)\n"
    "  --id ID     Nats-Msg-Id: the stream stores the same id once within two minutes\n"
    "\n"
    "  Prints the stream's acknowledgement. Exit status 1: nothing is known to be stored.\n";

/* Shared with the bus's threads. */
struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool connected;
    bool answered;
    enum status status;
    char answer[1024];
};

static void on_state(void *context, enum bus_state state)
{
    struct wait *wait = context;

    pthread_mutex_lock(&wait->mutex);
    if (state == BUS_CONNECTED)
        wait->connected = true;
    pthread_cond_broadcast(&wait->changed);
    pthread_mutex_unlock(&wait->mutex);
}

static void on_reply(void *context, enum status status, const struct bus_message *message)
{
    struct wait *wait = context;

    pthread_mutex_lock(&wait->mutex);
    wait->answered = true;
    wait->status = status;
    if (message)
        snprintf(wait->answer, sizeof(wait->answer), "%.*s", (int)message->data.length, message->data.data);
    pthread_cond_broadcast(&wait->changed);
    pthread_mutex_unlock(&wait->mutex);
}

/* Waits for a flag, at most `seconds` (0: for ever, the bus has a deadline of its own). */
static bool wait_for(struct wait *wait, const bool *flag, time_t seconds)
{
    struct timespec limit;
    int result = 0;
    bool value;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += seconds;
    pthread_mutex_lock(&wait->mutex);
    while (!*flag && result == 0)
        result = seconds ? pthread_cond_timedwait(&wait->changed, &wait->mutex, &limit)
                         : pthread_cond_wait(&wait->changed, &wait->mutex);
    value = *flag;
    pthread_mutex_unlock(&wait->mutex);
    return value;
}

/* Prints the stream's answer; an error in it is a failure. */
static int show(const char *answer)
{
    json_t *value = NULL;
    const json_t *error;
    int result = 0;

    if (json_parse(slice_from_string(answer), &value, NULL, 0) != STATUS_OK)
        return command_fail(EXIT_FAILED, "the stream's answer cannot be read");
    error = json_object_get(value, "error");
    if (error) {
        const char *text = json_string_value(json_object_get(error, "description"));

        result = command_fail(EXIT_FAILED, "the stream refused it: %s", text ? text : "no reason given");
    } else {
        puts(answer);
    }
    json_decref(value);
    return result;
}

static int publish(struct bus *bus, struct wait *wait, const char *event, struct slice payload,
                   const char *id)
{
    const char *headers[] = {"Nats-Msg-Id", id, NULL};
    char subject[EVENT_NAME_MAXIMUM_BYTES + 32];
    enum status status;

    snprintf(subject, sizeof(subject), "pollen8.events.%s", event);
    status = bus_request(bus, subject, id ? headers : NULL, payload.data, payload.length, ACK_WAIT_MS,
                         on_reply, wait);
    if (status == STATUS_OK) {
        wait_for(wait, &wait->answered, 0);
        status = wait->status;
    }
    if (status == STATUS_NO_RESPONDERS)
        return command_fail(EXIT_FAILED, "no stream takes %s: is value-svc running?", subject);
    if (status != STATUS_OK)
        return command_fail(EXIT_FAILED, "not known to be stored: %s", status_message(status));
    return show(wait->answer);
}

static int emit(const char *url, const char *event, struct slice payload, const char *id)
{
    struct wait wait = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct bus_options options = {.url = url,
                                  .name = "pollen8ctl",
                                  .credentials_file = getenv("NATS_CREDENTIALS_FILE"),
                                  .ca_file = getenv("NATS_CA_FILE"),
                                  .send_as_soon_as_possible = true,
                                  .on_state = on_state,
                                  .context = &wait};
    struct bus *bus = NULL;
    char error[256] = "";
    int result;

    if (bus_create(&options, &bus, error, sizeof(error)) != STATUS_OK)
        return command_fail(EXIT_FAILED, "%s", error);
    if (wait_for(&wait, &wait.connected, CONNECT_WAIT_S))
        result = publish(bus, &wait, event, payload, id);
    else
        result = command_fail(
            EXIT_FAILED, "cannot reach NATS: is the ring running? (NATS_URL or --nats names the broker)");
    bus_free(bus);
    return result;
}

int command_emit(int argc, char **argv)
{
    static const struct option options[] = {{"nats", required_argument, NULL, 'n'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *url = getenv("NATS_URL");
    const char *id = NULL;
    struct slice payload;
    json_t *value = NULL;
    char reason[160] = "";
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (option) {
        case 'n': url = optarg; break;
        case 'i': id = optarg; break;
        case 'h': fputs(usage, stdout); return 0;
        case ':': return command_fail(EXIT_USAGE, "%s needs a value", argv[optind - 1]);
        default: return command_fail(EXIT_USAGE, "unknown option '%s' of emit", argv[optind - 1]);
        }
    }
    if (argc - optind != 2)
        return command_fail(EXIT_USAGE, "emit takes EVENT and JSON; pollen8ctl emit --help says more");
    if (!event_name_valid(slice_from_string(argv[optind])))
        return command_fail(EXIT_USAGE, "'%s' is not an event's name", argv[optind]);
    payload = slice_from_string(argv[optind + 1]);
    if (json_parse(payload, &value, reason, sizeof(reason)) != STATUS_OK)
        return command_fail(EXIT_USAGE, "the payload is not valid JSON: %s", reason);
    json_decref(value);
    return emit(url && *url ? url : "nats://localhost:4222", argv[optind], payload, id);
}
