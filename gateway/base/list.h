/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Lists through their items: an item has the members
 *
 *   struct item *next;    the item after it
 *   struct item **link;   what points to it, the list's head or another's `next`; NULL: it is in no list
 *
 * so that it leaves its list in O(1) without anybody saying which list that is. An item is in one list at most.
 * Macros, because each list has a type of its own.
 */
#ifndef POLLEN8_GATEWAY_BASE_LIST_H
#define POLLEN8_GATEWAY_BASE_LIST_H

#include <stddef.h>

/* Puts the item in front of the list whose head is at `head`. */
#define LIST_ADD(head, item)                                                                                 \
    do {                                                                                                     \
        (item)->next = *(head);                                                                              \
        if ((item)->next)                                                                                    \
            (item)->next->link = &(item)->next;                                                              \
        (item)->link = (head);                                                                               \
        *(head) = (item);                                                                                    \
    } while (0)

/* Takes the item out of its list, if it is in one. */
#define LIST_REMOVE(item)                                                                                    \
    do {                                                                                                     \
        if (!(item)->link)                                                                                   \
            break;                                                                                           \
        *(item)->link = (item)->next;                                                                        \
        if ((item)->next)                                                                                    \
            (item)->next->link = (item)->link;                                                               \
        (item)->next = NULL;                                                                                 \
        (item)->link = NULL;                                                                                 \
    } while (0)

#endif
