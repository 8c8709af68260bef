/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * host[:port]: what is taken, and what each refusal says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bus/host.h"

static void takes_names_and_addresses(void **state)
{
    static const struct {
        const char *text, *name;
        uint16_t port;
    } rows[] = {
        {"localhost", "localhost", 4222},        {"a.example:1", "a.example", 1},
        {"127.0.0.1:65535", "127.0.0.1", 65535}, {"[::1]", "::1", 4222},
        {"[fe80::2]:7000", "fe80::2", 7000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct host host;
        const char *reason = NULL;

        assert_int_equal(host_parse(slice_from_string(rows[i].text), 4222, &host, &reason), STATUS_OK);
        assert_string_equal(host.name, rows[i].name);
        assert_int_equal(host.port, rows[i].port);
        assert_null(reason);
    }
}

static void refuses_with_a_reason(void **state)
{
    static const char *const rows[] = {"",      ":1",   "[]",      "[]:1",     "[::1", "[::1]x", "h:",  "h:0",
                                       "h:abc", "h:1x", "h:65536", "h:123456", "::1",  "h:-1",   "h: 1"};
    char longest[HOST_SIZE + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct host host = {.port = 7};
        const char *reason = NULL;

        assert_int_equal(host_parse(slice_from_string(rows[i]), 4222, &host, &reason), STATUS_MALFORMED);
        assert_non_null(reason);
        assert_int_equal(host.port, 7);
    }
    memset(longest, 'a', sizeof(longest));
    for (size_t length = HOST_SIZE - 2; length <= HOST_SIZE; length++) {
        struct host host;
        const char *reason = NULL;
        enum status wanted = length < HOST_SIZE ? STATUS_OK : STATUS_MALFORMED;

        assert_int_equal(host_parse(slice_make(longest, length), 1, &host, &reason), wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_names_and_addresses),
        cmocka_unit_test(refuses_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
