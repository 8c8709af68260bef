/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What base/ provides to every room: settings, metrics, a timing wheel and a mailbox, all of them real. For
 * tests of one room; gateway_fixture.h has the rooms above it as well.
 */
#ifndef POLLEN8_TESTS_GATEWAY_BASE_RIG_H
#define POLLEN8_TESTS_GATEWAY_BASE_RIG_H

#include "gateway_test.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/gateway.h"
#include "base/mailbox.h"
#include "base/timer_wheel.h"

#define BASE_RIG_LIMIT_S 30 /* which only a failure reaches */

struct base_rig {
    struct gateway gateway;
    struct settings settings;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    unsigned wakes; /* lock: of the loop, by posts to an empty lane */
};

static inline void base_rig_wake(void *context)
{
    struct base_rig *rig = context;

    pthread_mutex_lock(&rig->lock);
    rig->wakes++;
    pthread_cond_signal(&rig->woken);
    pthread_mutex_unlock(&rig->lock);
}

/* Returns when there is mail, where other threads post. */
static inline void base_rig_wait(struct base_rig *rig, enum mail_lane lane)
{
    struct timespec limit;
    int error = 0;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += BASE_RIG_LIMIT_S;
    pthread_mutex_lock(&rig->lock);
    while (mailbox_depth(rig->gateway.mailbox, lane) == 0 && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&rig->woken, &rig->lock, &limit);
    pthread_mutex_unlock(&rig->lock);
    assert_true(mailbox_depth(rig->gateway.mailbox, lane) > 0);
}

/* Waits for the next mail, and takes it. */
static inline struct mail *base_rig_mail(struct base_rig *rig, enum mail_lane lane)
{
    base_rig_wait(rig, lane);
    return mailbox_take(rig->gateway.mailbox, lane);
}

/* Waits for the next mail, and acts on it. */
static inline void base_rig_act(struct base_rig *rig, enum mail_lane lane)
{
    struct mail *mail = base_rig_mail(rig, lane);

    mail->kind->act(&rig->gateway, mail);
}

/* Zeroes it first; the test sets the settings afterwards. */
static inline void base_rig_start(struct base_rig *rig, size_t mails_maximum)
{
    static char name[] = "gw-1";
    struct gateway *gateway = &rig->gateway;

    *rig = (struct base_rig){.settings.gateway_name = name};
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->woken, NULL);
    gateway->settings = &rig->settings;
    gateway->now_ms = clock_monotonic_ms();
    gateway->turn_us = INT64_MAX; /* the turn is never over */
    assert_int_equal(metrics_create(measures, METRIC_COUNT, &gateway->metrics), STATUS_OK);
    gateway->wheel = timer_wheel_create(gateway->now_ms, gateway);
    gateway->mailbox = mailbox_create(mails_maximum, base_rig_wake, rig);
    assert_non_null(gateway->wheel);
    assert_non_null(gateway->mailbox);
}

/* The mailbox must be empty. */
static inline void base_rig_stop(struct base_rig *rig)
{
    struct gateway *gateway = &rig->gateway;

    for (int lane = 0; lane < MAIL_LANES; lane++)
        assert_int_equal(mailbox_depth(gateway->mailbox, (enum mail_lane)lane), 0);
    mailbox_free(gateway->mailbox);
    timer_wheel_free(gateway->wheel);
    metrics_free(gateway->metrics);
    pthread_cond_destroy(&rig->woken);
    pthread_mutex_destroy(&rig->lock);
}

/* The value of a counter or gauge; `label` NULL for one without labels. */
static inline uint64_t base_rig_metric(const struct base_rig *rig, enum gateway_metric metric,
                                       const char *label)
{
    return metric_value(metrics_cell(rig->gateway.metrics, metric, label));
}

/* Moves the time on and fires what is due by then. */
static inline void base_rig_pass(struct base_rig *rig, uint64_t milliseconds)
{
    uint64_t end = rig->gateway.now_ms + milliseconds;

    while (timer_wheel_next(rig->gateway.wheel) <= end) {
        rig->gateway.now_ms = timer_wheel_next(rig->gateway.wheel);
        timer_wheel_advance(rig->gateway.wheel, rig->gateway.now_ms);
    }
    rig->gateway.now_ms = end;
}

#endif
