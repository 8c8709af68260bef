/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The embedded Lua scripts: loaded after every connect, called by hash.
 */
#include "lua_embedded.h"
#include "store/store_internal.h"

static const char *const sources[SCRIPT_COUNT] = {
    [SCRIPT_APPLY_EVENT] = lua_apply_event_lua,
    [SCRIPT_PRUNE_SEEN] = lua_prune_seen_lua,
    [SCRIPT_EPOCH_RAISE] = lua_epoch_raise_lua,
    [SCRIPT_LOCK] = lua_lock_lua,
    [SCRIPT_EPOCH_REPLAYED] = lua_epoch_replayed_lua,
    [SCRIPT_POSITION] = lua_position_lua,
    [SCRIPT_REBUILD] = lua_rebuild_lua,
    [SCRIPT_DUMP_USER] = lua_dump_user_lua,
    [SCRIPT_DUMP_PART] = lua_dump_part_lua,
    [SCRIPT_PID_RECORD] = lua_pid_record_lua,
    [SCRIPT_PID_CLAIM] = lua_pid_claim_lua,
    [SCRIPT_PID_END] = lua_pid_end_lua,
    [SCRIPT_FORGET_KEPT] = lua_forget_kept_lua,
};

static enum status take_hash(struct store *store, enum store_script script)
{
    redisReply *reply = NULL;
    enum status status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type == REDIS_REPLY_STRING && reply->len == sizeof(store->hashes[script]) - 1)
        memcpy(store->hashes[script], reply->str, reply->len + 1);
    else
        status = store_fail(store, "SCRIPT LOAD gave no hash");
    freeReplyObject(reply);
    return status;
}

enum status store_load_scripts(struct store *store)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < SCRIPT_COUNT && status == STATUS_OK; i++)
        status = store_send(store, (const char *const[]){"SCRIPT", "LOAD", sources[i], NULL});
    for (size_t i = 0; i < SCRIPT_COUNT && status == STATUS_OK; i++)
        status = take_hash(store, (enum store_script)i);
    return status;
}
