/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table of sessions, with sessions that are only a place in it: handles and ids that find only their own
 * session, and the list of sessions with something to write, which never runs out of room.
 */
#include "base_rig.h"

#include "session/session.h"
#include "session/sessions.h"

enum { SESSIONS = 600 }; /* the table grows twice */

static struct base_rig rig;
static struct session all[SESSIONS];
static struct session *flushed[SESSIONS + 8];
static size_t flushes;
static struct session *dirties; /* what a flush makes dirty */

static void note_flush(struct gateway *gateway, struct session *session)
{
    assert_true(flushes < COUNT(flushed));
    flushed[flushes++] = session;
    if (dirties)
        session_mark_dirty(gateway, dirties);
    dirties = NULL;
}

static const struct transport_ops ops = {.label = LABEL_SESSIONS_WEBSOCKET, .flush = note_flush};

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 10);
    rig.gateway.sessions = sessions_create();
    memset(all, 0, sizeof(all));
    flushes = 0;
    for (size_t i = 0; i < SESSIONS; i++) {
        all[i].ops = &ops;
        assert_int_equal(sessions_add(rig.gateway.sessions, &all[i]), STATUS_OK);
        sessions_make_id(&all[i], all[i].id);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sessions_free(rig.gateway.sessions);
    base_rig_stop(&rig);
    return 0;
}

static void handles_find_theirs_alone(void **state)
{
    struct sessions *sessions = rig.gateway.sessions;
    uint64_t before[SESSIONS];
    static struct session next;

    (void)state;
    assert_int_equal(sessions_count(sessions), SESSIONS);
    for (size_t i = 0; i < SESSIONS; i++) {
        assert_ptr_equal(sessions_find(sessions, all[i].handle), &all[i]);
        before[i] = all[i].handle;
    }
    sessions_renew(sessions, &all[5]);
    assert_null(sessions_find(sessions, before[5]));
    assert_ptr_equal(sessions_find(sessions, all[5].handle), &all[5]);
    sessions_remove(sessions, &all[7]);
    assert_null(sessions_find(sessions, before[7]));
    assert_int_equal(sessions_count(sessions), SESSIONS - 1);
    assert_int_equal(sessions_add(sessions, &next), STATUS_OK); /* into the place that is free */
    assert_int_equal(sessions_slots(sessions), SESSIONS);
    assert_null(sessions_find(sessions, before[7]));
    assert_ptr_equal(sessions_find(sessions, next.handle), &next);
    assert_ptr_equal(sessions_at(sessions, 7), &next);
    assert_null(sessions_at(sessions, SESSIONS));
    assert_null(sessions_find(sessions, 0));
    assert_null(sessions_find(sessions, UINT64_MAX));
}

static void ids_name_theirs_alone(void **state)
{
    struct sessions *sessions = rig.gateway.sessions;
    struct session other = {.handle = all[3].handle};
    char damaged[SESSION_ID_SIZE];

    (void)state;
    for (size_t i = 0; i < SESSIONS; i++)
        assert_ptr_equal(sessions_named(sessions, slice_from_string(all[i].id)), &all[i]);
    sessions_make_id(&other, other.id); /* of the same place, as an earlier session there had it */
    assert_string_not_equal(other.id, all[3].id);
    assert_null(sessions_named(sessions, slice_from_string(other.id)));
    memcpy(damaged, all[3].id, sizeof(damaged));
    damaged[19] = damaged[19] == 'A' ? 'B' : 'A';
    assert_null(sessions_named(sessions, slice_from_string(damaged)));
    assert_null(sessions_named(sessions, slice_make(all[3].id, strlen(all[3].id) - 4)));
    assert_null(sessions_named(sessions, SLICE_LITERAL("no id at all, and longer than one")));
    assert_null(sessions_named(sessions, (struct slice){0}));
    sessions_remove(sessions, &all[3]);
    assert_null(sessions_named(sessions, slice_from_string(all[3].id)));
}

static void who_is_dirty_first_is_flushed_first(void **state)
{
    struct gateway *gateway = &rig.gateway;

    (void)state;
    session_mark_dirty(gateway, &all[9]);
    session_mark_dirty(gateway, &all[2]);
    session_mark_dirty(gateway, &all[9]); /* it has its place */
    session_mark_dirty(gateway, &all[4]);
    all[6].state = SESSION_CLOSING;
    session_mark_dirty(gateway, &all[6]); /* nothing is written for it any more */
    dirties = &all[1];
    assert_int_equal(sessions_dirty(gateway->sessions), 3);
    sessions_remove(gateway->sessions, &all[2]);
    sessions_flush(gateway);
    assert_int_equal(flushes, 3);
    assert_ptr_equal(flushed[0], &all[9]);
    assert_ptr_equal(flushed[1], &all[4]);
    assert_ptr_equal(flushed[2], &all[1]); /* made dirty by a flush, in the same turn */
    assert_int_equal(sessions_dirty(gateway->sessions), 0);
    sessions_flush(gateway);
    assert_int_equal(flushes, 3);
}

/* If the turn is over, only some are flushed. The rest keep their order and leave room for all others. */
static void the_rest_waits_for_the_next_turn(void **state)
{
    struct gateway *gateway = &rig.gateway;
    size_t before;

    (void)state;
    gateway->turn_us = 0; /* long past */
    for (size_t i = 0; i < SESSIONS; i++)
        session_mark_dirty(gateway, &all[i]);
    sessions_flush(gateway);
    before = flushes;
    assert_true(before > 0 && before < SESSIONS);
    assert_int_equal(sessions_dirty(gateway->sessions), SESSIONS - before);
    for (size_t i = 0; i < before; i++)
        session_mark_dirty(gateway, &all[i]); /* behind the others, whose places are at the end of the list */
    assert_int_equal(sessions_dirty(gateway->sessions), SESSIONS);
    for (unsigned turns = 0; sessions_dirty(gateway->sessions) > before; turns++) {
        assert_true(turns < SESSIONS);
        sessions_flush(gateway);
    }
    for (size_t i = 0; i < SESSIONS; i++)
        assert_ptr_equal(flushed[i], &all[i]);
}

int main(void)
{
#define SESSIONS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SESSIONS_TEST(handles_find_theirs_alone),
        SESSIONS_TEST(ids_name_theirs_alone),
        SESSIONS_TEST(who_is_dirty_first_is_flushed_first),
        SESSIONS_TEST(the_rest_waits_for_the_next_turn),
    };
#undef SESSIONS_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
