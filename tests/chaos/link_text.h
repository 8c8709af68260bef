/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What comes to a link, read: the wire of Socket.IO and that of /ws. The sender is our own gateway; its text
 * is read by markers. One thread.
 */
#ifndef POLLEN8_CHAOS_LINK_TEXT_H
#define POLLEN8_CHAOS_LINK_TEXT_H

#include "links.h"

void link_take_socketio(struct links *links, struct link *link, struct slice text);
void link_take_json(struct links *links, struct link *link, struct slice text);
void link_take_close(struct links *links, struct link *link, struct slice payload);

/* In links.c. `back_ms`: when to come back, negative for a pause by chance. */
void link_lost(struct links *links, struct link *link, int64_t back_ms);
void link_joined(struct links *links, struct link *link, bool recovered);

#endif
