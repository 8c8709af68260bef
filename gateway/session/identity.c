/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * An unpacked Identity -> bounds -> one allocation: struct, pointers, text.
 */
#include "session/identity.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/industry.h"
#include "common/names.h"
#include "common/permission.h"

#define TEXT_MAXIMUM 128 /* a permission, a role */

static bool list_valid(char *const *list, size_t count, size_t count_maximum, size_t length_maximum)
{
    if (count > count_maximum)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!list[i][0] || strlen(list[i]) > length_maximum)
            return false;
    return true;
}

static bool message_valid(const Pollen8__Identity *message)
{
    return id_valid(slice_from_string(message->user_id)) && strlen(message->role) <= TEXT_MAXIMUM &&
           list_valid(message->industries, message->n_industries, INDUSTRIES_MAXIMUM,
                      INDUSTRY_NORMALISED_SIZE - 1) &&
           list_valid(message->permissions, message->n_permissions, IDENTITY_PERMISSIONS_MAXIMUM,
                      TEXT_MAXIMUM);
}

static size_t list_length(char *const *list, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += strlen(list[i]) + 1;
    return length;
}

static char *copy_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = *at;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

enum status identity_create(const Pollen8__Identity *message, struct identity **ret_identity)
{
    if (!message_valid(message))
        return STATUS_MALFORMED;
    size_t pointers = message->n_industries + message->n_permissions;
    size_t length = strlen(message->user_id) + strlen(message->role) + 2 +
                    list_length(message->industries, message->n_industries) +
                    list_length(message->permissions, message->n_permissions);
    struct identity *identity = calloc(1, sizeof(*identity) + pointers * sizeof(char *) + length);
    if (!identity)
        return STATUS_NO_MEMORY;
    char *at = (char *)(identity->strings + pointers);
    identity->references = 1;
    identity->text_length = (uint32_t)length;
    pollen8__identity__init(&identity->message);
    Pollen8__Identity *copy = &identity->message;
    copy->user_id = copy_text(&at, message->user_id);
    copy->role = copy_text(&at, message->role);
    copy->n_industries = message->n_industries;
    copy->industries = identity->strings;
    copy->n_permissions = message->n_permissions;
    copy->permissions = identity->strings + message->n_industries;
    copy->expires_at_ms = message->expires_at_ms;
    for (size_t i = 0; i < message->n_industries; i++)
        copy->industries[i] = copy_text(&at, message->industries[i]);
    for (size_t i = 0; i < message->n_permissions; i++)
        copy->permissions[i] = copy_text(&at, message->permissions[i]);
    identity->unlimited = permission_scope(copy->permissions, copy->n_permissions, "rate",
                                           SLICE_LITERAL("none")) != PERMISSION_NONE;
    *ret_identity = identity;
    return STATUS_OK;
}

struct identity *identity_ref(struct identity *identity)
{
    identity->references++;
    return identity;
}

void identity_unref(struct identity *identity)
{
    if (identity && --identity->references == 0)
        free(identity);
}

bool identity_equal(const struct identity *a, const struct identity *b)
{
    const Pollen8__Identity *x = &a->message;
    const Pollen8__Identity *y = &b->message;
    return a->text_length == b->text_length && x->n_industries == y->n_industries &&
           x->n_permissions == y->n_permissions && x->expires_at_ms == y->expires_at_ms &&
           memcmp(x->user_id, y->user_id, a->text_length) == 0;
}

enum status identity_deadline(const struct identity *identity, uint64_t now_ms, uint64_t *ret_deadline_ms)
{
    int64_t expires_at_ms = identity->message.expires_at_ms;
    int64_t left = expires_at_ms - clock_wall_ms();
    if (expires_at_ms && left <= 0)
        return STATUS_AUTH_EXPIRED;
    *ret_deadline_ms = expires_at_ms ? now_ms + (uint64_t)left : 0;
    return STATUS_OK;
}

bool identity_has_industry(const struct identity *identity, struct slice industry)
{
    for (size_t i = 0; i < identity->message.n_industries; i++)
        if (slice_equal_string(industry, identity->message.industries[i]))
            return true;
    return false;
}
