/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Describes settings in words: for the end of an error line and for --help. Both read the same table, so
 * they cannot disagree with what is parsed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/ops/config_internal.h"

#define COLUMNS 100

struct slice config_choices(const struct config_setting *setting)
{
    return slice_make(setting->help, strcspn(setting->help, " "));
}

const char *config_help_text(const struct config_setting *setting)
{
    const char *text = setting->help;
    if (setting->type != CONFIG_CHOICE)
        return text;
    text += strcspn(text, " ");
    return text + strspn(text, " ");
}

/* The largest unit that divides the value, so that a bound reads as one would write it. */
static void format_duration(int64_t ms, char out[32])
{
    static const struct {
        const char *name;
        int64_t factor;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};

    for (size_t i = 0; ms != 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (ms % units[i].factor == 0) {
            snprintf(out, 32, "%" PRId64 "%s", ms / units[i].factor, units[i].name);
            return;
        }
    }
    snprintf(out, 32, "%" PRId64 "ms", ms);
}

static void format_size(int64_t bytes, char out[32])
{
    static const char *const names[] = {"", "KB", "MB", "GB"};
    size_t unit = 0;
    while (bytes != 0 && bytes % 1024 == 0 && unit < 3) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, 32, "%" PRId64 "%s", bytes, names[unit]);
}

static void format_bound(enum config_type type, int64_t bound, char out[32])
{
    if (type == CONFIG_DURATION)
        format_duration(bound, out);
    else if (type == CONFIG_SIZE)
        format_size(bound, out);
    else
        snprintf(out, 32, "%" PRId64, bound);
}

static void expected_number(const struct config_setting *setting, char *out, size_t size)
{
    const char *what = setting->type == CONFIG_DURATION ? "a duration (like 250ms, 30s, 10m, 2h, 7d)"
                       : setting->type == CONFIG_SIZE   ? "a size (like 512, 256KB, 1MB, 2GB)"
                                                        : "a whole number";
    char low[32];
    format_bound(setting->type, setting->minimum, low);
    char high[32];
    format_bound(setting->type, setting->maximum, high);
    if (setting->maximum == INT64_MAX)
        snprintf(out, size, "%s of at least %s", what, low);
    else
        snprintf(out, size, "%s between %s and %s", what, low, high);
}

static void expected_text(const struct config_setting *setting, char *out, size_t size)
{
    if (setting->maximum == INT64_MAX || setting->type == CONFIG_SECRET)
        snprintf(out, size, "at least %" PRId64 " bytes", setting->minimum);
    else if (setting->minimum <= 1)
        snprintf(out, size, "text of at most %" PRId64 " bytes", setting->maximum);
    else
        snprintf(out, size, "text of %" PRId64 " to %" PRId64 " bytes", setting->minimum, setting->maximum);
}

static void expected_choice(const struct config_setting *setting, char *out, size_t size)
{
    struct slice choices = config_choices(setting);
    size_t at = (size_t)snprintf(out, size, "one of ");
    for (size_t i = 0; i < choices.length && at + 3 < size; i++) {
        if (choices.data[i] == '|') {
            out[at++] = ',';
            out[at++] = ' ';
        } else {
            out[at++] = choices.data[i];
        }
    }
    out[at] = '\0';
}

void config_expected(const struct config_setting *setting, char *out, size_t size)
{
    switch (setting->type) {
    case CONFIG_TEXT:
    case CONFIG_SECRET: expected_text(setting, out, size); return;
    case CONFIG_SWITCH: snprintf(out, size, "on or off"); return;
    case CONFIG_CHOICE: expected_choice(setting, out, size); return;
    case CONFIG_INTEGER:
    case CONFIG_DURATION:
    case CONFIG_SIZE: expected_number(setting, out, size); return;
    }
}

/* Appends `text` word by word from column `indent` on; the first line has been started already. */
static enum status append_wrapped(struct buf *buf, const char *text, size_t indent)
{
    size_t column = indent;
    enum status status = STATUS_OK;
    while (*text && status == STATUS_OK) {
        size_t word = strcspn(text, " ");
        bool first = column == indent;
        if (!first && column + 1 + word > COLUMNS) {
            status = buf_append_format(buf, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        if (status == STATUS_OK)
            status = buf_append_format(buf, "%s%.*s", first ? "" : " ", (int)word, text);
        column += word + (first ? 0 : 1);
        text += word;
        text += strspn(text, " ");
    }
    return status == STATUS_OK ? buf_append_char(buf, '\n') : status;
}

static enum status append_setting(struct buf *buf, const struct config_setting *setting, size_t indent)
{
    const char *text = setting->default_text;
    bool secret = setting->type == CONFIG_SECRET;
    char expected[CONFIG_EXPECTED_SIZE];
    config_expected(setting, expected, sizeof(expected));
    char kind[2 * CONFIG_EXPECTED_SIZE];
    snprintf(kind, sizeof(kind), "%s; %s%s%s%s%s", expected,
             !text   ? "required"
             : *text ? "default "
                     : "default: none",
             text && *text ? text : "", secret ? "; or a file that holds it, named by " : "",
             secret ? setting->name : "", secret ? "_FILE" : "");
    enum status status = buf_append_format(buf, "  %-*s", (int)(indent - 2), setting->name);
    if (status == STATUS_OK)
        status = append_wrapped(buf, config_help_text(setting), indent);
    if (status == STATUS_OK)
        status = buf_append_format(buf, "%*s", (int)indent, "");
    return status == STATUS_OK ? append_wrapped(buf, kind, indent) : status;
}

static enum status append_option(struct buf *buf, const char *name, const char *help, size_t indent)
{
    enum status status = buf_append_format(buf, "  %-*s", (int)(indent - 2), name);
    return status == STATUS_OK ? append_wrapped(buf, help, indent) : status;
}

/* The column at which descriptions start. */
static size_t widest_name(const struct config_program *program)
{
    size_t widest = strlen("--version");
    for (size_t i = 0; program->options && program->options[i]; i++) {
        if (strlen(program->options[i]) > widest)
            widest = strlen(program->options[i]);
    }
    for (size_t i = 0; i < program->count; i++) {
        if (strlen(program->settings[i].name) > widest)
            widest = strlen(program->settings[i].name);
    }
    return widest + 4;
}

enum status config_help(const struct config_program *program, struct buf *buf)
{
    size_t indent = widest_name(program);
    enum status status = buf_append_format(buf, "%s: %s\n\nOptions:\n", program->name, program->purpose);
    if (status == STATUS_OK)
        status = append_option(buf, "--help", "Print this and exit", indent);
    if (status == STATUS_OK)
        status = append_option(buf, "--version", "Print the name and version and exit", indent);
    for (size_t i = 0; status == STATUS_OK && program->options && program->options[i]; i++) {
        const char *name = program->options[i];
        status = append_option(buf, name, name + strlen(name) + 1, indent);
    }
    if (status == STATUS_OK)
        status =
            buf_append_string(buf, "\nSettings (environment variables; an empty one counts as not set):\n");
    for (size_t i = 0; status == STATUS_OK && i < program->count; i++)
        status = append_setting(buf, &program->settings[i], indent);
    return status;
}
