/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Environment -> one parser a type -> the field of the service's struct, or one line and exit status 2.
 */
#include "common/ops/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ops/config_internal.h"
#include "common/utf8.h"

#define ERROR_SIZE          1024
#define SHOWN_MAXIMUM_BYTES 64

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {"", 1000}};
static const struct unit size_units[] = {
    {"KB", 1024}, {"MB", 1024 * 1024}, {"GB", 1024 * 1024 * 1024}, {"", 1}};

/* A decimal number at the start of `text` (a sign, then digits); what follows it in ret_rest. */
static bool take_number(const char *text, int64_t *ret_number, const char **ret_rest)
{
    bool negative = *text == '-';
    const char *digit = text + (negative ? 1 : 0);
    if (*digit < '0' || *digit > '9')
        return false;
    int64_t number = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        int value = *digit - '0';
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, negative ? -value : value, &number))
            return false;
    }
    *ret_number = number;
    *ret_rest = digit;
    return true;
}

static bool parse_with_unit(const char *text, const struct unit *units, size_t count, int64_t *ret_number)
{
    const char *rest;
    int64_t number;
    if (!take_number(text, &number, &rest))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rest, units[i].name) == 0)
            return !__builtin_mul_overflow(number, units[i].factor, ret_number);
    }
    return false;
}

static bool parse_number(const struct config_setting *setting, const char *text, int64_t *ret_number)
{
    const char *rest;
    bool good;
    if (setting->type == CONFIG_DURATION)
        good = parse_with_unit(text, duration_units, sizeof(duration_units) / sizeof(duration_units[0]),
                               ret_number);
    else if (setting->type == CONFIG_SIZE)
        good = parse_with_unit(text, size_units, sizeof(size_units) / sizeof(size_units[0]), ret_number);
    else
        good = take_number(text, ret_number, &rest) && *rest == '\0';
    return good && *ret_number >= setting->minimum && *ret_number <= setting->maximum;
}

static bool parse_switch(const char *text, bool *ret_on)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_on = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool parse_choice(const struct config_setting *setting, const char *text, int64_t *ret_index)
{
    struct slice choices = config_choices(setting);
    int64_t index = 0;
    size_t start = 0;
    for (size_t at = 0; at <= choices.length; at++) {
        if (at < choices.length && choices.data[at] != '|')
            continue;
        if (slice_equal_string(slice_make(choices.data + start, at - start), text)) {
            *ret_index = index;
            return true;
        }
        start = at + 1;
        index++;
    }
    return false;
}

__attribute__((format(printf, 4, 5))) static int fail(const struct config_setting *setting, char *error,
                                                      size_t error_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char found[256];
    vsnprintf(found, sizeof(found), format, arguments);
    va_end(arguments);
    char expected[CONFIG_EXPECTED_SIZE];
    config_expected(setting, expected, sizeof(expected));
    snprintf(error, error_size, "%s %s, expected %s", setting->name, found, expected);
    return 1;
}

/* `text` cut and made fit for one line of a terminal. */
static const char *shown(const char *text, char out[SHOWN_MAXIMUM_BYTES + 4])
{
    size_t length = strnlen(text, SHOWN_MAXIMUM_BYTES + 1);
    bool cut = length > SHOWN_MAXIMUM_BYTES;
    if (cut)
        length = SHOWN_MAXIMUM_BYTES;
    bool clean = utf8_clean(slice_make(text, length));
    for (size_t i = 0; i < length; i++)
        out[i] = (clean || (text[i] >= ' ' && text[i] <= '~')) ? text[i] : '?';
    memcpy(out + length, cut ? "..." : "", cut ? 4 : 1);
    return out;
}

static void free_text(const struct config_setting *setting, char **text)
{
    if (*text && setting->type == CONFIG_SECRET)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static int set_text(const struct config_setting *setting, const char *text, char **field, char *error,
                    size_t error_size)
{
    size_t length = strlen(text);
    if ((int64_t)length < setting->minimum)
        return fail(setting, error, error_size, "is too short (%zu bytes)", length);
    if ((int64_t)length > setting->maximum)
        return fail(setting, error, error_size, "is too long (%zu bytes)", length);
    if (setting->type == CONFIG_TEXT && !utf8_clean(slice_make(text, length)))
        return fail(setting, error, error_size, "holds control characters or invalid UTF-8");
    char *copy = strdup(text);
    if (!copy) {
        snprintf(error, error_size, "%s cannot be kept: out of memory", setting->name);
        return 1;
    }
    free_text(setting, field);
    *field = copy;
    return 0;
}

int config_parse(const struct config_setting *setting, const char *text, void *config, char *error,
                 size_t error_size)
{
    char *field = (char *)config + setting->offset;
    int64_t number = 0;
    bool on = false;
    switch (setting->type) {
    case CONFIG_TEXT:
    case CONFIG_SECRET: return set_text(setting, text, (char **)(void *)field, error, error_size);
    case CONFIG_SWITCH:
        if (!parse_switch(text, &on))
            break;
        memcpy(field, &on, sizeof(on));
        return 0;
    case CONFIG_CHOICE:
        if (!parse_choice(setting, text, &number))
            break;
        memcpy(field, &number, sizeof(number));
        return 0;
    case CONFIG_INTEGER:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        if (!parse_number(setting, text, &number))
            break;
        memcpy(field, &number, sizeof(number));
        return 0;
    }
    char shown_text[SHOWN_MAXIMUM_BYTES + 4];
    return fail(setting, error, error_size, "is '%s'", shown(text, shown_text));
}

/* A secret from the file that NAME_FILE names, if it is set. */
static int load_secret_file(const struct config_setting *setting, const char *set, void *config,
                            bool *ret_loaded, char *error, size_t error_size)
{
    char *text = NULL;
    int failed = config_secret_read(setting, &text, error, error_size);
    if (failed || !text)
        return failed;
    if (set && *set) {
        snprintf(error, error_size, "%s and %s_FILE are both set, expected one", setting->name,
                 setting->name);
        failed = 1;
    } else {
        failed = config_parse(setting, text, config, error, error_size);
        *ret_loaded = true;
    }
    explicit_bzero(text, strlen(text));
    free(text);
    return failed;
}

/* One setting from the environment or its default. */
static int load_setting(const struct config_setting *setting, void *config, char *error, size_t error_size)
{
    const char *text = getenv(setting->name);
    bool loaded = false;
    if (setting->type == CONFIG_SECRET) {
        int failed = load_secret_file(setting, text, config, &loaded, error, error_size);
        if (failed || loaded)
            return failed;
    }
    if (!text || !*text)
        text = setting->default_text;
    if (!text)
        return fail(setting, error, error_size, "is not set");
    if (!*text)
        return 0;
    return config_parse(setting, text, config, error, error_size);
}

static void print_and_exit(const struct config_program *program, bool help)
{
    struct buf buf;
    buf_init(&buf, 1024 * 1024);
    bool good;
    if (help)
        good = config_help(program, &buf) == STATUS_OK;
    else
        good = buf_append_format(&buf, "%s %s\n", program->name, POLLEN8_VERSION) == STATUS_OK;
    good = good && fwrite(buf.data, 1, buf.length, stdout) == buf.length && fflush(stdout) == 0;
    buf_done(&buf);
    exit(good ? 0 : 1);
}

/* The index of the option given, -1 for none; exits on --help, --version and anything unknown. */
static int read_arguments(const struct config_program *program, int argc, char **argv)
{
    int chosen = -1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--version") == 0)
            print_and_exit(program, argv[i][2] == 'h');
        int found = -1;
        for (int option = 0; program->options && program->options[option]; option++) {
            if (strcmp(argv[i], program->options[option]) == 0)
                found = option;
        }
        if (found < 0 || chosen >= 0) {
            char shown_text[SHOWN_MAXIMUM_BYTES + 4];
            fprintf(stderr, "%s: %s '%s', see --help\n", program->name,
                    found < 0 ? "unknown argument" : "one argument too many:", shown(argv[i], shown_text));
            exit(2);
        }
        chosen = found;
    }
    return chosen;
}

int config_load(const struct config_program *program, void *config, int argc, char **argv)
{
    int option = read_arguments(program, argc, argv);
    char error[ERROR_SIZE];
    for (size_t i = 0; i < program->count; i++) {
        if (load_setting(&program->settings[i], config, error, sizeof(error)) != 0) {
            fprintf(stderr, "%s: %s\n", program->name, error);
            config_free(program, config);
            exit(2);
        }
    }
    return option;
}

void config_free(const struct config_program *program, void *config)
{
    for (size_t i = 0; i < program->count; i++) {
        const struct config_setting *setting = &program->settings[i];
        if (setting->type == CONFIG_TEXT || setting->type == CONFIG_SECRET)
            free_text(setting, (char **)(void *)((char *)config + setting->offset));
    }
}
