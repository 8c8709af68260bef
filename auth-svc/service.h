/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room of the process: auth-svc answers who a token belongs to and what that user may do.
 *
 *   in    VerifyRequest, alone or in a Batch, on pollen8.auth.verify and pollen8.auth.verify.batch
 *   out   VerifyReply: an identity with its permissions, or an error code
 *
 * This header builds the parts (keys, policy, user store, verifier, broker, ops port) from the settings of
 * base/config.def and ends them. verify.h is the path of one request; policy/, users/, token/ and base/ are
 * the rooms below, and know neither the broker nor the verifier.
 */
#ifndef POLLEN8_AUTH_SVC_SERVICE_H
#define POLLEN8_AUTH_SVC_SERVICE_H

#include "common/ops/config.h"
#include "common/status.h"

struct auth_config {
#define SETTING(field, type, name, default_text, minimum, maximum, help) CONFIG_FIELD_##type field;
#include "base/config.def"
#include "common/ops/config_common.def"
#undef SETTING
};

struct service; /* opaque */

/* Builds and starts everything; `config` is borrowed for the service's life. STATUS_MALFORMED with one line
 * in `error` for a setting that cannot be used (exit status 2), STATUS_DISCONNECTED if the ops port cannot
 * be bound, STATUS_NO_MEMORY. It connects to unreachable servers in the background. */
enum status service_create(const struct auth_config *config, struct service **ret_service, char *error,
                           size_t error_size);

/* SIGHUP: reads keys, roles and users again and forgets verdicts and users. Bad files change nothing. */
void service_reload(struct service *service);

/* SIGTERM: becomes not ready, takes no new requests, answers those taken, frees everything. */
void service_stop(struct service *service);

#endif
