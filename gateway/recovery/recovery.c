/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * claim -> (token verified) -> opening: known? -> rooms -> catchup reads -> the client is told, with its old
 * pid or a new one -> missed frames, held frames, snapshot
 */
#include "recovery/recovery.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "codec/client_frame.h"
#include "common/clock.h"
#include "common/rng.h"
#include "recovery/catchup.h"
#include "recovery/catchup_read.h"
#include "recovery/opening.h"
#include "recovery/pid.h"
#include "rooms/control.h"
#include "rooms/membership.h"
#include "session/client_reply.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/session_send.h"
#include "session/sessions.h"
#include "text/json_scan.h"

#define VALUES          1024 /* JSON values in the object with the claim */
#define RETRY_MS        300
#define CLOCKS_APART_MS 5000 /* clocks of the hosts agree within this (docs/operations.md) */

struct recovery {
    struct identity *identity; /* owned; until the session is in its rooms */
    uint64_t give_up_ms;
    uint64_t controls; /* the last control that the identity reflects */
    char pid[PID_MAXIMUM + 1];
    uint8_t id_length; /* resume: length of the id of its frame; 0: no ack is wanted */
    char id[CLIENT_ID_MAXIMUM_BYTES];
};
_Static_assert(CLIENT_ID_MAXIMUM_BYTES <= UINT8_MAX, "id_length");
_Static_assert(sizeof(struct recovery) <= 224, "stated in recovery.h");

static const struct catchup_use claimed;

static void claim_again(struct gateway *gateway, struct session *session);

static void recovery_free(struct recovery *recovery)
{
    identity_unref(recovery->identity);
    free(recovery);
}

/* ---- what a client claims ----------------------------------------------------------------------------- */

/* Decodes a string member. Returns its length, 0 if there is none or it does not fit. */
static size_t string_member(struct slice object, const char *name, char *out, size_t capacity)
{
    struct json_scan_walk walk;
    struct slice key;
    struct slice value;
    size_t length = 0;
    if (json_scan_check(object, VALUES) != STATUS_OK || json_scan_walk_start(&walk, object) != STATUS_OK ||
        !walk.object)
        return 0;
    while (json_scan_walk_next(&walk, &key, &value) == STATUS_OK) {
        if (!json_scan_string_equal(key, name))
            continue;
        if (json_scan_string(value, out, capacity, &length) != STATUS_OK)
            return 0;
        return length;
    }
    return 0;
}

/* Reads the offset that the object claims. A time in the future is not accepted: nothing would be missed
 * after it. */
static enum status read_offset(struct slice object, struct position *ret_position)
{
    char text[POSITION_TEXT_SIZE];
    struct position position;
    size_t length = string_member(object, "offset", text, POSITION_TEXT_MAXIMUM);
    enum status status = position_read(slice_make(text, length), &position);
    if (status == STATUS_OK && position.time_ms > clock_wall_ms() + CLOCKS_APART_MS)
        status = STATUS_MALFORMED;
    if (status == STATUS_OK)
        *ret_position = position;
    return status;
}

void recovery_claim(struct gateway *gateway, struct session *session, struct slice auth)
{
    char pid[PID_MAXIMUM + 1] = "";
    struct position position;
    catchup_free(gateway, session);
    if (!gateway->settings->connection_recovery)
        return;
    size_t length = string_member(auth, "pid", pid, PID_MAXIMUM);
    if (!pid_valid(session, pid, length) || read_offset(auth, &position) != STATUS_OK)
        return;
    struct catchup *catchup = catchup_of(session);
    struct recovery *recovery = catchup ? calloc(1, sizeof(*recovery)) : NULL;
    if (!recovery) {
        catchup_free(gateway, session);
        return;
    }
    memcpy(recovery->pid, pid, length);
    catchup_set_use(catchup, &claimed);
    catchup->claim = position;
    catchup->recovery = recovery;
    catchup->stage = CATCHUP_CLAIMING;
}

/* ---- Socket.IO ---------------------------------------------------------------------------------------- */

/* The claim failed before the session was in its rooms. */
static void give_up(struct gateway *gateway, struct session *session, enum gateway_label why)
{
    struct recovery *recovery = session->catchup->recovery;
    struct identity *identity = recovery->identity;
    recovery->identity = NULL;
    gateway_count(gateway, why);
    catchup_free(gateway, session);
    opening_anew(gateway, session, identity, (struct slice){0});
}

static void before_missed(struct gateway *gateway, struct session *session, bool complete)
{
    char *pid = complete ? strdup(session->catchup->recovery->pid) : NULL;
    gateway_count(gateway, pid ? LABEL_RECOVERIES_RECOVERED : LABEL_RECOVERIES_MISSING);
    enum status status = opening_recovered(gateway, session, pid);
    if (status == STATUS_OK)
        session->ops->opened(gateway, session, (struct slice){0});
    else
        session_close(gateway, session, status == STATUS_AUTH_EXPIRED ? CAUSE_EXPIRED : CAUSE_MEMORY);
}

static void after_missed(struct gateway *gateway, struct session *session, bool complete)
{
    (void)gateway;
    (void)complete;
    recovery_free(session->catchup->recovery);
    session->catchup->recovery = NULL;
}

static const struct catchup_use claimed = {
    .before = before_missed,
    .after = after_missed,
    .drop = recovery_free,
    .joins = true,
};

static bool among(const struct opening_claimed *claim, struct slice industry)
{
    for (size_t i = 0; i < claim->count; i++)
        if (slice_equal_string(industry, claim->industries[i]))
            return true;
    return false;
}

/* Narrows the session to the recorded rooms, as far as they are permitted now. */
static void narrow(struct gateway *gateway, struct session *session, const struct opening_claimed *claim)
{
    for (unsigned i = session->membership_count; i > MEMBERSHIP_INDUSTRIES; i--) {
        struct slice industry = room_key(session->memberships[i - 1].room);
        if (!among(claim, industry))
            membership_leave(gateway, session, industry);
    }
    for (size_t i = 0; i < claim->count; i++) {
        struct slice industry = slice_from_string(claim->industries[i]);
        if (membership_permitted(session, industry))
            (void)membership_join(gateway, session, industry);
    }
}

/* Whether the identity is still good; else the session has been closed. */
static bool identity_holds(struct gateway *gateway, struct session *session)
{
    struct recovery *recovery = session->catchup->recovery;
    if (!control_apply_since(gateway, session, recovery->controls, &recovery->identity))
        return false;
    recovery->controls = controls_last(gateway->controls);
    return true;
}

static void on_claim_due(void *context, struct wheel_timer *timer)
{
    claim_again(context, catchup_of_timer(timer)->session);
}

static void on_opening_claimed(struct gateway *gateway, uint64_t handle, const struct opening_claimed *claim)
{
    struct session *session = sessions_find(gateway->sessions, handle);
    struct catchup *catchup = session ? session->catchup : NULL;
    if (!catchup || catchup->stage != CATCHUP_CLAIMING || !identity_holds(gateway, session))
        return;
    if (claim->status != STATUS_OK && gateway->now_ms < catchup->recovery->give_up_ms) {
        catchup_wait(gateway, catchup, on_claim_due, gateway->now_ms + RETRY_MS + rng_below(RETRY_MS));
        return;
    }
    if (claim->status != STATUS_OK || !claim->known) {
        give_up(gateway, session,
                claim->status == STATUS_OK ? LABEL_RECOVERIES_UNKNOWN : LABEL_RECOVERIES_UNAVAILABLE);
        return;
    }
    struct identity *identity = catchup->recovery->identity;
    catchup->recovery->identity = NULL;
    if (membership_enter(gateway, session, identity, SESSION_RECOVERING) != STATUS_OK) {
        session_close(gateway, session, CAUSE_UNAVAILABLE);
        return;
    }
    if (claim->narrowed)
        narrow(gateway, session, claim);
    catchup_read(gateway, session, &claimed);
}

static void claim_again(struct gateway *gateway, struct session *session)
{
    const struct recovery *recovery = session->catchup->recovery;
    if (!identity_holds(gateway, session))
        return;
    if (opening_claim(gateway, session, recovery->identity->message.user_id, recovery->pid,
                      on_opening_claimed) != STATUS_OK)
        give_up(gateway, session, LABEL_RECOVERIES_UNAVAILABLE);
}

void recovery_open(struct gateway *gateway, struct session *session, struct identity *identity,
                   struct slice id)
{
    struct catchup *catchup = session->catchup;
    if (!catchup || catchup->stage != CATCHUP_CLAIMING) {
        opening_anew(gateway, session, identity, id);
        return;
    }
    catchup->recovery->identity = identity;
    catchup->recovery->controls = controls_last(gateway->controls);
    catchup->recovery->give_up_ms = gateway->now_ms + (uint64_t)gateway->settings->recovery_timeout;
    claim_again(gateway, session);
}

/* ---- /ws ---------------------------------------------------------------------------------------------- */

static void tell(struct gateway *gateway, struct session *session, struct slice id, bool recovered)
{
    struct slice data =
        recovered ? SLICE_LITERAL("{\"recovered\":true}") : SLICE_LITERAL("{\"recovered\":false}");
    struct client_result result = {.status = STATUS_OK, .data = data};
    struct frame *frame = NULL;
    gateway_count(gateway, recovered ? LABEL_RECOVERIES_RECOVERED : LABEL_RECOVERIES_MISSING);
    if (frame_create_event(SLICE_LITERAL("resumed"), data, NULL, &frame) != STATUS_OK) {
        session_close(gateway, session, CAUSE_MEMORY);
        return;
    }
    session_send(gateway, session, frame);
    frame_unref(frame);
    client_reply_client(gateway, session, id, SLICE_LITERAL("resume"), &result);
}

static void before_resumed(struct gateway *gateway, struct session *session, bool complete)
{
    (void)gateway;
    (void)session;
    (void)complete;
}

static void after_resumed(struct gateway *gateway, struct session *session, bool complete)
{
    struct recovery *recovery = session->catchup->recovery;
    session->catchup->recovery = NULL;
    tell(gateway, session, slice_make(recovery->id, recovery->id_length), complete);
    recovery_free(recovery);
}

static const struct catchup_use resumed = {
    .before = before_resumed,
    .after = after_resumed,
    .drop = recovery_free,
    .joins = true,
};

void recovery_resume(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    struct position position;
    struct catchup *catchup = session->catchup;
    struct recovery *recovery = NULL;
    bool in_time = catchup_may_resume(gateway, session) &&
                   (catchup->stage == CATCHUP_OPENING || catchup->stage == CATCHUP_IDLE);
    if (in_time && read_offset(frame->data, &position) == STATUS_OK)
        recovery = calloc(1, sizeof(*recovery));
    if (!recovery) {
        tell(gateway, session, frame->id, false);
        catchup_stay(gateway, session);
        return;
    }
    recovery->id_length = (uint8_t)frame->id.length;
    if (frame->id.length)
        memcpy(recovery->id, frame->id.data, frame->id.length);
    catchup_set_use(catchup, &resumed);
    catchup->recovery = recovery;
    catchup->claim = position;
    catchup_read(gateway, session, &resumed);
}
