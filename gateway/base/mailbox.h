/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The way from the bus's threads to the loop: the one object that both touch. Any thread posts; the loop
 * thread takes. A post wakes the loop only if the lane was empty.
 *
 * There are three lanes. MAIL_FRAMES is bounded: a post past the bound is refused, its owner counts it, and a
 * gap is marked. MAIL_PEERS carries messages of other gateways and of value-svc to this gateway, and is
 * bounded in the same way. MAIL_REPLIES carries answers to requests: each was counted when the request was
 * sent. So the bound of the requests is its bound, and an answer is never lost.
 */
#ifndef POLLEN8_GATEWAY_BASE_MAILBOX_H
#define POLLEN8_GATEWAY_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

enum mail_lane { MAIL_FRAMES, MAIL_REPLIES, MAIL_PEERS, MAIL_LANES };

struct gateway;
struct mail;

/* How mail of one kind is handled. Loop thread. */
struct mail_kind {
    /* Acts on the mail and takes it. NULL: a frame, which egress delivers (delivery.h). */
    void (*act)(struct gateway *gateway, struct mail *mail);
    void (*dispose)(struct mail *mail); /* frees it without acting on it */
    bool after_board; /* in MAIL_FRAMES: waits until all members have been given what came before it */
};

/* First member of everything that travels. From mailbox_take on the receiver owns the whole. */
struct mail {
    struct mail *next;
    const struct mail_kind *kind;
};

struct mailbox; /* opaque */

/* `frames_maximum` bounds MAIL_FRAMES and MAIL_PEERS. `wake` is called on the posting thread. NULL when out
 * of memory. */
struct mailbox *mailbox_create(size_t frames_maximum, void (*wake)(void *context), void *context);

/* Disposes of the mail that is still inside. NULL is accepted. */
void mailbox_free(struct mailbox *mailbox);

/* STATUS_FULL at the bound of the lane; the mail then still belongs to the caller. */
enum status mailbox_post(struct mailbox *mailbox, enum mail_lane number, struct mail *mail);

/* The oldest, or NULL; mailbox_peek leaves it there. Loop thread. */
struct mail *mailbox_take(struct mailbox *mailbox, enum mail_lane number);
const struct mail *mailbox_peek(struct mailbox *mailbox, enum mail_lane number);

/* Shows the waiting mail, oldest first, without taking it. Loop thread. */
void mailbox_each(struct mailbox *mailbox, enum mail_lane number,
                  void (*show)(void *context, const struct mail *mail), void *context);

/* How much mail waits. Any thread; correct only for a moment. */
size_t mailbox_depth(const struct mailbox *mailbox, enum mail_lane lane);

/* Returns true once after frames were refused because the lane was full. */
bool mailbox_gap(struct mailbox *mailbox);

#endif
