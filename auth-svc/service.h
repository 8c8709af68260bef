/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The parts of auth-svc put together: keys, policy, user store, verifier, broker, ops port. Its settings
 * come from config.def.
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
 * in `error` for a setting that cannot be used (exit status 2), STATUS_DISCONNECTED where the ops port cannot
 * be bound, STATUS_NO_MEMORY. Servers that are away are waited for in the background. */
enum status service_create(const struct auth_config *config, struct service **ret_service, char *error,
                           size_t error_size);

/* SIGHUP: reads keys, roles and users again and forgets verdicts and users; bad files leave all as it was. */
void service_reload(struct service *service);

/* SIGTERM: not ready, no new requests, answers those taken, frees everything. */
void service_stop(struct service *service);

#endif
