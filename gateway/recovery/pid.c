/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * random characters, then a few for the namespace: the start of a hash of its name
 */
#include "recovery/pid.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/names.h"
#include "common/rng.h"
#include "session/session.h"

#define RANDOM_BYTES    15
#define NAMESPACE_BYTES 3
#define RANDOM          BASE64URL_LENGTH(RANDOM_BYTES)
#define NAMESPACE       BASE64URL_LENGTH(NAMESPACE_BYTES)
#define LENGTH          (RANDOM + NAMESPACE)

static void write_namespace(const struct session *session, char out[NAMESPACE + 1])
{
    struct slice name = session_namespace(session);
    uint64_t hash = hash64(name.data, name.length, 0);
    base64url_encode(out, &hash, NAMESPACE_BYTES);
}

char *pid_make(const struct session *session)
{
    char *pid = malloc(LENGTH + 1);
    if (!pid)
        return NULL;
    rng_id(pid, RANDOM_BYTES);
    write_namespace(session, pid + RANDOM);
    return pid;
}

/* Pids of older gateways name no namespace and are shorter. */
bool pid_valid(const struct session *session, const char *pid, size_t length)
{
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char namespace[NAMESPACE + 1];
    if (length == 0 || strspn(pid, characters) != length)
        return false;
    write_namespace(session, namespace);
    return length != LENGTH || strcmp(pid + RANDOM, namespace) == 0;
}
