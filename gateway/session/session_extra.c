/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One allocation for each session that needs it.
 */
#include "session/session_extra.h"

#include <stdlib.h>

#include "codec/sio_assembly.h"
#include "common/check.h"
#include "session/session.h"

struct session_extra *session_extra(struct session *session)
{
    if (!session->extra)
        session->extra = calloc(1, sizeof(*session->extra));
    return session->extra;
}

enum status session_extra_keep_token(struct session *session, struct client_token *token,
                                     enum status token_status)
{
    if (!token->text && token_status == STATUS_OK)
        return STATUS_OK;
    struct session_extra *extra = session_extra(session);
    if (!extra) {
        client_token_wipe(token);
        return STATUS_NO_MEMORY;
    }
    extra->token = *token;
    extra->token_status = token_status;
    *token = (struct client_token){0};
    return STATUS_OK;
}

void session_extra_trim(struct session *session)
{
    const struct session_extra *extra = session->extra;
    if (!extra || extra->token.text || extra->token_status || extra->assembly || extra->namespaces ||
        extra->asked)
        return;
    session_extra_done(session);
}

void session_extra_done(struct session *session)
{
    struct session_extra *extra = session->extra;
    if (!extra)
        return;
    CHECK(!extra->namespaces && !extra->asks);
    client_token_wipe(&extra->token);
    sio_assembly_free(extra->assembly);
    free(extra);
    session->extra = NULL;
}
