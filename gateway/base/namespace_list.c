/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The text of the setting is the list; names are cut off it one by one.
 */
#include "base/namespace_list.h"

#include <string.h>

#include "codec/sio_packet.h"
#include "common/utf8.h"

/* Cuts the next name off the list. */
static struct slice cut(struct slice *list)
{
    const char *comma = list->length ? memchr(list->data, ',', list->length) : NULL;
    struct slice name = *list;
    if (!comma) {
        *list = (struct slice){0};
        return name;
    }
    name.length = (size_t)(comma - name.data);
    *list = slice_make(comma + 1, list->length - name.length - 1);
    return name;
}

bool namespace_list_valid(const char *list)
{
    struct slice rest = slice_from_string(list ? list : "");
    for (int count = 0; rest.length > 0; count++) {
        struct slice name = cut(&rest);
        if (count == NAMESPACES_MAXIMUM || name.length < 2 || name.length > SIO_NAMESPACE_MAXIMUM_BYTES ||
            name.data[0] != '/' || !utf8_clean(name) || namespace_list_index(list, name) != count)
            return false;
    }
    return true;
}

int namespace_list_index(const char *list, struct slice name)
{
    struct slice rest = slice_from_string(list ? list : "");
    for (int index = 0; rest.length > 0; index++)
        if (slice_equal(cut(&rest), name))
            return index;
    return -1;
}
