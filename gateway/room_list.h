/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Names of rooms, copied, for questions that outlive the rooms. Zeroed: empty. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_ROOM_LIST_H
#define POLLEN8_GATEWAY_ROOM_LIST_H

#include <stddef.h>

#include "../common/slice.h"
#include "../common/status.h"

struct room_list {
    char **names; /* owned, NUL-terminated */
    size_t count;
    size_t capacity;
};

enum status room_list_add(struct room_list *list, struct slice name);
void room_list_done(struct room_list *list);

#endif
