/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * REDIS_URL: what is read, what is refused, and that a refusal repeats no secret.
 */
#include "store/store_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void plain(void **state)
{
    static const struct {
        const char *text, *host, *user, *password;
        uint16_t port;
        int database;
    } rows[] = {
        {"redis://localhost", "localhost", "", "", 6379, 0},
        {"redis://localhost/", "localhost", "", "", 6379, 0},
        {"redis://localhost:7000/3", "localhost", "", "", 7000, 3},
        {"redis://:p%40ss%2F%3A@h:1/15", "h", "", "p@ss/:", 1, 15},
        {"redis://al%20i:s@crt@h.example:65535", "h.example", "al i", "s@crt", 65535, 0},
        {"redis://[::1]", "::1", "", "", 6379, 0},
        {"redis://u:p@[fe80::1]:6380/2", "fe80::1", "u", "p", 6380, 2},
    };
    struct store_url url;
    char error[128];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(store_url_parse(rows[i].text, &url, error, sizeof(error)), STATUS_OK);
        assert_false(url.sentinel);
        assert_int_equal(url.host_count, 1);
        assert_string_equal(url.hosts[0].name, rows[i].host);
        assert_int_equal(url.hosts[0].port, rows[i].port);
        assert_string_equal(url.user, rows[i].user);
        assert_string_equal(url.password, rows[i].password);
        assert_int_equal(url.database, rows[i].database);
    }
}

static void sentinel(void **state)
{
    struct store_url url;
    char error[128];

    (void)state;
    assert_int_equal(
        store_url_parse("redis+sentinel://u:p@a,b:1234,[::2]:5/main/4", &url, error, sizeof(error)),
        STATUS_OK);
    assert_true(url.sentinel);
    assert_int_equal(url.host_count, 3);
    assert_string_equal(url.hosts[0].name, "a");
    assert_int_equal(url.hosts[0].port, 26379);
    assert_string_equal(url.hosts[1].name, "b");
    assert_int_equal(url.hosts[1].port, 1234);
    assert_string_equal(url.hosts[2].name, "::2");
    assert_int_equal(url.hosts[2].port, 5);
    assert_string_equal(url.service, "main");
    assert_string_equal(url.user, "u");
    assert_int_equal(url.database, 4);
}

static void refused(void **state)
{
    static const char *const rows[] = {
        "",
        "localhost",
        "http://localhost",
        "rediss://u:secret@localhost",
        "redis://",
        "redis://:secret@",
        "redis://secret@localhost",
        "redis://u:sec%zzret@localhost",
        "redis://u:secret%0@localhost",
        "redis://u:secret%00@localhost",
        "redis://u:secret@localhost:0",
        "redis://u:secret@localhost:65536",
        "redis://u:secret@localhost:",
        "redis://u:secret@localhost:port",
        "redis://u:secret@localhost/db",
        "redis://u:secret@localhost/0?x=1",
        "redis://u:secret@[::1",
        "redis://u:secret@[::1]x",
        "redis+sentinel://u:secret@h",
        "redis+sentinel://u:secret@h/",
        "redis+sentinel://u:secret@h,/name",
        "redis+sentinel://a,b,c,d,e,f,g,h,i/name",
    };
    struct store_url url;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[128] = "";

        if (store_url_parse(rows[i], &url, error, sizeof(error)) != STATUS_MALFORMED)
            fail_msg("accepted: %s", rows[i]);
        assert_true(strlen(error) > 0);
        assert_null(strstr(error, "secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain), cmocka_unit_test(sentinel),
                                       cmocka_unit_test(refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
