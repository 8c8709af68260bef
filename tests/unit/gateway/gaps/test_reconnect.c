/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * After the broker was away, or frames found no room, every open session gets a time for its next snapshot.
 */
#include "rooms_rig.h"

#include "common/log.h"
#include "frame/progress.h"
#include "gaps/gaps.h"
#include "gaps/reconnect.h"

enum { SESSIONS = 50 };

static struct base_rig rig;
static struct client clients[SESSIONS];

static const struct session_events events = {.stripped = rooms_rig_stripped};

static int setup(void **state)
{
    (void)state;
    rooms_rig_start(&rig, &events);
    rig.gateway.progress = progress_create(150000, rig.gateway.now_ms, 1000000);
    assert_int_equal(gaps_create(&rig.gateway, &rig.gateway.gaps), STATUS_OK);
    assert_int_equal(reconnect_create(&rig.gateway, &rig.gateway.reconnect), STATUS_OK);
    for (size_t i = 0; i < SESSIONS; i++)
        rooms_rig_open(&rig, &clients[i], "ada", NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reconnect_free(&rig.gateway, rig.gateway.reconnect);
    gaps_free(&rig.gateway, rig.gateway.gaps);
    progress_free(rig.gateway.progress);
    rooms_rig_stop(&rig);
    return 0;
}

/* Within this time from now, each; sessions that are not open are left alone. */
static void assert_asked(uint64_t earliest_ms, uint64_t latest_ms)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        const struct session *session = clients[i].session;

        if (session->state != SESSION_OPEN) {
            assert_int_equal(session->snapshot_ms, 0);
            continue;
        }
        assert_true(session->snapshot_ms >= rig.gateway.now_ms + earliest_ms);
        assert_true(session->snapshot_ms <= rig.gateway.now_ms + latest_ms);
        assert_true(session->snapshots_left > 0);
    }
}

static void the_broker_was_away(void **state)
{
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;

    (void)state;
    clients[3].session->state = SESSION_CONNECTED;
    base_rig_pass(&rig, 1000);
    for (size_t i = 0; i < SESSIONS; i++)
        assert_int_equal(clients[i].session->snapshot_ms, 0);
    atomic_store(&rig.gateway.reconnected, true);
    base_rig_pass(&rig, 100 + TIMER_WHEEL_TICK_MS);
    assert_asked(90, 200 + 510); /* spread, and not at once */
    for (size_t i = 0; i < SESSIONS; i++) {
        uint64_t due = clients[i].session->snapshot_ms;

        if (due) {
            first = due < first ? due : first;
            last = due > last ? due : last;
        }
    }
    assert_true(last > first + 100);
    assert_int_equal(base_rig_metric(&rig, METRIC_GAPS, NULL), 1);
    assert_true(gaps_holds(&rig.gateway)); /* what was missed is asked for */
    assert_false(atomic_load(&rig.gateway.reconnected));
}

static void frames_found_no_room(void **state)
{
    static const struct mail_kind kind = {0};
    static struct mail mails[1001];

    (void)state;
    for (size_t i = 0; i < COUNT(mails); i++) {
        mails[i].kind = &kind;
        assert_int_equal(mailbox_post(rig.gateway.mailbox, MAIL_FRAMES, &mails[i]),
                         i < 1000 ? STATUS_OK : STATUS_FULL);
    }
    base_rig_pass(&rig, 100 + TIMER_WHEEL_TICK_MS);
    assert_asked(90, 200 + 510);
    assert_int_equal(base_rig_metric(&rig, METRIC_GAPS, NULL), 1);
    while (mailbox_take(rig.gateway.mailbox, MAIL_FRAMES)) {
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_broker_was_away, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_found_no_room, setup, teardown),
    };

    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
