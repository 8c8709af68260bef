/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the store_*.c files share: the connection with its scripts, and pipelining. A pipeline is any number
 * of store_send, then as many store_receive. After STATUS_DISCONNECTED from either the rest of the pipeline
 * is gone with the connection.
 */
#ifndef POLLEN8_VALUE_SVC_STORE_STORE_INTERNAL_H
#define POLLEN8_VALUE_SVC_STORE_STORE_INTERNAL_H

#include <hiredis/hiredis.h>

#include "common/base64url.h"
#include "common/industry.h"
#include "common/names.h"
#include "store/store.h"

#define STORE_KEY_EPOCH         "p8:epoch"
#define STORE_KEY_DUE           "p8:seen.due"
#define STORE_KEY_PROBE         "p8:probe"
#define STORE_KEY_SIZE          (16 + BASE64URL_LENGTH(ID_MAXIMUM_BYTES) + 16)
#define STORE_ARGUMENTS_MAXIMUM 32
#define STORE_ROOM_KEY_SIZE     (16 + BASE64URL_LENGTH(INDUSTRY_NORMALISED_SIZE) + 16)
#define STORE_TENDED            4096 /* slots */

enum store_script {
    SCRIPT_APPLY_EVENT,
    SCRIPT_PRUNE_SEEN,
    SCRIPT_EPOCH_RAISE,
    SCRIPT_EPOCH_REPLAYED,
    SCRIPT_LOCK,
    SCRIPT_POSITION,
    SCRIPT_REBUILD,
    SCRIPT_DUMP_USER,
    SCRIPT_DUMP_PART,
    SCRIPT_PID_RECORD,
    SCRIPT_PID_CLAIM,
    SCRIPT_PID_END,
    SCRIPT_FORGET_KEPT,
    SCRIPT_COUNT
};

struct store {
    struct store_options options;
    redisContext *redis; /* NULL: not connected */
    char hashes[SCRIPT_COUNT][41];
    struct host address; /* of the server, as named by the sentinels */
    struct store_world world;
    size_t restoring;  /* replies of store_restore not read yet */
    unsigned failures; /* connects failed in a row */
    unsigned refusals; /* batches of events, and probes, failed in a row */
    bool refused;      /* nothing was written since the last of them */
    uint64_t sent_ns;  /* when the running pipeline began; 0: none */
    char error[192];
    /* Industries whose history this connection recently trimmed by age and gave an expiry: a hash of the
     * name, and the second (monotonic) in which it did. */
    struct {
        uint32_t room;
        uint32_t second;
    } tended[STORE_TENDED];
};

/* Notes why, closes, returns STATUS_DISCONNECTED. */
enum status store_fail(struct store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends one command of NUL-terminated arguments (NULL ends the list). */
enum status store_send(struct store *store, const char *const *arguments);

/* Appends one command of `count` arguments with lengths. */
enum status store_send_slices(struct store *store, const struct slice *arguments, size_t count);

/* As store_send for a script: prepends "EVALSHA <hash>" to `arguments`, which start with the
 * number of keys. */
enum status store_send_script(struct store *store, enum store_script script, const char *const *arguments);

/* The same with lengths. */
enum status store_send_script_slices(struct store *store, enum store_script script,
                                     const struct slice *arguments, size_t count);

/* The next reply, whatever its type; the caller frees it with freeReplyObject. */
enum status store_receive_any(struct store *store, redisReply **ret_reply);

/* The next reply; an error reply is a failure, as if Redis were unusable. */
enum status store_receive(struct store *store, redisReply **ret_reply);

/* The next replies, of which only an error matters. */
enum status store_receive_done(struct store *store, size_t count);

/* The next reply as store_integer has it. */
enum status store_receive_integer(struct store *store, int64_t *ret_integer);

/* Sends one command and waits for its reply, of which only an error matters. */
enum status store_run_command(struct store *store, const char *const *arguments);

/* Whose fault an error reply reports. */
enum store_fault {
    FAULT_KEYS,   /* the content of the keys named in the command: other commands are not affected */
    FAULT_REDIS,  /* Redis cannot be used now */
    FAULT_UNKNOWN /* neither is known */
};
enum store_fault store_fault_of(const redisReply *reply);

/* Fails with an error reply that is not about the keys of the command alone. */
enum status store_refuse_reply(struct store *store, const redisReply *reply);

/* WAIT and its answer, two steps of a pipeline; too few replicas are a failure. */
enum status store_send_wait(struct store *store);
enum status store_receive_wait(struct store *store);

/* Ends the measured round trip. */
void store_measure(struct store *store);

/* The text after `name` ("\nrole:") in the answer of INFO, up to the end of the line. False if there is none,
 * or it does not fit. */
bool store_info_field(const char *info, const char *name, char *out, size_t size);

/* "p8:{u.<user>}<suffix>" */
void store_user_key(char out[STORE_KEY_SIZE], const char *user_id, const char *suffix);

/* "p8:{i.<industry>}:history" */
void store_industry_key(char out[STORE_ROOM_KEY_SIZE], const char *industry);

/* store_epoch.c: learns the identity of the server just connected, and its epoch. */
enum status store_learn_epoch(struct store *store);

/* store_scripts.c: loads all scripts into the server and takes their hashes. */
enum status store_load_scripts(struct store *store);

/* One SCAN from *cursor on, which it advances; the reply's element[1] is the list of keys. */
enum status store_scan(struct store *store, uint64_t *cursor, const char *pattern, const char *count,
                       redisReply **ret_reply);

/* store_sentinel.c: connects to the primary that the url names; sets store->redis. */
enum status store_open(struct store *store);

/* Integer of a reply element that is an integer or a decimal text; 0 otherwise. */
int64_t store_integer(const redisReply *reply);

#endif
