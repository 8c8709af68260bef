/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A reader: one thread that takes questions from a queue and answers them from Redis, on a connection of its
 * own. It never waits for Redis: between attempts to connect, askers are refused at once. Embedded in its
 * owner (query.c, history.c), whose fields these are.
 */
#ifndef POLLEN8_VALUE_SVC_QUERY_QUERY_READER_H
#define POLLEN8_VALUE_SVC_QUERY_QUERY_READER_H

#include "query/query_queue.h"
#include "service/service.h"

struct query_reader {
    struct service *service;
    struct query_queue *queue; /* owned; any thread */
    const char *unusable;      /* borrowed: what is logged if Redis cannot be used */
    pthread_t thread;
    bool running; /* the thread was started */

    /* Reader thread only. */
    struct store *store; /* owned */
    int64_t retry_at_ms; /* monotonic; Redis is not tried again before */
};

/* Room for `capacity` questions. On failure query_reader_done frees what there is. */
enum status query_reader_init(struct query_reader *reader, struct service *service, int64_t capacity,
                              const char *unusable);

/* `run` takes from the queue until that is closed. */
void query_reader_start(struct query_reader *reader, void *(*run)(void *context), void *context);

/* Whether the store is connected, and in the service's epoch. Reader thread. */
bool query_reader_ready(struct query_reader *reader);

/* Takes no more questions; returns when those in the queue are answered. */
void query_reader_finish(struct query_reader *reader);
void query_reader_done(struct query_reader *reader);

#endif
