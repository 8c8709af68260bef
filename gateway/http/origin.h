/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * ALLOWED_ORIGINS: from which web origins (RFC 6454) a browser may connect.
 *
 *   same-origin                         the default: the Origin's host and port are those of the Host header
 *   *                                   any
 *   https://a.example,null,same-origin  exactly these; `*.` before a host stands for one or more labels in
 *                                       front of it; `null` is allowed only if it is listed
 *
 * A request without an Origin does not come from a browser and is always allowed: tokens, not origins, keep
 * others out. Scheme and host compare without case; a default port equals none. Pure; any thread (a policy is
 * immutable). Memory: a policy is allocated once from the operator's text; a check allocates nothing.
 */
#ifndef POLLEN8_GATEWAY_HTTP_ORIGIN_H
#define POLLEN8_GATEWAY_HTTP_ORIGIN_H

#include "common/slice.h"
#include "common/status.h"

#define ORIGIN_LIST_MAXIMUM 64

struct origin_policy;

/* STATUS_MALFORMED with one line in `error` that names the bad item; STATUS_NO_MEMORY. NULL or empty text is
 * `same-origin`. The caller frees *ret_policy. */
enum status origin_policy_create(const char *text, struct origin_policy **ret_policy, char *error,
                                 size_t error_size);
void origin_policy_free(struct origin_policy *policy);

/* `origin` and `host` are the values of the headers; NULL data: absent. An Origin that is not a serialised
 * origin is refused unless the policy is `*`. */
bool origin_allowed(const struct origin_policy *policy, struct slice origin, struct slice host);

#endif
