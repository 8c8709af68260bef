/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Receiving: a message travels from the library's delivery thread through on_subscription_message to the
 * subscriber's callback. A subscription is in the bus's live list, then in the graveyard. It is freed once
 * the library has reported that its last callback returned, and BUS_GRAVE_MS have passed: older versions of
 * the library crash if a subscription is destroyed while messages for it arrive.
 */
#include "common/bus/bus_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- receiving --------------------------------------------------------------------------------------- */

void bus_message_from(natsMsg *native, struct bus_message *ret_message)
{
    int length = natsMsg_GetDataLength(native);
    ret_message->subject = slice_from_string(natsMsg_GetSubject(native));
    ret_message->reply = slice_from_string(natsMsg_GetReply(native));
    ret_message->data = slice_make(natsMsg_GetData(native), length > 0 ? (size_t)length : 0);
    ret_message->native = native;
}

enum status bus_header(const struct bus_message *message, const char *name, char *out, size_t capacity)
{
    /* The library parses headers on first use, hence no const; the message is the caller's thread's own. */
    natsMsg *native = (natsMsg *)(uintptr_t)message->native;
    const char *value = NULL;
    natsStatus status = natsMsgHeader_Get(native, name, &value);
    if (status != NATS_OK || !value)
        return status == NATS_NO_MEMORY ? STATUS_NO_MEMORY : STATUS_NOT_FOUND;
    size_t length = strlen(value);
    if (length >= capacity)
        return STATUS_FULL;
    memcpy(out, value, length + 1);
    return STATUS_OK;
}

static void on_subscription_message(natsConnection *connection, natsSubscription *native, natsMsg *message,
                                    void *closure)
{
    struct bus_subscription *subscription = closure;
    (void)connection;
    (void)native;
    struct bus_message view;
    if (!atomic_load(&subscription->closed)) {
        bus_message_from(message, &view);
        subscription->callback(subscription->context, &view);
    }
    natsMsg_Destroy(message);
}

/* Delivery thread: the last callback of the subscription has returned. */
static void on_subscription_complete(void *closure)
{
    struct bus_subscription *subscription = closure;
    struct bus *bus = subscription->bus;
    pthread_mutex_lock(&bus->mutex);
    subscription->completed = true;
    bus->incomplete--;
    pthread_cond_broadcast(&bus->quiet);
    pthread_mutex_unlock(&bus->mutex);
}

static void link_before(struct bus_subscription *head, struct bus_subscription *one)
{
    one->previous = head->previous;
    one->next = head;
    head->previous->next = one;
    head->previous = one;
}

static void unlink_one(struct bus_subscription *one)
{
    one->previous->next = one->next;
    one->next->previous = one->previous;
}

enum status bus_subscribe_native(struct bus *bus, const char *subject, const char *queue,
                                 natsMsgHandler dispatch, struct bus_subscription *subscription)
{
    subscription->bus = bus;
    subscription->queue_group = queue != NULL;
    natsStatus status;
    if (queue)
        status = natsConnection_QueueSubscribe(&subscription->native, bus->connection, subject, queue,
                                               dispatch, subscription);
    else
        status =
            natsConnection_Subscribe(&subscription->native, bus->connection, subject, dispatch, subscription);
    if (status != NATS_OK)
        return bus_status(status);

    pthread_mutex_lock(&bus->mutex);
    link_before(&bus->live, subscription);
    bus->incomplete++;
    pthread_mutex_unlock(&bus->mutex);
    /* Fails only if the subscription is already closed: then the library reports no completion. */
    if (natsSubscription_SetOnCompleteCB(subscription->native, on_subscription_complete, subscription) !=
        NATS_OK)
        on_subscription_complete(subscription);
    return STATUS_OK;
}

enum status bus_subscribe(struct bus *bus, const char *subject, const char *queue, bus_message_fn *callback,
                          void *context, struct bus_subscription **ret_subscription)
{
    struct bus_subscription *subscription = calloc(1, sizeof(*subscription));
    if (!subscription)
        return STATUS_NO_MEMORY;
    subscription->callback = callback;
    subscription->context = context;
    enum status status = bus_subscribe_native(bus, subject, queue, on_subscription_message, subscription);
    if (status != STATUS_OK) {
        free(subscription);
        return status;
    }
    *ret_subscription = subscription;
    return STATUS_OK;
}

static uint64_t dropped_by(struct bus_subscription *subscription)
{
    int64_t dropped = 0;
    if (natsSubscription_GetDropped(subscription->native, &dropped) != NATS_OK || dropped < 0)
        return 0;
    return (uint64_t)dropped;
}

/* The library's lock is taken inside ours here; it never calls us with its locks held. */
uint64_t bus_dropped(struct bus *bus)
{
    uint64_t total = atomic_load(&bus->dropped_before);
    pthread_mutex_lock(&bus->mutex);
    for (struct bus_subscription *each = bus->live.next; each != &bus->live; each = each->next)
        if (each->slow)
            total += dropped_by(each);
    pthread_mutex_unlock(&bus->mutex);
    return total;
}

void bus_subscriptions_free(struct bus_subscription *head)
{
    struct bus_subscription *each = head->next;
    while (each && each != head) {
        struct bus_subscription *next = each->next;
        natsSubscription_Destroy(each->native);
        free(each);
        each = next;
    }
}

static void bury_locked(struct bus *bus, struct bus_subscription *subscription)
{
    subscription->buried_ms = bus_now_ms();
    bus->grave_changed = true;
    link_before(&bus->grave, subscription);
    bus_timer_wake_locked(bus, subscription->buried_ms + BUS_GRAVE_MS);
}

void bus_unsubscribe(struct bus_subscription *subscription)
{
    if (!subscription || atomic_exchange(&subscription->closed, true))
        return;
    struct bus *bus = subscription->bus;
    pthread_mutex_lock(&bus->mutex);
    bool slow = subscription->slow;
    subscription->slow = false;
    pthread_mutex_unlock(&bus->mutex);
    if (slow)
        atomic_fetch_add(&bus->dropped_before, dropped_by(subscription));
    natsSubscription_Unsubscribe(subscription->native);

    pthread_mutex_lock(&bus->mutex);
    unlink_one(subscription);
    bury_locked(bus, subscription);
    pthread_mutex_unlock(&bus->mutex);
}

void bus_bury_native(struct bus *bus, natsSubscription *native, struct bus_subscription *shell)
{
    shell->bus = bus;
    shell->native = native;
    shell->completed = true; /* a synchronous subscription has no callbacks */
    natsSubscription_Unsubscribe(native);
    pthread_mutex_lock(&bus->mutex);
    bury_locked(bus, shell);
    pthread_mutex_unlock(&bus->mutex);
}

uint64_t bus_bury_due(struct bus *bus, uint64_t now_ms)
{
    pthread_mutex_lock(&bus->mutex);
    bus->grave_changed = false;
    struct bus_subscription *each = bus->grave.next;
    struct bus_subscription due = {.next = &due, .previous = &due};
    uint64_t again_ms = UINT64_MAX;
    while (each != &bus->grave && each->buried_ms + BUS_GRAVE_MS <= now_ms) {
        struct bus_subscription *next = each->next;
        if (each->completed) {
            unlink_one(each);
            link_before(&due, each);
        } else {
            again_ms = now_ms + BUS_GRAVE_MS; /* its callback is still running, or queued behind one */
        }
        each = next;
    }
    if (again_ms == UINT64_MAX && each != &bus->grave)
        again_ms = each->buried_ms + BUS_GRAVE_MS;
    pthread_mutex_unlock(&bus->mutex);
    bus_subscriptions_free(&due);
    return again_ms;
}

/* ---- drain ------------------------------------------------------------------------------------------- */

/* The live subscriptions with a queue group; the others are silenced. */
static size_t collect_queue_groups(struct bus *bus, struct bus_subscription **ret_list, size_t capacity)
{
    pthread_mutex_lock(&bus->mutex);
    size_t count = 0;
    for (struct bus_subscription *each = bus->live.next; each != &bus->live; each = each->next) {
        if (each->queue_group && count < capacity)
            ret_list[count++] = each;
        else if (each != bus->requests.subscription && !each->queue_group)
            atomic_store(&each->closed, true);
    }
    pthread_mutex_unlock(&bus->mutex);
    return count;
}

enum status bus_drain(struct bus *bus, uint32_t timeout_ms)
{
    struct bus_subscription *list[64]; /* the library starts a thread for each */
    size_t count = collect_queue_groups(bus, list, sizeof(list) / sizeof(list[0]));
    uint64_t deadline_ms = bus_now_ms() + timeout_ms;
    if (!bus_connected(bus)) /* no server to tell, and the library would wait the whole time */
        return STATUS_OK;
    for (size_t i = 0; i < count; i++)
        natsSubscription_DrainTimeout(list[i]->native, timeout_ms ? timeout_ms : 1);
    enum status result = STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        uint64_t now_ms = bus_now_ms();
        int64_t left_ms = now_ms < deadline_ms ? (int64_t)(deadline_ms - now_ms) : 1;
        if (natsSubscription_WaitForDrainCompletion(list[i]->native, left_ms) == NATS_TIMEOUT)
            result = STATUS_TIMEOUT;
    }
    return result;
}
