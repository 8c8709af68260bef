/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * REDIS_URL, read by hand (hiredis has no parser):
 *
 *   redis://[user:password@]host[:port][/db]
 *   redis+sentinel://[user:password@]host[:port],host[:port].../name[/db]
 *
 * User and password are percent-decoded; they are for the Redis servers, not for the sentinels. `:password@`
 * alone is legal. An IPv6 host is written in brackets. Pure; any thread.
 */
#ifndef POLLEN8_VALUE_SVC_STORE_STORE_URL_H
#define POLLEN8_VALUE_SVC_STORE_STORE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus/host.h"
#include "common/status.h"

#define STORE_URL_HOSTS_MAXIMUM 8
#define STORE_URL_TEXT_SIZE     256

struct store_url {
    bool sentinel; /* the hosts are sentinels */
    struct host hosts[STORE_URL_HOSTS_MAXIMUM];
    size_t host_count;                  /* 1 unless sentinel */
    char service[STORE_URL_TEXT_SIZE];  /* sentinel: the name of the primary */
    char user[STORE_URL_TEXT_SIZE];     /* empty: the default user */
    char password[STORE_URL_TEXT_SIZE]; /* empty: no AUTH */
    int database;
};

/* STATUS_MALFORMED with one line in `error`, which never holds any part of user or password. */
enum status store_url_parse(const char *text, struct store_url *url, char *error, size_t error_size);

#endif
