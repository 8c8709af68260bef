/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A growing array of copies.
 */
#include "gaps/room_names.h"

#include <stdlib.h>
#include <string.h>

enum status room_names_add(struct room_names *list, struct slice name)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        char **names = realloc(list->names, capacity * sizeof(char *));
        if (!names)
            return STATUS_NO_MEMORY;
        list->names = names;
        list->capacity = capacity;
    }
    char *copy = strndup(name.data, name.length);
    if (!copy)
        return STATUS_NO_MEMORY;
    list->names[list->count++] = copy;
    return STATUS_OK;
}

void room_names_done(struct room_names *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct room_names){0};
}
