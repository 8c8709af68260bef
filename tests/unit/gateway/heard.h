/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a test hears over a real broker. Messages are kept as they arrive on the bus's delivery thread, and
 * waited for by their number, with a limit that only a failure reaches.
 */
#ifndef POLLEN8_TESTS_GATEWAY_HEARD_H
#define POLLEN8_TESTS_GATEWAY_HEARD_H

#include "gateway_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "common/bus/bus.h"
#include "common/bus/subject.h"

#define HEARD_MAXIMUM  64
#define HEARD_LIMIT_S  30
#define HEARD_LIMIT_MS 30000u

struct heard_message {
    enum status status; /* of an answer; STATUS_OK: there is one */
    char subject[SUBJECT_SIZE];
    char reply[SUBJECT_SIZE];
    struct slice data; /* owned */
};

struct heard {
    pthread_mutex_t lock;
    pthread_cond_t came;
    size_t count;                                 /* lock */
    struct heard_message messages[HEARD_MAXIMUM]; /* lock */
};

static inline void heard_init(struct heard *heard)
{
    *heard = (struct heard){0};
    pthread_mutex_init(&heard->lock, NULL);
    pthread_cond_init(&heard->came, NULL);
}

static inline void heard_done(struct heard *heard)
{
    for (size_t i = 0; i < heard->count; i++)
        exact_free(heard->messages[i].data);
    pthread_cond_destroy(&heard->came);
    pthread_mutex_destroy(&heard->lock);
}

/* A bus_reply_fn. */
static inline void heard_answer(void *context, enum status status, const struct bus_message *message)
{
    struct heard *heard = context;

    pthread_mutex_lock(&heard->lock);
    if (heard->count < HEARD_MAXIMUM) {
        struct heard_message *entry = &heard->messages[heard->count++];

        entry->status = status;
        if (message) {
            snprintf(entry->subject, sizeof(entry->subject), "%.*s", (int)message->subject.length,
                     message->subject.data);
            snprintf(entry->reply, sizeof(entry->reply), "%.*s", (int)message->reply.length,
                     message->reply.data ? message->reply.data : "");
        }
        entry->data = message ? exact(message->data.data, message->data.length) : exact("", 0);
    }
    pthread_cond_signal(&heard->came);
    pthread_mutex_unlock(&heard->lock);
}

/* A bus_message_fn. */
static inline void heard_message(void *context, const struct bus_message *message)
{
    heard_answer(context, STATUS_OK, message);
}

/* The message of that number, from 0, once it has come. */
static inline const struct heard_message *heard_wait(struct heard *heard, size_t number)
{
    struct timespec limit;
    int error = 0;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += HEARD_LIMIT_S;
    pthread_mutex_lock(&heard->lock);
    while (heard->count <= number && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&heard->came, &heard->lock, &limit);
    pthread_mutex_unlock(&heard->lock);
    if (error == ETIMEDOUT)
        fail_msg("message %zu has not come", number);
    return &heard->messages[number];
}

static inline size_t heard_count(struct heard *heard)
{
    pthread_mutex_lock(&heard->lock);
    size_t count = heard->count;
    pthread_mutex_unlock(&heard->lock);
    return count;
}

/* Connected, or the test fails. */
static inline struct bus *heard_bus(const char *url)
{
    const struct bus_options options = {.url = url, .name = "test", .send_as_soon_as_possible = true};
    struct bus *bus = NULL;
    char error[200];

    assert_int_equal(bus_create(&options, &bus, error, sizeof(error)), STATUS_OK);
    assert_int_equal(bus_flush(bus, HEARD_LIMIT_MS), STATUS_OK);
    return bus;
}

/* The server knows it when this returns. */
static inline void heard_subscribe(struct heard *heard, struct bus *bus, const char *subject)
{
    struct bus_subscription *kept; /* until the bus goes */

    assert_int_equal(bus_subscribe(bus, subject, NULL, heard_message, heard, &kept), STATUS_OK);
    assert_int_equal(bus_flush(bus, HEARD_LIMIT_MS), STATUS_OK);
}

#endif
