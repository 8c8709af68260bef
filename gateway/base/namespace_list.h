/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The additional namespaces of Socket.IO that are configured (setting NAMESPACES): names separated by commas.
 * NULL is the empty list. Any thread.
 */
#ifndef POLLEN8_GATEWAY_BASE_NAMESPACE_LIST_H
#define POLLEN8_GATEWAY_BASE_NAMESPACE_LIST_H

#include <stdbool.h>

#include "common/slice.h"

#define NAMESPACES_MAXIMUM 16

/* Whether the text is a valid list: different names of clean text that start with / and are longer. */
bool namespace_list_valid(const char *list);

/* The index of the name in the list, or -1. */
int namespace_list_index(const char *list, struct slice name);

#endif
