/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room store/: connections to Redis. Input: REDIS_URL, commands and scripts. Output: replies, the epoch
 * that Redis is in, and whether Redis can be used at all. The files of records/ build on it. It is the only
 * room, with records/, that names hiredis.
 *
 * One `struct store` is one connection for one thread; every worker has its own. Calls block at most
 * REDIS_TIMEOUT per round trip. Batches are pipelined. Keys:
 *
 *   p8:epoch                   hash: which epoch this is and of which server, how far the stream was
 *                              acknowledged, how far a rebuild is (all fields: store_epoch.c)
 *   p8:raise p8:snapshot p8:rebuild  locks
 *   p8:probe                   written to find out whether Redis takes writes, expiring
 *   p8:{u.<user>}:net          hash: connections (signed sum), n (version), h (last number in the history),
 *                              i:<event key> of each import
 *   p8:{u.<user>}:seen         hash: event key -> its result: "sum n lane user/industry h sequence time"
 *   p8:{u.<user>}:seen.order   list: "event-key sequence time", oldest first
 *   p8:seen.due                sorted set: users who have event keys, by the time of the oldest
 *   p8:{u.<user>}:history      stream: frames to the user, expiring (store_history.h)
 *   p8:{u.<user>}:kept         stream: frames kept until written, expiring (store_session.h)
 *   p8:{i.<industry>}:history  stream: frames to the industry, expiring (store_history.h)
 *   p8:{p.<pid>}               hash: who owns the session's pid, expiring (store_session.h)
 *   p8:gateways                sorted set: gateway parts by their last heartbeat
 *   p8:gw:<gateway>[:<part>]   hashes of live sessions by industry and user, expiring
 *
 * Only net is kept for good. seen and seen.order are swept, all others expire. <user> and <industry> are
 * base64url; apply_event.lua describes the formats.
 *
 * Every call returns STATUS_OK or STATUS_DISCONNECTED. The latter means that Redis cannot be used now
 * (unreachable, loading, a replica, out of memory...): the connection is closed, store_error says why, and
 * the commands sent may or may not have been executed. Everything here may be sent again, so connect and
 * repeat the whole batch. Wrong content of one user's or industry's keys is never such a failure: it is
 * reported for that one alone.
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
    bool any_epoch;               /* also connects if the server's epoch is not announced yet */
    struct metric_cell *latency;  /* of a round trip; may be NULL */
    struct metric_cell *connects; /* counted; may be NULL */
};

enum status store_create(const struct store_options *options, struct store **ret_store);
void store_free(struct store *store); /* NULL is accepted */

/* Connects if not connected: finds the primary, AUTH, SELECT, loads the scripts, learns the epoch. One
 * attempt; after a failure wait store_retry_ms before the next. Without any_epoch it fails if Redis has no
 * epoch or that of a different server: epoch.c must raise it first. */
enum status store_connect(struct store *store);
bool store_connected(const struct store *store);
void store_close(struct store *store);

/* Closes, with `why` in store_error; STATUS_DISCONNECTED. */
enum status store_reject(struct store *store, const char *why);

/* Asks the sentinels for the primary, and closes if a majority of them names a different server.
 * *ret_elected: a majority names this one; false without sentinels, or if no majority can be asked. */
enum status store_confirm_primary(struct store *store, bool *ret_elected);

/* Milliseconds to wait before the next attempt: doubles from 50 to 2,000, with jitter. Attempts to connect
 * and batches that failed in a row count. */
int64_t store_retry_ms(struct store *store);

/* Notes whether a batch of events could be applied. If not, store_refused is true until store_probe finds
 * that Redis takes writes again (with as many replicas as are waited for). A Redis that is out of memory,
 * cannot save, or lacks replicas still accepts connections. */
void store_note_applied(struct store *store, bool applied);
bool store_refused(const struct store *store);
enum status store_probe(struct store *store);

/* Why the last call failed; one line without credentials, "" at first. */
const char *store_error(const struct store *store);

/* ---- epoch (store_epoch.c) -------------------------------------------------------------------------- */

#define STORE_IDENTITY_SIZE 32
#define STORE_SERVER_SIZE   128

enum store_state {
    STORE_WHOLE,  /* has every acknowledged event, or will have once the replay is done */
    STORE_NEW,    /* empty: it has no event of the stream */
    STORE_LOST,   /* lacks events that the stream no longer has: only a rebuild helps */
    STORE_REBUILD /* value-svc --rebuild is running */
};

struct store_position {
    uint64_t sequence;         /* every event of the stream up to it is in the data; 0: none known */
    int64_t time_ms;           /* when the stream stored that event; 0: not known */
    int64_t stream_created_ms; /* which stream that is; 0: not known */
};

/* State of the data as a whole, and of the server that holds it. */
struct store_world {
    uint64_t epoch;                     /* 0: the Redis is empty */
    char server[STORE_SERVER_SIZE];     /* the process that answers: "<run_id>:<replication id>" */
    bool of_server;                     /* the epoch began on that process */
    char identity[STORE_IDENTITY_SIZE]; /* of the data, replicated with it; "": none yet */
    enum store_state state;
    bool replayed;   /* everything up to target is counted */
    uint64_t quiet;  /* events up to it were delivered before the epoch began */
    uint64_t target; /* the stream's last event when the epoch began */
    struct store_position position;
    struct store_position anchor; /* an earlier one, for a broker that lost its tail */
    /* Unix time: readers with an earlier position may lack frames of the epoch before, which no history here
     * has; 0: none may. */
    int64_t whole_from_ms;
};

/* As of the last store_connect or store_epoch_refresh. */
const struct store_world *store_world(const struct store *store);
uint64_t store_epoch(const struct store *store);

/* Asks again. Fails if the server is no longer a primary, or, without any_epoch, if the epoch is
 * not its own. */
enum status store_epoch_refresh(struct store *store);

/* The current epoch, asked at the end of a pipeline; 0: Redis has none. */
enum status store_epoch_now(struct store *store, uint64_t *ret_epoch);

/* Takes or keeps a lock for hold_ms, or releases it (0). *ret_held: whether `holder` has it. */
enum store_lock { STORE_LOCK_RAISE, STORE_LOCK_SNAPSHOT, STORE_LOCK_REBUILD };
enum status store_lock(struct store *store, enum store_lock lock, const char *holder, int64_t hold_ms,
                       bool *ret_held);

/* Begins the epoch described by `next` on the connected server; epoch.h says when that is allowed. `who`:
 * owner of the rebuild that it ends, else "". STATUS_AGAIN: this Redis has entered another epoch. */
enum status store_raise(struct store *store, const struct store_world *next, const char *who);

/* Notes that everything the stream held when the epoch began is counted. *ret_first: this call
 * was the first. */
enum status store_replay_done(struct store *store, uint64_t epoch, bool *ret_first);

/* Notes how far the stream is acknowledged; of several instances' notes the furthest is kept. `anchor_ms`:
 * minimum age of an anchor. *ret_noted false: the epoch or the stream has changed. */
enum status store_position_put(struct store *store, const struct store_position *position, int64_t anchor_ms,
                               bool *ret_noted);

/* ---- events (store_events.c) ------------------------------------------------------------------------ */

enum store_outcome {
    STORE_APPLIED,      /* took effect */
    STORE_REPEATED,     /* this same event took effect before: deliver again */
    STORE_DUPLICATE,    /* another event with its key arrived within the window: deliver nothing */
    STORE_OUT_OF_RANGE, /* the sum would no longer be exact: can never be applied */
    STORE_FAILED        /* Redis answered, but did not apply this event: see `broken` */
};

/* A frame to the user: its numbers for the entry in the history. */
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
    bool once;         /* the key counts once for good, not only within the window */
    bool anew;         /* a dead letter that is sent again: counts once at any age */
    bool replay;       /* its frames are not published under these numbers: never named as its first */

    uint32_t lane;            /* it is published on; 0: none */
    uint64_t user_number;     /* of its first frame to the user; 0: there is none */
    uint64_t industry_number; /* of its frame to industries; 0: there is none */
    int64_t stamp_us;         /* Unix microseconds: when the numbers were taken */
    struct store_gift update; /* network.update */
    struct store_gift payload;
    struct slice frame; /* borrowed: the payload's frame, packed, without numbers */
    const char *keep;   /* borrowed: name to keep that frame under; NULL: it is not kept */
    uint64_t keep_id;   /* event id of the kept frame */
    char *why;          /* borrowed, STORE_WHY_SIZE bytes; FAILED: Redis' error, one printable line */

    /* Results */
    enum store_outcome outcome;
    /* FAILED: Redis blames the user's keys. If false, the cause is unknown, and Redis applied other events of
     * the batch. */
    bool broken;
    int64_t sum; /* signed, after this event; repeated: current */
    uint64_t version;
    uint64_t user_sequence; /* of its first frame to the user; 0: none */
    uint32_t first_lane;    /* REPEATED: of its first publishing; 0: not known */
    uint64_t first_user;    /* numbers; 0: there was none */
    uint64_t first_industry;
    bool mine;           /* REPEATED by this same struct: the answer to an earlier try was lost */
    bool replayed;       /* REPEATED: a replay applied it */
    bool history_broken; /* applied, but the user's history is broken */
};

/* How long event keys (see service_retention_ms) and histories are kept. */
struct store_rules {
    int64_t window_ms;
    int64_t retention_ms;
    uint64_t ack_floor; /* stream sequence */
    int64_t history_length;
    int64_t history_window_ms;
};

#define STORE_WHY_SIZE 160

/* Applies a batch, at most 1,000. Waits for replicas if configured. If every event of the batch fails, and no
 * error blames a user's keys, the fault is Redis': STATUS_DISCONNECTED. */
enum status store_apply(struct store *store, const struct store_rules *rules, struct store_event *events,
                        size_t count);

struct store_value {
    const char *user_id; /* borrowed */
    int64_t sum;         /* results */
    uint64_t version;
    bool broken; /* the user's keys have wrong content: the value is unknown */
};
enum status store_values(struct store *store, struct store_value *values, size_t count);

/* One step of the sweep: forgets event keys that are older than `oldest_ms` and acknowledged, of at most
 * STORE_SWEEP_USERS users. *ret_users: how many users it looked at; fewer than that: no others have any. */
#define STORE_SWEEP_USERS 256
enum status store_sweep(struct store *store, int64_t oldest_ms, uint64_t ack_floor, size_t *ret_users,
                        uint64_t *ret_forgotten);

/* Scans some keys from *cursor on (0: start; 0 again at the end) for users whose event keys the sweep does
 * not know: an earlier version did not note when they are due. */
enum status store_sweep_find(struct store *store, uint64_t *cursor);

/* ---- presence (store_presence.c) -------------------------------------------------------------------- */

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

/* Notes that sessions of users opened on gateways, until the gateway's next heartbeat, at
 * most for expires_ms. */
struct store_entered {
    const char *gateway; /* a subject token */
    const char *user_id;
};
enum status store_users_entered(struct store *store, const struct store_entered *entered, size_t count,
                                int64_t expires_ms);

/* Notes that the user left the gateway. *ret_elsewhere: it is on another gateway with a fresh heartbeat. */
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
