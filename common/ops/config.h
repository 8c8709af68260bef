/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room ops/: a service's life as operators see it. Input: the environment, signals and what the service
 * counts. Output: its settings (this file), metrics (metrics.h), the ops port (ops_http.h) and the ordered
 * drain (lifecycle.h). It knows no broker.
 *
 * This file: settings come from the environment only. Each service declares them in one table (config.def),
 * of which parsing, checks, `--help` and documentation are made. A bad value gives one line that names the
 * variable, the value found (never for a secret) and what was expected, and exit status 2.
 *
 * A service includes common/ops/config_common.def and its own config.def to build its struct and its table:
 *
 *   SETTING(field, TYPE, "NAME", "default" or NULL (required), minimum, maximum, "help")
 *
 *   TEXT     char *            minimum..maximum bytes
 *   SECRET   char *            as TEXT, never printed; NAME_FILE may name a file that holds it instead
 *   INTEGER  int64_t           minimum..maximum
 *   DURATION int64_t           milliseconds; written 250ms, 30s, 10m, 2h, 7d or plain seconds ("30");
 *                              minimum and maximum in milliseconds
 *   SIZE     int64_t           bytes; written 256KB, 1MB (powers of 1024: KB, MB, GB) or plain bytes
 *   SWITCH   bool              on/off, true/false, yes/no, 1/0
 *   CHOICE   int64_t           index of the choice; the help text starts with the choices, separated by
 *                              `|`, then a space and the help: "auto|text|json How lines look"
 *
 *   struct settings {
 *   #define SETTING(field, type, name, preset, min, max, help) CONFIG_FIELD_##type field;
 *   #include "common/ops/config_common.def"
 *   #include "config.def"
 *   #undef SETTING
 *   };
 *   static const struct config_setting table[] = {
 *   #define SETTING(field, type, name, preset, min, max, help) \
 *       CONFIG_ROW(struct settings, field, CONFIG_##type, name, preset, min, max, help),
 *   #include "common/ops/config_common.def"
 *   #include "config.def"
 *   #undef SETTING
 *   };
 *
 * An empty variable counts as not set. Call before threads start.
 */
#ifndef POLLEN8_COMMON_OPS_CONFIG_H
#define POLLEN8_COMMON_OPS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
    CONFIG_TEXT,
    CONFIG_SECRET,
    CONFIG_INTEGER,
    CONFIG_DURATION,
    CONFIG_SIZE,
    CONFIG_SWITCH,
    CONFIG_CHOICE
};

/* The C type of a setting's field, for building the struct from the table. */
#define CONFIG_FIELD_TEXT     char *
#define CONFIG_FIELD_SECRET   char *
#define CONFIG_FIELD_INTEGER  int64_t
#define CONFIG_FIELD_DURATION int64_t
#define CONFIG_FIELD_SIZE     int64_t
#define CONFIG_FIELD_SWITCH   bool
#define CONFIG_FIELD_CHOICE   int64_t

struct config_setting {
    const char *name;
    const char *default_text; /* NULL: required; "" : optional, the field is NULL/0 when not set */
    const char *help;
    enum config_type type;
    size_t offset; /* of the field in the service's struct */
    int64_t minimum;
    int64_t maximum;
};

/* One row of the table; see the pattern above. */
/* Versions of clang-format differ on this. */
/* clang-format off */
#define CONFIG_ROW(owner, field_, type_, name_, default_, minimum_, maximum_, help_)                         \
    {                                                                                                        \
        .name = (name_), .default_text = (default_), .help = (help_), .type = (type_),                       \
        .offset = offsetof(owner, field_), .minimum = (minimum_), .maximum = (maximum_)                      \
    }
/* clang-format on */

struct config_program {
    const char *name;    /* "gateway" */
    const char *purpose; /* one line for --help */
    const struct config_setting *settings;
    size_t count;
    /* Further command-line options of the service, as "--rebuild\0help text"; NULL-terminated, may be NULL.
     */
    const char *const *options;
};

/* Reads the environment into `config` (a zeroed struct). Handles --help and --version (prints to standard
 * output, exit 0) and anything unknown on the command line (one line on standard error, exit 2). Returns
 * the index in `options` of the one given, or -1. Ends the process with status 2 on a bad value. */
int config_load(const struct config_program *program, void *config, int argc, char **argv);

/* As config_load for one variable's text, without the exits: 0 on success, else `error` gets the one line. */
int config_parse(const struct config_setting *setting, const char *text, void *config, char *error,
                 size_t error_size);

/* Frees every TEXT and SECRET (secrets are wiped first). */
void config_free(const struct config_program *program, void *config);

#endif
