/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Builds and parses every NATS subject; the only place with their text. Ids become base64url tokens, so
 * that no id can inject a `.`, `*` or `>`. Pure; any thread.
 */
#ifndef POLLEN8_COMMON_BUS_SUBJECT_H
#define POLLEN8_COMMON_BUS_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

/* Longest subject this file makes, with its NUL: a prefix and a base64url token of 128 bytes. */
#define SUBJECT_SIZE         256

#define SUBJECT_AUTH_VERIFY  "pollen8.auth.verify"
#define SUBJECT_AUTH_BATCH   "pollen8.auth.verify.batch"
#define SUBJECT_SESSION_OPEN "pollen8.session.open"
#define SUBJECT_OPEN_BATCH   "pollen8.session.open.batch"
#define SUBJECT_SESSION_ANY  "pollen8.session.*"
#define SUBJECT_OUT_INDUSTRY "pollen8.out.industry"
#define SUBJECT_OUT_ALL      "pollen8.out.all"
#define SUBJECT_OUT_LANE     "pollen8.out.lane"
#define SUBJECT_CTL_ANY      "pollen8.ctl.user.*"
#define SUBJECT_EVENTS_ANY   "pollen8.events.>"
#define SUBJECT_DEAD_ANY     "pollen8.dead.>"
#define SUBJECT_SNAPSHOT_ANY "pollen8.snapshot.>"
#define SUBJECT_MANIFEST     "pollen8.snapshot.manifest"
#define SUBJECT_HISTORY_READ "pollen8.history.read"
#define SUBJECT_EPOCH_NEWEST "pollen8.epoch.newest"
#define SUBJECT_EPOCH_ALIVE  "pollen8.epoch.alive"

#define QUEUE_AUTH           "auth-svc"
#define QUEUE_VALUE          "value-svc"

#define STREAM_EVENTS        "POLLEN8_EVENTS"
#define STREAM_DEAD          "POLLEN8_DEAD"
#define STREAM_SNAPSHOT      "POLLEN8_SNAPSHOT"
#define STREAM_EPOCH         "POLLEN8_EPOCH"

enum subject_kind {
    SUBJECT_IN,       /* pollen8.in.<event name> */
    SUBJECT_EVENTS,   /* pollen8.events.<event name> */
    SUBJECT_DEAD,     /* pollen8.dead.<event name> */
    SUBJECT_OUT_USER, /* pollen8.out.user.<token of a user id> */
    SUBJECT_CTL_USER, /* pollen8.ctl.user.<token of a user id> */
    SUBJECT_SESSION,  /* pollen8.session.<gateway name> */
    SUBJECT_GATEWAY,  /* pollen8.gw.<gateway name> */
    SUBJECT_ADMIN,    /* pollen8.admin.<verb> */
    SUBJECT_CHUNK     /* pollen8.snapshot.chunk.<snapshot> */
};

/* Writes the subject and a NUL. `name` is an event name, a user id (encoded), a gateway name or a verb as the
 * kind says. STATUS_MALFORMED if it is not valid for its kind. */
enum status subject_make(char out[SUBJECT_SIZE], enum subject_kind kind, struct slice name);

/* The tail of a subject of `kind` (the event name, the token), borrowed from `subject`; STATUS_MALFORMED if
 * the subject is of a different kind. Tokens are returned as they are, not decoded. */
enum status subject_tail(struct slice subject, enum subject_kind kind, struct slice *ret_tail);

/* The reply subject of a request: "<inbox>.<id, 16 hex digits>". subject_reply_make writes it and a NUL, cut
 * to `size`. subject_reply_id reads the id of a message to the inbox; false if it has none. */
#define SUBJECT_ID_LENGTH 17 /* the point and the digits */
void subject_reply_make(char *out, size_t size, const char *inbox, uint64_t id);
bool subject_reply_id(struct slice subject, size_t inbox_length, uint64_t *ret_id);

#endif
