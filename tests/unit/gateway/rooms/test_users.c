/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Users, with a real broker: subscribed to with their first session, unsubscribed some time after the last;
 * and what is missing from their histories.
 */
#include "broker_rig.h"

#include "broker/delivery.h"
#include "common/log.h"
#include "common/wire.h"
#include "frame.pb-c.h"
#include "presence.pb-c.h"
#include "rooms/rooms.h"
#include "rooms/users.h"
#include "session/identity.h"
#include "session/session.h"

static struct base_rig rig;
static struct bus *other;
static struct heard heard; /* what is published about sessions */
static struct session ada;
static struct membership place;

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 100);
    rig.settings.user_linger = 10000;
    broker_rig_start(&rig);
    rig.gateway.rooms = rooms_create(42);
    heard_init(&heard);
    other = heard_bus(broker_rig_server.url);
    heard_subscribe(&heard, other, "pollen8.session.gw-1");
    return 0;
}

/* Adds a session of the user. */
static struct room *enter(void)
{
    assert_int_equal(rooms_join(rig.gateway.rooms, ROOM_USER, SLICE_LITERAL("ada"), &ada, &place), STATUS_OK);
    assert_int_equal(users_enter(&rig.gateway, place.room), STATUS_OK);
    return place.room;
}

static void leave(void)
{
    struct room *room = place.room;

    rooms_leave(rig.gateway.rooms, &place);
    place.room = NULL;
    users_exit(&rig.gateway, room);
}

static int teardown(void **state)
{
    (void)state;
    if (place.room) /* a test has failed */
        leave();
    users_end(&rig.gateway);
    rooms_free(rig.gateway.rooms);
    bus_free(other);
    broker_rig_stop(&rig);
    heard_done(&heard);
    base_rig_stop(&rig);
    return 0;
}

static void publish_frame(void)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    char subject[SUBJECT_SIZE];
    struct buf packed;

    frame.event = (char *)(uintptr_t) "e";
    frame.data.data = (uint8_t *)(uintptr_t) "1";
    frame.data.len = 1;
    buf_init(&packed, 1000);
    assert_int_equal(wire_pack(&packed, &frame.base), STATUS_OK);
    assert_int_equal(subject_make(subject, SUBJECT_OUT_USER, SLICE_LITERAL("ada")), STATUS_OK);
    assert_int_equal(bus_publish(other, subject, packed.data, packed.length), STATUS_OK);
    assert_int_equal(bus_flush(other, HEARD_LIMIT_MS), STATUS_OK);
    buf_done(&packed);
}

static void frames_come_while_it_is_here(void **state)
{
    struct delivery *delivery;

    (void)state;
    enter();
    broker_rig_settle(&rig, other);
    assert_int_equal(base_rig_metric(&rig, METRIC_USERS, NULL), 1);
    publish_frame();
    delivery = (struct delivery *)(void *)base_rig_mail(&rig, MAIL_FRAMES);
    assert_int_equal(delivery->kind, ROOM_USER);
    assert_slice(delivery->keys[0], "ada");
    delivery_free(delivery);
    leave();
    base_rig_pass(&rig, 9900); /* it lingers */
    broker_rig_settle(&rig, other);
    publish_frame();
    delivery_free((struct delivery *)(void *)base_rig_mail(&rig, MAIL_FRAMES));
    base_rig_pass(&rig, 200);
    assert_int_equal(base_rig_metric(&rig, METRIC_USERS, NULL), 0);
    broker_rig_settle(&rig, other);
    publish_frame(); /* nobody hears it: the rig's end looks at the mailbox */
    assert_int_equal(bus_flush(rig.gateway.bus, HEARD_LIMIT_MS), STATUS_OK);
    rooms_collect(rig.gateway.rooms);
    assert_null(rooms_find(rig.gateway.rooms, ROOM_USER, SLICE_LITERAL("ada")));
}

static void that_it_has_left_is_said_once(void **state)
{
    const ProtobufCMessage *unpacked = NULL;
    struct wire_arena arena = {0};

    (void)state;
    enter();
    leave();
    base_rig_pass(&rig, 2900);
    enter(); /* a reconnect is not a leave */
    base_rig_pass(&rig, 20000);
    leave();
    base_rig_pass(&rig, 2900);
    broker_rig_settle(&rig, other);
    assert_int_equal(heard_count(&heard), 0);
    base_rig_pass(&rig, 200);
    assert_int_equal(
        wire_unpack(&arena, &pollen8__session_closed__descriptor, heard_wait(&heard, 0)->data, &unpacked),
        STATUS_OK);
    assert_string_equal(((const Pollen8__SessionClosed *)unpacked)->gateway, "gw-1");
    assert_string_equal(((const Pollen8__SessionClosed *)unpacked)->user_id, "ada");
    wire_arena_done(&arena);
    base_rig_pass(&rig, 20000);
    broker_rig_settle(&rig, other);
    assert_int_equal(heard_count(&heard), 1);
}

/* Of two sessions of a user, the first to leave ends nothing. */
static void the_last_session_counts(void **state)
{
    static struct session second;
    struct membership second_place;
    struct room *room = enter();

    (void)state;
    assert_int_equal(rooms_join(rig.gateway.rooms, ROOM_USER, SLICE_LITERAL("ada"), &second, &second_place),
                     STATUS_OK);
    assert_int_equal(users_enter(&rig.gateway, room), STATUS_OK);
    assert_int_equal(base_rig_metric(&rig, METRIC_USERS, NULL), 1);
    rooms_leave(rig.gateway.rooms, &second_place);
    users_exit(&rig.gateway, room);
    base_rig_pass(&rig, 60000);
    assert_int_equal(base_rig_metric(&rig, METRIC_USERS, NULL), 1);
    leave();
    base_rig_pass(&rig, 60000);
    assert_int_equal(base_rig_metric(&rig, METRIC_USERS, NULL), 0);
}

/* ---- what is missing from its history ----------------------------------------------------------------- */

static bool missed(struct room *room, uint64_t epoch, uint64_t sequence)
{
    const struct delivery delivery = {.mark.epoch = epoch, .user_sequence = sequence};

    return users_missed(room, &delivery);
}

/* One step after the other. A gap is reported once, until users_forget. */
static void numbers_that_are_left_out(void **state)
{
    static const struct {
        uint64_t epoch;
        uint64_t sequence;
        bool missed;
        bool whole; /* afterwards */
    } rows[] = {
        {1, 10, false, true},                          /* the first: what came before is unknown */
        {1, 11, false, true},                          /* the next */
        {1, 14, true, false},                          /* 12 and 13 are missing */
        {1, 15, false, false},                         /* they are already reported */
        {1, 13, false, false},                         /* one of them arrives out of order, */
        {1, 12, false, true},                          /* and the other */
        {1, 12, false, true},                          /* once more */
        {1, 17, true, false},   {1, 99, false, false}, /* 16 is out of sight, */
        {1, 16, false, false},                         /* so its arrival is not noted */
        {0, 200, false, false},                        /* of an earlier epoch: ignored */
    };
    struct room *room;

    (void)state;
    room = enter();
    assert_int_equal(users_newest(room), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool told = missed(room, rows[i].epoch, rows[i].sequence);

        if (told != rows[i].missed || users_whole(room) != rows[i].whole)
            fail_msg("row %zu: missed %d, whole %d", i, told, users_whole(room));
    }
    assert_int_equal(users_newest(room), 99);
    users_forget(room);
    assert_true(users_whole(room));
    assert_true(missed(room, 1, 101)); /* reported again */
    users_forget(room);
    assert_false(missed(room, 2, 5)); /* a new epoch starts again */
    assert_true(users_whole(room));
    assert_int_equal(users_newest(room), 5);
    assert_true(missed(room, 2, 7));
    leave();
}

/* The numbers before the newest are tracked for exactly 64 of them. */
static void as_far_back_as_64(void **state)
{
    struct room *room = enter();

    (void)state;
    assert_false(missed(room, 1, 100));
    for (uint64_t number = 102; number <= 164; number++)
        (void)missed(room, 1, number);
    assert_false(users_whole(room));
    assert_false(missed(room, 1, 101)); /* 63 before the newest: in sight */
    assert_true(users_whole(room));
    users_forget(room);
    assert_true(missed(room, 1, 166));
    for (uint64_t number = 167; number <= 229; number++)
        (void)missed(room, 1, number);
    (void)missed(room, 1, 165); /* 64 before: out of sight */
    assert_false(users_whole(room));
    leave();
}

static struct identity *identity_of(const char *role)
{
    Pollen8__Identity message = POLLEN8__IDENTITY__INIT;
    struct identity *identity = NULL;

    message.user_id = (char *)(uintptr_t) "ada";
    message.role = (char *)(uintptr_t)role;
    assert_int_equal(identity_create(&message, &identity), STATUS_OK);
    return identity;
}

static void sessions_share_an_identity(void **state)
{
    struct room *room = enter();
    struct identity *first = users_share(room, identity_of("user"));
    struct identity *same = users_share(room, identity_of("user"));
    struct identity *changed = users_share(room, identity_of("admin"));
    struct identity *again = users_share(room, identity_of("admin"));

    (void)state;
    assert_ptr_equal(first, same);
    assert_ptr_not_equal(first, changed);
    assert_ptr_equal(changed, again);
    identity_unref(first);
    identity_unref(same);
    identity_unref(changed);
    identity_unref(again);
    leave();
}

static int run(void)
{
#define USERS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        USERS_TEST(frames_come_while_it_is_here),
        USERS_TEST(that_it_has_left_is_said_once),
        USERS_TEST(the_last_session_counts),
        USERS_TEST(numbers_that_are_left_out),
        USERS_TEST(as_far_back_as_64),
        USERS_TEST(sessions_share_an_identity),
    };
#undef USERS_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    log_init("test", LOG_ERROR, LOG_TEXT);
    return broker_rig_run(run);
}
