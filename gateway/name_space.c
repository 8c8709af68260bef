/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * queue of a further namespace -> frames with its name in front -> queue of the carrier.
 */
#include "name_space.h"

#include <stdlib.h>
#include <string.h>

#include "../common/utf8.h"
#include "frame.h"
#include "gateway.h"
#include "session.h"
#include "session_rare.h"
#include "sio_packet.h"
#include "socketio.h"
#include "written.h"

struct name_space {
    struct session *session;
    struct session *carrier;
    struct name_space *next;
    int index;
    size_t length;
    char name[]; /* with a NUL */
};
_Static_assert(sizeof(struct name_space) <= 40, "stated in name_space.h");

static const struct transport_ops ops;

/* ---- the list of those configured --------------------------------------------------------------------- */

/* Cuts the next name off the list. */
static struct slice cut(struct slice *list)
{
    const char *comma = list->length ? memchr(list->data, ',', list->length) : NULL;
    struct slice name = *list;
    if (!comma) {
        *list = (struct slice){0};
        return name;
    }
    name.length = (size_t)(comma - name.data);
    *list = slice_make(comma + 1, list->length - name.length - 1);
    return name;
}

bool name_spaces_valid(const char *list)
{
    struct slice rest = slice_from_string(list ? list : "");
    for (int count = 0; rest.length > 0; count++) {
        struct slice name = cut(&rest);
        if (count == NAME_SPACES_MAXIMUM || name.length < 2 || name.length > SIO_NAMESPACE_MAXIMUM_BYTES ||
            name.data[0] != '/' || !utf8_clean(name) || name_space_index(list, name) != count)
            return false;
    }
    return true;
}

int name_space_index(const char *list, struct slice name)
{
    struct slice rest = slice_from_string(list ? list : "");
    for (int index = 0; rest.length > 0; index++)
        if (slice_equal(cut(&rest), name))
            return index;
    return -1;
}

/* ---- sessions ----------------------------------------------------------------------------------------- */

static struct name_space *further(const struct session *session)
{
    return session->ops == &ops ? session->transport : NULL;
}

const char *name_space_text(const struct session *session)
{
    const struct name_space *name_space = further(session);
    return name_space ? name_space->name : "";
}

struct slice name_space_of(const struct session *session)
{
    const struct name_space *name_space = further(session);
    return name_space ? slice_make(name_space->name, name_space->length) : SIO_ROOT;
}

struct session *name_space_carrier(struct session *session)
{
    const struct name_space *name_space = further(session);
    if (session->ops == &ops)
        return name_space ? name_space->carrier : NULL;
    return session;
}

bool name_space_any(const struct session *carrier)
{
    return carrier->rare && carrier->rare->name_spaces;
}

struct session *name_space_find(struct session *carrier, struct slice name)
{
    if (slice_equal(name, SIO_ROOT))
        return carrier;
    struct name_space *name_space = carrier->rare ? carrier->rare->name_spaces : NULL;
    while (name_space && !slice_equal(slice_make(name_space->name, name_space->length), name))
        name_space = name_space->next;
    return name_space ? name_space->session : NULL;
}

struct session *name_space_next(const struct session *carrier, const struct session *session)
{
    const struct name_space *name_space = further(session);
    const struct name_space *first = carrier->rare ? carrier->rare->name_spaces : NULL;
    const struct name_space *next = name_space ? name_space->next : first;
    return next ? next->session : NULL;
}

enum status name_space_open(struct gateway *gateway, struct session *carrier, int index, struct slice name,
                            struct session **ret_session)
{
    struct session_rare *rare = session_rare(carrier);
    struct name_space *name_space = calloc(1, sizeof(*name_space) + name.length + 1);
    struct session *session =
        rare && name_space ? session_create(gateway, &ops, name_space, FRAME_SOCKETIO, 0) : NULL;
    if (!session) {
        free(name_space);
        return STATUS_NO_MEMORY;
    }
    wheel_cancel(gateway->wheel, &session->heartbeat); /* the carrier's is enough */
    name_space->session = session;
    name_space->carrier = carrier;
    name_space->index = index;
    name_space->length = name.length;
    memcpy(name_space->name, name.data, name.length);
    name_space->next = rare->name_spaces;
    rare->name_spaces = name_space;
    *ret_session = session;
    return STATUS_OK;
}

/* ---- timers of the carrier ---------------------------------------------------------------------------- */

void name_space_joined(struct gateway *gateway, struct session *session)
{
    const struct name_space *name_space = further(session);
    if (!name_space)
        return;
    struct session *carrier = name_space->carrier;
    carrier->refused_in_a_row = 0;
    if (carrier->state == SESSION_OPEN)
        return;
    carrier->deadline_ms = 0;
    session_rearm(gateway, carrier);
}

static void left(struct gateway *gateway, struct session *carrier)
{
    session_rare_trim(carrier);
    if (carrier->state == SESSION_OPEN || carrier->state == SESSION_CLOSING || name_space_any(carrier))
        return;
    carrier->deadline_ms = gateway->now_ms + (uint64_t)gateway->settings->connect_timeout;
    session_rearm(gateway, carrier);
}

/* ---- transport ---------------------------------------------------------------------------------------- */

/* Moves the queue into the carrier's. A send may close the carrier, and with it this one. */
static void flush(struct gateway *gateway, struct session *session)
{
    struct name_space *name_space = session->transport;
    while (name_space && session->outq.count && name_space->carrier->state != SESSION_CLOSING) {
        struct frame *frame = outq_frames(&session->outq)[0];
        struct frame *named = frame_in_name_space(frame, name_space->index, name_space_of(session));
        if (!named) {
            outq_clear(&session->outq);
            session_close(gateway, session, CAUSE_MEMORY);
            return;
        }
        struct session *carrier = name_space->carrier;
        bool writable_now = carrier->ops->writable(carrier);
        frame_ref(named);
        frame_ref(frame);
        outq_pop(&session->outq, 1, frame_wire(frame, FRAME_SOCKETIO)->length);
        if (session_send(gateway, carrier, named) && writable_now) /* it is as good as written */
            written_note_frame(gateway, session, frame);
        frame_unref(frame);
        frame_unref(named);
        name_space = session->transport;
    }
    outq_trim(&session->outq);
}

static bool writable(const struct session *session)
{
    const struct name_space *name_space = session->transport;
    return name_space && name_space->carrier->ops->writable(name_space->carrier);
}

static void detach(struct name_space *name_space)
{
    struct name_space **link = &name_space->carrier->rare->name_spaces;
    while (*link != name_space)
        link = &(*link)->next;
    *link = name_space->next;
}

static void close_session(struct gateway *gateway, struct session *session, uint16_t code, const char *text)
{
    struct name_space *name_space = session->transport;
    struct session *carrier = name_space->carrier;
    flush(gateway, session);
    if (!session->transport) /* the carrier was too slow for what waited, and has taken this one along */
        return;
    detach(name_space);
    session->transport = NULL;
    free(name_space);
    if (code)
        session_close_coded(gateway, carrier, "namespace", code, text);
    else
        left(gateway, carrier);
}

void name_spaces_close(struct gateway *gateway, struct session *carrier)
{
    while (name_space_any(carrier)) {
        struct name_space *name_space = carrier->rare->name_spaces;
        struct session *session = name_space->session;
        if (session->state == SESSION_CLOSING) { /* its own end has led here */
            carrier->rare->name_spaces = name_space->next;
            session->transport = NULL;
            free(name_space);
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
    .name = "socketio_namespace",
    .flush = flush,
    .writable = writable,
    .opened = socketio_opened,
    .refused = socketio_refused,
    .ping = ping,
    .close = close_session,
};
