/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `host[:port]` as in URLs (RFC 3986 section 3.2): a name, an IPv4 address, or an IPv6 address in brackets.
 * Pure; any thread.
 */
#ifndef POLLEN8_COMMON_BUS_HOST_H
#define POLLEN8_COMMON_BUS_HOST_H

#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

#define HOST_SIZE 256 /* enough for any name and its NUL */

struct host {
    char name[HOST_SIZE]; /* without brackets */
    uint16_t port;
};

/* `default_port` if none is given. STATUS_MALFORMED with a static reason that repeats nothing of the text. */
enum status host_parse(struct slice text, uint16_t default_port, struct host *ret_host,
                       const char **ret_reason);

#endif
