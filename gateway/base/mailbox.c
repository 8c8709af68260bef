/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Each lane is a list under a lock. The loop takes the whole list at once and then works on it without the
 * lock. The count covers both, so that mail the loop has taken but not handled counts against the bound too.
 */
#include "base/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct lane {
    struct mail *head;  /* lock */
    struct mail **tail; /* lock */
    struct mail *taken; /* loop thread */
    atomic_size_t depth;
    size_t maximum; /* 0: none */
};

struct mailbox {
    pthread_mutex_t lock;
    struct lane lanes[MAIL_LANES];
    void (*wake)(void *context);
    void *context;
    atomic_bool gap;
};

struct mailbox *mailbox_create(size_t frames_maximum, void (*wake)(void *context), void *context)
{
    struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
    if (!mailbox)
        return NULL;
    pthread_mutex_init(&mailbox->lock, NULL);
    for (int i = 0; i < MAIL_LANES; i++)
        mailbox->lanes[i].tail = &mailbox->lanes[i].head;
    mailbox->lanes[MAIL_FRAMES].maximum = frames_maximum;
    mailbox->lanes[MAIL_PEERS].maximum = frames_maximum;
    mailbox->wake = wake;
    mailbox->context = context;
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    for (int i = 0; i < MAIL_LANES; i++)
        for (struct mail *mail; (mail = mailbox_take(mailbox, (enum mail_lane)i));)
            mail->kind->dispose(mail);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

enum status mailbox_post(struct mailbox *mailbox, enum mail_lane number, struct mail *mail)
{
    struct lane *lane = &mailbox->lanes[number];
    if (lane->maximum && atomic_load_explicit(&lane->depth, memory_order_relaxed) >= lane->maximum) {
        if (number == MAIL_FRAMES)
            atomic_store(&mailbox->gap, true);
        return STATUS_FULL;
    }
    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    bool empty = lane->head == NULL;
    *lane->tail = mail;
    lane->tail = &mail->next;
    atomic_fetch_add_explicit(&lane->depth, 1, memory_order_relaxed);
    pthread_mutex_unlock(&mailbox->lock);
    if (empty)
        mailbox->wake(mailbox->context);
    return STATUS_OK;
}

const struct mail *mailbox_peek(struct mailbox *mailbox, enum mail_lane number)
{
    struct lane *lane = &mailbox->lanes[number];
    if (lane->taken || atomic_load_explicit(&lane->depth, memory_order_relaxed) == 0)
        return lane->taken;
    pthread_mutex_lock(&mailbox->lock);
    lane->taken = lane->head;
    lane->head = NULL;
    lane->tail = &lane->head;
    pthread_mutex_unlock(&mailbox->lock);
    return lane->taken;
}

struct mail *mailbox_take(struct mailbox *mailbox, enum mail_lane number)
{
    struct lane *lane = &mailbox->lanes[number];
    if (!mailbox_peek(mailbox, number))
        return NULL;
    struct mail *mail = lane->taken;
    lane->taken = mail->next;
    atomic_fetch_sub_explicit(&lane->depth, 1, memory_order_relaxed);
    return mail;
}

void mailbox_each(struct mailbox *mailbox, enum mail_lane number,
                  void (*show)(void *context, const struct mail *mail), void *context)
{
    struct lane *lane = &mailbox->lanes[number];
    struct mail **end = &lane->taken;
    while (*end) {
        show(context, *end);
        end = &(*end)->next;
    }
    pthread_mutex_lock(&mailbox->lock);
    *end = lane->head; /* appended to what was taken before */
    lane->head = NULL;
    lane->tail = &lane->head;
    pthread_mutex_unlock(&mailbox->lock);
    for (const struct mail *mail = *end; mail; mail = mail->next)
        show(context, mail);
}

size_t mailbox_depth(const struct mailbox *mailbox, enum mail_lane lane)
{
    return atomic_load_explicit(&mailbox->lanes[lane].depth, memory_order_relaxed);
}

bool mailbox_gap(struct mailbox *mailbox)
{
    return atomic_exchange(&mailbox->gap, false);
}
