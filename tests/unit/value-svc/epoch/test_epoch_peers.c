/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Other instances over a real broker: whose announcements end the silence, and whose do not.
 */
#include "epoch/epoch_peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bus/subject.h"
#include "common/clock.h"
#include "epoch.pb-c.h"
#include "service_fixture.h"

#define START_US (1000 * 1000000LL)

static struct epoch_peers *peers;

static void at_ms(int64_t ms)
{
    clock_set_for_test(START_US + ms * 1000, -1);
}

static int set_up(void **state)
{
    service_set_up(state);
    at_ms(0);
    assert_int_equal(epoch_peers_create(&service, &peers), STATUS_OK);
    assert_int_equal(bus_flush(service.bus, 5000), STATUS_OK);
    return 0;
}

static int tear_down(void **state)
{
    clock_set_for_test(-1, -1);
    service_close_bus(&service);
    epoch_peers_free(peers);
    return service_tear_down(state);
}

static void announce(const char *instance, uint64_t epoch, const char *identity)
{
    Pollen8__EpochAlive alive = POLLEN8__EPOCH_ALIVE__INIT;
    struct buf buf;

    alive.epoch = epoch;
    alive.redis = (char *)(uintptr_t)identity;
    alive.instance = (char *)(uintptr_t)instance;
    buf_init(&buf, 1024);
    assert_int_equal(wire_pack(&buf, &alive.base), STATUS_OK);
    assert_int_equal(bus_publish(rig_bus(rig), SUBJECT_EPOCH_ALIVE, buf.data, buf.length), STATUS_OK);
    buf_done(&buf);
}

struct silence {
    const char *identity;
    int64_t ms;
};

static bool silent_for(void *context)
{
    const struct silence *silence = context;

    return epoch_peers_silent_ms(peers, silence->identity) == silence->ms;
}

static void wait_silence(const char *identity, int64_t ms)
{
    struct silence silence = {.identity = identity, .ms = ms};

    rig_until(silent_for, &silence, "the announcement was heard");
}

static void others_are_heard_and_this_one_is_not(void **state)
{
    (void)state;
    at_ms(10000);
    assert_int_equal(epoch_peers_silent_ms(peers, "data"), 10000);
    epoch_peers_tell(peers, 1, "data"); /* before the next one on the same connection... */
    assert_int_equal(bus_flush(service.bus, 5000), STATUS_OK);
    announce("another", 1, "other data");
    wait_silence("other data", 0); /* ...which has been heard */
    assert_int_equal(epoch_peers_silent_ms(peers, "data"), 10000);
    announce("another", 1, "data");
    wait_silence("data", 0);
    at_ms(12500);
    assert_int_equal(epoch_peers_silent_ms(peers, "data"), 2500);
}

static void a_later_epoch_wakes_the_watcher(void **state)
{
    uint64_t mine = atomic_load(&service.epoch);

    (void)state;
    at_ms(20000);
    atomic_store(&service.look, false);
    announce("another", mine, "same epoch");
    wait_silence("same epoch", 0);
    assert_false(atomic_load(&service.look));
    announce("another", mine + 1, "later epoch");
    wait_silence("later epoch", 0);
    assert_true(atomic_load(&service.look));
}

static void what_is_no_announcement_is_passed_over(void **state)
{
    static const char longest[] = "an identity that is much longer than any that there can be";

    (void)state;
    at_ms(30000);
    rig_publish(rig, SUBJECT_EPOCH_ALIVE, "\xff\xff\xff");
    announce("another", 1, longest);
    announce("another", 1, "after");
    wait_silence("after", 0);
    assert_true(epoch_peers_silent_ms(peers, longest) >= 30000);
}

/* What was said while this instance was away could not be heard. */
static void a_reconnect_begins_the_silence_anew(void **state)
{
    (void)state;
    at_ms(40000);
    announce("another", 1, "away");
    wait_silence("away", 0);
    at_ms(45000);
    atomic_fetch_add(&service.bus_returns, 1);
    assert_int_equal(epoch_peers_silent_ms(peers, "away"), 0);
    at_ms(46000);
    assert_int_equal(epoch_peers_silent_ms(peers, "away"), 1000);
    assert_int_equal(epoch_peers_silent_ms(peers, "never heard"), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_are_heard_and_this_one_is_not),
        cmocka_unit_test(a_later_epoch_wakes_the_watcher),
        cmocka_unit_test(what_is_no_announcement_is_passed_over),
        cmocka_unit_test(a_reconnect_begins_the_silence_anew),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
