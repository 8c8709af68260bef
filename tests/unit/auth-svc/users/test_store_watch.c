/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The watch over a store that says what the test wants: what each look reports, and that a look can be had
 * now.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "users/store_watch.h"

enum { LOOKS_KEPT = 64 };

struct report {
    bool now; /* the store was told to look at changes */
    enum users_state state;
    bool failed;
    bool up; /* as store_watch_up said in the callback */
};

static struct {
    struct users users; /* first: the store */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum users_state says; /* lock */
    const char *error;     /* lock */
    bool asked_now;        /* the watch's thread */
    struct store_watch *watch;
    unsigned looks;                    /* lock */
    struct report reports[LOOKS_KEPT]; /* lock */
} rig;

static enum users_state poll_store(struct users *users, bool now, char *error, size_t error_size)
{
    assert_ptr_equal(users, &rig.users);
    pthread_mutex_lock(&rig.lock);
    enum users_state says = rig.says;
    rig.asked_now = now;
    snprintf(error, error_size, "%s", rig.error);
    pthread_mutex_unlock(&rig.lock);
    return says;
}

static void note(void *context, enum users_state state, bool failed)
{
    assert_ptr_equal(context, &rig);
    pthread_mutex_lock(&rig.lock);
    rig.reports[rig.looks % LOOKS_KEPT] =
        (struct report){rig.asked_now, state, failed, rig.watch && store_watch_up(rig.watch)};
    rig.looks++;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

static int setup(void **state)
{
    static const struct users_ops ops = {.name = "test", .poll = poll_store};

    (void)state;
    memset(&rig, 0, sizeof(rig));
    rig.users.ops = &ops;
    rig.error = "";
    pthread_mutex_init(&rig.lock, NULL);
    pthread_cond_init(&rig.changed, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_watch_free(rig.watch);
    pthread_cond_destroy(&rig.changed);
    pthread_mutex_destroy(&rig.lock);
    return 0;
}

static void start(void)
{
    struct store_watch *watch = NULL;

    assert_int_equal(store_watch_create(&rig.users, note, &rig, &watch), STATUS_OK);
    pthread_mutex_lock(&rig.lock);
    rig.watch = watch;
    pthread_mutex_unlock(&rig.lock);
}

/* The report of a look that was asked for, with the store saying this. Others may come before it. */
static struct report look(enum users_state says, const char *error)
{
    struct report report = {.now = false};

    pthread_mutex_lock(&rig.lock);
    rig.says = says;
    rig.error = error;
    unsigned next = rig.looks;
    pthread_mutex_unlock(&rig.lock);
    store_watch_now(rig.watch);
    pthread_mutex_lock(&rig.lock);
    while (!report.now) {
        while (rig.looks == next)
            pthread_cond_wait(&rig.changed, &rig.lock);
        report = rig.reports[next++ % LOOKS_KEPT];
    }
    pthread_mutex_unlock(&rig.lock);
    return report;
}

static void each_look_is_reported(void **state)
{
    static const struct {
        enum users_state says;
        const char *error;
        bool up;
        bool failed;
    } rows[] = {
        {USERS_UP, "", true, false},      {USERS_DOWN, "no route", false, false},
        {USERS_DOWN, "", false, false},   {USERS_CHANGED, "", true, false},
        {USERS_UP, "line 7", true, true}, /* the ones before stay */
        {USERS_UP, "", true, false},
    };

    (void)state;
    rig.says = USERS_UP;
    start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct report report = look(rows[i].says, rows[i].error);

        assert_int_equal(report.state, rows[i].says);
        assert_true(report.failed == rows[i].failed);
        assert_true(report.up == rows[i].up);
        assert_true(store_watch_up(rig.watch) == rows[i].up);
    }
}

/* The first look comes by itself, and so do those after it, which need not look at changes. */
static void it_looks_again_and_again(void **state)
{
    (void)state;
    rig.says = USERS_DOWN;
    start();
    pthread_mutex_lock(&rig.lock);
    while (rig.looks < 3)
        pthread_cond_wait(&rig.changed, &rig.lock);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(rig.reports[i].now);
        assert_int_equal(rig.reports[i].state, USERS_DOWN);
    }
    pthread_mutex_unlock(&rig.lock);
    assert_false(store_watch_up(rig.watch));
}

static void it_ends_at_once(void **state)
{
    (void)state;
    start();
    store_watch_free(rig.watch); /* returns, whatever it is at */
    rig.watch = NULL;
    unsigned looks = rig.looks;
    store_watch_free(NULL);
    assert_true(looks >= 1);
    assert_int_equal(rig.looks, looks);
}

int main(void)
{
#define WATCH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WATCH_TEST(each_look_is_reported),
        WATCH_TEST(it_looks_again_and_again),
        WATCH_TEST(it_ends_at_once),
    };
#undef WATCH_TEST

    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
