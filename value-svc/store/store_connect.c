/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A connection begins: open -> AUTH -> SELECT -> scripts -> epoch.
 */
#include <stdio.h>

#include "store/store_internal.h"

static enum status prepare(struct store *store)
{
    const struct store_url *url = store->options.url;
    enum status status = STATUS_OK;
    if (url->user[0] != '\0')
        status = store_run_command(store, (const char *const[]){"AUTH", url->user, url->password, NULL});
    else if (url->password[0] != '\0')
        status = store_run_command(store, (const char *const[]){"AUTH", url->password, NULL});
    char database[16];
    if (status == STATUS_OK && url->database != 0) {
        snprintf(database, sizeof(database), "%d", url->database);
        status = store_run_command(store, (const char *const[]){"SELECT", database, NULL});
    }
    if (status == STATUS_OK)
        status = store_load_scripts(store);
    return status == STATUS_OK ? store_learn_epoch(store) : status;
}

enum status store_connect(struct store *store)
{
    if (store->redis)
        return STATUS_OK;
    enum status status = store_open(store);
    if (status == STATUS_OK)
        status = prepare(store);
    store->sent_ns = 0;
    if (status != STATUS_OK) {
        store->failures++;
        return status;
    }
    store->failures = 0;
    if (store->options.connects)
        metric_add(store->options.connects, 1);
    return STATUS_OK;
}
