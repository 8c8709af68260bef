/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Allocated on first use, because few sessions need it: all others pay only for a pointer. Freed with the
 * session, or as soon as it is empty. Memory: 56 bytes. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_SESSION_EXTRA_H
#define POLLEN8_GATEWAY_SESSION_SESSION_EXTRA_H

#include <stdint.h>

#include "common/status.h"
#include "text/client_token.h"

struct ask;
struct gateway;
struct namespace;
struct session;
struct sio_assembly;

struct session_extra {
    struct client_token token;     /* of header or query, for CONNECT packets without one */
    enum status token_status;      /* why the token cannot be used; STATUS_OK: it can, or there is none */
    uint32_t ask_count;            /* answers that the client owes */
    struct sio_assembly *assembly; /* owned: a binary packet of which parts are missing */
    struct namespace *namespaces;  /* owned: the further namespaces this session carries */
    struct ask *asks;              /* owned: those answers; ingress/client_ask.h */
    uint64_t asked;                /* the number of the last ask */
};
_Static_assert(sizeof(struct session_extra) <= 56, "stated above");

/* The session's, allocated if it has none. NULL when out of memory. */
struct session_extra *session_extra(struct session *session);

/* Keeps the token of the upgrade, which is taken and may be empty. STATUS_NO_MEMORY: it has been wiped. */
enum status session_extra_keep_token(struct session *session, struct client_token *token,
                                     enum status token_status);

/* Frees it if it holds nothing. */
void session_extra_trim(struct session *session);

/* Frees it; the namespaces must have been closed. */
void session_extra_done(struct session *session);

#endif
