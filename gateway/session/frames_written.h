/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reports to value-svc which of the frames that it keeps have been taken by a socket. They are gathered over
 * a turn, one FramesWritten per user. If a report is lost, the user gets the frame once more. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_FRAMES_WRITTEN_H
#define POLLEN8_GATEWAY_SESSION_FRAMES_WRITTEN_H

#include <stdint.h>

struct frame;
struct gateway;
struct session;
struct frames_written; /* opaque: what has been gathered */

struct frames_written *frames_written_create(void); /* NULL when out of memory */
void frames_written_free(struct frames_written *written);

/* A socket takes, or has taken, this frame of the session. */
void frames_written_note_frame(struct gateway *gateway, const struct session *session,
                               const struct frame *frame);

/* A socket is taking the oldest `count` frames of the session's queue. */
void frames_written_note(struct gateway *gateway, const struct session *session, uint32_t count);

/* At the end of a turn. */
void frames_written_turn(struct gateway *gateway);

#endif
