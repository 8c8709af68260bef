/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A permission is split into verb, pattern and scope; a name is then matched against the pattern. A
 * permission that does not follow the grammar grants nothing.
 */
#include "common/permission.h"

#include "common/names.h"
#include "common/utf8.h"

#define PATTERN_MAXIMUM_BYTES 256

struct permission {
    struct slice verb;
    struct slice pattern; /* without a trailing star */
    bool prefix;          /* the pattern ended in a star */
    bool own;             /* the scope was @own */
};

static bool ends_with(struct slice text, struct slice end)
{
    return text.length >= end.length &&
           memcmp(text.data + text.length - end.length, end.data, end.length) == 0;
}

static bool split(struct slice text, struct permission *ret)
{
    const struct slice own = SLICE_LITERAL("@own");
    const char *colon = text.length ? memchr(text.data, ':', text.length) : NULL;
    if (!colon)
        return false;
    struct permission permission = {0};
    permission.verb = slice_make(text.data, (size_t)(colon - text.data));
    permission.pattern = slice_make(colon + 1, text.length - permission.verb.length - 1);
    permission.own = ends_with(permission.pattern, own);
    if (permission.own)
        permission.pattern.length -= own.length;
    permission.prefix = ends_with(permission.pattern, SLICE_LITERAL("*"));
    if (permission.prefix)
        permission.pattern.length--;
    else if (permission.pattern.length == 0)
        return false;
    *ret = permission;
    return true;
}

/* Whether an event name could begin with this. */
static bool event_prefix_valid(struct slice prefix)
{
    if (prefix.length > 0 && prefix.data[prefix.length - 1] == '.')
        prefix.length--;
    return prefix.length == 0 || event_name_valid(prefix);
}

bool permission_valid(struct slice text)
{
    struct permission permission;
    if (!split(text, &permission) || permission.pattern.length > PATTERN_MAXIMUM_BYTES)
        return false;
    if (permission.pattern.length > 0 && memchr(permission.pattern.data, '*', permission.pattern.length))
        return false;
    if (slice_equal_string(permission.verb, "emit"))
        return permission.prefix ? event_prefix_valid(permission.pattern)
                                 : event_name_valid(permission.pattern);
    /* Only an event can be about somebody: the other verbs have no @own. */
    if (permission.own)
        return false;
    if (slice_equal_string(permission.verb, "subscribe"))
        return utf8_clean(permission.pattern);
    return slice_equal_string(text, "rate:none");
}

static bool matches(const struct permission *permission, struct slice name)
{
    return permission->prefix ? slice_starts_with(name, permission->pattern)
                              : slice_equal(name, permission->pattern);
}

enum permission_scope permission_scope(char *const *permissions, size_t count, const char *verb,
                                       struct slice name)
{
    enum permission_scope widest = PERMISSION_NONE;
    for (size_t i = 0; i < count; i++) {
        struct permission permission;
        if (!split(slice_from_string(permissions[i]), &permission))
            continue;
        if (!slice_equal_string(permission.verb, verb) || !matches(&permission, name))
            continue;
        if (!permission.own)
            return PERMISSION_ANY;
        widest = PERMISSION_OWN;
    }
    return widest;
}

bool permission_literal(char *const *permissions, size_t count, const char *verb, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        struct permission permission;
        if (split(slice_from_string(permissions[i]), &permission) && !permission.prefix &&
            slice_equal_string(permission.verb, verb) && slice_equal(permission.pattern, name))
            return true;
    }
    return false;
}
