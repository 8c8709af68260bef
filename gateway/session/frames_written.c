/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Queue -> (user, event id), in a list of the turn -> runs of one user -> pollen8.session.<gateway>
 */
#include "session/frames_written.h"

#include <stdlib.h>
#include <string.h>

#include "presence.pb-c.h"

#include "base/gateway.h"
#include "broker/sender.h"
#include "common/bus/subject.h"
#include "common/names.h"
#include "session/identity.h"
#include "session/session.h"

#define ENTRIES 256

/* Empty between turns. */
struct frames_written {
    size_t count;
    uint64_t ids[ENTRIES];
    char users[ENTRIES][ID_MAXIMUM_BYTES + 1];
};

struct frames_written *frames_written_create(void)
{
    return calloc(1, sizeof(struct frames_written));
}

void frames_written_free(struct frames_written *written)
{
    free(written);
}

static void publish(struct gateway *gateway, struct frames_written *written, size_t from, size_t count)
{
    static const char *const headers[] = {"Pollen8-Type", "FramesWritten", NULL};
    Pollen8__FramesWritten message = POLLEN8__FRAMES_WRITTEN__INIT;
    char subject[SUBJECT_SIZE];
    message.gateway = gateway->settings->gateway_name;
    message.user_id = written->users[from];
    message.n_event_ids = count;
    message.event_ids = written->ids + from;
    if (subject_make(subject, SUBJECT_SESSION, slice_from_string(message.gateway)) == STATUS_OK)
        (void)sender_publish_message(gateway->sender, subject, headers, &message.base);
}

void frames_written_turn(struct gateway *gateway)
{
    struct frames_written *written = gateway->frames_written;
    for (size_t from = 0; from < written->count;) {
        size_t to = from + 1;
        while (to < written->count && strcmp(written->users[to], written->users[from]) == 0)
            to++;
        publish(gateway, written, from, to - from);
        from = to;
    }
    written->count = 0;
}

void frames_written_note_frame(struct gateway *gateway, const struct session *session,
                               const struct frame *frame)
{
    if (!session->identity || !frame->keep || !frame->event_id)
        return;
    struct slice user = identity_user(session->identity);
    if (user.length > ID_MAXIMUM_BYTES)
        return;
    struct frames_written *written = gateway->frames_written;
    if (written->count == ENTRIES)
        frames_written_turn(gateway);
    memcpy(written->users[written->count], user.data, user.length);
    written->users[written->count][user.length] = '\0';
    written->ids[written->count++] = frame->event_id;
}

void frames_written_note(struct gateway *gateway, const struct session *session, uint32_t count)
{
    struct frame *const *frames = outq_frames(&session->outq);
    for (uint32_t i = 0; i < count; i++)
        frames_written_note_frame(gateway, session, frames[i]);
}
