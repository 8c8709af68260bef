/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One message of the query queue that expects an answer: parsed and checked before Redis is read. Reader
 * thread.
 */
#ifndef POLLEN8_VALUE_SVC_QUERY_QUERY_QUESTION_H
#define POLLEN8_VALUE_SVC_QUERY_QUERY_QUESTION_H

#include "query/opening.h"
#include "query/query_queue.h"

#define EVENT_VALUE_GET   "value.get"
#define EVENT_INVITE_SEEN "invite.seen"

struct question {
    struct query_item *item;
    enum status status; /* STATUS_OK: to be answered */
    bool answered;
    const char *message;
    bool wants_value;
    size_t value; /* owned by the reader; if one is wanted */
    char user_id[ID_MAXIMUM_BYTES + 1];
    char invite_id[ID_MAXIMUM_BYTES + 1];
    struct opening opening; /* QUERY_SESSION_OPEN */
};

/* Reads the item, which the question borrows: sets all but `value`. */
void question_read(struct wire_arena *arena, struct query_item *item, struct question *question);

#endif
