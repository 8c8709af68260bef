/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * control -> the user's room -> each of its sessions closed, or given the new identity.
 */
#include "control.h"

#include "gateway.h"
#include "identity.h"
#include "intake.h"
#include "rooms.h"
#include "session.h"

static void act_on(struct gateway *gateway, struct session *session, const struct control *control)
{
    enum status status;
    switch (control->action) {
    case CONTROL_DISCONNECT: session_close(gateway, session, CAUSE_DISCONNECTED); break;
    case CONTROL_REVOKE: session_close(gateway, session, CAUSE_REVOKED); break;
    case CONTROL_IDENTITY:
        status = session_replace_identity(gateway, session, control->identity);
        if (status != STATUS_OK)
            session_close(gateway, session, status == STATUS_AUTH_EXPIRED ? CAUSE_EXPIRED : CAUSE_MEMORY);
        break;
    }
}

void control_act(struct gateway *gateway, struct control *control)
{
    struct room *room =
        rooms_find(gateway->rooms, ROOM_USER, slice_make(control->user, control->user_length));
    for (uint32_t i = room ? room->count : 0; i > 0; i--)
        if (i <= room->count) /* closing one may close others, never add any */
            act_on(gateway, room->members[i - 1], control);
    control_free(control);
}
