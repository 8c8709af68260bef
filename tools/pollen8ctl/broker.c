/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The bus connects in the background. A command waits until it is connected, or fails.
 */
#include "broker.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "command.h"

#define CONNECT_WAIT_S 5

struct broker {
    struct bus *bus;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool connected; /* guarded by mutex */
};

static void on_state(void *context, enum bus_state state)
{
    struct broker *broker = context;

    pthread_mutex_lock(&broker->mutex);
    if (state == BUS_CONNECTED)
        broker->connected = true;
    pthread_cond_broadcast(&broker->changed);
    pthread_mutex_unlock(&broker->mutex);
}

static bool wait_connected(struct broker *broker)
{
    struct timespec limit;
    int result = 0;
    bool connected;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += CONNECT_WAIT_S;
    pthread_mutex_lock(&broker->mutex);
    while (!broker->connected && result == 0)
        result = pthread_cond_timedwait(&broker->changed, &broker->mutex, &limit);
    connected = broker->connected;
    pthread_mutex_unlock(&broker->mutex);
    return connected;
}

static const char *chosen(const char *url)
{
    if (!url || !*url)
        url = getenv("NATS_URL");
    return url && *url ? url : "nats://localhost:4222";
}

struct broker *broker_open(const char *url)
{
    struct broker *broker = calloc(1, sizeof(*broker));
    struct bus_options options = {.url = chosen(url),
                                  .name = "pollen8ctl",
                                  .credentials_file = getenv("NATS_CREDENTIALS_FILE"),
                                  .ca_file = getenv("NATS_CA_FILE"),
                                  .send_as_soon_as_possible = true,
                                  .on_state = on_state,
                                  .context = broker};
    char error[256] = "out of memory";

    if (!broker) {
        command_fail(EXIT_FAILED, "%s", error);
        return NULL;
    }
    pthread_mutex_init(&broker->mutex, NULL);
    pthread_cond_init(&broker->changed, NULL);
    if (bus_create(&options, &broker->bus, error, sizeof(error)) != STATUS_OK)
        command_fail(EXIT_FAILED, "%s", error);
    else if (!wait_connected(broker))
        command_fail(EXIT_FAILED,
                     "cannot reach NATS: is the ring running? (NATS_URL or --nats names the broker)");
    else
        return broker;
    broker_close(broker);
    return NULL;
}

void broker_close(struct broker *broker)
{
    if (!broker)
        return;
    bus_free(broker->bus);
    pthread_cond_destroy(&broker->changed);
    pthread_mutex_destroy(&broker->mutex);
    free(broker);
}

struct bus *broker_bus(struct broker *broker)
{
    return broker->bus;
}
