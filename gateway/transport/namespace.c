/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * queue of a further namespace -> frames with its name in front -> queue of the carrier.
 */
#include "transport/namespace.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "codec/sio_packet.h"
#include "frame/frame.h"
#include "session/frames_written.h"
#include "session/session.h"
#include "session/session_extra.h"
#include "session/session_send.h"
#include "transport/engineio.h"

struct namespace
{
    struct session *session;
    struct session *carrier;
    struct namespace *next;
    int index;
    size_t length;
    char name[]; /* with a NUL */
};
_Static_assert(sizeof(struct namespace) <= 40, "stated in namespace.h");

static const struct transport_ops ops;

/* ---- sessions ----------------------------------------------------------------------------------------- */

static struct namespace *further(const struct session *session)
{
    return session->ops == &ops ? session->transport : NULL;
}

static const char *name_of(const struct session *session)
{
    const struct namespace *entry = further(session);
    return entry ? entry->name : "";
}

struct session *namespace_carrier(struct session *session)
{
    const struct namespace *entry = further(session);
    if (session->ops == &ops)
        return entry ? entry->carrier : NULL;
    return session;
}

bool namespace_any(const struct session *carrier)
{
    return carrier->extra && carrier->extra->namespaces;
}

struct session *namespace_find(struct session *carrier, struct slice name)
{
    if (slice_equal(name, SIO_ROOT))
        return carrier;
    struct namespace *entry = carrier->extra ? carrier->extra->namespaces : NULL;
    while (entry && !slice_equal(slice_make(entry->name, entry->length), name))
        entry = entry->next;
    return entry ? entry->session : NULL;
}

struct session *namespace_next(const struct session *carrier, const struct session *session)
{
    const struct namespace *entry = further(session);
    const struct namespace *first = carrier->extra ? carrier->extra->namespaces : NULL;
    const struct namespace *next = entry ? entry->next : first;
    return next ? next->session : NULL;
}

enum status namespace_open(struct gateway *gateway, struct session *carrier, int index, struct slice name,
                           struct session **ret_session)
{
    struct session_extra *extra = session_extra(carrier);
    struct namespace *entry = calloc(1, sizeof(*entry) + name.length + 1);
    struct session *session = extra && entry ? session_create(gateway, &ops, entry, FRAME_SOCKETIO, 0) : NULL;
    if (!session) {
        free(entry);
        return STATUS_NO_MEMORY;
    }
    timer_wheel_cancel(gateway->wheel, &session->heartbeat); /* the carrier's is enough */
    entry->session = session;
    entry->carrier = carrier;
    entry->index = index;
    entry->length = name.length;
    memcpy(entry->name, name.data, name.length);
    entry->next = extra->namespaces;
    extra->namespaces = entry;
    *ret_session = session;
    return STATUS_OK;
}

/* ---- timers of the carrier ---------------------------------------------------------------------------- */

void namespace_joined(struct gateway *gateway, struct session *session)
{
    const struct namespace *entry = further(session);
    if (!entry)
        return;
    struct session *carrier = entry->carrier;
    carrier->refused_in_a_row = 0;
    if (carrier->state == SESSION_OPEN)
        return;
    carrier->deadline_ms = 0;
    session_rearm(gateway, carrier);
}

static void one_left(struct gateway *gateway, struct session *carrier)
{
    session_extra_trim(carrier);
    if (carrier->state == SESSION_OPEN || carrier->state == SESSION_CLOSING || namespace_any(carrier))
        return;
    carrier->deadline_ms = gateway->now_ms + (uint64_t)gateway->settings->connect_timeout;
    session_rearm(gateway, carrier);
}

/* ---- transport ---------------------------------------------------------------------------------------- */

/* Moves the queue into the carrier's. A send may close the carrier, and with it this one. */
static void flush(struct gateway *gateway, struct session *session)
{
    struct namespace *entry = session->transport;
    while (entry && session->outq.count && entry->carrier->state != SESSION_CLOSING) {
        struct frame *frame = outq_frames(&session->outq)[0];
        struct frame *named = frame_in_namespace(frame, entry->index, slice_make(entry->name, entry->length));
        if (!named) {
            outq_clear(&session->outq);
            session_close(gateway, session, CAUSE_MEMORY);
            return;
        }
        struct session *carrier = entry->carrier;
        bool writable_now = carrier->ops->writable(carrier);
        frame_ref(named);
        frame_ref(frame);
        outq_pop(&session->outq, 1, frame_wire(frame, FRAME_SOCKETIO)->length);
        if (session_send(gateway, carrier, named) && writable_now) /* it is as good as written */
            frames_written_note_frame(gateway, session, frame);
        frame_unref(frame);
        frame_unref(named);
        entry = session->transport;
    }
    outq_trim(&session->outq);
}

static bool writable(const struct session *session)
{
    const struct namespace *entry = session->transport;
    return entry && entry->carrier->ops->writable(entry->carrier);
}

static void detach(struct namespace *entry)
{
    struct namespace **link = &entry->carrier->extra->namespaces;
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
}

static void close_session(struct gateway *gateway, struct session *session, uint16_t code, const char *text)
{
    struct namespace *entry = session->transport;
    struct session *carrier = entry->carrier;
    flush(gateway, session);
    if (!session->transport) /* the carrier was too slow for what waited, and has taken this one along */
        return;
    detach(entry);
    session->transport = NULL;
    free(entry);
    if (code)
        session_close_coded(gateway, carrier, CAUSE_NAMESPACE, code, text);
    else
        one_left(gateway, carrier);
}

void namespaces_close(struct gateway *gateway, struct session *carrier)
{
    while (namespace_any(carrier)) {
        struct namespace *entry = carrier->extra->namespaces;
        struct session *session = entry->session;
        if (session->state == SESSION_CLOSING) { /* its own end has led here */
            carrier->extra->namespaces = entry->next;
            session->transport = NULL;
            free(entry);
        } else {
            session_close(gateway, session, CAUSE_TRANSPORT);
        }
    }
}

static void ping(struct gateway *gateway, struct session *session)
{
    (void)gateway;
    (void)session;
}

static const struct transport_ops ops = {
    .label = LABEL_SESSIONS_SOCKETIO_NAMESPACE,
    .flush = flush,
    .writable = writable,
    .namespace = name_of,
    .opened = engineio_opened,
    .refused = engineio_refused,
    .ping = ping,
    .close = close_session,
};
