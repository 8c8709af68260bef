/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary */
#include <stdio.h>

#include "users.h"

enum status users_mongo_create(const struct users_mongo_options *options, struct users **ret_users,
                               char *error, size_t error_size)
{
    (void)options;
    (void)ret_users;
    snprintf(error, error_size, "%s", "USER_STORE mongodb is not built in");
    return STATUS_MALFORMED;
}
