/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * control -> the user's room -> each of its sessions closed, or given the new identity; kept, for sessions
 * whose identity was asked about before.
 */
#include "rooms/control.h"

#include <stdlib.h>

#include "base/gateway.h"
#include "broker/delivery.h"
#include "rooms/membership.h"
#include "rooms/rooms.h"
#include "session/identity.h"
#include "session/session.h"

struct controls {
    uint64_t last;
    struct control *kept[CONTROLS_KEPT]; /* owned: number % CONTROLS_KEPT; NULL: none yet */
};

struct controls *controls_create(void)
{
    return calloc(1, sizeof(struct controls));
}

void controls_free(struct controls *controls)
{
    if (!controls)
        return;
    for (size_t i = 0; i < CONTROLS_KEPT; i++)
        control_free(controls->kept[i]);
    free(controls);
}

uint64_t controls_last(const struct controls *controls)
{
    return controls->last;
}

static void keep(struct controls *controls, struct control *control)
{
    struct control **place = &controls->kept[++controls->last % CONTROLS_KEPT];
    control_free(*place);
    *place = control;
}

static enum session_cause cause_of(const struct control *control)
{
    return control->action == CONTROL_REVOKE ? CAUSE_REVOKED : CAUSE_DISCONNECTED;
}

static void act_on(struct gateway *gateway, struct session *session, const struct control *control)
{
    if (control->action != CONTROL_IDENTITY) {
        session_close(gateway, session, cause_of(control));
        return;
    }
    enum status status = membership_replace_identity(gateway, session, control->identity);
    if (status != STATUS_OK)
        session_close(gateway, session, status == STATUS_AUTH_EXPIRED ? CAUSE_EXPIRED : CAUSE_MEMORY);
}

void control_act(struct gateway *gateway, struct control *control)
{
    struct room *room =
        rooms_find(gateway->rooms, ROOM_USER, slice_make(control->user, control->user_length));
    for (uint32_t i = room ? room->count : 0; i > 0; i--)
        if (i <= room->count) /* closing one may close others, never add any */
            act_on(gateway, room->members[i - 1], control);
    keep(gateway->controls, control);
}

static bool is_about(const struct control *control, const struct identity *identity)
{
    return slice_equal_string(slice_make(control->user, control->user_length), identity->message.user_id);
}

/* The identity may be the session's own, which goes with it. */
static bool give_up(struct gateway *gateway, struct session *session, struct identity **identity,
                    enum session_cause cause)
{
    identity_unref(*identity);
    *identity = NULL;
    session_close(gateway, session, cause);
    return false;
}

bool control_apply_since(struct gateway *gateway, struct session *session, uint64_t after,
                         struct identity **identity)
{
    const struct controls *controls = gateway->controls;
    if (controls->last - after > CONTROLS_KEPT)
        return give_up(gateway, session, identity, CAUSE_UNAVAILABLE);
    for (uint64_t number = after + 1; number <= controls->last; number++) {
        const struct control *control = controls->kept[number % CONTROLS_KEPT];
        if (!is_about(control, *identity))
            continue;
        if (control->action != CONTROL_IDENTITY)
            return give_up(gateway, session, identity, cause_of(control));
        identity_unref(*identity);
        *identity = identity_ref(control->identity);
    }
    return true;
}
