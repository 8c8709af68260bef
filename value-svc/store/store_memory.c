/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Read from INFO: a managed Redis may refuse CONFIG.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/store_internal.h"
#include "store/store_memory.h"

/* The value behind `name` up to the line's end; false if there is none. */
static bool find(const redisReply *info, const char *name, char *value, size_t size)
{
    const char *at = info->type == REDIS_REPLY_STRING ? strstr(info->str, name) : NULL;
    size_t length;

    if (!at)
        return false;
    at += strlen(name);
    length = strcspn(at, "\r\n");
    snprintf(value, size, "%.*s", (int)(length < size ? length : size - 1), at);
    return true;
}

static void read_info(const redisReply *info, struct store_memory *memory)
{
    char evicted[24];

    find(info, "\nmaxmemory_policy:", memory->policy, sizeof memory->policy);
    if (find(info, "\nevicted_keys:", evicted, sizeof evicted))
        memory->evicted = strtoull(evicted, NULL, 10);
}

enum status store_memory_look(struct store *store, struct store_memory *ret_memory)
{
    static const char *const sections[] = {"memory", "stats"};
    struct store_memory memory = {0};
    redisReply *reply = NULL;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < 2 && status == STATUS_OK; i++)
        status = store_send(store, (const char *const[]){"INFO", sections[i], NULL});
    /* An error reply is no answer, and nothing worse. */
    for (size_t i = 0; i < 2 && status == STATUS_OK; i++) {
        status = store_receive_any(store, &reply);
        if (status != STATUS_OK)
            break;
        read_info(reply, &memory);
        freeReplyObject(reply);
    }
    store->sent_ns = 0;
    if (status != STATUS_OK)
        return status;
    memory.evicts = memory.policy[0] != '\0' && strcmp(memory.policy, "noeviction") != 0;
    *ret_memory = memory;
    return STATUS_OK;
}
