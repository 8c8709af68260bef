/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * From a message of the broker to the queues of sessions, with the real delivery, rooms, sessions and board;
 * only the socket is the test's own: its flush notes which events arrive. What is asked: each member once, in
 * order, whoever comes and goes meanwhile.
 */
#include "gateway_fixture.h"

#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/wire.h"
#include "rooms/control.h"
#include "session/sessions.h"

struct message {
    unsigned number;
    const char *user;       /* out.user */
    const char *industries; /* out.industry, separated by commas; both NULL: out.all */
    uint64_t event_id;
    uint64_t version; /* of the coalesce key "k", epoch 1; 0: none */
};

/* Publishes as value-svc does: packed, with its subject, into the callback of that subject. */
static void publish(struct gateway *gateway, const struct message *message)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    struct bus_message bus_message = {0};
    char subject[SUBJECT_SIZE] = SUBJECT_OUT_ALL;
    char event[] = "test.event";
    char key[] = "k";
    char data[16];
    char list[400];
    char *names[64];
    char *rest = NULL;
    struct buf bytes;

    buf_init(&bytes, 10000);
    snprintf(data, sizeof(data), "%u", message->number);
    frame.event = event;
    frame.data.data = (uint8_t *)data;
    frame.data.len = strlen(data);
    frame.event_id = message->event_id;
    if (message->version > 0) {
        frame.policy = POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST;
        frame.coalesce_key = key;
        frame.epoch = 1;
        frame.version = message->version;
    }
    snprintf(list, sizeof(list), "%s", message->industries ? message->industries : "");
    frame.industries = names;
    for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        names[frame.n_industries++] = name;
    if (message->user)
        assert_int_equal(subject_make(subject, SUBJECT_OUT_USER, slice_from_string(message->user)),
                         STATUS_OK);
    assert_int_equal(wire_pack(&bytes, &frame.base), STATUS_OK);
    bus_message.subject = slice_from_string(message->industries ? SUBJECT_OUT_INDUSTRY : subject);
    bus_message.data = buf_slice(&bytes);
    if (message->industries)
        delivery_industry_frame(gateway, &bus_message);
    else if (message->user)
        delivery_user_frame(gateway, &bus_message);
    else
        delivery_all_frame(gateway, &bus_message);
    buf_done(&bytes);
}

/* Turns of the loop until nothing is left to do; returns how many. */
static unsigned run(struct gateway *gateway)
{
    unsigned turns = 0;
    bool more = true;

    while (more) {
        more = egress_run(gateway);
        sessions_flush(gateway);
        sessions_end_turn(gateway);
        assert_true(++turns < 1000);
    }
    return turns;
}

static void assert_numbers(const struct probe *probe, const unsigned *expected, size_t count)
{
    assert_int_equal(probe->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(probe->numbers[i], expected[i]);
}

static void each_member_once_however_many_industries_match(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe ada;
    static struct probe bo;
    static struct probe cy;

    open_session(gateway, &ada, "ada", "technology,finance,health");
    open_session(gateway, &bo, "bo", "technology");
    open_session(gateway, &cy, "cy", "media");
    publish(gateway,
            &(struct message){.number = 1, .industries = "technology,finance,health,technology,other"});
    run(gateway);
    assert_numbers(&ada, (const unsigned[]){1}, 1);
    assert_numbers(&bo, (const unsigned[]){1}, 1);
    assert_numbers(&cy, NULL, 0);
}

static void users_get_their_own_on_every_session(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe phone;
    static struct probe browser;
    static struct probe other;

    open_session(gateway, &phone, "a.*>} \xd0\xb6", "technology");
    open_session(gateway, &browser, "a.*>} \xd0\xb6", "");
    open_session(gateway, &other, "a", "technology");
    publish(gateway, &(struct message){.number = 5, .user = "a.*>} \xd0\xb6"});
    publish(gateway, &(struct message){.number = 6});
    run(gateway);
    assert_numbers(&phone, (const unsigned[]){5, 6}, 2);
    assert_numbers(&browser, (const unsigned[]){5, 6}, 2);
    assert_numbers(&other, (const unsigned[]){6}, 1);
}

/* Far more frames than the board holds, for rooms in every combination. */
static void order_is_kept_past_a_full_board(void **state)
{
    static const char *const targets[] = {"technology", "finance", "technology,finance", "health",
                                          "finance,health"};
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe both;
    static struct probe finance;
    unsigned expected_both = 0;

    open_session(gateway, &both, "ada", "technology,finance");
    open_session(gateway, &finance, "bo", "finance");
    for (unsigned i = 0; i < 300; i++) {
        publish(gateway, &(struct message){.number = i, .industries = targets[i % COUNT(targets)]});
        expected_both += i % COUNT(targets) != 3;
    }
    run(gateway);
    assert_int_equal(both.count, expected_both);
    assert_int_equal(finance.count, 180);
    for (unsigned i = 1; i < both.count; i++)
        assert_true(both.numbers[i - 1] < both.numbers[i]);
    for (unsigned i = 1; i < finance.count; i++)
        assert_true(finance.numbers[i - 1] < finance.numbers[i]);
}

static void a_repeat_is_dropped(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe ada;

    open_session(gateway, &ada, "ada", "technology");
    publish(gateway, &(struct message){.number = 1, .industries = "technology", .event_id = 77});
    publish(gateway, &(struct message){.number = 2, .industries = "technology", .event_id = 78});
    publish(gateway, &(struct message){.number = 1, .industries = "technology", .event_id = 77});
    publish(gateway, &(struct message){.number = 3, .industries = "technology"});
    publish(gateway, &(struct message){.number = 3, .industries = "technology"});
    run(gateway);
    assert_numbers(&ada, (const unsigned[]){1, 2, 3, 3}, 4);
}

static void an_older_version_never_follows_a_newer_one(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe ada;

    open_session(gateway, &ada, "ada", "");
    publish(gateway, &(struct message){.number = 2, .user = "ada", .version = 2});
    run(gateway);
    publish(gateway, &(struct message){.number = 1, .user = "ada", .version = 1});
    publish(gateway, &(struct message){.number = 2, .user = "ada", .version = 2});
    publish(gateway, &(struct message){.number = 3, .user = "ada", .version = 3});
    publish(gateway, &(struct message){.number = 4, .user = "ada", .version = 4});
    run(gateway);
    /* 3 and 4 met in the queue: only the newer was sent; the same again is not */
    publish(gateway, &(struct message){.number = 4, .user = "ada", .version = 4});
    run(gateway);
    assert_numbers(&ada, (const unsigned[]){2, 4}, 2);
}

enum { CROWD = 1300 };
static struct probe crowd[CROWD];

static void a_crowd_is_served_in_slices(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    unsigned turns;

    for (size_t i = 0; i < CROWD; i++)
        open_session(gateway, &crowd[i], "ada", i % 2 ? "technology,finance" : "finance");
    publish(gateway, &(struct message){.number = 1, .industries = "technology,finance"});
    publish(gateway, &(struct message){.number = 2, .industries = "finance"});
    turns = run(gateway);
    assert_true(turns > CROWD / BOARD_VISITS);
    for (size_t i = 0; i < CROWD; i++)
        assert_numbers(&crowd[i], (const unsigned[]){1, 2}, 2);
}

/* Between two slices of one delivery every third session closes and new ones come: who stays gets each frame
 * once, who is new gets no frame from before twice. */
static void members_may_come_and_go_between_slices(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe late[50];

    for (size_t i = 0; i < CROWD; i++)
        open_session(gateway, &crowd[i], "ada", "technology,finance");
    publish(gateway, &(struct message){.number = 1, .industries = "technology"});
    publish(gateway, &(struct message){.number = 2, .industries = "finance"});
    assert_true(egress_run(gateway));
    for (size_t i = 0; i < CROWD; i += 3)
        session_close(gateway, crowd[i].session, CAUSE_CLIENT);
    sessions_end_turn(gateway);
    for (size_t i = 0; i < COUNT(late); i++)
        open_session(gateway, &late[i], "bo", "technology");
    run(gateway);
    for (size_t i = 0; i < CROWD; i++) {
        if (i % 3)
            assert_numbers(&crowd[i], (const unsigned[]){1, 2}, 2);
        else
            assert_null(crowd[i].session);
    }
    for (size_t i = 0; i < COUNT(late); i++)
        assert_int_equal(late[i].count, 0);
}

/* What comes while a room is walked joins the walk: six events, one a turn, in four writes a member at most.
 */
static void what_comes_during_a_walk_joins_it(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static const unsigned all[] = {0, 1, 2, 3, 4, 5};
    unsigned number = 0;
    bool more = true;

    for (size_t i = 0; i < CROWD; i++) {
        crowd[i].flushes = 0;
        open_session(gateway, &crowd[i], "ada", "technology,finance");
    }
    while (more) {
        if (number < COUNT(all))
            publish(gateway,
                    &(struct message){.number = number, .industries = number % 2 ? "finance" : "technology"});
        number++;
        more = egress_run(gateway);
        sessions_flush(gateway);
        assert_true(number < 100);
    }
    for (size_t i = 0; i < CROWD; i++) {
        assert_numbers(&crowd[i], all, COUNT(all));
        assert_true(crowd[i].flushes <= 4);
    }
}

/* However long writes take, a turn ends in time, no more are visited than can be written to, and nothing is
 * lost or changes its order: neither with those that close while they wait. */
static void a_turn_ends_in_time(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    enum { WRITE_US = 100, SLACK_US = 8 * WRITE_US, FRAMES = 4 };
    static const unsigned all[FRAMES] = {0, 1, 2, 3};
    unsigned turns = 0;
    bool more = true;

    for (size_t i = 0; i < CROWD; i++) {
        open_session(gateway, &crowd[i], "ada", "finance");
        crowd[i].write_us = WRITE_US;
    }
    clock_set_for_test((int64_t)clock_monotonic_us(),
                       clock_wall_us()); /* only a write takes time from now on */
    while (more) {
        if (turns % 20 == 0 && turns / 20 < FRAMES)
            publish(gateway, &(struct message){.number = turns / 20, .industries = "finance"});
        gateway->turn_us = clock_monotonic_us();
        more = egress_run(gateway);
        assert_true(sessions_dirty(gateway->sessions) <= BOARD_VISITS);
        sessions_flush(gateway);
        assert_true(clock_monotonic_us() - gateway->turn_us <= TURN_WRITES_US + SLACK_US);
        more |= sessions_dirty(gateway->sessions) > 0;
        if (turns < CROWD / 4 && crowd[turns * 4].session)
            session_close(gateway, crowd[turns * 4].session, CAUSE_NORMAL);
        sessions_end_turn(gateway);
        assert_true(++turns < 1000);
    }
    clock_set_for_test(-1, -1);
    assert_true(turns > CROWD / 2 * WRITE_US / TURN_WRITES_US);
    for (size_t i = 0; i < CROWD; i++)
        if (crowd[i].session)
            assert_numbers(&crowd[i], all, FRAMES);
}

/* A user's own waits for nobody's room, and comes after what boarded before it. */
static void a_user_does_not_wait_for_a_crowd(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe one;

    open_session(gateway, &one, "one", "technology"); /* the first in is the last to be visited */
    for (size_t i = 0; i < CROWD; i++)
        open_session(gateway, &crowd[i], "ada", "technology");
    publish(gateway, &(struct message){.number = 1, .industries = "technology"});
    assert_true(egress_run(gateway));
    publish(gateway, &(struct message){.number = 2, .user = "one"});
    publish(gateway, &(struct message){.number = 3, .industries = "technology"});
    assert_true(egress_run(gateway));
    sessions_flush(gateway);
    assert_numbers(&one, (const unsigned[]){1, 2}, 2);
    run(gateway);
    assert_numbers(&one, (const unsigned[]){1, 2, 3}, 3);
    for (size_t i = 0; i < CROWD; i++)
        assert_numbers(&crowd[i], (const unsigned[]){1, 3}, 2);
}

/* All of a large room's members leave while it is walked, and while it waits for its walk. */
static void rooms_may_empty_while_something_is_for_them(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe one;

    open_session(gateway, &one, "one", "media");
    for (size_t i = 0; i < CROWD; i++)
        open_session(gateway, &crowd[i], "ada", i % 2 ? "technology" : "finance");
    publish(gateway, &(struct message){.number = 1, .industries = "technology,finance,media"});
    assert_true(egress_run(gateway));
    for (size_t i = 0; i < CROWD; i++)
        session_close(gateway, crowd[i].session, CAUSE_CLIENT);
    sessions_end_turn(gateway);
    publish(gateway, &(struct message){.number = 2, .industries = "technology,finance,media"});
    run(gateway);
    assert_numbers(&one, (const unsigned[]){1, 2}, 2);
    assert_false(egress_run(gateway)); /* emptied rooms go at the beginning of a turn */
    assert_null(rooms_find(gateway->rooms, ROOM_INDUSTRY, slice_from_string("finance")));
}

static unsigned acted;
static unsigned given; /* by then, to the member that is visited last */

static void note_given(struct gateway *gateway, struct mail *mail)
{
    (void)gateway;
    (void)mail;
    acted++;
    given = crowd[0].count + crowd[0].session->outq.count;
}

/* Mail that says so is acted on when all members have been given what came before it, and nothing that came
 * after it has boarded; other mail in its turn. */
static void what_is_no_frame_may_wait_for_the_board(void **state)
{
    static const struct mail_kind at_once = {.act = note_given};
    static const struct mail_kind waits = {.act = note_given, .after_board = true};
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    struct mail first = {.kind = &at_once};
    struct mail second = {.kind = &waits};

    acted = 0;
    for (size_t i = 0; i < CROWD; i++)
        open_session(gateway, &crowd[i], "ada", "technology");
    publish(gateway, &(struct message){.number = 1, .industries = "technology"});
    assert_int_equal(mailbox_post(gateway->mailbox, MAIL_FRAMES, &first), STATUS_OK);
    publish(gateway, &(struct message){.number = 2, .industries = "technology"});
    assert_int_equal(mailbox_post(gateway->mailbox, MAIL_FRAMES, &second), STATUS_OK);
    publish(gateway, &(struct message){.number = 3, .industries = "technology"});
    assert_true(egress_run(gateway));
    assert_int_equal(acted, 1);
    assert_int_equal(given, 0);
    run(gateway);
    assert_int_equal(acted, 2);
    assert_int_equal(given, 2);
    assert_numbers(&crowd[0], (const unsigned[]){1, 2, 3}, 3);
}

static void who_does_not_read_is_closed_and_harms_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct gateway *gateway = &fixture->gateway;
    static struct probe slow;
    static struct probe ada;

    fixture->settings.session_queue_bytes = 1000;
    open_session(gateway, &slow, "slow", "technology");
    open_session(gateway, &ada, "ada", "technology");
    slow.stuck = true;
    for (unsigned i = 0; i < 100; i++) {
        publish(gateway, &(struct message){.number = i, .industries = "technology"});
        run(gateway);
    }
    assert_null(slow.session);
    assert_int_equal(slow.close_code, 4008);
    assert_int_equal(ada.count, 100);
    assert_non_null(ada.session);
}

static void what_is_malformed_is_dropped(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    struct bus_message message = {.subject = SLICE_LITERAL(SUBJECT_OUT_INDUSTRY),
                                  .data = SLICE_LITERAL("\xff\xff")};
    static struct probe ada;

    open_session(gateway, &ada, "ada", "technology");
    delivery_industry_frame(gateway, &message);
    delivery_all_frame(gateway, &message);
    control_receive(gateway, &message);
    message.subject = SLICE_LITERAL("pollen8.out.user.!!!");
    delivery_user_frame(gateway, &message);
    message.subject = SLICE_LITERAL("pollen8.out.user.YWRh"); /* ada, but no event */
    message.data = (struct slice){0};
    delivery_user_frame(gateway, &message);
    assert_int_equal(mailbox_depth(gateway->mailbox, MAIL_FRAMES), 0);
    run(gateway);
    assert_int_equal(ada.count, 0);
}

int main(void)
{
#define EGRESS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EGRESS_TEST(each_member_once_however_many_industries_match),
        EGRESS_TEST(users_get_their_own_on_every_session),
        EGRESS_TEST(order_is_kept_past_a_full_board),
        EGRESS_TEST(a_repeat_is_dropped),
        EGRESS_TEST(an_older_version_never_follows_a_newer_one),
        EGRESS_TEST(a_crowd_is_served_in_slices),
        EGRESS_TEST(a_turn_ends_in_time),
        EGRESS_TEST(members_may_come_and_go_between_slices),
        EGRESS_TEST(what_comes_during_a_walk_joins_it),
        EGRESS_TEST(a_user_does_not_wait_for_a_crowd),
        EGRESS_TEST(rooms_may_empty_while_something_is_for_them),
        EGRESS_TEST(what_is_no_frame_may_wait_for_the_board),
        EGRESS_TEST(who_does_not_read_is_closed_and_harms_nobody),
        EGRESS_TEST(what_is_malformed_is_dropped),
    };
#undef EGRESS_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
