/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Access to a JetStream stream without a consumer: its bounds, one message by its sequence, deleting,
 * purging, and publishing with the stream's answer. Each call blocks for at most the library's API timeout (5
 * s) and belongs on a worker thread or in a tool. Statuses: STATUS_NOT_FOUND (no such stream or message),
 * STATUS_DISCONNECTED (ask again), STATUS_NO_MEMORY.
 */
#ifndef POLLEN8_COMMON_BUS_BUS_STREAM_H
#define POLLEN8_COMMON_BUS_BUS_STREAM_H

#include "common/bus/bus.h"

struct bus_stream_state {
    uint64_t messages;
    uint64_t bytes;
    uint64_t first_sequence; /* of the oldest message; last_sequence + 1 if empty */
    uint64_t last_sequence;  /* 0: nothing was ever stored */
    int64_t first_time_ms;   /* when the oldest was stored, Unix ms; 0 if empty */
    int64_t last_time_ms;
    int64_t maximum_bytes;   /* -1: no limit */
    bool in_memory;          /* lost when the server stops */
    bool until_acknowledged; /* its retention is not limits: acknowledged messages are deleted */
    int64_t created_ms; /* when the stream was created: distinguishes it from a later one of the same name */
};
enum status bus_stream_state(struct bus *bus, const char *stream, struct bus_stream_state *ret_state);

/* One stored message, owned by the caller. */
struct bus_stored; /* opaque */

enum status bus_stored_get(struct bus *bus, const char *stream, uint64_t sequence,
                           struct bus_stored **ret_stored);

/* The newest message of a subject. */
enum status bus_stored_last(struct bus *bus, const char *stream, const char *subject,
                            struct bus_stored **ret_stored);
void bus_stored_free(struct bus_stored *stored); /* NULL is accepted */
uint64_t bus_stored_sequence(const struct bus_stored *stored);
int64_t bus_stored_time_ms(const struct bus_stored *stored);
void bus_stored_message(const struct bus_stored *stored, struct bus_message *ret_message); /* borrowed */

/* Calls `each` with every header of a message, in no order. */
typedef void bus_header_fn(void *context, const char *name, const char *value);
enum status bus_headers_each(const struct bus_message *message, bus_header_fn *each, void *context);

/* STATUS_NOT_FOUND if it was deleted before. */
enum status bus_stored_delete(struct bus *bus, const char *stream, uint64_t sequence);

/* Deletes every message of `subject` (NULL: of any) below the sequence (0: all). */
enum status bus_stream_purge(struct bus *bus, const char *stream, const char *subject,
                             uint64_t below_sequence);

/* Deletes the stream's durables whose name begins with `prefix` and ends with a lower number than that of
 * `before`, except those with a waiting fetch. */
enum status bus_durables_forget(struct bus *bus, const char *stream, const char *prefix, const char *before);

/* Publishes and waits for the stream's answer. STATUS_OK: stored, `*ret_sequence` (may be NULL) says where,
 * or where the message with the same Nats-Msg-Id is. STATUS_NO_RESPONDERS: no stream takes the subject;
 * STATUS_UNAVAILABLE: it refused, `error` says why. Otherwise it is not known whether it was stored. */
enum status bus_store(struct bus *bus, const char *subject, const char *const *headers, struct slice data,
                      uint64_t *ret_sequence, char *error, size_t error_size);

#endif
