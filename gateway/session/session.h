/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room session/: one client. It knows no room, no transport and no recovery; it reaches them through the
 * tables transport.h and session_events.h.
 *
 *   in    a transport that connects a client; frames for it (session_send.h); the heartbeats and the loss of
 *         its socket
 *   out   its queue, flushed by its transport at the end of the turn; replies (client_reply.h); reports of
 *         frames written (frames_written.h); events for the parts above (session_events.h)
 *
 * This file: the session's state (session_states.def), its identity, its rooms and its queue. Loop thread.
 *
 * Life: session_create by a transport -> relay_authenticate -> opening_anew -> session_close. session_close
 * may be called any number of times and from anywhere. It detaches the transport and takes the session out of
 * its rooms at once; only sessions_end_turn frees the memory. Whatever is in flight finds the session again
 * by its handle, never by pointer.
 *
 * Memory: at most 352 bytes, and 16 for each room it is in.
 */
#ifndef POLLEN8_GATEWAY_SESSION_SESSION_H
#define POLLEN8_GATEWAY_SESSION_SESSION_H

#include "base/limits.h"
#include "base/timer_wheel.h"
#include "frame/frame.h"
#include "frame/outq.h"
#include "session/transport.h"

enum session_state {
#define STATE(suffix, name, member, may_emit) SESSION_##suffix,
#include "session/session_states.def"
#undef STATE
    SESSION_STATES
};

enum session_cause {
#define CAUSE(suffix, label, code, text) CAUSE_##suffix,
#include "session/session_causes.def"
#undef CAUSE
    CAUSE_COUNT
};

#define SESSION_ID_SIZE 24 /* public id, NUL-terminated */

/* The newest version of a coalesce key that the session has been sent. */
struct session_version {
    uint64_t coalesce;
    uint64_t epoch;
    uint64_t version;
};
#define SESSION_VERSIONS_MAXIMUM 16

struct catchup;
struct identity;
struct membership;
struct session_extra;

struct session {
    const struct transport_ops *ops;
    void *transport;                /* NULL once detached */
    uint64_t handle;                /* changes whenever the session opens again */
    struct membership *memberships; /* owned; [0] everyone, [1] the user, then industries */
    uint64_t boarded;               /* number of the last frame on the board that was looked at for it */
    uint32_t dirty;                 /* 1 + place in the list of sessions to flush; 0: not in it */
    uint8_t state;
    uint8_t format; /* enum frame_format */
    uint8_t membership_count;
    uint8_t snapshots_left;
    uint8_t snapshots_failed; /* in a row */
    bool awaiting_pong;
    bool valued;     /* its first snapshot has arrived: see session_send */
    bool wants_kept; /* the next snapshot brings what is kept for the user */
    bool fresh_pid;  /* value-svc does not know it yet */
    /* while draining: what is in flight is answered, nothing more is accepted, then it closes */
    bool leaving;
    uint16_t in_flight;
    uint16_t refused_in_a_row;
    uint8_t version_count;
    bool offset_due; /* so far everything was sent without an offset, though it might have had one */
    bool slow;       /* its queue was full: what it missed is given later; see catchup.h */
    struct outq outq;
    struct identity *identity;        /* owned reference; RECOVERING and OPEN only */
    struct catchup *catchup;          /* owned; NULL: nothing is to be recovered */
    char *pid;                        /* owned; the client recovers with it; NULL: it cannot */
    struct session_version version;   /* the first key */
    struct session_version *versions; /* owned; further keys */
    struct token_bucket events;
    struct session_extra *extra; /* owned: what only few sessions need; NULL: none of it */
    uint64_t deadline_ms;     /* CONNECTED, AUTHENTICATING: by then it must be open; OPEN: expiry; 0: none */
    uint64_t snapshot_ms;     /* when to request the next snapshot; 0: never */
    struct wheel_timer timer; /* the earliest of the two above and write_ms */
    struct wheel_timer heartbeat;
    uint64_t write_ms; /* by then a stuck socket must have taken something; 0: nothing is stuck */
    struct session *next_dead;
    char id[SESSION_ID_SIZE];
};
_Static_assert(sizeof(struct session) <= 352, "the memory of a session is a promise");

/* The namespace it is in, as services know it: empty for "/", and for clients that do not speak Socket.IO. */
static inline const char *session_namespace_text(const struct session *session)
{
    return session->ops->namespace ? session->ops->namespace(session) : "";
}

/* The same as a Socket.IO client knows it; "/" for those. */
static inline struct slice session_namespace(const struct session *session)
{
    const char *text = session_namespace_text(session);
    return text[0] ? slice_from_string(text) : SLICE_LITERAL("/");
}

/* NULL when out of memory. State CONNECTED, heartbeat running. */
struct session *session_create(struct gateway *gateway, const struct transport_ops *ops, void *transport,
                               enum frame_format format, uint64_t deadline_ms);

bool session_may_move(enum session_state from, enum session_state to);
bool session_is_member(const struct session *session);
bool session_may_emit(const struct session *session);

/* For the files that draw an arrow of the picture in session_states.def; the transition must be one of its
 * arrows. */
void session_enter_state(struct session *session, enum session_state to);

/* OPEN -> CONNECTED: out of its rooms, the transport stays. */
void session_leave(struct gateway *gateway, struct session *session, uint64_t deadline_ms);

void session_close(struct gateway *gateway, struct session *session, enum session_cause cause);
/* Closes with the close code and the name of a refusal. */
void session_close_status(struct gateway *gateway, struct session *session, enum status status);
/* Closes with the given code and text, as in transport.h, instead of those of the cause. */
void session_close_coded(struct gateway *gateway, struct session *session, enum session_cause cause,
                         uint16_t code, const char *text);

/* Whether its heartbeat has been unanswered for too long; it is then closed. For requests that come before
 * the timer has fired. */
bool session_overdue(struct gateway *gateway, struct session *session);

/* Queues the heartbeat if it is due soon: it goes out with what is about to be written, and its answer comes
 * with those of others. */
void session_ping_along(struct gateway *gateway, struct session *session);

void session_pong(struct gateway *gateway, struct session *session);
void session_rearm(struct gateway *gateway, struct session *session);

/* Frees closed sessions: nobody holds a pointer to one across turns. */
void sessions_end_turn(struct gateway *gateway);
/* At the end of the process. */
void sessions_close_all(struct gateway *gateway);

#endif
