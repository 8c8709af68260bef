/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One row a kind of subject: its prefix and what may follow. subject_make writes prefix and tail,
 * subject_tail is its inverse.
 */
#include "common/bus/subject.h"

#include <stdio.h>

#include "common/base64url.h"
#include "common/check.h"
#include "common/names.h"

#define TOKEN_MAXIMUM_BYTES 64

enum tail { TAIL_EVENT, TAIL_USER, TAIL_TOKEN };

struct subject_row {
    struct slice prefix;
    enum tail tail;
};

static const struct subject_row rows[] = {
    [SUBJECT_IN] = {SLICE_LITERAL("pollen8.in."), TAIL_EVENT},
    [SUBJECT_EVENTS] = {SLICE_LITERAL("pollen8.events."), TAIL_EVENT},
    [SUBJECT_DEAD] = {SLICE_LITERAL("pollen8.dead."), TAIL_EVENT},
    [SUBJECT_OUT_USER] = {SLICE_LITERAL("pollen8.out.user."), TAIL_USER},
    [SUBJECT_CTL_USER] = {SLICE_LITERAL("pollen8.ctl.user."), TAIL_USER},
    [SUBJECT_SESSION] = {SLICE_LITERAL("pollen8.session."), TAIL_TOKEN},
    [SUBJECT_GATEWAY] = {SLICE_LITERAL("pollen8.gw."), TAIL_TOKEN},
    [SUBJECT_ADMIN] = {SLICE_LITERAL("pollen8.admin."), TAIL_TOKEN},
    [SUBJECT_CHUNK] = {SLICE_LITERAL("pollen8.snapshot.chunk."), TAIL_TOKEN},
};

/* One subject token of [A-Za-z0-9_-]. */
static bool token_valid(struct slice token, size_t maximum)
{
    for (size_t i = 0; i < token.length; i++) {
        if (token.data[i] == '.' || token.data[i] == ':')
            return false;
    }
    /* Without the dots an event name has a token's alphabet. The length is checked here, because a user's
     * token is longer than an event name. */
    for (size_t at = 0; at < token.length; at += EVENT_NAME_MAXIMUM_BYTES) {
        size_t left = token.length - at;
        size_t part = left < EVENT_NAME_MAXIMUM_BYTES ? left : EVENT_NAME_MAXIMUM_BYTES;
        if (!event_name_valid(slice_make(token.data + at, part)))
            return false;
    }
    return token.length > 0 && token.length <= maximum;
}

static bool tail_valid(enum subject_kind kind, struct slice tail)
{
    switch (rows[kind].tail) {
    case TAIL_EVENT: return event_name_valid(tail);
    case TAIL_USER: return token_valid(tail, BASE64URL_LENGTH(ID_MAXIMUM_BYTES));
    case TAIL_TOKEN: break;
    }
    /* pollen8.session.open is a request, so no gateway may have that name. */
    if (kind == SUBJECT_SESSION && slice_equal_string(tail, "open"))
        return false;
    return token_valid(tail, TOKEN_MAXIMUM_BYTES);
}

enum status subject_make(char out[SUBJECT_SIZE], enum subject_kind kind, struct slice name)
{
    const struct subject_row *row = &rows[kind];
    char token[BASE64URL_LENGTH(ID_MAXIMUM_BYTES) + 1];
    if (row->tail == TAIL_USER) {
        if (!id_valid(name))
            return STATUS_MALFORMED;
        name = slice_make(token, base64url_encode(token, name.data, name.length));
    } else if (!tail_valid(kind, name)) {
        return STATUS_MALFORMED;
    }
    CHECK(row->prefix.length + name.length < SUBJECT_SIZE);
    memcpy(out, row->prefix.data, row->prefix.length);
    memcpy(out + row->prefix.length, name.data, name.length);
    out[row->prefix.length + name.length] = '\0';
    return STATUS_OK;
}

enum status subject_tail(struct slice subject, enum subject_kind kind, struct slice *ret_tail)
{
    struct slice prefix = rows[kind].prefix;
    if (!slice_starts_with(subject, prefix))
        return STATUS_MALFORMED;
    struct slice tail = slice_make(subject.data + prefix.length, subject.length - prefix.length);
    if (!tail_valid(kind, tail))
        return STATUS_MALFORMED;
    *ret_tail = tail;
    return STATUS_OK;
}

void subject_reply_make(char *out, size_t size, const char *inbox, uint64_t id)
{
    snprintf(out, size, "%s.%016llx", inbox, (unsigned long long)id);
}

bool subject_reply_id(struct slice subject, size_t inbox_length, uint64_t *ret_id)
{
    if (subject.length != inbox_length + SUBJECT_ID_LENGTH)
        return false;
    uint64_t id = 0;
    for (const char *c = subject.data + inbox_length + 1; c < subject.data + subject.length; c++) {
        if (*c >= '0' && *c <= '9')
            id = id << 4 | (uint64_t)(*c - '0');
        else if (*c >= 'a' && *c <= 'f')
            id = id << 4 | (uint64_t)(*c - 'a' + 10);
        else
            return false;
    }
    *ret_id = id;
    return true;
}
