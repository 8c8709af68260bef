/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Who may submit what about whom.
 */
#include "submit/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct event event;

static enum status judge(const char *name, const char *text, const char *permission)
{
    static char user[] = "ada";
    static char technology[] = "technology";
    static char finance[] = "finance";
    char *industries[] = {technology, finance};
    char *permissions[] = {(char *)(uintptr_t)permission};
    Pollen8__Identity identity = POLLEN8__IDENTITY__INIT;
    char reason[EVENT_REASON_SIZE];

    identity.user_id = user;
    identity.industries = industries;
    identity.n_industries = 2;
    identity.permissions = permissions;
    identity.n_permissions = 1;
    assert_int_equal(
        event_from_json(event_find(slice_from_string(name)), slice_from_string(text), &event, reason),
        STATUS_OK);
    return intake_authorise(&event, &identity);
}

static void rows_hold(void **state)
{
    static const struct {
        const char *name, *text, *permission;
        enum status expected;
    } rows[] = {
        {"connection.new", "{\"userId\":\"bo\",\"industries\":[\"health\"]}", "emit:*", STATUS_OK},
        {"connection.new", "{\"userId\":\"bo\",\"industries\":[\"health\"]}", "emit:connection.new",
         STATUS_OK},
        {"connection.new", "{\"userId\":\"bo\",\"industries\":[]}", "emit:connection.removed",
         STATUS_FORBIDDEN},
        {"connection.new", "{\"userId\":\"bo\",\"industries\":[]}", "emit:connection.new@own",
         STATUS_FORBIDDEN},
        {"connection.new", "{\"userId\":\"ada\",\"industries\":[]}", "emit:connection.new@own", STATUS_OK},
        {"connection.new", "{\"userId\":\"ada\",\"industries\":[\" FINANCE \",\"Technology\"]}",
         "emit:connection.new@own", STATUS_OK},
        {"connection.new", "{\"userId\":\"ada\",\"industries\":[\"finance\",\"health\"]}",
         "emit:connection.new@own", STATUS_FORBIDDEN},
        {"connection.new", "{\"userId\":\"ada\",\"industries\":[]}", "subscribe:*", STATUS_FORBIDDEN},
        {"connection.import", "{\"userId\":\"ada\",\"connections\":5}", "emit:connection.import@own",
         STATUS_FORBIDDEN},
        {"connection.import", "{\"userId\":\"ada\",\"connections\":5}", "emit:*@own", STATUS_FORBIDDEN},
        {"connection.import", "{\"userId\":\"bo\",\"connections\":5}", "emit:connection.import", STATUS_OK},
        {"invite.created", "{\"inviteId\":\"i\",\"creatorId\":\"ada\"}", "emit:invite.created@own",
         STATUS_OK},
        {"invite.created", "{\"inviteId\":\"i\",\"creatorId\":\"bo\"}", "emit:invite.created@own",
         STATUS_FORBIDDEN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum status found = judge(rows[i].name, rows[i].text, rows[i].permission);

        if (found != rows[i].expected)
            fail_msg("row %zu: %s", i, status_code(found));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_hold)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
