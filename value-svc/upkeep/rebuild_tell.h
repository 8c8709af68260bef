/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * After a rebuild: users who were shown a value of an incomplete Redis are shown the right one.
 */
#ifndef POLLEN8_VALUE_SVC_UPKEEP_REBUILD_TELL_H
#define POLLEN8_VALUE_SVC_UPKEEP_REBUILD_TELL_H

#include "service/service.h"

/* Publishes every user's network.update. Blocks; one thread. */
enum status rebuild_tell_users(struct service *service, struct store *store);

#endif
