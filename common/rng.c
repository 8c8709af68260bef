/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * getrandom, read whole. There is no fallback: ids that can be guessed are worse than no process.
 */
#include "common/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base64url.h"
#include "common/check.h"
#include "common/log.h"

#define ID_MAXIMUM_RANDOM_BYTES 48

void rng_bytes(void *out, size_t length)
{
    unsigned char *next = out;
    while (length > 0) {
        ssize_t got = getrandom(next, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            log_event(LOG_ERROR, "the kernel gives no random bytes", LOG_S("reason", strerrordesc_np(errno)));
            abort();
        }
        next += got;
        length -= (size_t)got;
    }
}

uint64_t rng_u64(void)
{
    uint64_t value;
    rng_bytes(&value, sizeof(value));
    return value;
}

uint64_t rng_below(uint64_t bound)
{
    if (bound == 0)
        return 0;
    /* 2^64 mod bound: values below it would make the low results more likely, so they are drawn again. */
    uint64_t uneven = (0 - bound) % bound;
    uint64_t value;
    do {
        value = rng_u64();
    } while (value < uneven);
    return value % bound;
}

void rng_id(char *out, size_t bytes)
{
    unsigned char random[ID_MAXIMUM_RANDOM_BYTES];
    CHECK(bytes <= sizeof(random));
    rng_bytes(random, bytes);
    base64url_encode(out, random, bytes);
}
