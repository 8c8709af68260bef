/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Read from INFO: a managed Redis may refuse CONFIG.
 */
#include <stdlib.h>

#include "store/store_internal.h"
#include "store/store_memory.h"

static void read_info(const redisReply *info, struct store_memory *memory)
{
    char evicted[24];
    if (info->type != REDIS_REPLY_STRING)
        return;
    store_info_field(info->str, "\nmaxmemory_policy:", memory->policy, sizeof(memory->policy));
    if (store_info_field(info->str, "\nevicted_keys:", evicted, sizeof(evicted)))
        memory->evicted = strtoull(evicted, NULL, 10);
}

enum status store_memory_look(struct store *store, struct store_memory *ret_memory)
{
    static const char *const sections[] = {"memory", "stats"};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < 2 && status == STATUS_OK; i++)
        status = store_send(store, (const char *const[]){"INFO", sections[i], NULL});
    struct store_memory memory = {0};
    redisReply *reply = NULL;
    /* An error reply means only that Redis does not answer. */
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
