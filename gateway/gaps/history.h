/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Asks value-svc for what came after a position, for some industries and users. Loop thread.
 *
 * The answer is in the order of the histories, put right so that each lane's frames come by their numbers:
 * then a position that follows the frames one by one is true after each of them.
 */
#ifndef POLLEN8_GATEWAY_GAPS_HISTORY_H
#define POLLEN8_GATEWAY_GAPS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

#define HISTORY_ROOMS_MAXIMUM 256 /* industries in one question, and users */
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
    const uint64_t *user_until; /* NULL; or for each user the last number in its history that is asked for */
    int64_t until_ms;           /* as of then: moment_ms of another answer; 0: as of now */
};

struct history_answer {
    enum status status; /* not STATUS_OK: there is no answer, and nothing below counts */
    bool complete;      /* nothing after the position is missing */
    bool by_room;       /* not complete: another question, for some of the rooms, may be */
    int64_t moment_ms;  /* as of when, whether or not it is complete; 0: not known */
    size_t count;
    struct delivery **frames; /* a reader may take one by setting it to NULL */
};

typedef void history_fn(struct gateway *gateway, uint64_t context, struct history_answer *answer);

/* `done` is called once, later. A failure: never. */
enum status history_read(struct gateway *gateway, const struct history_query *query, history_fn *done,
                         uint64_t context);

/* Each lane's frames by their numbers, in the places that the lane has. */
enum status history_order(struct delivery **frames, size_t count);

#endif
