/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * TRUSTED_PROXIES: networks in CIDR form, and addresses at both sides of their edges.
 */
#include "gateway_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/settings.h"

static bool contains(const char *list, const char *text)
{
    struct networks *networks = networks_parse(list);
    struct sockaddr_storage address = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool contained;

    assert_non_null(networks);
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&address, &v4, sizeof(v4));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        memcpy(&address, &v6, sizeof(v6));
    }
    contained = networks_contain(networks, (const struct sockaddr *)&address);
    networks_free(networks);
    return contained;
}

static void edges_of_networks(void **state)
{
    static const struct {
        const char *list;
        const char *address;
        bool contained;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.1/32", "192.0.2.1", true},
        {"192.0.2.1/32", "192.0.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"::1/128", "::1", true},
        {"::1/128", "::2", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"10.0.0.0/8,::1/128", "::1", true},
        {"10.0.0.0/8,::1/128", "10.1.2.3", true},
        {"10.0.0.0/8,::1/128", "192.0.2.1", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true}, /* as a dual-stack socket sees it */
        {"", "127.0.0.1", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (contains(rows[i].list, rows[i].address) != rows[i].contained)
            fail_msg("%s in %s", rows[i].address, rows[i].list);
    }
}

static void other_families_are_in_none(void **state)
{
    struct networks *networks = networks_parse("0.0.0.0/0,::/0");
    const struct sockaddr local = {.sa_family = AF_UNIX};

    (void)state;
    assert_non_null(networks);
    assert_false(networks_contain(networks, &local));
    networks_free(networks);
    networks_free(NULL);
}

static void refuses_what_is_no_network(void **state)
{
    static const char *const rows[] = {
        "10.0.0.0/33", "10.0.0.0/-1",    "10.0.0.0/", "10.0.0.0/8x",  "10.0.0/8",    "::1/129",
        "example.org", "10.0.0.0/8;::1", "/8",        "10.0.0.0/8/8", "999.0.0.0/8",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct networks *networks = networks_parse(rows[i]);

        if (networks)
            fail_msg("accepted: %s", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_of_networks),
        cmocka_unit_test(other_families_are_in_none),
        cmocka_unit_test(refuses_what_is_no_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
