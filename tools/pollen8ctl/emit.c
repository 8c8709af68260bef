/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `emit`: publishes an event as a platform backend does: sends the plain JSON payload straight to the
 * stream's subject, then waits for the stream's acknowledgement. It asks no other part of the ring, so it
 * can also show what value-svc does with a wrong payload, as long as it is JSON.
 */
#include "command.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>

#include "broker.h"
#include "common/json.h"
#include "common/names.h"

#define ACK_WAIT_MS 5000

static const char usage[] =
    "usage: pollen8ctl emit EVENT JSON [--nats URL] [--id ID]\n"
    "\n"
    "  EVENT       connection.new, connection.removed, connection.import, invite.created\n"
    "  JSON        the payload: '{\"userId\":\"ada\",\"industries\":[\"technology\"]}'\n"
    "  --nats URL  the broker (default: NATS_URL, else nats://localhost:4222)\n"
    "  --id ID     Nats-Msg-Id: the stream stores the same id only once within DEDUPE_WINDOW\n"
    "\n"
    "  Prints the stream's acknowledgement. Exit status 1: the event is not known to be stored.\n";

/* Shared with the bus's threads. */
struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool answered;
    enum status status;
    char answer[1024];
};

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

/* The bus enforces the deadline. */
static enum status wait_answer(struct wait *wait)
{
    pthread_mutex_lock(&wait->mutex);
    while (!wait->answered)
        pthread_cond_wait(&wait->changed, &wait->mutex);
    pthread_mutex_unlock(&wait->mutex);
    return wait->status;
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
    char subject[EVENT_NAME_MAXIMUM_BYTES + sizeof(BROKER_EVENTS)];
    enum status status;

    snprintf(subject, sizeof(subject), BROKER_EVENTS "%s", event);
    status = bus_request(bus, subject, id ? headers : NULL, payload.data, payload.length, ACK_WAIT_MS,
                         on_reply, wait);
    if (status == STATUS_OK)
        status = wait_answer(wait);
    if (status == STATUS_NO_RESPONDERS)
        return command_fail(EXIT_FAILED, "no stream accepts %s: is value-svc running?", subject);
    if (status != STATUS_OK)
        return command_fail(EXIT_FAILED, "not known to be stored: %s", status_message(status));
    return show(wait->answer);
}

static int emit(const char *url, const char *event, struct slice payload, const char *id)
{
    struct wait wait = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct broker *broker = broker_open(url);
    int result;

    if (!broker)
        return EXIT_FAILED;
    result = publish(broker_bus(broker), &wait, event, payload, id);
    broker_close(broker);
    return result;
}

int command_emit(int argc, char **argv)
{
    const char *url = NULL;
    const char *id = NULL;
    const struct command_option options[] = {{"nats", &url, NULL}, {"id", &id, NULL}, {NULL, NULL, NULL}};
    struct slice payload;
    json_t *value = NULL;
    char reason[160] = "";
    int result = command_options(argc, argv, usage, options);

    if (result != 0)
        return result == COMMAND_HELPED ? 0 : result;
    if (argc - optind != 2)
        return command_fail(EXIT_USAGE, "emit takes EVENT and JSON; pollen8ctl emit --help says more");
    if (!event_name_valid(slice_from_string(argv[optind])))
        return command_fail(EXIT_USAGE, "'%s' is not a valid event name", argv[optind]);
    payload = slice_from_string(argv[optind + 1]);
    if (json_parse(payload, &value, reason, sizeof(reason)) != STATUS_OK)
        return command_fail(EXIT_USAGE, "the payload is not valid JSON: %s", reason);
    json_decref(value);
    return emit(url, argv[optind], payload, id);
}
