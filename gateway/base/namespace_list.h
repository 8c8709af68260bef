/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The further namespaces of Socket.IO that are configured (setting NAMESPACES): names separated by commas.
 * NULL is the empty list. Any thread.
 */
#ifndef POLLEN8_GATEWAY_BASE_NAMESPACE_LIST_H
#define POLLEN8_GATEWAY_BASE_NAMESPACE_LIST_H

#include <stdbool.h>

#include "common/slice.h"

#define NAMESPACES_MAXIMUM 16

/* Whether the text can be the list: different names of clean text that start with / and have more. */
bool namespace_list_valid(const char *list);

/* The place of the name in the list; -1: it is not there. */
int namespace_list_index(const char *list, struct slice name);

#endif
