/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One allocation a session that needs it.
 */
#include "session_rare.h"

#include <stdlib.h>

#include "../common/check.h"
#include "session.h"
#include "sio_assembly.h"

struct session_rare *session_rare(struct session *session)
{
    if (!session->rare)
        session->rare = calloc(1, sizeof(*session->rare));
    return session->rare;
}

enum status session_rare_keep_token(struct session *session, struct handshake_token *token,
                                    enum status token_status)
{
    if (!token->text && token_status == STATUS_OK)
        return STATUS_OK;
    struct session_rare *rare = session_rare(session);
    if (!rare) {
        handshake_token_wipe(token);
        return STATUS_NO_MEMORY;
    }
    rare->token = *token;
    rare->token_status = token_status;
    *token = (struct handshake_token){0};
    return STATUS_OK;
}

void session_rare_trim(struct session *session)
{
    const struct session_rare *rare = session->rare;
    if (!rare || rare->token.text || rare->token_status || rare->assembly || rare->name_spaces || rare->asked)
        return;
    session_rare_done(session);
}

void session_rare_done(struct session *session)
{
    struct session_rare *rare = session->rare;
    if (!rare)
        return;
    CHECK(!rare->name_spaces && !rare->asks);
    handshake_token_wipe(&rare->token);
    sio_assembly_free(rare->assembly);
    free(rare);
    session->rare = NULL;
}
