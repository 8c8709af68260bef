/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Tells value-svc which of the frames it keeps a socket has taken: gathered over a turn, one FramesWritten a
 * user. A report that is lost means that the user is told once more. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_FRAMES_WRITTEN_H
#define POLLEN8_GATEWAY_SESSION_FRAMES_WRITTEN_H

#include <stdint.h>

struct frame;
struct gateway;
struct session;

/* A socket takes, or has taken, this frame of the session's. */
void frames_written_note_frame(struct gateway *gateway, const struct session *session,
                               const struct frame *frame);

/* The oldest `count` frames of the session's queue are being taken. */
void frames_written_note(struct gateway *gateway, const struct session *session, uint32_t count);

/* At the end of a turn. */
void frames_written_turn(struct gateway *gateway);

#endif
