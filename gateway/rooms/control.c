/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   thread that reads   bytes -> Control (arena) -> struct control -> mailbox (lane of frames)
 *   loop                control -> the user's room -> each of its sessions closed, or given the new identity;
 *                       then kept, for sessions whose identity was requested before
 */
#include "rooms/control.h"

#include <stdlib.h>
#include <string.h>

#include "control.pb-c.h"

#include "base/gateway.h"
#include "base/mailbox.h"
#include "broker/delivery.h"
#include "common/wire.h"
#include "rooms/membership.h"
#include "rooms/rooms.h"
#include "session/identity.h"
#include "session/session.h"

enum control_action { CONTROL_DISCONNECT, CONTROL_REVOKE, CONTROL_IDENTITY };

struct control {
    struct mail mail;
    enum control_action action;
    struct identity *identity; /* owned; CONTROL_IDENTITY only */
    size_t user_length;
    char user[];
};

struct controls {
    uint64_t last;
    struct control *kept[CONTROLS_KEPT]; /* owned: number % CONTROLS_KEPT; NULL: none yet */
};

static void control_free(struct control *control)
{
    if (!control)
        return;
    identity_unref(control->identity);
    free(control);
}

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

static void act_on_session(struct gateway *gateway, struct session *session, const struct control *control)
{
    if (control->action != CONTROL_IDENTITY) {
        session_close(gateway, session, cause_of(control));
        return;
    }
    enum status status = membership_replace_identity(gateway, session, control->identity);
    if (status != STATUS_OK)
        session_close(gateway, session, status == STATUS_AUTH_EXPIRED ? CAUSE_EXPIRED : CAUSE_MEMORY);
}

static void act_on_control(struct gateway *gateway, struct mail *mail)
{
    struct control *control = (struct control *)mail;
    struct room *room =
        rooms_find(gateway->rooms, ROOM_USER, slice_make(control->user, control->user_length));
    for (uint32_t i = room ? room->count : 0; i > 0; i--)
        if (i <= room->count) /* closing one may close others, never add any */
            act_on_session(gateway, room->members[i - 1], control);
    keep(gateway->controls, control);
}

static void dispose_control(struct mail *mail)
{
    control_free((struct control *)mail);
}

static const struct mail_kind control_mail = {
    .act = act_on_control, .dispose = dispose_control, .after_board = true};

/* ---- the thread that reads ----------------------------------------------------------------------------- */

static enum status make_control(const Pollen8__Control *message, const char *user,
                                struct control **ret_control)
{
    size_t length = strlen(user);
    struct control *control = calloc(1, sizeof(*control) + length);
    enum status status = STATUS_OK;
    if (!control)
        return STATUS_NO_MEMORY;
    control->mail.kind = &control_mail;
    control->user_length = length;
    memcpy(control->user, user, length);
    if (message->action == POLLEN8__CONTROL__ACTION__ACTION_DISCONNECT)
        control->action = CONTROL_DISCONNECT;
    else if (message->action == POLLEN8__CONTROL__ACTION__ACTION_REVOKE)
        control->action = CONTROL_REVOKE;
    else if (message->action == POLLEN8__CONTROL__ACTION__ACTION_IDENTITY_CHANGED && message->identity &&
             strcmp(message->identity->user_id, user) == 0)
        status = identity_create(message->identity, &control->identity);
    else
        status = STATUS_MALFORMED;
    if (status != STATUS_OK) {
        free(control);
        return status;
    }
    if (control->identity)
        control->action = CONTROL_IDENTITY;
    *ret_control = control;
    return STATUS_OK;
}

void control_receive(void *context, const struct bus_message *message)
{
    struct gateway *gateway = context;
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    struct control *control = NULL;
    char user[ID_MAXIMUM_BYTES + 1];
    enum status status = delivery_user(message->subject, SUBJECT_CTL_USER, user);
    if (status == STATUS_OK)
        status = wire_unpack(&arena, &pollen8__control__descriptor, message->data, &unpacked);
    if (status == STATUS_OK)
        status = make_control((const Pollen8__Control *)unpacked, user, &control);
    if (status == STATUS_OK) {
        status = mailbox_post(gateway->mailbox, MAIL_FRAMES, &control->mail);
        if (status != STATUS_OK)
            control_free(control);
    }
    delivery_report(gateway, status, message->subject);
    wire_arena_done(&arena);
}

/* ---- sessions whose identity has been requested -------------------------------------------------------- */

static bool is_about(const struct control *control, const struct identity *identity)
{
    return slice_equal_string(slice_make(control->user, control->user_length), identity->message.user_id);
}

/* The identity may be the session's own, which is released with it. */
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
