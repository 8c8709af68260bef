/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests from value-svc the frames after a position, for some industries and users. Loop thread.
 *
 * The answer has the order of the histories, except that each lane's frames are sorted by their numbers. So a
 * position that follows the frames one by one is true after each of them.
 */
#ifndef POLLEN8_GATEWAY_GAPS_HISTORY_H
#define POLLEN8_GATEWAY_GAPS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

#define HISTORY_ROOMS_MAXIMUM 256 /* industries in one request, and users */
#define HISTORY_WAIT_MS       2000

struct delivery;
struct gateway;
struct position;

struct history_query {
    const struct position *after;
    char *const *industries; /* normalised, NUL-terminated */
    size_t industry_count;
    char *const *users;
    size_t user_count;
    const uint32_t *missed_lanes; /* the only lanes in which something may be missing */
    size_t missed_count;          /* 0: it may be in any */
    const uint64_t *user_until; /* NULL; or for each user the last number of its history that is requested */
    int64_t until_ms;           /* as of then: moment_ms of another answer; 0: as of now */
};

struct history_answer {
    enum status status; /* not STATUS_OK: there is no answer, and nothing below counts */
    bool complete;      /* nothing after the position is missing */
    bool by_room;       /* if not complete: a request for some of the rooms may be complete */
    int64_t moment_ms;  /* the moment it describes, complete or not; 0: not known */
    size_t count;
    struct delivery **frames; /* `done` may take one by setting it to NULL */
};

typedef void history_fn(struct gateway *gateway, uint64_t context, struct history_answer *answer);

/* `done` is called once, later; if this fails, never. */
enum status history_read(struct gateway *gateway, const struct history_query *query, history_fn *done,
                         uint64_t context);

/* Sorts each lane's frames by number, within the places that the lane has. */
enum status history_order(struct delivery **frames, size_t count);

#endif
