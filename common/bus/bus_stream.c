/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests to the JetStream API about one stream. The library's own publish is used for storing: a message
 * with headers, then the stream's answer or its refusal.
 */
#include "common/bus/bus_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bus/bus_internal.h"

#define NANOSECONDS_PER_MS INT64_C(1000000)

struct bus_stored {
    natsMsg *native;
};

/* What an API call means to the caller. */
static enum status judge(natsStatus status, jsErrCode code)
{
    enum status result = bus_status(status);
    if (code == JSStreamNotFoundErr || code == JSNoMessageFoundErr || code == JSSequenceNotFoundErr)
        return STATUS_NOT_FOUND;
    /* JetStream answers "not enabled" or not at all while the server is starting. */
    if (result == STATUS_NO_RESPONDERS || result == STATUS_TIMEOUT || result == STATUS_INTERNAL)
        return STATUS_DISCONNECTED;
    return result;
}

enum status bus_stream_state(struct bus *bus, const char *stream, struct bus_stream_state *ret_state)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetStreamInfo(&info, bus->jetstream, stream, NULL, &code);
    if (status != NATS_OK)
        return judge(status, code);
    *ret_state = (struct bus_stream_state){
        .maximum_bytes = info->Config->MaxBytes,
        .until_acknowledged = info->Config->Retention != js_LimitsPolicy,
        .in_memory = info->Config->Storage == js_MemoryStorage,
        .created_ms = info->Created / NANOSECONDS_PER_MS,
        .messages = info->State.Msgs,
        .bytes = info->State.Bytes,
        .first_sequence = info->State.FirstSeq,
        .last_sequence = info->State.LastSeq,
        .first_time_ms = info->State.Msgs > 0 ? info->State.FirstTime / NANOSECONDS_PER_MS : 0,
        .last_time_ms = info->State.Msgs > 0 ? info->State.LastTime / NANOSECONDS_PER_MS : 0,
    };
    if (info->State.Msgs == 0)
        ret_state->first_sequence = info->State.LastSeq + 1;
    jsStreamInfo_Destroy(info);
    return STATUS_OK;
}

/* ---- one message ------------------------------------------------------------------------------------- */

static enum status keep(natsMsg *native, struct bus_stored **ret_stored)
{
    struct bus_stored *stored = calloc(1, sizeof(*stored));
    if (!stored) {
        natsMsg_Destroy(native);
        return STATUS_NO_MEMORY;
    }
    stored->native = native;
    *ret_stored = stored;
    return STATUS_OK;
}

enum status bus_stored_get(struct bus *bus, const char *stream, uint64_t sequence,
                           struct bus_stored **ret_stored)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    natsMsg *native = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetMsg(&native, bus->jetstream, stream, sequence, NULL, &code);
    return status == NATS_OK ? keep(native, ret_stored) : judge(status, code);
}

enum status bus_stored_last(struct bus *bus, const char *stream, const char *subject,
                            struct bus_stored **ret_stored)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    natsMsg *native = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetLastMsg(&native, bus->jetstream, stream, subject, NULL, &code);
    return status == NATS_OK ? keep(native, ret_stored) : judge(status, code);
}

void bus_stored_free(struct bus_stored *stored)
{
    if (!stored)
        return;
    natsMsg_Destroy(stored->native);
    free(stored);
}

uint64_t bus_stored_sequence(const struct bus_stored *stored)
{
    return natsMsg_GetSequence(stored->native);
}

int64_t bus_stored_time_ms(const struct bus_stored *stored)
{
    return natsMsg_GetTime(stored->native) / NANOSECONDS_PER_MS;
}

void bus_stored_message(const struct bus_stored *stored, struct bus_message *ret_message)
{
    bus_message_from(stored->native, ret_message);
}

enum status bus_headers_each(const struct bus_message *message, bus_header_fn *each, void *context)
{
    /* The library parses headers on first use, hence no const; the message is the caller's thread's own. */
    natsMsg *native = (natsMsg *)(uintptr_t)message->native;
    const char **names = NULL;
    const char *value;
    int count = 0;
    natsStatus status = natsMsgHeader_Keys(native, &names, &count);

    if (status == NATS_NOT_FOUND)
        return STATUS_OK;
    for (int i = 0; status == NATS_OK && i < count; i++) {
        value = NULL;
        status = natsMsgHeader_Get(native, names[i], &value);
        if (status == NATS_OK && value)
            each(context, names[i], value);
    }
    free((void *)names);
    return bus_status(status);
}

enum status bus_stored_delete(struct bus *bus, const char *stream, uint64_t sequence)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    jsErrCode code = 0;
    natsStatus status = js_DeleteMsg(bus->jetstream, stream, sequence, NULL, &code);
    return status == NATS_OK ? STATUS_OK : judge(status, code);
}

enum status bus_stream_purge(struct bus *bus, const char *stream, const char *subject,
                             uint64_t below_sequence)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    if (below_sequence == 1) /* nothing to purge; nats-server reads 0 as everything */
        return STATUS_OK;
    jsOptions options;
    jsOptions_Init(&options);
    options.Stream.Purge.Subject = subject;
    options.Stream.Purge.Sequence = below_sequence;
    jsErrCode code = 0;
    natsStatus status = js_PurgeStream(bus->jetstream, stream, &options, &code);
    return status == NATS_OK ? STATUS_OK : judge(status, code);
}

/* ---- durables ---------------------------------------------------------------------------------------- */

static natsStatus forget_idle(struct bus *bus, const char *stream, const char *name)
{
    jsConsumerInfo *info = NULL;
    natsStatus status = js_GetConsumerInfo(&info, bus->jetstream, stream, name, NULL, NULL);
    if (status == NATS_OK && info->NumWaiting == 0)
        status = js_DeleteConsumer(bus->jetstream, stream, name, NULL, NULL);
    jsConsumerInfo_Destroy(info);
    return status == NATS_NOT_FOUND ? NATS_OK : status; /* another process was faster */
}

/* Whether a durable's number is lower: names differ in a decimal number at their end. */
static bool is_earlier(const char *name, const char *other)
{
    size_t length = strlen(name);
    size_t other_length = strlen(other);
    return length < other_length || (length == other_length && strcmp(name, other) < 0);
}

enum status bus_durables_forget(struct bus *bus, const char *stream, const char *prefix, const char *before)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    jsConsumerNamesList *names = NULL;
    jsErrCode code = 0;
    natsStatus status = js_ConsumerNames(&names, bus->jetstream, stream, NULL, &code);
    for (int i = 0; status == NATS_OK && i < names->Count; i++)
        if (strncmp(names->List[i], prefix, strlen(prefix)) == 0 && is_earlier(names->List[i], before))
            status = forget_idle(bus, stream, names->List[i]);
    jsConsumerNamesList_Destroy(names);
    return status == NATS_OK || status == NATS_NOT_FOUND ? STATUS_OK : judge(status, code);
}

/* ---- storing ----------------------------------------------------------------------------------------- */

static natsStatus make_message(const char *subject, const char *const *headers, struct slice data,
                               natsMsg **ret_native)
{
    natsMsg *native = NULL;
    natsStatus status = natsMsg_Create(&native, subject, NULL, data.data, (int)data.length);
    for (size_t i = 0; status == NATS_OK && headers && headers[i]; i += 2)
        status = natsMsgHeader_Set(native, headers[i], headers[i + 1]);
    if (status == NATS_OK)
        *ret_native = native;
    else
        natsMsg_Destroy(native);
    return status;
}

enum status bus_store(struct bus *bus, const char *subject, const char *const *headers, struct slice data,
                      uint64_t *ret_sequence, char *error, size_t error_size)
{
    if (!bus_connected(bus))
        return STATUS_DISCONNECTED;
    natsMsg *native = NULL;
    natsStatus status = make_message(subject, headers, data, &native);
    jsPubAck *ack = NULL;
    jsErrCode code = 0;
    if (status == NATS_OK)
        status = js_PublishMsg(&ack, bus->jetstream, native, NULL, &code);
    natsMsg_Destroy(native);
    if (status != NATS_OK) {
        if (error && error_size > 0)
            snprintf(error, error_size, "%s", code ? nats_GetLastError(NULL) : natsStatus_GetText(status));
        if (status == NATS_NO_RESPONDERS || code == JSNotEnabledErr)
            return STATUS_NO_RESPONDERS;
        return code ? STATUS_UNAVAILABLE : bus_status(status);
    }
    if (ret_sequence)
        *ret_sequence = ack->Sequence;
    jsPubAck_Destroy(ack);
    return STATUS_OK;
}
