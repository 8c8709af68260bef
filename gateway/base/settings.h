/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The gateway's settings: config.def as a struct, and the two lists in it that are parsed further. Read once
 * in main; immutable afterwards, any thread.
 */
#ifndef POLLEN8_GATEWAY_BASE_SETTINGS_H
#define POLLEN8_GATEWAY_BASE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ops/config.h"

struct sockaddr;

struct settings {
#define SETTING(field, type, name, default_text, minimum, maximum, help) CONFIG_FIELD_##type field;
#include "base/config.def"
#include "common/ops/config_common.def"
#undef SETTING
};

enum auth_payload { AUTH_PAYLOAD_TOKEN, AUTH_PAYLOAD_WHOLE }; /* the choices of AUTH_PAYLOAD */

/* Reads the environment and the command line. Ends the process as config_load does, and also if settings
 * contradict each other. */
void settings_load(struct settings *settings, int argc, char **argv);
void settings_done(struct settings *settings);

/* TRUSTED_PROXIES: networks in CIDR form. networks_contain says whether the address is in one of them. */
struct networks;
struct networks *networks_parse(const char *text); /* NULL: malformed, or out of memory */
void networks_free(struct networks *networks);
bool networks_contain(const struct networks *networks, const struct sockaddr *address);

#endif
