/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Settings in words: what a value must be, as error lines end, and the page that --help prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/ops/config_internal.h"

static void what_a_value_must_be(void **state)
{
    static const struct {
        struct config_setting setting;
        const char *expected;
    } rows[] = {
        {{.type = CONFIG_INTEGER, .minimum = 1, .maximum = 65535}, "a whole number between 1 and 65535"},
        {{.type = CONFIG_INTEGER, .minimum = 0, .maximum = INT64_MAX}, "a whole number of at least 0"},
        {{.type = CONFIG_DURATION, .minimum = 250, .maximum = 90000},
         "a duration (like 250ms, 30s, 10m, 2h, 7d) between 250ms and 90s"},
        {{.type = CONFIG_DURATION, .minimum = 0, .maximum = 172800000},
         "a duration (like 250ms, 30s, 10m, 2h, 7d) between 0ms and 2d"},
        {{.type = CONFIG_DURATION, .minimum = 7200000, .maximum = 5400000},
         "a duration (like 250ms, 30s, 10m, 2h, 7d) between 2h and 90m"},
        {{.type = CONFIG_SIZE, .minimum = 1000, .maximum = 1048576},
         "a size (like 512, 256KB, 1MB, 2GB) between 1000 and 1MB"},
        {{.type = CONFIG_SIZE, .minimum = 0, .maximum = 2048L * 1024 * 1024 * 1024},
         "a size (like 512, 256KB, 1MB, 2GB) between 0 and 2048GB"},
        {{.type = CONFIG_TEXT, .minimum = 0, .maximum = 32}, "text of at most 32 bytes"},
        {{.type = CONFIG_TEXT, .minimum = 2, .maximum = 48}, "text of 2 to 48 bytes"},
        {{.type = CONFIG_TEXT, .minimum = 2, .maximum = INT64_MAX}, "at least 2 bytes"},
        {{.type = CONFIG_SECRET, .minimum = 32, .maximum = 99}, "at least 32 bytes"},
        {{.type = CONFIG_SWITCH}, "on or off"},
        {{.type = CONFIG_CHOICE, .help = "auto|text|json How lines look"}, "one of auto, text, json"},
        {{.type = CONFIG_CHOICE, .help = "only"}, "one of only"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[CONFIG_EXPECTED_SIZE];

        config_expected(&rows[i].setting, out, sizeof(out));
        assert_string_equal(out, rows[i].expected);
    }
}

static void help_without_the_choices(void **state)
{
    const struct config_setting choice = {.type = CONFIG_CHOICE, .help = "auto|text   How lines look"};
    const struct config_setting text = {.type = CONFIG_TEXT, .help = "How lines look"};

    (void)state;
    assert_string_equal(config_help_text(&choice), "How lines look");
    assert_true(slice_equal_string(config_choices(&choice), "auto|text"));
    assert_string_equal(config_help_text(&text), "How lines look");
}

static const struct config_setting settings[] = {
    {.name = "PORT",
     .default_text = "3001",
     .type = CONFIG_INTEGER,
     .minimum = 0,
     .maximum = 65535,
     .help = "Port clients connect to"},
    {.name = "SECRET",
     .default_text = NULL,
     .type = CONFIG_SECRET,
     .minimum = 32,
     .maximum = 100,
     .help = "What tokens are signed with"},
    {.name = "FOLDER",
     .default_text = "",
     .type = CONFIG_TEXT,
     .minimum = 0,
     .maximum = 10,
     .help = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
             "sixteen seventeen eighteen nineteen twenty"},
};
static const char *const options[] = {"--again\0Do it again", NULL};

static void the_page(void **state)
{
    static const char expected[] =
        "service: does things\n"
        "\n"
        "Options:\n"
        "  --help     Print this and exit\n"
        "  --version  Print the name and version and exit\n"
        "  --again    Do it again\n"
        "\n"
        "Settings (environment variables; an empty one counts as not set):\n"
        "  PORT       Port clients connect to\n"
        "             a whole number between 0 and 65535; default 3001\n"
        "  SECRET     What tokens are signed with\n"
        "             at least 32 bytes; required; or a file that holds it, named by SECRET_FILE\n"
        "  FOLDER     one two three four five six seven eight nine ten eleven twelve thirteen fourteen\n"
        "             fifteen sixteen seventeen eighteen nineteen twenty\n"
        "             text of at most 10 bytes; default: none\n";
    const struct config_program program = {
        .name = "service", .purpose = "does things", .settings = settings, .count = 3, .options = options};
    struct buf buf;

    (void)state;
    buf_init(&buf, sizeof(expected) - 1);
    assert_int_equal(config_help(&program, &buf), STATUS_OK);
    assert_string_equal(buf.data, expected);
    buf_done(&buf);
    buf_init(&buf, sizeof(expected) - 2);
    assert_int_equal(config_help(&program, &buf), STATUS_FULL);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_value_must_be),
        cmocka_unit_test(help_without_the_choices),
        cmocka_unit_test(the_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
