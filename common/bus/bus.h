/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room bus/: everything that travels over NATS. Input: a subject and bytes from a service. Output:
 * publishes, requests, subscriptions and JetStream fetches, with a status. Beside this module it holds what
 * needs no connection: subjects (subject.h), batches of answers (batch.h), addresses (host.h) and the text
 * protocol that the gateway reads itself (broker_protocol.h).
 *
 * This module: the connection, and the only one that names the NATS library. It connects in the background
 * and keeps trying, so services start in any order; subscriptions survive reconnects.
 *
 * Threads: every callback runs on ONE delivery thread of the library (global delivery, pool of one). So the
 * messages of all subscriptions and the replies to all requests arrive in one order, and callbacks must not
 * block. The exceptions, on_state and the timeouts of bus_request, say so below: they run on other threads.
 * All functions may be called from any thread. bus_publish and its like can block on a full socket, at most
 * for the write deadline (2 s).
 *
 * Bytes handed to a callback are the library's and are valid only during the callback.
 */
#ifndef POLLEN8_COMMON_BUS_BUS_H
#define POLLEN8_COMMON_BUS_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

struct bus;              /* opaque: one connection */
struct bus_subscription; /* opaque */
struct bus_consumer;     /* opaque: one pull subscription on a durable JetStream consumer */
struct bus_batch;        /* opaque: fetched messages, not yet acknowledged */

struct bus_message {
    struct slice subject;
    struct slice reply; /* empty: no answer is wanted */
    struct slice data;
    const void *native; /* for bus_header */
};

typedef void bus_message_fn(void *context, const struct bus_message *message);

/* `status` is STATUS_OK with a message; or STATUS_TIMEOUT, STATUS_NO_RESPONDERS or STATUS_DISCONNECTED with
 * NULL. Called exactly once for each accepted bus_request. */
typedef void bus_reply_fn(void *context, enum status status, const struct bus_message *message);

/* BUS_CLOSED is reported by bus_free, or after the server has rejected this client for good (the same
 * authorization error twice). Then the process should end with an error. */
enum bus_state { BUS_CONNECTED, BUS_DISCONNECTED, BUS_RECONNECTED, BUS_SLOW_CONSUMER, BUS_CLOSED };

struct bus_options {
    const char *url;               /* comma-separated list */
    const char *name;              /* shown by the server: "gateway gw-1" */
    const char *credentials_file;  /* NULL or empty: none */
    const char *ca_file;           /* NULL or empty: the system's */
    bool send_as_soon_as_possible; /* one system call per publish and 0.2 ms, instead of 1 ms batches */
    uint32_t requests_maximum;     /* outstanding bus_requests; 0: 65,536 */
    uint32_t pending_messages;     /* bound of the delivery queue of a subscription; 0: 65,536 */
    void (*on_state)(void *context,
                     enum bus_state state); /* any library thread; must not block; may be NULL */
    void *context;
};

/* Waits at most one connect timeout (2 s per server that does not answer), then continues in the background.
 * STATUS_MALFORMED if the url cannot be parsed, STATUS_NOT_FOUND if a file cannot be read. `error` gets one
 * line without credentials. */
enum status bus_create(const struct bus_options *options, struct bus **ret_bus, char *error,
                       size_t error_size);

/* Closes and frees. Outstanding requests end with STATUS_DISCONNECTED first. Free consumers and batches
 * before it. Never call it on a thread of the library. NULL is accepted. */
void bus_free(struct bus *bus);

bool bus_connected(const struct bus *bus);

/* The largest body the server takes, bytes; 1 MiB while not connected. */
int64_t bus_maximum_payload(struct bus *bus);

/* Messages dropped by this process because a subscription's delivery queue was full, since start. */
uint64_t bus_dropped(struct bus *bus);

enum status bus_publish(struct bus *bus, const char *subject, const void *data, size_t length);

/* Publishes to a reply subject borrowed from a message. */
enum status bus_respond(struct bus *bus, struct slice reply, const void *data, size_t length);

/* Headers, as a NULL-terminated list of name, value pairs; NULL for none. */
enum status bus_publish_with(struct bus *bus, const char *subject, const char *const *headers,
                             const void *data, size_t length);

/* Value of a header of the message, copied and NUL-terminated; STATUS_NOT_FOUND, STATUS_FULL. */
enum status bus_header(const struct bus_message *message, const char *name, char *out, size_t capacity);

/* Subscribes; with a queue group if `queue` is not NULL. Accepted while disconnected. Subscriptions and later
 * publishes of this process reach the server in call order. */
enum status bus_subscribe(struct bus *bus, const char *subject, const char *queue, bus_message_fn *callback,
                          void *context, struct bus_subscription **ret_subscription);

/* No callback starts after this returns when called on the delivery thread; otherwise one may still be
 * running. Freed some seconds later (the library needs that). NULL is accepted. */
void bus_unsubscribe(struct bus_subscription *subscription);

/* Sends a request and returns. STATUS_OK: the callback will be called once. STATUS_FULL (at requests_maximum)
 * and STATUS_DISCONNECTED (while not connected): it will not be called. Replies are delivered on the delivery
 * thread, timeouts on the bus's timer thread. Headers as in bus_publish_with. */
enum status bus_request(struct bus *bus, const char *subject, const char *const *headers, const void *data,
                        size_t length, uint32_t timeout_ms, bus_reply_fn *callback, void *context);

/* Waits until the server has taken everything sent so far (PING/PONG). Blocks: never on a loop thread. */
enum status bus_flush(struct bus *bus, uint32_t timeout_ms);

/* Stops the delivery of subscriptions (not of replies), for the end of the process. Subscriptions of a queue
 * group leave the group and handle what they were given, within timeout_ms (else STATUS_TIMEOUT). The others
 * end at once. Blocks. */
enum status bus_drain(struct bus *bus, uint32_t timeout_ms);

/* ---- JetStream -------------------------------------------------------------------------------------- */

struct bus_stream_options {
    const char *name;
    const char *const *subjects; /* NULL-terminated */
    int64_t duplicates_ms;       /* window of Nats-Msg-Id */
    int64_t maximum_age_ms;      /* 0: none */
    int64_t maximum_bytes;       /* 0: none */
    int replicas;                /* 1, 3 or 5 */
};

/* Creates the stream, or updates an existing one to these options. File storage, limits retention. At a limit
 * new messages are refused and no stored message is dropped. `maximum_bytes` is left out if the server cannot
 * reserve that much, and is not lowered if the stream holds nearly as much (bus_stream_state reports the
 * actual limit). An existing stream keeps its storage. STATUS_MALFORMED: the stream has a different
 * retention, so that acknowledged messages are deleted; nothing was changed. Blocks. */
enum status bus_stream_ensure(struct bus *bus, const struct bus_stream_options *options, char *error,
                              size_t error_size);

struct bus_consumer_options {
    const char *stream;
    const char *durable; /* NULL: a temporary one, deleted when nobody fetches for 60 s */
    const char *filter;  /* subject filter */
    int64_t ack_wait_ms;
    int32_t maximum_ack_pending;
    uint64_t start_sequence; /* only messages from this one on; 0: all */
};

/* Makes or updates the durable (explicit ack, no limit on deliveries) and a pull subscription on it. Blocks.
 */
enum status bus_consumer_create(struct bus *bus, const struct bus_consumer_options *options,
                                struct bus_consumer **ret_consumer, char *error, size_t error_size);
/* A durable stays. A temporary one is deleted from the server, which may block. NULL is accepted. */
void bus_consumer_free(struct bus_consumer *consumer);

/* Fetches at most `maximum` messages, waiting at most wait_ms for the first. STATUS_TIMEOUT: none arrived
 * (the library may also end a wait early). STATUS_DISCONNECTED. STATUS_NOT_FOUND: the consumer no longer
 * exists on the server and must be created again. Blocks. The caller frees the batch; messages not
 * acknowledged by then are redelivered after ack_wait. */
enum status bus_fetch(struct bus_consumer *consumer, uint32_t maximum, uint32_t wait_ms,
                      struct bus_batch **ret_batch);
size_t bus_batch_count(const struct bus_batch *batch);
void bus_batch_message(const struct bus_batch *batch, size_t index, struct bus_message *ret_message);

struct bus_delivery {
    uint64_t stream_sequence;
    uint64_t delivered;   /* 1 the first time */
    uint64_t pending;     /* messages left in the stream for this consumer */
    int64_t timestamp_ms; /* when the stream stored it, Unix milliseconds */
};
enum status bus_batch_delivery(const struct bus_batch *batch, size_t index,
                               struct bus_delivery *ret_delivery);
enum status bus_batch_ack(struct bus_batch *batch, size_t index);
enum status bus_batch_retry(struct bus_batch *batch, size_t index, int64_t delay_ms); /* nak */
enum status bus_batch_in_progress(struct bus_batch *batch, size_t index);             /* restarts ack_wait */
void bus_batch_free(struct bus_batch *batch);

struct bus_consumer_state {
    uint64_t ack_floor_stream_sequence; /* every message up to here is acknowledged */
    uint64_t pending;
    uint64_t ack_pending;
    uint64_t redelivered;
};
enum status bus_consumer_state(struct bus_consumer *consumer,
                               struct bus_consumer_state *ret_state); /* blocks */

/* The same of a durable by its name, without a subscription on it; STATUS_NOT_FOUND. */
enum status bus_durable_state(struct bus *bus, const char *stream, const char *durable,
                              struct bus_consumer_state *ret_state);

#endif
