/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Settings of every type: what is taken, the one line for what is not, the exits, and --help.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture.h"
#include "common/ops/config.h"

struct settings {
#define SETTING(field, type, name, preset, min, max, help) CONFIG_FIELD_##type field;
#include "common/ops/config_common.def"
#include "config_test.def"
#undef SETTING
};

static const struct config_setting table[] = {
#define SETTING(field, type, name, preset, min, max, help)                                                   \
    CONFIG_ROW(struct settings, field, CONFIG_##type, name, preset, min, max, help),
#include "common/ops/config_common.def"
#include "config_test.def"
#undef SETTING
};

static const char *const options[] = {"--rebuild\0Builds everything again", "--once\0Stops after one turn",
                                      NULL};

static const struct config_program program = {.name = "gateway",
                                              .purpose = "the sockets of the ring",
                                              .settings = table,
                                              .count = sizeof(table) / sizeof(table[0]),
                                              .options = options};

#define SECRET "0123456789abcdef0123456789abcdef"

static const char set_secret[] = "JWT_SECRET=" SECRET;

static struct captured captured;

static const struct config_setting *setting_named(const char *name)
{
    for (size_t i = 0; i < program.count; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    fail_msg("no setting %s", name);
    return &table[0]; /* not reached */
}

/* ---- the parser ---- */

static void taken(const char *name, const char *text, int64_t expected)
{
    struct settings settings = {0};
    char error[512] = "";
    int64_t number;

    if (config_parse(setting_named(name), text, &settings, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    memcpy(&number, (char *)&settings + setting_named(name)->offset, sizeof(number));
    assert_true(number == expected);
}

static void refused(const char *name, const char *text, const char *expected)
{
    struct settings settings;
    struct settings before;
    char error[512] = "";

    memset(&settings, 0x55, sizeof(settings));
    settings.secret = NULL;
    settings.nats_url = NULL;
    settings.origins = NULL;
    before = settings;
    assert_int_equal(config_parse(setting_named(name), text, &settings, error, sizeof(error)), 1);
    assert_string_equal(error, expected);
    assert_memory_equal(&settings, &before, sizeof(settings)); /* untouched */
}

static void whole_numbers(void **state)
{
    (void)state;
    taken("PORT", "1", 1);
    taken("PORT", "65535", 65535);
    taken("PORT", "0080", 80);
    taken("OFFSET", "-9223372036854775808", INT64_MIN);
    taken("OFFSET", "9223372036854775807", INT64_MAX);
    refused("PORT", "abc", "PORT is 'abc', expected a whole number between 1 and 65535");
    refused("PORT", "0", "PORT is '0', expected a whole number between 1 and 65535");
    refused("PORT", "65536", "PORT is '65536', expected a whole number between 1 and 65535");
    refused("PORT", "-1", "PORT is '-1', expected a whole number between 1 and 65535");
    refused("PORT", "+80", "PORT is '+80', expected a whole number between 1 and 65535");
    refused("PORT", " 80", "PORT is ' 80', expected a whole number between 1 and 65535");
    refused("PORT", "80 ", "PORT is '80 ', expected a whole number between 1 and 65535");
    refused("PORT", "80x", "PORT is '80x', expected a whole number between 1 and 65535");
    refused("PORT", "8.0", "PORT is '8.0', expected a whole number between 1 and 65535");
    refused("PORT", "0x50", "PORT is '0x50', expected a whole number between 1 and 65535");
    refused("PORT", "-", "PORT is '-', expected a whole number between 1 and 65535");
    refused("PORT", "18446744073709551697",
            "PORT is '18446744073709551697', expected a whole number between 1 and 65535");
    refused("OFFSET", "9223372036854775808",
            "OFFSET is '9223372036854775808', expected a whole number of at least -9223372036854775808");
    refused("OFFSET", "-9223372036854775809",
            "OFFSET is '-9223372036854775809', expected a whole number of at least -9223372036854775808");
}

#define DURATION_EXPECTED "expected a duration (like 250ms, 30s, 10m, 2h, 7d) between 250ms and 7d"
#define SIZE_EXPECTED     "expected a size (like 512, 256KB, 1MB, 2GB) between 1KB and 2MB"

static void durations_and_sizes(void **state)
{
    (void)state;
    taken("DEDUPE_WINDOW", "250ms", 250);
    taken("DEDUPE_WINDOW", "30s", 30000);
    taken("DEDUPE_WINDOW", "30", 30000);
    taken("DEDUPE_WINDOW", "10m", 600000);
    taken("DEDUPE_WINDOW", "2h", 7200000);
    taken("DEDUPE_WINDOW", "7d", 604800000);
    refused("DEDUPE_WINDOW", "249ms", "DEDUPE_WINDOW is '249ms', " DURATION_EXPECTED);
    refused("DEDUPE_WINDOW", "8d", "DEDUPE_WINDOW is '8d', " DURATION_EXPECTED);
    refused("DEDUPE_WINDOW", "1.5s", "DEDUPE_WINDOW is '1.5s', " DURATION_EXPECTED);
    refused("DEDUPE_WINDOW", "10 m", "DEDUPE_WINDOW is '10 m', " DURATION_EXPECTED);
    refused("DEDUPE_WINDOW", "10mm", "DEDUPE_WINDOW is '10mm', " DURATION_EXPECTED);
    refused("DEDUPE_WINDOW", "m", "DEDUPE_WINDOW is 'm', " DURATION_EXPECTED);
    refused("DEDUPE_WINDOW", "9223372036854775807d",
            "DEDUPE_WINDOW is '9223372036854775807d', " DURATION_EXPECTED);
    taken("MAX_PAYLOAD", "1024", 1024);
    taken("MAX_PAYLOAD", "256KB", 262144);
    taken("MAX_PAYLOAD", "2MB", 2097152);
    refused("MAX_PAYLOAD", "1GB", "MAX_PAYLOAD is '1GB', " SIZE_EXPECTED);
    refused("MAX_PAYLOAD", "1k", "MAX_PAYLOAD is '1k', " SIZE_EXPECTED);
    refused("MAX_PAYLOAD", "17179869184GB", "MAX_PAYLOAD is '17179869184GB', " SIZE_EXPECTED);
}

static void switches(void **state)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
    struct settings settings = {0};
    char error[512];

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        settings.submit = i % 2 == 0;
        assert_int_equal(
            config_parse(setting_named("CLIENT_SUBMIT"), words[i], &settings, error, sizeof(error)), 0);
        assert_int_equal(settings.submit, i % 2 == 1);
    }
    refused("CLIENT_SUBMIT", "On", "CLIENT_SUBMIT is 'On', expected on or off");
    refused("CLIENT_SUBMIT", "2", "CLIENT_SUBMIT is '2', expected on or off");
}

static void choices(void **state)
{
    (void)state;
    taken("LOG_FORMAT", "auto", 0);
    taken("LOG_FORMAT", "text", 1);
    taken("LOG_FORMAT", "json", 2);
    taken("LOG_LEVEL", "debug", 0);
    taken("LOG_LEVEL", "error", 3);
    refused("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml', expected one of auto, text, json");
    refused("LOG_FORMAT", "auto|text", "LOG_FORMAT is 'auto|text', expected one of auto, text, json");
    refused("LOG_FORMAT", "aut", "LOG_FORMAT is 'aut', expected one of auto, text, json");
}

static void texts(void **state)
{
    struct settings settings = {0};
    char error[512];
    char text[200];

    (void)state;
    assert_int_equal(
        config_parse(setting_named("ALLOWED_ORIGINS"), "https://a", &settings, error, sizeof(error)), 0);
    assert_string_equal(settings.origins, "https://a");
    assert_int_equal(
        config_parse(setting_named("ALLOWED_ORIGINS"), "\xc3\xa9", &settings, error, sizeof(error)), 0);
    assert_string_equal(settings.origins, "\xc3\xa9"); /* the former one was freed */
    config_free(&program, &settings);
    assert_null(settings.origins);
    refused("ALLOWED_ORIGINS", "x",
            "ALLOWED_ORIGINS is too short (1 bytes), expected text of 2 to 100 bytes");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    refused("ALLOWED_ORIGINS", text,
            "ALLOWED_ORIGINS is too long (199 bytes), expected text of 2 to 100 bytes");
    refused("ALLOWED_ORIGINS", "a\nb",
            "ALLOWED_ORIGINS holds control characters or invalid UTF-8, expected text of 2 to 100 bytes");
    refused("ALLOWED_ORIGINS", "a\xff",
            "ALLOWED_ORIGINS holds control characters or invalid UTF-8, expected text of 2 to 100 bytes");
}

static void secrets_are_never_shown(void **state)
{
    struct settings settings = {0};
    char error[512];

    (void)state;
    refused("JWT_SECRET", "hunter2hunte", "JWT_SECRET is too short (12 bytes), expected at least 32 bytes");
    assert_int_equal(
        config_parse(setting_named("JWT_SECRET"), SECRET "\xff\n", &settings, error, sizeof(error)), 0);
    assert_string_equal(settings.secret, SECRET "\xff\n"); /* a key may be any bytes but NUL */
    config_free(&program, &settings);
    assert_null(settings.secret);
}

static void errors_stay_one_short_line(void **state)
{
    char text[500];
    struct settings settings = {0};
    char error[512];
    char small[10];

    (void)state;
    refused("PORT", "8\n0\x1b[31m", "PORT is '8?0?[31m', expected a whole number between 1 and 65535");
    refused("PORT", "\xff", "PORT is '?', expected a whole number between 1 and 65535");
    memset(text, '1', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(config_parse(setting_named("PORT"), text, &settings, error, sizeof(error)), 1);
    assert_true(strlen(error) < 150);
    assert_non_null(strstr(error, "111...'"));
    assert_int_equal(config_parse(setting_named("PORT"), text, &settings, small, sizeof(small)), 1);
    assert_string_equal(small, "PORT is '");
}

/* ---- the whole: environment, arguments, exits ---- */

struct run {
    const char *const *environment; /* NAME=value, NULL-terminated */
    char *arguments[4];
};

static void load(void *context)
{
    const struct run *run = context;
    struct settings settings = {0};
    int argc = 1;
    char *argv[6] = {(char[]){"gateway"}};

    clearenv();
    for (const char *const *variable = run->environment; *variable; variable++)
        putenv((char *)(uintptr_t)*variable);
    for (; argc < 5 && run->arguments[argc - 1]; argc++)
        argv[argc] = run->arguments[argc - 1];
    printf("option %d\n", config_load(&program, &settings, argc, argv));
    printf("%d %s %d %d %s %d\n", (int)settings.port, settings.nats_url, settings.origins == NULL,
           (int)settings.window, settings.secret, settings.submit);
    config_free(&program, &settings);
}

#define ENVIRONMENT(...) ((const char *const[]){__VA_ARGS__, NULL})

static void run(struct run *what)
{
    capture(load, what, &captured);
}

static void loads_defaults_and_the_environment(void **state)
{
    (void)state;
    run(&(struct run){.environment = ENVIRONMENT(set_secret)});
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(captured.out, "option -1\n3001 nats://localhost:4222 1 600000 " SECRET " 0\n");
    run(&(struct run){.environment = ENVIRONMENT(set_secret, "PORT=80", "NATS_URL=", "CLIENT_SUBMIT=on",
                                                 "ALLOWED_ORIGINS=https://a", "DEDUPE_WINDOW=1s", "OTHER=1"),
                      .arguments = {(char[]){"--once"}}});
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(captured.out, "option 1\n80 nats://localhost:4222 0 1000 " SECRET " 1\n");
    assert_string_equal(captured.err, "");
}

static void ends_with(int status, const char *line)
{
    assert_int_equal(captured.exit_status, status);
    assert_string_equal(captured.err, line);
    assert_string_equal(captured.out, "");
}

static void a_bad_value_is_one_line_and_exit_2(void **state)
{
    (void)state;
    run(&(struct run){.environment = ENVIRONMENT(set_secret, "PORT=abc")});
    ends_with(2, "gateway: PORT is 'abc', expected a whole number between 1 and 65535\n");
    run(&(struct run){.environment = ENVIRONMENT("JWT_SECRET=hunter2hunte")});
    ends_with(2, "gateway: JWT_SECRET is too short (12 bytes), expected at least 32 bytes\n");
    run(&(struct run){.environment = ENVIRONMENT("JWT_SECRET=")});
    ends_with(2, "gateway: JWT_SECRET is not set, expected at least 32 bytes\n");
    /* of several, the first of the table */
    run(&(struct run){.environment = ENVIRONMENT("PORT=x", "LOG_LEVEL=loud")});
    ends_with(2, "gateway: LOG_LEVEL is 'loud', expected one of debug, info, warn, error\n");
}

/* ---- a secret in a file ---- */

static char secret_path[64];
static char secret_variable[128];

static int make_secret_file(void **state)
{
    int descriptor;

    (void)state;
    snprintf(secret_path, sizeof(secret_path), "/tmp/pollen8-secret-XXXXXX");
    descriptor = mkstemp(secret_path);
    if (descriptor < 0)
        return -1;
    close(descriptor);
    snprintf(secret_variable, sizeof(secret_variable), "JWT_SECRET_FILE=%s", secret_path);
    return 0;
}

static int remove_secret_file(void **state)
{
    (void)state;
    return unlink(secret_path);
}

static void run_with_secret(const char *content, size_t length, const char *more)
{
    FILE *file = fopen(secret_path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    run(&(struct run){.environment = (const char *const[]){secret_variable, more, NULL}});
    assert_null(strstr(captured.err, "hunter2"));
}

static void a_secret_may_come_from_a_file(void **state)
{
    static const char expected[] = "option -1\n3001 nats://localhost:4222 1 600000 " SECRET " 0\n";

    (void)state;
    run_with_secret(SECRET, 32, NULL);
    assert_string_equal(captured.out, expected);
    run_with_secret(SECRET "\n", 33, NULL);
    assert_string_equal(captured.out, expected);
    run_with_secret(SECRET "\r\n", 34, "JWT_SECRET=");
    assert_string_equal(captured.out, expected);
}

static void a_secret_file_that_is_wrong(void **state)
{
    char expected[256];

    (void)state;
    run_with_secret("hunter2hunte\n", 13, NULL);
    ends_with(2, "gateway: JWT_SECRET is too short (12 bytes), expected at least 32 bytes\n");
    run_with_secret(SECRET, 32, set_secret);
    ends_with(2, "gateway: JWT_SECRET and JWT_SECRET_FILE are both set, expected one\n");
    snprintf(expected, sizeof(expected), "gateway: JWT_SECRET_FILE %s is empty, expected one line\n",
             secret_path);
    run_with_secret("\n", 1, NULL);
    ends_with(2, expected);
    snprintf(expected, sizeof(expected),
             "gateway: JWT_SECRET_FILE %s is several lines or binary, expected one line\n", secret_path);
    run_with_secret("hunter2\nhunter2" SECRET, 47, NULL);
    ends_with(2, expected);
    run_with_secret("hunter2\0" SECRET, 40, NULL);
    ends_with(2, expected);
    run(&(struct run){.environment = ENVIRONMENT("JWT_SECRET_FILE=/nowhere/secret")});
    ends_with(2, "gateway: JWT_SECRET_FILE /nowhere/secret cannot be read: No such file or directory\n");
}

static void unknown_arguments(void **state)
{
    (void)state;
    run(&(struct run){.environment = ENVIRONMENT("X=1"), .arguments = {(char[]){"--port=1"}}});
    ends_with(2, "gateway: unknown argument '--port=1', see --help\n");
    run(&(struct run){.environment = ENVIRONMENT("X=1"), .arguments = {(char[]){""}}});
    ends_with(2, "gateway: unknown argument '', see --help\n");
    run(&(struct run){.environment = ENVIRONMENT("X=1"),
                      .arguments = {(char[]){"--once"}, (char[]){"--rebuild"}}});
    ends_with(2, "gateway: one argument too many: '--rebuild', see --help\n");
}

static void version(void **state)
{
    (void)state;
    run(&(struct run){.environment = ENVIRONMENT("X=1"), .arguments = {(char[]){"--version"}}});
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(captured.out, "gateway " POLLEN8_VERSION "\n");
}

static void help_names_everything(void **state)
{
    (void)state;
    run(&(struct run){.environment = ENVIRONMENT("PORT=bad"), .arguments = {(char[]){"--help"}}});
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(captured.err, "");
    for (size_t i = 0; i < program.count; i++)
        assert_non_null(strstr(captured.out, table[i].name));
    assert_non_null(strstr(captured.out, "gateway: the sockets of the ring\n"));
    assert_non_null(strstr(captured.out, "\n  --rebuild              Builds everything again\n"));
    assert_non_null(strstr(captured.out, "\n  --version              "));
    assert_non_null(strstr(captured.out,
                           "\n  PORT                   Port that clients connect to\n"
                           "                         a whole number between 1 and 65535; default 3001\n"));
    assert_non_null(strstr(captured.out, "at least 32 bytes; required; or a file that holds it, named by\n"
                                         "                         JWT_SECRET_FILE\n"));
    assert_non_null(strstr(captured.out, "text of 2 to 100 bytes; default: none\n"));
    assert_non_null(strstr(captured.out, "one of auto, text, json; default auto\n"));
    for (const char *line = captured.out; *line; line += strcspn(line, "\n") + 1) {
        size_t length = strcspn(line, "\n");

        assert_true(length <= 100);
        assert_true(length == 0 || line[length - 1] != ' ');
        /* names at column 2, descriptions at column 25 */
        if (line[0] == ' ')
            assert_true(line[24] == ' ' && line[25] != ' ' && line[1] == ' ');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(durations_and_sizes),
        cmocka_unit_test(switches),
        cmocka_unit_test(choices),
        cmocka_unit_test(texts),
        cmocka_unit_test(secrets_are_never_shown),
        cmocka_unit_test(errors_stay_one_short_line),
        cmocka_unit_test(loads_defaults_and_the_environment),
        cmocka_unit_test(a_bad_value_is_one_line_and_exit_2),
        cmocka_unit_test_setup_teardown(a_secret_may_come_from_a_file, make_secret_file, remove_secret_file),
        cmocka_unit_test_setup_teardown(a_secret_file_that_is_wrong, make_secret_file, remove_secret_file),
        cmocka_unit_test(unknown_arguments),
        cmocka_unit_test(version),
        cmocka_unit_test(help_names_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
