/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Names of rooms, copied, for requests that outlive the rooms. Zeroed: empty. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_GAPS_ROOM_NAMES_H
#define POLLEN8_GATEWAY_GAPS_ROOM_NAMES_H

#include <stddef.h>

#include "common/slice.h"
#include "common/status.h"

struct room_names {
    char **names; /* owned, NUL-terminated */
    size_t count;
    size_t capacity;
};

enum status room_names_add(struct room_names *list, struct slice name);
void room_names_done(struct room_names *list);

#endif
