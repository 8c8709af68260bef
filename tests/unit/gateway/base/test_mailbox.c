/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The crossing from the bus's threads to the loop: order, bounds, one wake-up for many, nothing lost between
 * threads.
 */
#include "gateway_test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mailbox.h"

struct letter {
    struct mail mail;
    unsigned sender;
    unsigned number;
};

static void count_wake(void *context)
{
    atomic_fetch_add((atomic_uint *)context, 1);
}

static unsigned disposed;
static unsigned replies_disposed;

static void dispose(struct mail *mail)
{
    (void)mail;
    disposed++;
}

static void dispose_reply(struct mail *mail)
{
    (void)mail;
    replies_disposed++;
}

static const struct mail_kind letter_mail = {.dispose = dispose};
static const struct mail_kind reply_mail = {.dispose = dispose_reply};

static unsigned number_of(const struct mail *mail)
{
    return ((const struct letter *)(const void *)mail)->number;
}

static void keeps_order_and_wakes_once(void **state)
{
    atomic_uint wakes = 0;
    struct mailbox *mailbox = mailbox_create(100, count_wake, &wakes);
    struct letter letters[10] = {0};

    (void)state;
    assert_non_null(mailbox);
    assert_null(mailbox_take(mailbox, MAIL_FRAMES));
    for (unsigned i = 0; i < COUNT(letters); i++) {
        letters[i].number = i;
        assert_int_equal(mailbox_post(mailbox, MAIL_FRAMES, &letters[i].mail), STATUS_OK);
    }
    assert_int_equal(atomic_load(&wakes), 1);
    assert_int_equal(mailbox_depth(mailbox, MAIL_FRAMES), 10);
    assert_int_equal(mailbox_depth(mailbox, MAIL_REPLIES), 0);
    for (unsigned i = 0; i < COUNT(letters); i++) {
        assert_int_equal(number_of(mailbox_peek(mailbox, MAIL_FRAMES)), i);
        assert_int_equal(number_of(mailbox_take(mailbox, MAIL_FRAMES)), i);
    }
    assert_null(mailbox_peek(mailbox, MAIL_FRAMES));
    assert_null(mailbox_take(mailbox, MAIL_FRAMES));
    letters[0].mail.kind = &letter_mail;
    assert_int_equal(mailbox_post(mailbox, MAIL_FRAMES, &letters[0].mail), STATUS_OK);
    assert_int_equal(atomic_load(&wakes), 2);
    mailbox_free(mailbox);
    mailbox_free(NULL);
}

/* What has been taken but not handled counts as well. */
static void add_number(void *context, const struct mail *mail)
{
    unsigned *sum = context;

    *sum = *sum * 10 + number_of(mail);
}

/* Whether it waits in the lane or has been taken over. */
static void shows_what_waits(void **state)
{
    atomic_uint wakes = 0;
    struct mailbox *mailbox = mailbox_create(100, count_wake, &wakes);
    struct letter letters[5] = {0};
    unsigned shown = 0;

    (void)state;
    mailbox_each(mailbox, MAIL_FRAMES, add_number, &shown);
    assert_int_equal(shown, 0);
    for (unsigned i = 1; i < 4; i++) {
        letters[i].number = i;
        assert_int_equal(mailbox_post(mailbox, MAIL_FRAMES, &letters[i].mail), STATUS_OK);
    }
    assert_int_equal(number_of(mailbox_take(mailbox, MAIL_FRAMES)), 1);
    letters[4].number = 4;
    assert_int_equal(mailbox_post(mailbox, MAIL_FRAMES, &letters[4].mail), STATUS_OK);
    mailbox_each(mailbox, MAIL_FRAMES, add_number, &shown);
    assert_int_equal(shown, 234);
    for (unsigned i = 2; i < 5; i++)
        assert_int_equal(number_of(mailbox_take(mailbox, MAIL_FRAMES)), i);
    assert_null(mailbox_take(mailbox, MAIL_FRAMES));
    assert_int_equal(mailbox_depth(mailbox, MAIL_FRAMES), 0);
    mailbox_free(mailbox);
}

static void bounds_frames_but_not_replies(void **state)
{
    atomic_uint wakes = 0;
    struct mailbox *mailbox = mailbox_create(3, count_wake, &wakes);
    struct letter frames[4] = {0};
    struct letter replies[10] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(frames); i++)
        frames[i].mail.kind = &letter_mail;
    for (size_t i = 0; i < COUNT(replies); i++)
        replies[i].mail.kind = &reply_mail;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mailbox_post(mailbox, MAIL_FRAMES, &frames[i].mail), STATUS_OK);
    assert_false(mailbox_gap(mailbox));
    assert_non_null(mailbox_peek(mailbox, MAIL_FRAMES));
    assert_int_equal(mailbox_post(mailbox, MAIL_FRAMES, &frames[3].mail), STATUS_FULL);
    assert_true(mailbox_gap(mailbox));
    assert_false(mailbox_gap(mailbox));
    for (size_t i = 0; i < COUNT(replies); i++)
        assert_int_equal(mailbox_post(mailbox, MAIL_REPLIES, &replies[i].mail), STATUS_OK);
    assert_non_null(mailbox_take(mailbox, MAIL_FRAMES));
    assert_int_equal(mailbox_post(mailbox, MAIL_FRAMES, &frames[3].mail), STATUS_OK);
    disposed = replies_disposed = 0;
    mailbox_free(mailbox); /* each as its kind defines */
    assert_int_equal(disposed, 3);
    assert_int_equal(replies_disposed, 10);
}

enum { SENDERS = 4, EACH = 20000 };

struct sending {
    struct mailbox *mailbox;
    struct letter *letters;
};

static void *send_all(void *context)
{
    struct sending *sending = context;

    for (unsigned i = 0; i < EACH; i++)
        (void)mailbox_post(sending->mailbox, i % 2 ? MAIL_REPLIES : MAIL_FRAMES, &sending->letters[i].mail);
    return NULL;
}

/* Takes everything; the numbers of one sender must rise in each lane. */
static unsigned drain(struct mailbox *mailbox, unsigned next[MAIL_LANES][SENDERS])
{
    unsigned taken = 0;

    for (int lane = 0; lane < MAIL_LANES; lane++) {
        struct mail *mail;

        while ((mail = mailbox_take(mailbox, (enum mail_lane)lane))) {
            struct letter *letter = (struct letter *)(void *)mail;

            assert_true(letter->number >= next[lane][letter->sender]);
            next[lane][letter->sender] = letter->number + 1;
            taken++;
        }
    }
    return taken;
}

static void loses_nothing_between_threads(void **state)
{
    atomic_uint wakes = 0;
    struct mailbox *mailbox = mailbox_create((size_t)SENDERS * EACH, count_wake, &wakes);
    struct letter *letters = calloc((size_t)SENDERS * EACH, sizeof(*letters));
    unsigned next[MAIL_LANES][SENDERS] = {{0}};
    struct sending sending[SENDERS];
    pthread_t threads[SENDERS];
    unsigned taken = 0;

    (void)state;
    assert_non_null(letters);
    for (unsigned s = 0; s < SENDERS; s++) {
        sending[s] = (struct sending){.mailbox = mailbox, .letters = letters + (size_t)s * EACH};
        for (unsigned i = 0; i < EACH; i++)
            sending[s].letters[i] = (struct letter){.sender = s, .number = i};
        assert_int_equal(pthread_create(&threads[s], NULL, send_all, &sending[s]), 0);
    }
    while (taken < SENDERS * EACH / 2)
        taken += drain(mailbox, next);
    for (unsigned s = 0; s < SENDERS; s++)
        assert_int_equal(pthread_join(threads[s], NULL), 0);
    taken += drain(mailbox, next);
    assert_int_equal(taken, SENDERS * EACH);
    assert_true(atomic_load(&wakes) > 0);
    mailbox_free(mailbox);
    free(letters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_waits),
        cmocka_unit_test(keeps_order_and_wakes_once),
        cmocka_unit_test(bounds_frames_but_not_replies),
        cmocka_unit_test(loses_nothing_between_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
