/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What bus_life.c (connection), bus_request.c (requests, timer thread), bus_subscription.c (receiving),
 * bus_jetstream.c (streams, consumers) and bus.c (publishing, below them all) share. No other file includes
 * this one: it names the NATS library.
 *
 * One lock, bus.mutex, guards every field marked {mutex}. It is never held across a callback of ours; the
 * library never calls us with a lock of its own held, so it can be taken on any thread.
 */
#ifndef POLLEN8_COMMON_BUS_BUS_INTERNAL_H
#define POLLEN8_COMMON_BUS_BUS_INTERNAL_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/bus/bus.h"

#define BUS_GRAVE_MS 5000 /* between unsubscribe and destroy: destroying under traffic crashes nats.c 3.4 */

/* One asynchronous subscription. On unsubscribe it moves from the live list to the graveyard. It is freed
 * once the library has reported that its last callback returned, and BUS_GRAVE_MS have passed. */
struct bus_subscription {
    struct bus *bus;
    natsSubscription *native;
    bus_message_fn *callback;
    void *context;
    atomic_bool closed;                       /* no further callback starts */
    bool queue_group;                         /* drained; others just end */
    bool slow;                                /* {mutex} it has dropped messages */
    bool completed;                           /* {mutex} the library's last callback has returned */
    uint64_t buried_ms;                       /* {mutex} when it joined the graveyard */
    struct bus_subscription *previous, *next; /* {mutex} live list or graveyard */
};

/* One outstanding request. */
struct bus_request_slot {
    bus_reply_fn *callback;
    void *context;
    uint64_t deadline_ms;
    uint32_t generation; /* a late reply of an earlier use must not match */
    uint32_t connection; /* bus.connection_count when it was sent */
    uint32_t heap_position;
    uint32_t next_free;
    bool used;
};

/* Outstanding requests: slots by index, and a binary heap of slot indexes ordered by deadline. */
struct bus_requests {
    struct bus_request_slot *slots; /* {mutex} */
    uint32_t *heap;                 /* {mutex} */
    uint32_t capacity, maximum;     /* {mutex} */
    uint32_t used;                  /* {mutex} also the heap's length */
    uint32_t free_list;             /* {mutex} */
    char *inbox;                    /* constant after creation: replies come to <inbox>.<id> */
    size_t inbox_length;
    struct bus_subscription *subscription;
};

struct bus {
    natsConnection *connection;
    natsOptions *options;
    jsCtx *jetstream;
    void (*on_state)(void *context, enum bus_state state);
    void *context;

    atomic_bool connected;
    atomic_uint_fast64_t dropped_before; /* by subscriptions that are gone */

    pthread_mutex_t mutex;
    pthread_cond_t wake;  /* the timer thread has something to do */
    pthread_cond_t quiet; /* a subscription completed, or the connection closed */
    pthread_t timer_thread;
    bool timer_started;
    bool stopping;                 /* {mutex} */
    bool closed;                   /* {mutex} the library's closed callback has run */
    bool announce_connected;       /* {mutex} the connect succeeded at once: the timer thread reports it */
    uint32_t connection_count;     /* {mutex} counts losses of the connection */
    uint32_t failed_count;         /* {mutex} the last loss whose requests were ended */
    bool grave_changed;            /* {mutex} since the timer thread last looked */
    uint64_t timer_wake_ms;        /* {mutex} when the timer thread wakes unasked; UINT64_MAX: never */
    struct bus_subscription live;  /* {mutex} list head */
    struct bus_subscription grave; /* {mutex} list head, oldest first */
    uint32_t incomplete;           /* {mutex} subscriptions whose last callback has not returned */
    struct bus_requests requests;
};

enum status bus_status(natsStatus status);
uint64_t bus_now_ms(void);

/* Subscribes through `dispatch` (bus_subscribe uses its own; requests theirs). */
enum status bus_subscribe_native(struct bus *bus, const char *subject, const char *queue,
                                 natsMsgHandler dispatch, struct bus_subscription *subscription);
void bus_message_from(natsMsg *native, struct bus_message *ret_message);

/* Sends with an optional reply subject and headers; the caller has checked the connection. */
enum status bus_send(struct bus *bus, const char *subject, const char *reply, const char *const *headers,
                     const void *data, size_t length);

/* The graveyard. bus_bury_native unsubscribes a synchronous subscription and takes over `shell` (zeroed) to
 * hold it. bus_bury_due (timer thread) frees subscriptions that are due and returns when to look again,
 * UINT64_MAX: never. */
void bus_subscriptions_free(struct bus_subscription *head); /* every one in the list; not the head */
void bus_bury_native(struct bus *bus, natsSubscription *native, struct bus_subscription *shell);
uint64_t bus_bury_due(struct bus *bus, uint64_t now_ms);

enum status bus_requests_start(struct bus *bus, uint32_t maximum);
void bus_requests_stop(struct bus *bus); /* ends the outstanding ones, then the timer thread */
void bus_requests_done(struct bus *bus);

/* {mutex} The timer thread is to be awake at `at_ms`. */
void bus_timer_wake_locked(struct bus *bus, uint64_t at_ms);

#endif
