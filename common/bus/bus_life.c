/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The connection to the broker, from bus_create to bus_free. The library reports connection changes on its
 * own thread: on_* below turn them into bus_state and wake the timer thread (bus_request.c), which ends the
 * requests that the lost connection took with it.
 *
 * The library (nats.c 3.4 to 3.10) takes one server per entry, so comma-separated servers are split here.
 */
#include "common/bus/bus_internal.h"
#include "common/clock.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bus/host.h"

#define SERVERS_MAXIMUM     16
#define CONNECT_TIMEOUT_MS  2000
#define RECONNECT_WAIT_MS   250
#define RECONNECT_JITTER_MS 750
#define PING_INTERVAL_MS    15000
#define PINGS_MAXIMUM       2
#define WRITE_DEADLINE_MS   2000
#define PENDING_MESSAGES    65536
#define URL_REFUSED                                                                                          \
    "NATS_URL is not nats://host:port or tls://host:port, or several of them with commas between"
#define CLOSE_WAIT_MS 10000

/* ---- connection state (library's callback thread) ---------------------------------------------------- */

static void report(struct bus *bus, enum bus_state state)
{
    if (bus->on_state)
        bus->on_state(bus->context, state);
}

static void on_bus_connected(natsConnection *connection, void *closure)
{
    struct bus *bus = closure;
    (void)connection;
    atomic_store(&bus->connected, true);
    report(bus, BUS_CONNECTED);
}

static void on_bus_reconnected(natsConnection *connection, void *closure)
{
    struct bus *bus = closure;
    (void)connection;
    atomic_store(&bus->connected, true);
    report(bus, BUS_RECONNECTED);
}

static void lose_connection(struct bus *bus, bool closed)
{
    pthread_mutex_lock(&bus->mutex);
    atomic_store(&bus->connected, false);
    bus->connection_count++;
    bus_timer_wake_locked(bus, 0);
    if (closed) {
        bus->closed = true;
        pthread_cond_broadcast(&bus->quiet);
    }
    pthread_mutex_unlock(&bus->mutex);
}

static void on_bus_disconnected(natsConnection *connection, void *closure)
{
    struct bus *bus = closure;
    (void)connection;
    lose_connection(bus, false);
    report(bus, BUS_DISCONNECTED);
}

/* The last callback of a connection. bus_free waits for it, so the bus must not be used after the unlock. */
static void on_bus_closed(natsConnection *connection, void *closure)
{
    struct bus *bus = closure;
    (void)connection;
    report(bus, BUS_CLOSED);
    lose_connection(bus, true);
}

static void on_bus_error(natsConnection *connection, natsSubscription *native, natsStatus error,
                         void *closure)
{
    struct bus *bus = closure;
    (void)connection;
    if (error != NATS_SLOW_CONSUMER)
        return;
    pthread_mutex_lock(&bus->mutex);
    struct bus_subscription *each;
    for (each = bus->live.next; each != &bus->live; each = each->next)
        if (each->native == native)
            each->slow = true;
    pthread_mutex_unlock(&bus->mutex);
    report(bus, BUS_SLOW_CONSUMER);
}

/* ---- creation ---------------------------------------------------------------------------------------- */

static enum status describe(char *error, size_t error_size, enum status status, const char *text)
{
    if (error && error_size > 0)
        snprintf(error, error_size, "%s", text);
    return status;
}

/* host[:port] with an optional user@ before it. The library accepts more, and then keeps trying to reach an
 * address that cannot exist. */
static bool address_valid(const char *text)
{
    const char *user_end = strrchr(text, '@');
    struct slice address = slice_from_string(user_end ? user_end + 1 : text);
    if (address.length > 0 && address.data[address.length - 1] == '/')
        address.length--;
    struct host host;
    const char *reason;
    return host_parse(address, 4222, &host, &reason) == STATUS_OK;
}

/* The library takes one server per entry, so the list is split here. `list` is cut in place. */
static enum status set_servers(natsOptions *options, char *list)
{
    const char *servers[SERVERS_MAXIMUM];
    int count = 0;
    bool tls = false;
    for (char *place = list; place;) {
        char *server = strsep(&place, ",");
        server += strspn(server, " ");
        server[strcspn(server, " ")] = '\0';
        if (count == SERVERS_MAXIMUM)
            return STATUS_MALFORMED;
        if (strncasecmp(server, "tls://", 6) == 0)
            tls = true;
        else if (strncasecmp(server, "nats://", 7) != 0)
            return STATUS_MALFORMED;
        if (!address_valid(strstr(server, "://") + 3))
            return STATUS_MALFORMED;
        servers[count++] = server;
    }
    natsStatus status = tls ? natsOptions_SetSecure(options, true) : NATS_OK;
    if (status == NATS_OK)
        status = natsOptions_SetServers(options, servers, count);
    return bus_status(status);
}

static enum status set_files(natsOptions *options, const struct bus_options *wanted, char *error,
                             size_t error_size)
{
    if (wanted->ca_file && *wanted->ca_file &&
        natsOptions_LoadCATrustedCertificates(options, wanted->ca_file) != NATS_OK)
        return describe(error, error_size, STATUS_NOT_FOUND, "NATS_CA_FILE cannot be read");
    if (wanted->credentials_file && *wanted->credentials_file) {
        if (access(wanted->credentials_file, R_OK) != 0 ||
            natsOptions_SetUserCredentialsFromFiles(options, wanted->credentials_file, NULL) != NATS_OK)
            return describe(error, error_size, STATUS_NOT_FOUND, "NATS_CREDENTIALS_FILE cannot be read");
    }
    return STATUS_OK;
}

static natsStatus set_behaviour(struct bus *bus, const struct bus_options *wanted)
{
    natsOptions *options = bus->options;
    uint32_t pending = wanted->pending_messages ? wanted->pending_messages : PENDING_MESSAGES;
    natsStatus status = natsOptions_SetName(options, wanted->name ? wanted->name : "pollen8");

#define SET(call) status = status == NATS_OK ? (call) : status
    SET(natsOptions_UseGlobalMessageDelivery(options, true));
    SET(natsOptions_SetTimeout(options, CONNECT_TIMEOUT_MS));
    SET(natsOptions_SetMaxReconnect(options, -1));
    SET(natsOptions_SetReconnectWait(options, RECONNECT_WAIT_MS));
    SET(natsOptions_SetReconnectJitter(options, RECONNECT_JITTER_MS, RECONNECT_JITTER_MS));
    SET(natsOptions_SetPingInterval(options, PING_INTERVAL_MS));
    SET(natsOptions_SetMaxPingsOut(options, PINGS_MAXIMUM));
    SET(natsOptions_SetWriteDeadline(options, WRITE_DEADLINE_MS));
    SET(natsOptions_SetMaxPendingMsgs(options, (int)(pending > INT_MAX ? INT_MAX : pending)));
    SET(natsOptions_SetSendAsap(options, wanted->send_as_soon_as_possible));
    SET(natsOptions_SetRetryOnFailedConnect(options, true, on_bus_connected, bus));
    SET(natsOptions_SetDisconnectedCB(options, on_bus_disconnected, bus));
    SET(natsOptions_SetReconnectedCB(options, on_bus_reconnected, bus));
    SET(natsOptions_SetClosedCB(options, on_bus_closed, bus));
    SET(natsOptions_SetErrorHandler(options, on_bus_error, bus));
#undef SET
    return status;
}

static enum status configure(struct bus *bus, const struct bus_options *wanted, char *error,
                             size_t error_size)
{
    char *list = strdup(wanted->url ? wanted->url : "");
    enum status status = list ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        status = bus_status(natsOptions_Create(&bus->options));
    if (status == STATUS_OK && set_servers(bus->options, list) != STATUS_OK)
        status = describe(error, error_size, STATUS_MALFORMED, URL_REFUSED);
    free(list);
    if (status == STATUS_OK)
        status = set_files(bus->options, wanted, error, error_size);
    if (status == STATUS_OK)
        status = bus_status(set_behaviour(bus, wanted));
    return status;
}

static enum status connect_now(struct bus *bus, char *error, size_t error_size)
{
    natsStatus status = natsConnection_Connect(&bus->connection, bus->options);
    if (status == NATS_OK) {
        atomic_store(&bus->connected, true);
        pthread_mutex_lock(&bus->mutex);
        bus->announce_connected = true;
        pthread_mutex_unlock(&bus->mutex);
    } else if (status != NATS_NOT_YET_CONNECTED) {
        describe(error, error_size, STATUS_MALFORMED, natsStatus_GetText(status));
        return status == NATS_NO_MEMORY ? STATUS_NO_MEMORY : STATUS_MALFORMED;
    }
    return bus_status(natsConnection_JetStream(&bus->jetstream, bus->connection, NULL));
}

static bool init_locks(struct bus *bus)
{
    return pthread_mutex_init(&bus->mutex, NULL) == 0 && clock_condition_init(&bus->wake) == 0 &&
           clock_condition_init(&bus->quiet) == 0;
}

enum status bus_create(const struct bus_options *options, struct bus **ret_bus, char *error,
                       size_t error_size)
{
    struct bus *bus = calloc(1, sizeof(*bus));
    describe(error, error_size, STATUS_OK, "out of memory");
    if (!bus)
        return STATUS_NO_MEMORY;
    if (!init_locks(bus)) {
        free(bus);
        return STATUS_NO_MEMORY;
    }
    bus->on_state = options->on_state;
    bus->context = options->context;
    bus->live.next = bus->live.previous = &bus->live;
    bus->grave.next = bus->grave.previous = &bus->grave;

    enum status status = configure(bus, options, error, error_size);
    if (status == STATUS_OK)
        status = connect_now(bus, error, error_size);
    if (status == STATUS_OK)
        status = bus_requests_start(bus, options->requests_maximum);
    if (status != STATUS_OK) {
        bus_free(bus);
        return status;
    }
    *ret_bus = bus;
    return STATUS_OK;
}

/* Waits until no callback of the library can run any more. */
static bool wait_until_quiet(struct bus *bus)
{
    uint64_t limit_ms = bus_now_ms() + CLOSE_WAIT_MS;
    bool waiting = true;
    pthread_mutex_lock(&bus->mutex);
    while ((!bus->closed || bus->incomplete > 0) && waiting)
        waiting = clock_condition_wait(&bus->quiet, &bus->mutex, limit_ms);
    bool quiet = bus->closed && bus->incomplete == 0;
    pthread_mutex_unlock(&bus->mutex);
    return quiet;
}

void bus_free(struct bus *bus)
{
    if (!bus)
        return;
    bus_requests_stop(bus);
    if (bus->connection) {
        natsConnection_Close(bus->connection);
        /* A callback of the service has not returned: leaking this memory is better than freeing it while the
         * delivery thread uses it. */
        if (!wait_until_quiet(bus))
            return;
    }
    bus_subscriptions_free(&bus->live);
    bus_subscriptions_free(&bus->grave);
    jsCtx_Destroy(bus->jetstream);
    natsConnection_Destroy(bus->connection);
    natsOptions_Destroy(bus->options);
    bus_requests_done(bus);
    pthread_cond_destroy(&bus->wake);
    pthread_cond_destroy(&bus->quiet);
    pthread_mutex_destroy(&bus->mutex);
    free(bus);
}
