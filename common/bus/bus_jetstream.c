/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * JetStream: streams, durable consumers, fetching. A message travels: server → the library's synchronous
 * subscription → bus_fetch → the caller's batch → bus_batch_ack. Everything here blocks and belongs on a
 * worker thread; a consumer is used by one thread at a time.
 *
 * If a consumer is deleted while no fetch waits on it, the server does not report it: the next pull request
 * stays unanswered. So a fetch that timed out occasionally asks the server whether the consumer still exists.
 */
#include "common/bus/bus_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NANOSECONDS_PER_MS INT64_C(1000000)
#define TEMPORARY_LIFE_MS  60000
#define EXISTENCE_CHECK_MS 2000
#define SUBJECTS_MAXIMUM   32

struct bus_consumer {
    struct bus *bus;
    struct bus_subscription *subscription; /* its callback is never used: a place in the graveyard */
    natsSubscription *native;
    char *stream;
    char *name;
    bool temporary;        /* made for this subscription alone: deleted with it */
    uint64_t confirmed_ms; /* when the server last confirmed that the consumer exists */
};

struct bus_batch {
    natsMsgList list;
};

static enum status explain(char *error, size_t error_size, const char *what, natsStatus status,
                           jsErrCode code)
{
    enum status result = bus_status(status);
    /* JetStream answers "not enabled" or not at all while the server is starting. */
    if (result == STATUS_NO_RESPONDERS || result == STATUS_TIMEOUT)
        result = STATUS_DISCONNECTED;
    if (code == JSStreamNotFoundErr || code == JSConsumerNotFoundErr)
        result = STATUS_NOT_FOUND;
    if (error && error_size > 0) {
        const char *text = NULL;
        if (code != 0)
            text = nats_GetLastError(NULL);
        snprintf(error, error_size, "%s: %s", what, text ? text : natsStatus_GetText(status));
    }
    return result;
}

/* ---- streams ----------------------------------------------------------------------------------------- */

static int count_subjects(const char *const *subjects)
{
    int count = 0;
    while (subjects[count])
        count++;
    return count;
}

static bool same_subjects(const jsStreamConfig *have, const jsStreamConfig *want)
{
    if (have->SubjectsLen != want->SubjectsLen)
        return false;
    for (int i = 0; i < want->SubjectsLen; i++)
        if (strcmp(have->Subjects[i], want->Subjects[i]) != 0)
            return false;
    return true;
}

/* A limit lower than what the stream holds makes nats-server 2.9 delete the oldest messages, in spite of
 * "discard new". So a limit is lowered only while an eighth of it is free: between this look and the update
 * messages are stored. */
static int64_t possible_bytes(const jsStreamInfo *info, int64_t want)
{
    int64_t have = info->Config->MaxBytes;
    if (want <= 0 || (have > 0 && have <= want))
        return want;
    return info->State.Bytes <= (uint64_t)(want - want / 8) ? want : have;
}

/* The server reserves the bytes of a limit, and has too few. */
static bool no_room(jsErrCode code)
{
    return code == JSStorageResourcesExceededErr || code == JSClusterNoPeersErr ||
           code == JSInsufficientResourcesErr;
}

static bool same_stream(const jsStreamConfig *have, const jsStreamConfig *want, int64_t maximum_bytes)
{
    return same_subjects(have, want) && have->Duplicates == want->Duplicates &&
           have->MaxAge == want->MaxAge && have->MaxBytes == maximum_bytes &&
           have->MaxMsgs == want->MaxMsgs && have->MaxMsgsPerSubject == want->MaxMsgsPerSubject &&
           have->Discard == want->Discard && have->Replicas == want->Replicas && have->NoAck == want->NoAck;
}

static natsStatus update_stream(struct bus *bus, const jsStreamInfo *info, const jsStreamConfig *want,
                                jsErrCode *ret_code)
{
    jsStreamConfig merged = *info->Config; /* fields that are not set here stay as they are */
    int64_t maximum_bytes = possible_bytes(info, want->MaxBytes);
    if (same_stream(info->Config, want, maximum_bytes))
        return NATS_OK;
    merged.Subjects = want->Subjects;
    merged.SubjectsLen = want->SubjectsLen;
    merged.Duplicates = want->Duplicates;
    merged.MaxAge = want->MaxAge;
    merged.MaxBytes = maximum_bytes;
    merged.MaxMsgs = want->MaxMsgs;
    merged.MaxMsgsPerSubject = want->MaxMsgsPerSubject;
    merged.Discard = want->Discard;
    merged.Replicas = want->Replicas;
    merged.NoAck = want->NoAck;
    natsStatus status = js_UpdateStream(NULL, bus->jetstream, &merged, NULL, ret_code);
    if (status == NATS_OK || !no_room(*ret_code) || maximum_bytes == info->Config->MaxBytes)
        return status;
    *ret_code = 0;
    merged.MaxBytes = info->Config->MaxBytes;
    return js_UpdateStream(NULL, bus->jetstream, &merged, NULL, ret_code);
}

/* A stream without the limit is better than none. It also brings back the stream, with its messages, of a
 * server that has been given less room since and so did not load it at its start. */
static natsStatus add_stream(struct bus *bus, const jsStreamConfig *want, jsErrCode *ret_code)
{
    jsStreamConfig config = *want;
    natsStatus status = js_AddStream(NULL, bus->jetstream, &config, NULL, ret_code);
    if (status == NATS_OK || config.MaxBytes <= 0 || !no_room(*ret_code))
        return status;
    *ret_code = 0;
    config.MaxBytes = -1;
    return js_AddStream(NULL, bus->jetstream, &config, NULL, ret_code);
}

/* NATS_ILLEGAL_STATE: the stream's retention is not limits. It cannot be changed, and nothing is. */
static natsStatus ensure_stream(struct bus *bus, const jsStreamConfig *want, jsErrCode *ret_code)
{
    jsStreamInfo *info = NULL;
    natsStatus status = js_GetStreamInfo(&info, bus->jetstream, want->Name, NULL, ret_code);
    if (status == NATS_NOT_FOUND) {
        *ret_code = 0;
        status = add_stream(bus, want, ret_code);
        if (status != NATS_OK && *ret_code == JSStreamNameExistErr) /* another process was faster */
            status = js_GetStreamInfo(&info, bus->jetstream, want->Name, NULL, ret_code);
    }
    if (status == NATS_OK && info)
        status = info->Config->Retention == js_LimitsPolicy ? update_stream(bus, info, want, ret_code)
                                                            : NATS_ILLEGAL_STATE;
    jsStreamInfo_Destroy(info);
    return status;
}

static void configure_stream(const struct bus_stream_options *options, const char **subjects,
                             jsStreamConfig *ret_want)
{
    int count = count_subjects(options->subjects);
    memcpy(subjects, options->subjects, (size_t)count * sizeof(*subjects));
    jsStreamConfig_Init(ret_want);
    ret_want->Name = options->name;
    ret_want->Subjects = subjects;
    ret_want->SubjectsLen = count;
    ret_want->Storage = js_FileStorage;
    ret_want->Retention = js_LimitsPolicy;
    ret_want->Duplicates = options->duplicates_ms * NANOSECONDS_PER_MS;
    ret_want->MaxAge = options->maximum_age_ms * NANOSECONDS_PER_MS;
    ret_want->MaxBytes = options->maximum_bytes > 0 ? options->maximum_bytes : -1;
    ret_want->MaxMsgs = -1;
    ret_want->MaxMsgsPerSubject = -1;
    ret_want->Discard = js_DiscardNew;
    ret_want->Replicas = options->replicas > 0 ? options->replicas : 1;
}

enum status bus_stream_ensure(struct bus *bus, const struct bus_stream_options *options, char *error,
                              size_t error_size)
{
    if (!bus_connected(bus))
        return explain(error, error_size, options->name, NATS_CONNECTION_DISCONNECTED, 0);
    if (count_subjects(options->subjects) > SUBJECTS_MAXIMUM)
        return explain(error, error_size, options->name, NATS_INVALID_ARG, 0);
    const char *subjects[SUBJECTS_MAXIMUM];
    jsStreamConfig want;
    configure_stream(options, subjects, &want);
    jsErrCode code = 0;
    natsStatus status = ensure_stream(bus, &want, &code);
    if (status == NATS_ILLEGAL_STATE) {
        if (error && error_size > 0)
            snprintf(error, error_size, "%s: its retention is not limits", options->name);
        return STATUS_MALFORMED;
    }
    return status == NATS_OK ? STATUS_OK : explain(error, error_size, options->name, status, code);
}

/* ---- consumers --------------------------------------------------------------------------------------- */

static natsStatus update_consumer(struct bus *bus, const char *stream, const jsConsumerInfo *info,
                                  const jsConsumerConfig *want, jsErrCode *ret_code)
{
    jsConsumerConfig merged = *info->Config; /* what cannot change (the start) stays */
    const char *filter = merged.FilterSubject ? merged.FilterSubject : "";
    if (merged.AckWait == want->AckWait && merged.MaxAckPending == want->MaxAckPending &&
        strcmp(filter, want->FilterSubject ? want->FilterSubject : "") == 0)
        return NATS_OK;
    merged.AckWait = want->AckWait;
    merged.MaxAckPending = want->MaxAckPending;
    merged.FilterSubject = want->FilterSubject;
    return js_UpdateConsumer(NULL, bus->jetstream, stream, &merged, NULL, ret_code);
}

static void configure_consumer(const struct bus_consumer_options *options, jsConsumerConfig *ret_want)
{
    jsConsumerConfig_Init(ret_want);
    ret_want->Durable = options->durable;
    ret_want->AckPolicy = js_AckExplicit;
    ret_want->AckWait = options->ack_wait_ms * NANOSECONDS_PER_MS;
    ret_want->MaxDeliver = -1;
    ret_want->FilterSubject = options->filter;
    ret_want->MaxAckPending = options->maximum_ack_pending;
    if (!options->durable)
        ret_want->InactiveThreshold = TEMPORARY_LIFE_MS * NANOSECONDS_PER_MS;
    if (options->start_sequence > 0) {
        ret_want->DeliverPolicy = js_DeliverByStartSequence;
        ret_want->OptStartSeq = options->start_sequence;
    }
}

/* The consumer's name, which the server chooses for a temporary one. The caller frees it. */
static natsStatus ensure_consumer(struct bus *bus, const struct bus_consumer_options *options,
                                  char **ret_name, jsErrCode *ret_code)
{
    jsConsumerConfig want;
    configure_consumer(options, &want);
    jsConsumerInfo *info = NULL;
    natsStatus status = NATS_NOT_FOUND;
    if (options->durable)
        status = js_GetConsumerInfo(&info, bus->jetstream, options->stream, options->durable, NULL, ret_code);
    if (status == NATS_OK) {
        status = update_consumer(bus, options->stream, info, &want, ret_code);
    } else if (status == NATS_NOT_FOUND) {
        *ret_code = 0;
        status = js_AddConsumer(&info, bus->jetstream, options->stream, &want, NULL, ret_code);
    }
    if (status == NATS_OK) {
        *ret_name = strdup(info->Name);
        status = *ret_name ? NATS_OK : NATS_NO_MEMORY;
    }
    jsConsumerInfo_Destroy(info);
    return status;
}

static natsStatus bind(struct bus_consumer *consumer, const struct bus_consumer_options *options,
                       jsErrCode *ret_code)
{
    jsSubOptions binding;
    jsSubOptions_Init(&binding);
    binding.Stream = consumer->stream;
    binding.Consumer = consumer->name;
    binding.ManualAck = true;
    return js_PullSubscribe(&consumer->native, consumer->bus->jetstream, options->filter, options->durable,
                            NULL, &binding, ret_code);
}

enum status bus_consumer_create(struct bus *bus, const struct bus_consumer_options *options,
                                struct bus_consumer **ret_consumer, char *error, size_t error_size)
{
    struct bus_consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer) {
        consumer->bus = bus;
        consumer->temporary = options->durable == NULL;
        consumer->stream = strdup(options->stream);
        consumer->subscription = calloc(1, sizeof(*consumer->subscription));
    }
    natsStatus status = NATS_NO_MEMORY;
    if (consumer && consumer->stream && consumer->subscription)
        status = bus_connected(bus) ? NATS_OK : NATS_CONNECTION_DISCONNECTED;
    jsErrCode code = 0;
    if (status == NATS_OK)
        status = ensure_consumer(bus, options, &consumer->name, &code);
    if (status == NATS_OK)
        status = bind(consumer, options, &code);
    if (status != NATS_OK) {
        bus_consumer_free(consumer);
        return explain(error, error_size, options->stream, status, code);
    }
    consumer->confirmed_ms = bus_now_ms();
    *ret_consumer = consumer;
    return STATUS_OK;
}

void bus_consumer_free(struct bus_consumer *consumer)
{
    if (!consumer)
        return;
    /* The server would delete it itself, but only after collecting a minute's messages for it. */
    if (consumer->temporary && consumer->name && bus_connected(consumer->bus))
        js_DeleteConsumer(consumer->bus->jetstream, consumer->stream, consumer->name, NULL, NULL);
    if (consumer->native) {
        bus_bury_native(consumer->bus, consumer->native, consumer->subscription);
        consumer->subscription = NULL;
    }
    free(consumer->subscription);
    free(consumer->stream);
    free(consumer->name);
    free(consumer);
}

/* ---- fetching ---------------------------------------------------------------------------------------- */

/* A fetch returned no messages: does the consumer still exist? */
static enum status examine(struct bus_consumer *consumer, natsStatus status)
{
    uint64_t now_ms = bus_now_ms();
    if (!bus_connected(consumer->bus))
        return STATUS_DISCONNECTED;
    if (status == NATS_TIMEOUT && now_ms - consumer->confirmed_ms < EXISTENCE_CHECK_MS)
        return STATUS_TIMEOUT;
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    status =
        js_GetConsumerInfo(&info, consumer->bus->jetstream, consumer->stream, consumer->name, NULL, &code);
    jsConsumerInfo_Destroy(info);
    if (status == NATS_NOT_FOUND)
        return STATUS_NOT_FOUND;
    if (status != NATS_OK)
        return STATUS_DISCONNECTED;
    consumer->confirmed_ms = now_ms;
    return STATUS_TIMEOUT;
}

/* Fetches one message if messages of an earlier request are still queued, because that request ended before
 * all of them had arrived. The library (3.4.1) subtracts the queued ones from the count at which it stops; it
 * may already be past that count, and then writes behind the end of its list. With one message it never
 * requests more, or has nothing to subtract. */
static int batch_size(struct bus_consumer *consumer, uint32_t maximum)
{
    int waiting = 0;
    int bytes = 0;
    if (natsSubscription_GetPending(consumer->native, &waiting, &bytes) != NATS_OK || waiting > 0)
        return 1;
    return (int)maximum;
}

enum status bus_fetch(struct bus_consumer *consumer, uint32_t maximum, uint32_t wait_ms,
                      struct bus_batch **ret_batch)
{
    if (!bus_connected(consumer->bus))
        return STATUS_DISCONNECTED;
    struct bus_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return STATUS_NO_MEMORY;
    jsErrCode code = 0;
    natsStatus status = natsSubscription_Fetch(&batch->list, consumer->native, batch_size(consumer, maximum),
                                               wait_ms ? wait_ms : 1, &code);
    if (status != NATS_OK || batch->list.Count == 0) {
        bus_batch_free(batch);
        return status == NATS_NO_MEMORY ? STATUS_NO_MEMORY : examine(consumer, status);
    }
    consumer->confirmed_ms = bus_now_ms();
    *ret_batch = batch;
    return STATUS_OK;
}

size_t bus_batch_count(const struct bus_batch *batch)
{
    return (size_t)batch->list.Count;
}

void bus_batch_message(const struct bus_batch *batch, size_t index, struct bus_message *ret_message)
{
    bus_message_from(batch->list.Msgs[index], ret_message);
}

enum status bus_batch_delivery(const struct bus_batch *batch, size_t index, struct bus_delivery *ret_delivery)
{
    jsMsgMetaData *metadata = NULL;
    natsStatus status = natsMsg_GetMetaData(&metadata, batch->list.Msgs[index]);
    if (status != NATS_OK)
        return bus_status(status);
    ret_delivery->stream_sequence = metadata->Sequence.Stream;
    ret_delivery->delivered = metadata->NumDelivered;
    ret_delivery->pending = metadata->NumPending;
    ret_delivery->timestamp_ms = metadata->Timestamp / NANOSECONDS_PER_MS;
    jsMsgMetaData_Destroy(metadata);
    return STATUS_OK;
}

enum status bus_batch_ack(struct bus_batch *batch, size_t index)
{
    return bus_status(natsMsg_Ack(batch->list.Msgs[index], NULL));
}

enum status bus_batch_retry(struct bus_batch *batch, size_t index, int64_t delay_ms)
{
    return bus_status(natsMsg_NakWithDelay(batch->list.Msgs[index], delay_ms, NULL));
}

enum status bus_batch_in_progress(struct bus_batch *batch, size_t index)
{
    return bus_status(natsMsg_InProgress(batch->list.Msgs[index], NULL));
}

void bus_batch_free(struct bus_batch *batch)
{
    if (!batch)
        return;
    natsMsgList_Destroy(&batch->list);
    free(batch);
}

enum status bus_consumer_state(struct bus_consumer *consumer, struct bus_consumer_state *ret_state)
{
    return bus_durable_state(consumer->bus, consumer->stream, consumer->name, ret_state);
}

enum status bus_durable_state(struct bus *bus, const char *stream, const char *durable,
                              struct bus_consumer_state *ret_state)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetConsumerInfo(&info, bus->jetstream, stream, durable, NULL, &code);
    if (status != NATS_OK)
        return explain(NULL, 0, "", status, code);
    ret_state->ack_floor_stream_sequence = info->AckFloor.Stream;
    ret_state->pending = info->NumPending;
    ret_state->ack_pending = (uint64_t)info->NumAckPending;
    ret_state->redelivered = (uint64_t)info->NumRedelivered;
    jsConsumerInfo_Destroy(info);
    return STATUS_OK;
}
