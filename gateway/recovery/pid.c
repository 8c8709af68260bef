/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * random characters, then some for the namespace: the beginning of a hash of its name
 */
#include "recovery/pid.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/names.h"
#include "common/rng.h"
#include "session/session.h"

#define RANDOM_BYTES     15
#define NAME_SPACE_BYTES 3
#define RANDOM           BASE64URL_LENGTH(RANDOM_BYTES)
#define NAME_SPACE       BASE64URL_LENGTH(NAME_SPACE_BYTES)
#define LENGTH           (RANDOM + NAME_SPACE)

static void write_name_space(const struct session *session, char out[NAME_SPACE + 1])
{
    struct slice name = session_name_space(session);
    uint64_t hash = hash64(name.data, name.length, 0);
    base64url_encode(out, &hash, NAME_SPACE_BYTES);
}

char *pid_make(const struct session *session)
{
    char *pid = malloc(LENGTH + 1);
    if (!pid)
        return NULL;
    rng_id(pid, RANDOM_BYTES);
    write_name_space(session, pid + RANDOM);
    return pid;
}

/* Pids of gateways before this one name no namespace and are shorter. */
bool pid_valid(const struct session *session, const char *pid, size_t length)
{
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char name_space[NAME_SPACE + 1];
    if (length == 0 || strspn(pid, characters) != length)
        return false;
    write_name_space(session, name_space);
    return length != LENGTH || strcmp(pid + RANDOM, name_space) == 0;
}
