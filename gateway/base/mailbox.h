/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What comes from the bus's threads to the loop: the one object both touch. Any thread posts; the loop thread
 * takes. A post wakes the loop only where the lane was empty.
 *
 * Three lanes. MAIL_FRAMES is bounded: past the bound a post is refused, its owner counts it, and a gap is
 * marked. MAIL_PEERS, what other gateways and value-svc say to this one, is bounded likewise. MAIL_REPLIES
 * holds answers to requests: each was counted when it was sent, so that its bound is that of the requests,
 * and an answer is never lost.
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

/* What is done with mail of one kind. Loop thread. */
struct mail_kind {
    /* Acts on it and takes it. NULL: a frame, which egress delivers (delivery.h). */
    void (*act)(struct gateway *gateway, struct mail *mail);
    void (*dispose)(struct mail *mail); /* frees it; nobody will act on it */
    bool after_board; /* in MAIL_FRAMES: acted on after all members have been given what came before it */
};

/* First member of whatever travels; the receiver owns the whole from mailbox_take on. */
struct mail {
    struct mail *next;
    const struct mail_kind *kind;
};

struct mailbox; /* opaque */

/* Bound of MAIL_FRAMES, and of MAIL_PEERS. `wake` is called on the posting thread. NULL where memory is
 * short. */
struct mailbox *mailbox_create(size_t frames_maximum, void (*wake)(void *context), void *context);

/* Disposes of whatever is still inside. NULL is accepted. */
void mailbox_free(struct mailbox *mailbox);

/* STATUS_FULL at the bound of the lane: the mail stays the caller's. */
enum status mailbox_post(struct mailbox *mailbox, enum mail_lane number, struct mail *mail);

/* The oldest, or NULL; mailbox_peek leaves it there. Loop thread. */
struct mail *mailbox_take(struct mailbox *mailbox, enum mail_lane number);
const struct mail *mailbox_peek(struct mailbox *mailbox, enum mail_lane number);

/* Shows what waits, oldest first, without taking it. Loop thread. */
void mailbox_each(struct mailbox *mailbox, enum mail_lane number,
                  void (*show)(void *context, const struct mail *mail), void *context);

/* How many wait. Any thread; a moment's view. */
size_t mailbox_depth(const struct mailbox *mailbox, enum mail_lane lane);

/* True once after frames were refused for want of room. */
bool mailbox_gap(struct mailbox *mailbox);

#endif
