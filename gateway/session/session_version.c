/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The newest version of each coalesce key that a session has had: one in place, further ones in a list. A
 * version is noted once its frame is in the queue, so that one that found no room there is news again.
 * Nothing is known of what its client had before the session began; its first snapshot is newer than all of
 * that.
 */
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

/* The version the session has of this key; NULL: none yet. */
static struct session_version *find_version(struct session *session, uint64_t coalesce)
{
    if (session->version_count > 0 && session->version.coalesce == coalesce)
        return &session->version;
    for (int i = 0; i < session->version_count - 1; i++)
        if (session->versions[i].coalesce == coalesce)
            return &session->versions[i];
    return NULL;
}

/* The same, made where there is none; NULL where memory is short. At the bound the oldest makes room. */
static struct session_version *version_of(struct session *session, uint64_t coalesce)
{
    struct session_version *known = find_version(session, coalesce);
    if (known)
        return known;
    if (session->version_count == 0) {
        session->version = (struct session_version){.coalesce = coalesce};
        session->version_count = 1;
        return &session->version;
    }
    if (!session->versions)
        session->versions = calloc(SESSION_VERSIONS_MAXIMUM - 1, sizeof(*session->versions));
    if (!session->versions)
        return NULL;
    if (session->version_count == SESSION_VERSIONS_MAXIMUM) {
        memmove(session->versions, session->versions + 1,
                (SESSION_VERSIONS_MAXIMUM - 2) * sizeof(*session->versions));
        session->version_count--;
    }
    struct session_version *added = &session->versions[session->version_count++ - 1];
    *added = (struct session_version){.coalesce = coalesce};
    return added;
}

bool session_has(struct session *session, const struct frame_rule *rule)
{
    const struct session_version *had = find_version(session, rule->coalesce);
    return had && had->epoch == rule->epoch && had->version == rule->version;
}

bool session_is_news(struct session *session, const struct frame_rule *rule)
{
    if (!rule->coalesce || (!rule->epoch && !rule->version))
        return true;
    if (!session->valued)
        return false;
    const struct session_version *had = find_version(session, rule->coalesce);
    return !had || rule->epoch > had->epoch || (rule->epoch == had->epoch && rule->version > had->version);
}

void session_note_had(struct session *session, const struct frame_rule *rule)
{
    if (!rule->coalesce || (!rule->epoch && !rule->version))
        return;
    struct session_version *had = version_of(session, rule->coalesce);
    if (!had)
        return;
    had->epoch = rule->epoch;
    had->version = rule->version;
}
