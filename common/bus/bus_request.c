/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests without waiting, and the bus's one timer thread. A request takes a slot, is sent with the reply
 * subject <inbox>.<generation and slot in hex>, and leaves its slot when the first of these happens: a reply
 * or a no-responders note (delivery thread), its deadline, or the loss of the connection it was sent on
 * (timer thread). Whoever takes it out of the slot calls the callback, so it is called once.
 *
 * The timer thread sleeps until the earliest deadline (rounded up to TICK_MS, so that close ones share a
 * wake-up), or indefinitely while nothing is outstanding. It also frees unsubscribed subscriptions, some
 * seconds later.
 */
#include "common/bus/bus_internal.h"
#include "common/bus/subject.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS          10
#define REQUESTS_DEFAULT 65536
#define FIRST_CAPACITY   64
#define NO_SLOT          UINT32_MAX
#define DUE_BATCH        64

struct ended {
    bus_reply_fn *callback;
    void *context;
    enum status status;
};

/* ---- heap of deadlines {mutex} ----------------------------------------------------------------------- */

static void heap_place(struct bus_requests *requests, uint32_t position, uint32_t slot)
{
    requests->heap[position] = slot;
    requests->slots[slot].heap_position = position;
}

static void heap_up(struct bus_requests *requests, uint32_t position)
{
    uint32_t slot = requests->heap[position];
    while (position > 0) {
        uint32_t parent = (position - 1) / 2;
        if (requests->slots[requests->heap[parent]].deadline_ms <= requests->slots[slot].deadline_ms)
            break;
        heap_place(requests, position, requests->heap[parent]);
        position = parent;
    }
    heap_place(requests, position, slot);
}

static void heap_down(struct bus_requests *requests, uint32_t position)
{
    uint32_t slot = requests->heap[position];
    for (;;) {
        uint32_t child = 2 * position + 1;
        if (child >= requests->used)
            break;
        if (child + 1 < requests->used && requests->slots[requests->heap[child + 1]].deadline_ms <
                                              requests->slots[requests->heap[child]].deadline_ms)
            child++;
        if (requests->slots[slot].deadline_ms <= requests->slots[requests->heap[child]].deadline_ms)
            break;
        heap_place(requests, position, requests->heap[child]);
        position = child;
    }
    heap_place(requests, position, slot);
}

/* ---- slots {mutex} ----------------------------------------------------------------------------------- */

static bool grow(struct bus_requests *requests)
{
    uint32_t capacity = requests->capacity ? requests->capacity * 2 : FIRST_CAPACITY;
    if (capacity > requests->maximum)
        capacity = requests->maximum;
    struct bus_request_slot *slots = realloc(requests->slots, capacity * sizeof(*slots));
    if (!slots)
        return false;
    requests->slots = slots;
    uint32_t *heap = realloc(requests->heap, capacity * sizeof(*heap));
    if (!heap)
        return false;
    requests->heap = heap;
    for (uint32_t i = requests->capacity; i < capacity; i++)
        slots[i] = (struct bus_request_slot){.next_free = i + 1 < capacity ? i + 1 : NO_SLOT};
    requests->free_list = requests->capacity;
    requests->capacity = capacity;
    return true;
}

static enum status take_slot(struct bus_requests *requests, uint64_t deadline_ms, uint32_t *ret_slot)
{
    if (requests->free_list == NO_SLOT) {
        if (requests->capacity >= requests->maximum)
            return STATUS_FULL;
        if (!grow(requests))
            return STATUS_NO_MEMORY;
    }
    uint32_t index = requests->free_list;
    struct bus_request_slot *slot = &requests->slots[index];
    requests->free_list = slot->next_free;
    slot->used = true;
    slot->generation++;
    slot->deadline_ms = deadline_ms;
    requests->heap[requests->used] = index;
    requests->used++;
    heap_up(requests, requests->used - 1);
    *ret_slot = index;
    return STATUS_OK;
}

static struct ended release_slot(struct bus_requests *requests, uint32_t index, enum status status)
{
    struct bus_request_slot *slot = &requests->slots[index];
    uint32_t position = slot->heap_position;
    struct ended ended = {.callback = slot->callback, .context = slot->context, .status = status};
    requests->used--;
    if (position != requests->used) {
        uint32_t moved = requests->heap[requests->used];
        heap_place(requests, position, moved);
        heap_up(requests, position);
        heap_down(requests, requests->slots[moved].heap_position);
    }
    slot->used = false;
    slot->next_free = requests->free_list;
    requests->free_list = index;
    return ended;
}

static bool matches(const struct bus_requests *requests, uint32_t index, uint32_t generation)
{
    return index < requests->capacity && requests->slots[index].used &&
           requests->slots[index].generation == generation;
}

/* ---- asking ------------------------------------------------------------------------------------------ */

/* The slot of a new request, with what names it on the wire. */
static enum status reserve(struct bus *bus, uint32_t timeout_ms, bus_reply_fn *callback, void *context,
                           uint64_t *ret_id)
{
    uint64_t deadline_ms = bus_now_ms() + timeout_ms;
    pthread_mutex_lock(&bus->mutex);
    enum status status = STATUS_DISCONNECTED;
    uint32_t index = 0;
    if (!bus->stopping && bus_connected(bus))
        status = take_slot(&bus->requests, deadline_ms, &index);
    if (status == STATUS_OK) {
        struct bus_request_slot *slot = &bus->requests.slots[index];
        slot->callback = callback;
        slot->context = context;
        slot->connection = bus->connection_count;
        *ret_id = (uint64_t)slot->generation << 32 | index;
        bus_timer_wake_locked(bus, deadline_ms);
    }
    pthread_mutex_unlock(&bus->mutex);
    return status;
}

/* Takes back a request that could not be sent. False: it has already ended, and its callback was called. */
static bool take_back(struct bus *bus, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    pthread_mutex_lock(&bus->mutex);
    bool mine = matches(&bus->requests, index, (uint32_t)(id >> 32));
    if (mine)
        release_slot(&bus->requests, index, STATUS_OK);
    pthread_mutex_unlock(&bus->mutex);
    return mine;
}

enum status bus_request(struct bus *bus, const char *subject, const char *const *headers, const void *data,
                        size_t length, uint32_t timeout_ms, bus_reply_fn *callback, void *context)
{
    uint64_t id;
    enum status status = reserve(bus, timeout_ms, callback, context, &id);
    if (status != STATUS_OK)
        return status;
    char reply[128];
    subject_reply_make(reply, sizeof(reply), bus->requests.inbox, id);
    status = bus_send(bus, subject, reply, headers, data, length);
    if (status != STATUS_OK && !take_back(bus, id))
        status = STATUS_OK;
    return status;
}

/* Delivery thread: a reply, perhaps a late one. */
static void on_request_reply(natsConnection *connection, natsSubscription *native, natsMsg *message,
                             void *closure)
{
    struct bus_subscription *subscription = closure;
    struct bus *bus = subscription->bus;
    (void)connection;
    (void)native;
    struct ended ended = {0};
    uint64_t id;
    if (subject_reply_id(slice_from_string(natsMsg_GetSubject(message)), bus->requests.inbox_length, &id)) {
        pthread_mutex_lock(&bus->mutex);
        if (matches(&bus->requests, (uint32_t)id, (uint32_t)(id >> 32)))
            ended = release_slot(&bus->requests, (uint32_t)id, STATUS_OK);
        pthread_mutex_unlock(&bus->mutex);
    }
    struct bus_message view;
    if (ended.callback && natsMsg_IsNoResponders(message)) {
        ended.callback(ended.context, STATUS_NO_RESPONDERS, NULL);
    } else if (ended.callback) {
        bus_message_from(message, &view);
        ended.callback(ended.context, STATUS_OK, &view);
    }
    natsMsg_Destroy(message);
}

/* ---- timer thread ------------------------------------------------------------------------------------ */

/* Up to DUE_BATCH requests that have ended: past their deadline, or sent on a lost connection. */
static size_t collect_ended_locked(struct bus *bus, uint64_t now_ms, struct ended *ret_ended)
{
    struct bus_requests *requests = &bus->requests;
    size_t count = 0;
    while (count < DUE_BATCH && requests->used > 0 &&
           requests->slots[requests->heap[0]].deadline_ms <= now_ms)
        ret_ended[count++] = release_slot(requests, requests->heap[0], STATUS_TIMEOUT);
    if (bus->failed_count == bus->connection_count && !bus->stopping)
        return count;
    for (uint32_t i = 0; count < DUE_BATCH && i < requests->capacity; i++) {
        struct bus_request_slot *slot = &requests->slots[i];
        if (slot->used && (bus->stopping || slot->connection != bus->connection_count))
            ret_ended[count++] = release_slot(requests, i, STATUS_DISCONNECTED);
    }
    if (count < DUE_BATCH)
        bus->failed_count = bus->connection_count;
    return count;
}

static void end_requests(struct bus *bus)
{
    struct ended ended[DUE_BATCH];
    size_t count;
    do {
        pthread_mutex_lock(&bus->mutex);
        count = collect_ended_locked(bus, bus_now_ms(), ended);
        pthread_mutex_unlock(&bus->mutex);
        for (size_t i = 0; i < count; i++)
            ended[i].callback(ended[i].context, ended[i].status, NULL);
    } while (count == DUE_BATCH);
}

static void announce(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    bool connected = bus->announce_connected;
    bus->announce_connected = false;
    pthread_mutex_unlock(&bus->mutex);
    if (connected && bus->on_state)
        bus->on_state(bus->context, BUS_CONNECTED);
}

/* Sleeps until `at_ms` or the next deadline, whichever is earlier, or until woken for something earlier
 * still. False: the bus is stopping. */
static bool sleep_until(struct bus *bus, uint64_t at_ms)
{
    pthread_mutex_lock(&bus->mutex);
    if (bus->requests.used > 0) {
        uint64_t deadline_ms = bus->requests.slots[bus->requests.heap[0]].deadline_ms;
        deadline_ms = (deadline_ms + TICK_MS - 1) / TICK_MS * TICK_MS;
        if (deadline_ms < at_ms)
            at_ms = deadline_ms;
    }
    if (bus->grave_changed && at_ms > bus_now_ms() + BUS_GRAVE_MS)
        at_ms = bus_now_ms() + BUS_GRAVE_MS;
    if (bus->failed_count != bus->connection_count)
        at_ms = 0;
    bus->timer_wake_ms = at_ms;
    while (!bus->stopping && bus->timer_wake_ms > bus_now_ms()) {
        if (bus->timer_wake_ms == UINT64_MAX)
            pthread_cond_wait(&bus->wake, &bus->mutex);
        else
            clock_condition_wait(&bus->wake, &bus->mutex, bus->timer_wake_ms);
    }
    bus->timer_wake_ms = 0; /* awake: nobody needs to signal */
    bool stopping = bus->stopping;
    pthread_mutex_unlock(&bus->mutex);
    return !stopping;
}

static void *run_request_timer(void *closure)
{
    struct bus *bus = closure;
    announce(bus);
    do
        end_requests(bus);
    while (sleep_until(bus, bus_bury_due(bus, bus_now_ms())));
    end_requests(bus);
    return NULL;
}

/* ---- life cycle -------------------------------------------------------------------------------------- */

static enum status make_inbox(struct bus_requests *requests)
{
    natsInbox *inbox = NULL;
    natsStatus status = natsInbox_Create(&inbox);
    if (status != NATS_OK)
        return bus_status(status);
    requests->inbox = strdup(inbox);
    natsInbox_Destroy(inbox);
    if (!requests->inbox)
        return STATUS_NO_MEMORY;
    requests->inbox_length = strlen(requests->inbox);
    return STATUS_OK;
}

static enum status subscribe_inbox(struct bus *bus)
{
    struct bus_requests *requests = &bus->requests;
    requests->subscription = calloc(1, sizeof(*requests->subscription));
    if (!requests->subscription)
        return STATUS_NO_MEMORY;
    char pattern[128];
    snprintf(pattern, sizeof(pattern), "%s.*", requests->inbox);
    enum status status = bus_subscribe_native(bus, pattern, NULL, on_request_reply, requests->subscription);
    if (status != STATUS_OK) {
        free(requests->subscription);
        requests->subscription = NULL;
    }
    return status;
}

enum status bus_requests_start(struct bus *bus, uint32_t maximum)
{
    bus->requests.maximum = maximum ? maximum : REQUESTS_DEFAULT;
    bus->requests.free_list = NO_SLOT;
    enum status status = make_inbox(&bus->requests);
    if (status == STATUS_OK)
        status = subscribe_inbox(bus);
    if (status == STATUS_OK && pthread_create(&bus->timer_thread, NULL, run_request_timer, bus) != 0)
        status = STATUS_NO_MEMORY;
    bus->timer_started = status == STATUS_OK;
    return status;
}

void bus_requests_stop(struct bus *bus)
{
    if (!bus->timer_started)
        return;
    pthread_mutex_lock(&bus->mutex);
    bus->stopping = true;
    pthread_cond_signal(&bus->wake);
    pthread_mutex_unlock(&bus->mutex);
    pthread_join(bus->timer_thread, NULL);
    bus->timer_started = false;
}

void bus_requests_done(struct bus *bus)
{
    free(bus->requests.slots);
    free(bus->requests.heap);
    free(bus->requests.inbox);
}
