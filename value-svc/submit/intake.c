/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * InboundFrame -> struct event -> permission -> Event message on pollen8.events.<event> with Nats-Msg-Id ->
 * the stream's answer -> FrameReply.
 */
#include "submit/intake.h"

#include <stdlib.h>

#include "common/bus/subject.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/permission.h"
#include "common/rng.h"
#include "submit/publish_ack.h"
#include "submit/reply.h"

#define EVENT_MAXIMUM_BYTES 8192 /* a packed Event: 32 industries of 64 bytes and three ids */
#define RANDOM_ID_BYTES     16

struct intake_entry {
    struct intake *intake;
    const struct event_definition *definition;
    struct bus_subscription *subscription;
    char subject[SUBJECT_SIZE]; /* pollen8.events.<event> */
};

struct intake {
    struct service *service;
    struct intake_entry entries[EVENT_COUNT];

    /* Delivery thread only, reused from frame to frame. */
    struct wire_arena arena;
    struct event event;
    struct buf packed;

    pthread_mutex_t lock;
    pthread_cond_t answered; /* monotonic clock */
    size_t under_way;        /* guarded by lock */
};

/* One event on its way to the stream; owned by the request's callback. */
struct submission {
    struct intake *intake;
    size_t reply_length;
    char reply[]; /* the gateway's reply subject, no NUL */
};

static void count(struct intake *intake, const char *result)
{
    metric_add(metrics_cell(intake->service->metrics, VALUE_SUBMISSIONS, result), 1);
}

static void refuse(struct intake *intake, struct slice reply, enum status refusal, const char *message)
{
    count(intake, status_code(refusal));
    reply_frame_refused(intake->service->bus, reply, refusal, message);
}

/* ---- permission ------------------------------------------------------------------------------------- */

static bool own_industries(const struct event *event, const Pollen8__Identity *identity)
{
    for (size_t i = 0; i < event->room_count; i++) {
        bool found = false;
        for (size_t k = 0; k < identity->n_industries && !found; k++)
            found = strcmp(event->rooms[i], identity->industries[k]) == 0;
        if (!found)
            return false;
    }
    return true;
}

enum status intake_authorise(const struct event *event, const Pollen8__Identity *identity)
{
    struct slice name = slice_from_string(event->definition->name);
    switch (permission_scope(identity->permissions, identity->n_permissions, "emit", name)) {
    case PERMISSION_ANY: return STATUS_OK;
    case PERMISSION_OWN:
        if (event->definition->index == EVENT_CONNECTION_IMPORT ||
            strcmp(event->user_id, identity->user_id) != 0 || !own_industries(event, identity))
            return STATUS_FORBIDDEN;
        return STATUS_OK;
    case PERMISSION_NONE:
    default: return STATUS_FORBIDDEN;
    }
}

/* ---- to the stream and back ------------------------------------------------------------------------- */

static void finish(struct submission *submission)
{
    struct intake *intake = submission->intake;
    free(submission);
    pthread_mutex_lock(&intake->lock);
    intake->under_way--;
    pthread_cond_signal(&intake->answered);
    pthread_mutex_unlock(&intake->lock);
}

/* Delivery thread; timeouts on the bus's timer thread. */
static void on_intake_stored(void *context, enum status status, const struct bus_message *message)
{
    struct submission *submission = context;
    struct intake *intake = submission->intake;
    struct slice reply = slice_make(submission->reply, submission->reply_length);
    struct publish_ack ack = {0};
    if (status == STATUS_OK)
        status = publish_ack_read(message->data, &ack);
    if (status == STATUS_OK) {
        count(intake, ack.duplicate ? "duplicate" : "ok");
        reply_frame(intake->service->bus, reply,
                    ack.duplicate ? SLICE_LITERAL("{\"duplicate\":true}") : SLICE_LITERAL("{}"));
    } else {
        log_event_limited(LOG_WARN, "a submitted event was not stored",
                          LOG_S("reason", status_message(status)));
        refuse(intake, reply, STATUS_UNAVAILABLE, NULL);
    }
    finish(submission);
}

static struct submission *begin(struct intake *intake, struct slice reply)
{
    struct submission *submission = malloc(sizeof(*submission) + reply.length);
    if (!submission)
        return NULL;
    submission->intake = intake;
    submission->reply_length = reply.length;
    if (reply.length > 0)
        memcpy(submission->reply, reply.data, reply.length);
    pthread_mutex_lock(&intake->lock);
    intake->under_way++;
    pthread_mutex_unlock(&intake->lock);
    return submission;
}

static uint32_t store_timeout(const struct intake *intake, uint32_t deadline_ms)
{
    uint32_t limit = (uint32_t)intake->service->config.submit_timeout_ms;
    return deadline_ms > 0 && deadline_ms < limit ? deadline_ms : limit;
}

static enum status store_event(struct intake_entry *entry, struct slice reply, uint32_t timeout_ms)
{
    struct intake *intake = entry->intake;
    char id[EVENT_KEY_SIZE];
    const char *const headers[] = {"Nats-Msg-Id", id, NULL};
    /* With an eventId, its key's hash; without one, a fresh name: two such events are two events. */
    if (intake->event.event_id[0] != '\0')
        event_key(&intake->event, 0, 0, id);
    else
        rng_id(id, RANDOM_ID_BYTES);
    buf_clear(&intake->packed);
    enum status status = event_pack(&intake->event, clock_wall_ms(), &intake->packed);
    if (status != STATUS_OK)
        return status;
    struct submission *submission = begin(intake, reply);
    if (!submission)
        return STATUS_NO_MEMORY;
    status = bus_request(intake->service->bus, entry->subject, headers, intake->packed.data,
                         intake->packed.length, timeout_ms, on_intake_stored, submission);
    if (status != STATUS_OK)
        finish(submission);
    return status;
}

static void on_intake_frame(void *context, const struct bus_message *message)
{
    struct intake_entry *entry = context;
    struct intake *intake = entry->intake;
    wire_arena_reset(&intake->arena);
    const ProtobufCMessage *unpacked = NULL;
    enum status status =
        wire_unpack(&intake->arena, &pollen8__inbound_frame__descriptor, message->data, &unpacked);
    const Pollen8__InboundFrame *frame = (const Pollen8__InboundFrame *)unpacked;
    if (status != STATUS_OK || !frame->identity || !id_valid(slice_from_string(frame->identity->user_id))) {
        refuse(intake, message->reply, STATUS_INVALID_PAYLOAD, "not an InboundFrame");
        return;
    }
    char reason[EVENT_REASON_SIZE] = "";
    status = event_from_json(entry->definition, slice_make(frame->data.data, frame->data.len), &intake->event,
                             reason);
    if (status == STATUS_OK)
        status = event_submitted_by(&intake->event, slice_from_string(frame->identity->user_id));
    if (status == STATUS_OK)
        status = intake_authorise(&intake->event, frame->identity);
    if (status == STATUS_OK) {
        status = store_event(entry, message->reply, store_timeout(intake, frame->deadline_ms));
        if (status != STATUS_OK)
            status = STATUS_UNAVAILABLE;
    }
    if (status != STATUS_OK)
        refuse(intake, message->reply, status < STATUS_AUTH_REQUIRED ? STATUS_INTERNAL : status,
               reason[0] != '\0' ? reason : NULL);
}

/* ---- life ------------------------------------------------------------------------------------------- */

static enum status subscribe(struct intake *intake, enum event_index index)
{
    struct intake_entry *entry = &intake->entries[index];
    entry->intake = intake;
    entry->definition = event_at(index);
    struct slice name = slice_from_string(entry->definition->name);
    enum status status = subject_make(entry->subject, SUBJECT_EVENTS, name);
    char subject[SUBJECT_SIZE];
    if (status == STATUS_OK)
        status = subject_make(subject, SUBJECT_IN, name);
    if (status == STATUS_OK)
        status = bus_subscribe(intake->service->bus, subject, QUEUE_VALUE, on_intake_frame, entry,
                               &entry->subscription);
    return status;
}

enum status intake_create(struct service *service, struct intake **ret_intake)
{
    struct intake *intake = calloc(1, sizeof(*intake));
    if (!intake)
        return STATUS_NO_MEMORY;
    intake->service = service;
    buf_init(&intake->packed, EVENT_MAXIMUM_BYTES);
    CHECK(pthread_mutex_init(&intake->lock, NULL) == 0);
    CHECK(clock_condition_init(&intake->answered) == 0);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < EVENT_COUNT && status == STATUS_OK; i++)
        status = subscribe(intake, (enum event_index)i);
    /* Callbacks may already be running. What cannot be undone safely is left until the process ends. */
    if (status == STATUS_OK)
        *ret_intake = intake;
    return status;
}

void intake_finish(struct intake *intake, int64_t timeout_ms)
{
    uint64_t until_ms = clock_monotonic_ms() + (uint64_t)timeout_ms + 1000;
    bool waiting = true;
    pthread_mutex_lock(&intake->lock);
    while (intake->under_way > 0 && waiting)
        waiting = clock_condition_wait(&intake->answered, &intake->lock, until_ms);
    pthread_mutex_unlock(&intake->lock);
}

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    wire_arena_done(&intake->arena);
    buf_done(&intake->packed);
    pthread_cond_destroy(&intake->answered);
    pthread_mutex_destroy(&intake->lock);
    free(intake);
}
