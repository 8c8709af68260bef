/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A platform backend at full speed: plain JSON events to the stream, at most a window of them without the
 * stream's acknowledgement, for users in turn. Prints when the first went out and how many were stored.
 */
#include <getopt.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "bus_open.h"
#include "common/clock.h"

#define ACK_WAIT_MS 20000

static const char usage[] =
    "usage: bench-submit --broker PORT --events N --users N [--first N] [--window N]\n"
    "  users u<first>, u<first + 1>, ... in turn; window: unacknowledged at once (256)\n";

struct submitter {
    uint32_t users;
    uint32_t first;
    uint64_t events;
    uint32_t window;
    sem_t free_places; /* of the window */
    atomic_uint_fast64_t stored;
};

static void on_ack(void *context, enum status status, const struct bus_message *message)
{
    struct submitter *submitter = context;

    if (status == STATUS_OK && memmem(message->data.data, message->data.length, "\"seq\"", 5))
        atomic_fetch_add(&submitter->stored, 1);
    sem_post(&submitter->free_places);
}

static void submit_all(struct submitter *submitter, struct bus *bus)
{
    char data[128];

    for (uint64_t i = 0; i < submitter->events; i++) {
        int length = snprintf(data, sizeof(data), "{\"userId\":\"u%" PRIu64 "\",\"industries\":[\"quiet\"]}",
                              (submitter->first + i) % submitter->users);
        sem_wait(&submitter->free_places);
        if (bus_request(bus, "pollen8.events.connection.new", NULL, data, (size_t)length, ACK_WAIT_MS, on_ack,
                        submitter) != STATUS_OK)
            sem_post(&submitter->free_places);
    }
    for (uint32_t i = 0; i < submitter->window; i++)
        sem_wait(&submitter->free_places);
}

static uint16_t read_arguments(struct submitter *submitter, int count, char **values)
{
    static const struct option options[] = {
        {"broker", required_argument, NULL, 'b'}, {"events", required_argument, NULL, 'e'},
        {"users", required_argument, NULL, 'u'},  {"first", required_argument, NULL, 'f'},
        {"window", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    uint16_t port = 0;
    int option;

    while ((option = getopt_long(count, values, "", options, NULL)) != -1) {
        switch (option) {
        case 'b': port = (uint16_t)argument_number("--broker", optarg, 1, 65535); break;
        case 'e': submitter->events = (uint64_t)argument_number("--events", optarg, 1, 1000000000); break;
        case 'u': submitter->users = (uint32_t)argument_number("--users", optarg, 1, 10000000); break;
        case 'f': submitter->first = (uint32_t)argument_number("--first", optarg, 0, 10000000); break;
        case 'w': submitter->window = (uint32_t)argument_number("--window", optarg, 1, 60000); break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    return port;
}

int main(int argc, char **argv)
{
    static struct submitter submitter = {.window = 256};
    uint16_t port = read_arguments(&submitter, argc, argv);
    struct bus *bus;
    uint64_t started;

    if (!port || !submitter.events || !submitter.users) {
        fputs(usage, stderr);
        return 2;
    }
    sem_init(&submitter.free_places, 0, submitter.window);
    bus = bus_open(port, "bench-submit");
    if (!bus)
        return 1;
    started = clock_monotonic_ns();
    submit_all(&submitter, bus);
    printf("{\"stored\":%" PRIuFAST64 ",\"started_ns\":%" PRIu64 ",\"ended_ns\":%" PRIu64 "}\n",
           atomic_load(&submitter.stored), started, clock_monotonic_ns());
    bus_free(bus);
    sem_destroy(&submitter.free_places);
    return 0;
}
