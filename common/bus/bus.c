/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Publishing, and what the other parts of the bus use. A publish goes straight into the library's write
 * buffer. It is refused while disconnected, because the library (nats.c 3.4 to 3.10) would buffer it and send
 * it much later.
 */
#include "common/bus/bus_internal.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#define REPLY_SUBJECT_MAXIMUM 256
#define DEFAULT_PAYLOAD_BYTES (1024 * 1024)

enum status bus_status(natsStatus status)
{
    switch (status) {
    case NATS_OK: return STATUS_OK;
    case NATS_TIMEOUT: return STATUS_TIMEOUT;
    case NATS_NO_MEMORY: return STATUS_NO_MEMORY;
    case NATS_NO_RESPONDERS: return STATUS_NO_RESPONDERS;
    case NATS_NOT_FOUND: return STATUS_NOT_FOUND;
    case NATS_MAX_PAYLOAD: return STATUS_PAYLOAD_TOO_LARGE;
    case NATS_ADDRESS_MISSING:
    case NATS_INVALID_ARG:
    case NATS_INVALID_SUBJECT: return STATUS_MALFORMED;
    case NATS_CONNECTION_CLOSED:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_NOT_YET_CONNECTED:
    case NATS_NO_SERVER:
    case NATS_IO_ERROR:
    case NATS_STALE_CONNECTION:
    case NATS_INSUFFICIENT_BUFFER: return STATUS_DISCONNECTED;
    default: return STATUS_INTERNAL;
    }
}

/* Not clock_monotonic_ms: the condition variables of the bus run on this clock, which a test cannot freeze.
 */
uint64_t bus_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void bus_timer_wake_locked(struct bus *bus, uint64_t at_ms)
{
    if (at_ms < bus->timer_wake_ms) {
        bus->timer_wake_ms = at_ms;
        pthread_cond_signal(&bus->wake);
    }
}

/* ---- publishing -------------------------------------------------------------------------------------- */

bool bus_connected(const struct bus *bus)
{
    return atomic_load(&bus->connected);
}

int64_t bus_maximum_payload(struct bus *bus)
{
    int64_t bytes = bus_connected(bus) ? natsConnection_GetMaxPayload(bus->connection) : 0;
    return bytes > 0 ? bytes : DEFAULT_PAYLOAD_BYTES;
}

enum status bus_send(struct bus *bus, const char *subject, const char *reply, const char *const *headers,
                     const void *data, size_t length)
{
    if (length > INT_MAX)
        return STATUS_PAYLOAD_TOO_LARGE;
    if (!headers) {
        if (reply)
            return bus_status(
                natsConnection_PublishRequest(bus->connection, subject, reply, data, (int)length));
        return bus_status(natsConnection_Publish(bus->connection, subject, data, (int)length));
    }
    natsMsg *message = NULL;
    natsStatus status = natsMsg_Create(&message, subject, reply, data, (int)length);
    for (; status == NATS_OK && headers[0] && headers[1]; headers += 2)
        status = natsMsgHeader_Set(message, headers[0], headers[1]);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(bus->connection, message);
    natsMsg_Destroy(message);
    return bus_status(status);
}

enum status bus_publish_with(struct bus *bus, const char *subject, const char *const *headers,
                             const void *data, size_t length)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    return bus_send(bus, subject, NULL, headers, data, length);
}

enum status bus_publish(struct bus *bus, const char *subject, const void *data, size_t length)
{
    return bus_publish_with(bus, subject, NULL, data, length);
}

enum status bus_respond(struct bus *bus, struct slice reply, const void *data, size_t length)
{
    char subject[REPLY_SUBJECT_MAXIMUM];
    if (reply.length == 0 || reply.length >= sizeof(subject))
        return STATUS_MALFORMED;
    memcpy(subject, reply.data, reply.length);
    subject[reply.length] = '\0';
    return bus_publish(bus, subject, data, length);
}

enum status bus_flush(struct bus *bus, uint32_t timeout_ms)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    return bus_status(natsConnection_FlushTimeout(bus->connection, timeout_ms ? timeout_ms : 1));
}
