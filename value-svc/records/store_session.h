/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What outlives a session and its gateway: who owns a pid, and the frames kept for a user until they were
 * written to one of its sessions (the script that applies an event puts them there: store_apply).
 *
 *   p8:{p.<pid>}         hash: u (user), g (gateway), s (session), i (rooms, separated by newlines, if it was
 *                        narrowed to them). It expires HISTORY_WINDOW after its session ended. If the gateway
 *                        died, it expires after the lease named by that gateway, unless another snapshot is
 *                        requested.
 *   p8:{u.<user>}:kept   stream: i (event id), k (name: the invite's id), f (packed OutboundFrame); at most
 *                        100 entries, for 30 days
 */
#ifndef POLLEN8_VALUE_SVC_RECORDS_STORE_SESSION_H
#define POLLEN8_VALUE_SVC_RECORDS_STORE_SESSION_H

#include "store/store.h"

#define STORE_PID_MAXIMUM  64
#define STORE_KEPT_MAXIMUM 100

/* Longest pid taken from a client, and only of letters that are safe in a key: [A-Za-z0-9_-]. */
bool store_pid_valid(struct slice pid);

enum store_opening_kind {
    OPENING_SNAPSHOT, /* reads what is kept for the user, and records the pid if there is one */
    OPENING_CLAIM,    /* if the pid is this user's, it becomes this session's */
    OPENING_RECORD    /* as SNAPSHOT, but nothing is read */
};

/* All borrowed. */
struct store_opening {
    enum store_opening_kind kind;
    const char *user_id;
    const char *pid; /* empty: it has none */
    const char *gateway;
    const char *session;
    int64_t expires_ms; /* from now: how long the pid is recorded */
    bool narrowed;
    bool fresh;         /* SNAPSHOT: nobody can have claimed the pid yet */
    struct slice rooms; /* separated by newlines; if narrowed */
};

struct store_opened {
    bool known;           /* CLAIM, as all below */
    bool narrowed;        /* `rooms` hold */
    struct slice rooms;   /* by newlines */
    struct slice gateway; /* who had the pid before */
    struct slice session;
    size_t kept_count; /* SNAPSHOT: oldest first */
    struct slice kept[STORE_KEPT_MAXIMUM];
};

/* `opened` is valid during the call. */
typedef void store_opened_fn(void *context, size_t index, const struct store_opened *opened);

/* In one pipeline; `give` is called for each in order. */
enum status store_open_sessions(struct store *store, const struct store_opening *openings, size_t count,
                                store_opened_fn *give, void *context);

/* Sessions of the gateway have ended: their records expire after that time. */
struct store_ended {
    const char *session; /* borrowed */
    const char *pid;     /* valid */
};
enum status store_sessions_ended(struct store *store, const char *gateway, const struct store_ended *ended,
                                 size_t count, int64_t expires_ms);

/* Forgets kept frames of a user: by the events' ids, or by the name they are kept under. */
enum status store_forget_written(struct store *store, const char *user_id, const uint64_t *event_ids,
                                 size_t count);
enum status store_forget_named(struct store *store, const char *user_id, const char *name);

#endif
