/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Redis: the only module that names hiredis. One `struct store` is one connection for one thread; every
 * worker has its own. Calls block at most REDIS_TIMEOUT a round trip. Batches are pipelined. Keys:
 *
 *   p8:epoch                   hash: which epoch this is and of which server, how far the stream was
 *                              acknowledged, how far a rebuild is (store_epoch.c has all of them)
 *   p8:raise p8:snapshot p8:rebuild  locks
 *   p8:probe                   written to find out whether writes are taken, expiring
 *   p8:{u.<user>}:net          hash: connections (signed sum), n (version), h (last number in the history),
 *                              i:<event key> of each import
 *   p8:{u.<user>}:seen         hash: event key -> what it gave: "sum n lane user/industry h sequence time"
 *   p8:{u.<user>}:seen.order   list: "event-key sequence time", oldest first
 *   p8:seen.due                sorted set: users who have event keys, by the time of the oldest
 *   p8:{u.<user>}:history      stream: frames to the user, expiring (store_history.h)
 *   p8:{u.<user>}:kept         stream: frames kept until written, expiring (store_session.h)
 *   p8:{i.<industry>}:history  stream: frames to the industry, expiring (store_history.h)
 *   p8:{p.<pid>}               hash: whose session that is, expiring (store_session.h)
 *   p8:gateways                sorted set: gateway parts by their last heartbeat
 *   p8:gw:<gateway>[:<part>]   hashes of live sessions by industry and user, expiring
 *
 * What is a user's for good is net; seen and seen.order are swept, all others expire. <user> and <industry>
 * are base64url; apply_event.lua has the formats. Every call returns STATUS_OK or STATUS_DISCONNECTED: Redis
 * cannot be used now (away, loading, a replica, out of memory...), the connection is closed, store_error says
 * why, and what was sent may or may not have been done. Everything here may be sent again, so the answer is
 * to connect and repeat the whole batch. What one user's or industry's keys hold is never such a failure: it
 * is told of that one alone.
 */
#ifndef POLLEN8_VALUE_SVC_STORE_STORE_H
#define POLLEN8_VALUE_SVC_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ops/metrics.h"
#include "common/slice.h"
#include "common/status.h"
#include "store/store_url.h"

struct store; /* opaque */

struct store_options {
    const struct store_url *url; /* borrowed for the store's life */
    int64_t timeout_ms;
    int wait_replicas;            /* WAIT after each batch of events; 0: none */
    bool any_epoch;               /* connects also where the server's epoch is not made known yet */
    struct metric_cell *latency;  /* a round trip; may be NULL */
    struct metric_cell *connects; /* counted; may be NULL */
};

enum status store_create(const struct store_options *options, struct store **ret_store);
void store_free(struct store *store); /* NULL is accepted */

/* Connects where not connected: finds the primary, AUTH, SELECT, loads the scripts, learns the epoch. One
 * attempt; after a failure wait store_retry_ms before the next. Fails where the epoch is another server's, or
 * there is none: epoch.c has to raise it first (unless options say any_epoch). */
enum status store_connect(struct store *store);
bool store_connected(const struct store *store);
void store_close(struct store *store);

/* Closes, and says why in store_error; STATUS_DISCONNECTED. */
enum status store_reject(struct store *store, const char *why);

/* Asks the sentinels for the primary: closes where a majority of them names another server than this is
 * connected to. *ret_elected: it names this one. False without sentinels, and where no majority can be asked.
 */
enum status store_confirm_primary(struct store *store, bool *ret_elected);

/* Milliseconds to wait before the next attempt: doubles from 50 to 2,000, with jitter. Attempts to connect
 * and batches that failed in a row count. */
int64_t store_retry_ms(struct store *store);

/* Notes whether a batch of events could be applied. After one that could not, store_refused holds until
 * store_probe has found that writes are taken again (and by as many replicas as are waited for): a Redis that
 * is out of memory, cannot save, or lacks replicas connects as if it could be used. */
void store_note_applied(struct store *store, bool applied);
bool store_refused(const struct store *store);
enum status store_probe(struct store *store);

/* Why the last call failed; one line without credentials, "" at first. */
const char *store_error(const struct store *store);

/* ---- Epoch (store_epoch.c) -------------------------------------------------------------------------- */

#define STORE_IDENTITY_SIZE 32
#define STORE_SERVER_SIZE   128

enum store_state {
    STORE_WHOLE,  /* every acknowledged event is in it, or will be when the replay is done */
    STORE_NEW,    /* it is empty: what the stream holds is not in it */
    STORE_LOST,   /* something is not in it, and the stream does not have it any more: only a rebuild helps */
    STORE_REBUILD /* value-svc --rebuild is at work */
};

struct store_position {
    uint64_t sequence;         /* every event of the stream up to it is in the data; 0: none known */
    int64_t time_ms;           /* when the stream stored that event; 0: not known */
    int64_t stream_created_ms; /* which stream that is; 0: not known */
};

/* What is known of the data as a whole, and of the server that has it. */
struct store_world {
    uint64_t epoch;                     /* 0: the Redis is empty */
    char server[STORE_SERVER_SIZE];     /* the process that answers: "<run_id>:<replication id>" */
    bool of_server;                     /* the epoch began on that very process */
    char identity[STORE_IDENTITY_SIZE]; /* of the data, travels with it; "": none yet */
    enum store_state state;
    bool replayed;   /* all up to target is counted */
    uint64_t quiet;  /* events up to it were delivered before the epoch began */
    uint64_t target; /* the stream's last event when the epoch began */
    struct store_position position;
    struct store_position anchor; /* an earlier one, for a broker that lost its tail */
    int64_t whole_from_ms; /* Unix time: positions of readers from before it may lack frames of the epoch
                            * before, which no history here has; 0: none may */
};

/* As of the last store_connect or store_epoch_refresh. */
const struct store_world *store_world(const struct store *store);
uint64_t store_epoch(const struct store *store);

/* Asks again. Fails where the server is a primary no more, or the epoch is not its own (but for any_epoch).
 */
enum status store_epoch_refresh(struct store *store);

/* What the store says now, at the end of a pipeline; 0: it has none. */
enum status store_epoch_now(struct store *store, uint64_t *ret_epoch);

/* Takes or keeps a lock for hold_ms, or gives it back (0). *ret_held: whether it is `holder`'s. */
enum store_lock { STORE_LOCK_RAISE, STORE_LOCK_SNAPSHOT, STORE_LOCK_REBUILD };
enum status store_lock(struct store *store, enum store_lock lock, const char *holder, int64_t hold_ms,
                       bool *ret_held);

/* Begins the epoch that `next` says, on the server that this is connected to; epoch.h says when that may be
 * done. `who`: whose rebuild it ends, else "". STATUS_AGAIN: this Redis is in another one by now. */
enum status store_raise(struct store *store, const struct store_world *next, const char *who);

/* All that the stream held when the epoch began is counted. *ret_first: this call was the first to say so. */
enum status store_replay_done(struct store *store, uint64_t epoch, bool *ret_first);

/* Notes how far the stream is acknowledged; the furthest of what instances note holds. `anchor_ms`: how old
 * an anchor is at least. *ret_noted false: the epoch or the stream is another. */
enum status store_position_put(struct store *store, const struct store_position *position, int64_t anchor_ms,
                               bool *ret_noted);

/* ---- Events (store_events.c) ------------------------------------------------------------------------ */

enum store_outcome {
    STORE_APPLIED,      /* took effect */
    STORE_REPEATED,     /* this very event had taken effect before: deliver again */
    STORE_DUPLICATE,    /* another event with its key came within the window: deliver nothing */
    STORE_OUT_OF_RANGE, /* the sum would not be exact any more: can never be applied */
    STORE_FAILED        /* Redis answered, but not for this event: see `broken` */
};

/* A frame to the user that an event gives: what its entry in the history says of it. */
struct store_gift {
    uint64_t number; /* in the lane; 0: there is no such frame */
    uint64_t event_id;
};

struct store_event {
    const char *user_id; /* borrowed */
    const char *key;     /* borrowed; event_key */
    int64_t change;
    uint64_t sequence; /* in the stream */
    int64_t time_ms;   /* when the stream stored it */
    bool counts;       /* false: remembered only */
    bool once;         /* the key counts once for ever, not only within the window */
    bool anew;         /* it was put aside and is sent again: counts once however long that took */
    bool replay;       /* its frames are not published as it says: never told as its first ones */

    uint32_t lane;            /* it is published on; 0: none */
    uint64_t user_number;     /* of its first frame to the user; 0: there is none */
    uint64_t industry_number; /* of its frame to industries; 0: there is none */
    int64_t stamp_us;         /* Unix microseconds: when the numbers were taken */
    struct store_gift update; /* network.update */
    struct store_gift payload;
    struct slice frame; /* borrowed: the payload's frame, packed, without numbers */
    const char *keep;   /* borrowed: name to keep that frame under; NULL: it is not kept */
    uint64_t keep_id;   /* event id of the kept frame */
    char *why;          /* borrowed, STORE_WHY_SIZE bytes: FAILED: what Redis said, one printable line */

    /* Results */
    enum store_outcome outcome;
    bool broken; /* FAILED: the user's keys are not what they should be, Redis says; else it said what is not
                  * known to be anybody's fault, and applied other events of the same batch */
    int64_t sum; /* signed, as this event left it; repeated: as it is now */
    uint64_t version;
    uint64_t user_sequence; /* of its first frame to the user; 0: none */
    uint32_t first_lane;    /* REPEATED: as what it was published first; 0: not known */
    uint64_t first_user;    /* numbers; 0: there was none */
    uint64_t first_industry;
    bool mine;           /* REPEATED, but by this very struct: the answer to an earlier try was lost */
    bool replayed;       /* REPEATED: a replay applied it */
    bool history_broken; /* applied, but the user's history takes nothing */
};

/* How long event keys are kept: service_retention_ms says why so long; and histories. */
struct store_rules {
    int64_t window_ms;
    int64_t retention_ms;
    uint64_t ack_floor; /* stream sequence */
    int64_t history_length;
    int64_t history_window_ms;
};

#define STORE_WHY_SIZE 160

/* Applies a batch, at most 1,000. Waits for replicas where so configured. An error that does not name the
 * user's keys, of every event of the batch, is one of Redis: STATUS_DISCONNECTED. */
enum status store_apply(struct store *store, const struct store_rules *rules, struct store_event *events,
                        size_t count);

struct store_value {
    const char *user_id; /* borrowed */
    int64_t sum;         /* results */
    uint64_t version;
    bool broken; /* the user's keys are not what they should be: what it is worth is not known */
};
enum status store_values(struct store *store, struct store_value *values, size_t count);

/* One step of the sweep: forgets event keys that are older than `oldest_ms` and acknowledged, of at most
 * STORE_SWEEP_USERS users who have some. *ret_users: how many it looked at; fewer: nobody else has any. */
#define STORE_SWEEP_USERS 256
enum status store_sweep(struct store *store, int64_t oldest_ms, uint64_t ack_floor, size_t *ret_users,
                        uint64_t *ret_forgotten);

/* Looks at some keys from *cursor on (0: start; 0 again when round) for users with event keys that the sweep
 * does not know of: from a version that did not note when they are due. */
enum status store_sweep_find(struct store *store, uint64_t *cursor);

/* ---- Presence (store_presence.c) -------------------------------------------------------------------- */

struct store_count {
    struct slice name;
    uint32_t sessions;
};

struct store_heartbeat {
    struct slice gateway; /* a subject token */
    uint32_t part;
    uint32_t sessions;
    const struct store_count *industries;
    size_t industry_count;
    const struct store_count *users;
    size_t user_count;
    int64_t expires_ms; /* from now */
};
enum status store_heartbeat(struct store *store, const struct store_heartbeat *heartbeat);

/* Sessions of users have opened on gateways: holds until a gateway's next heartbeat says it, at most so long.
 */
struct store_entered {
    const char *gateway; /* a subject token */
    const char *user_id;
};
enum status store_users_entered(struct store *store, const struct store_entered *entered, size_t count,
                                int64_t expires_ms);

/* The user has left the gateway. *ret_elsewhere: it is on another one whose heartbeat is fresh. */
enum status store_user_left(struct store *store, const char *gateway, const char *user_id,
                            bool *ret_elsewhere);

/* Totals over the gateways whose heartbeat is fresh. `add` is called for each industry of each part. */
struct store_totals {
    uint64_t sessions;
    uint64_t gateways;
};
typedef void store_industry_fn(void *context, struct slice industry, uint64_t sessions);
enum status store_presence_totals(struct store *store, struct store_totals *ret_totals,
                                  store_industry_fn *add, void *context);

#endif
