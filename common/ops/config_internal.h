/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What config.c (reading) and config_help.c (describing) share. Any thread; pure except for the printing.
 */
#ifndef POLLEN8_COMMON_OPS_CONFIG_INTERNAL_H
#define POLLEN8_COMMON_OPS_CONFIG_INTERNAL_H

#include "common/buf.h"
#include "common/ops/config.h"
#include "common/slice.h"

#define CONFIG_EXPECTED_SIZE 512

/* The choices of a CHOICE: the first word of its help, "a|b|c". */
struct slice config_choices(const struct config_setting *setting);

/* The help without the choices. */
const char *config_help_text(const struct config_setting *setting);

/* What a value must be: "a whole number between 1 and 65535". */
void config_expected(const struct config_setting *setting, char *out, size_t size);

/* The one line of the file that the variable <name>_FILE names, the caller's to wipe and free; *ret_text
 * stays as it is if no file is named. 0 on success; else `error` gets the one line, which shows nothing of
 * the file. */
int config_secret_read(const struct config_setting *setting, char **ret_text, char *error, size_t error_size);

/* The text of --help. */
enum status config_help(const struct config_program *program, struct buf *buf);

#endif
