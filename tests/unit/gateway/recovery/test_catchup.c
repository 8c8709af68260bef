/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A catchup's own life: what is owned goes with its use, live frames are held while the session may resume,
 * and the timer of each stage does what the stage says. What is read from histories: the integration tests.
 */
#include "gateway_fixture.h"

#include "recovery/catchup.h"
#include "recovery/catchup_live.h"
#include "recovery/catchup_read.h"

/* As long as the session's first message is waited for, and as long as it may resume. */
enum { OPENING_MS = 300, RESUME_MS = 2000 };

static unsigned drops;

static void drop(struct recovery *recovery)
{
    assert_non_null(recovery);
    drops++;
}

static const struct catchup_use one_use = {.drop = drop};
static const struct catchup_use other_use = {.drop = drop};

static void a_recovery_goes_with_its_use_and_once(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct catchup *catchup;

    drops = 0;
    open_session(gateway, &probe, "ada", "");
    catchup = catchup_of(probe.session);
    assert_ptr_equal(catchup_of(probe.session), catchup);
    catchup_set_use(catchup, &one_use);
    catchup->recovery = (struct recovery *)(void *)&drops;
    catchup_set_use(catchup, &one_use);
    assert_int_equal(drops, 0);
    catchup_set_use(catchup, &other_use);
    assert_int_equal(drops, 1);
    assert_null(catchup->recovery);
    catchup_free(gateway, probe.session);
    assert_int_equal(drops, 1);

    catchup = catchup_of(probe.session);
    catchup_set_use(catchup, &one_use);
    catchup->recovery = (struct recovery *)(void *)&drops;
    catchup_free(gateway, probe.session);
    assert_int_equal(drops, 2);
    assert_null(probe.session->catchup);
}

static void give(struct gateway *gateway, struct session *session, unsigned number, uint64_t id)
{
    struct frame *frame = NULL;
    char data[16];

    snprintf(data, sizeof(data), "%u", number);
    assert_int_equal(frame_create_event(SLICE_LITERAL("test"), slice_from_string(data), NULL, &frame),
                     STATUS_OK);
    frame->event_id = id;
    catchup_deliver(gateway, session, frame);
    frame_unref(frame);
}

static void what_came_before_the_first_message_is_held_for_a_moment(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    open_session(gateway, &probe, "ada", "");
    catchup_open(gateway, probe.session);
    give(gateway, probe.session, 1, 11);
    give(gateway, probe.session, 2, 12);
    pass_time(gateway, OPENING_MS - 10);
    sessions_flush(gateway);
    assert_int_equal(probe.count, 0);
    pass_time(gateway, 20);
    sessions_flush(gateway);
    assert_int_equal(probe.count, 2);
    assert_true(catchup_may_resume(gateway, probe.session));
    give(gateway, probe.session, 2, 12); /* it has had this one */
    give(gateway, probe.session, 3, 13);
    sessions_flush(gateway);
    assert_int_equal(probe.count, 3);
    assert_int_equal(probe.numbers[2], 3);
    pass_time(gateway, RESUME_MS);
    assert_null(probe.session->catchup);
}

static void who_stays_is_given_at_once_what_was_held(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    open_session(gateway, &probe, "ada", "");
    catchup_open(gateway, probe.session);
    give(gateway, probe.session, 1, 11);
    catchup_stay(gateway, probe.session);
    sessions_flush(gateway);
    assert_int_equal(probe.count, 1);
    assert_false(catchup_may_resume(gateway, probe.session));
    pass_time(gateway, RESUME_MS);
    assert_null(probe.session->catchup);
    catchup_stay(gateway, probe.session); /* there is nothing to stay away from any more */
}

static void ids_are_kept_as_long_as_a_repeat_may_come(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    open_session(gateway, &probe, "ada", "");
    catchup_note_had(gateway, probe.session, 11);
    pass_time(gateway, CATCHUP_IDS_KEPT_MS - 10);
    give(gateway, probe.session, 1, 11);
    sessions_flush(gateway);
    assert_int_equal(probe.count, 0);
    catchup_note_had(gateway, probe.session, 12); /* from now on as long again */
    pass_time(gateway, CATCHUP_IDS_KEPT_MS - 10);
    assert_non_null(probe.session->catchup);
    pass_time(gateway, 20);
    assert_null(probe.session->catchup);
}

/* For longer while the snapshot with what is kept has not come: it is compared with them. */
static void ids_wait_for_what_is_kept(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    open_session(gateway, &probe, "ada", "");
    probe.session->wants_kept = true;
    catchup_note_had(gateway, probe.session, 11);
    pass_time(gateway, 3 * CATCHUP_IDS_KEPT_MS);
    assert_non_null(probe.session->catchup);
    probe.session->wants_kept = false;
    pass_time(gateway, CATCHUP_IDS_KEPT_MS);
    assert_null(probe.session->catchup);
}

static void an_arriving_session_holds_and_then_gives_what_came_after(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct position left = {0};

    open_session(gateway, &probe, "ada", "");
    assert_int_equal(catchup_arriving(probe.session), STATUS_OK);
    assert_false(catchup_movable(probe.session));
    give(gateway, probe.session, 1, 11); /* in no lane: the other gateway gave it too */
    catchup_asked(probe.session);
    give(gateway, probe.session, 2, 12);
    sessions_flush(gateway);
    assert_int_equal(probe.count, 0);
    catchup_arrived(gateway, probe.session, &left);
    sessions_flush(gateway);
    assert_int_equal(probe.count, 1);
    assert_int_equal(probe.numbers[0], 2);
    assert_true(catchup_movable(probe.session));
}

int main(void)
{
#define CATCHUP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CATCHUP_TEST(a_recovery_goes_with_its_use_and_once),
        CATCHUP_TEST(what_came_before_the_first_message_is_held_for_a_moment),
        CATCHUP_TEST(who_stays_is_given_at_once_what_was_held),
        CATCHUP_TEST(ids_are_kept_as_long_as_a_repeat_may_come),
        CATCHUP_TEST(ids_wait_for_what_is_kept),
        CATCHUP_TEST(an_arriving_session_holds_and_then_gives_what_came_after),
    };
#undef CATCHUP_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
