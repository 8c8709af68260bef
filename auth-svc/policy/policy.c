/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Builds the table from the built-in text or from ROLES_FILE. Both are the same JSON, read by the same code.
 */
#include "policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/permission.h"
#include "token/token.h"

#define FILE_MAXIMUM_BYTES (1024 * 1024)

/* Events are named beside `emit:*`, so that a gateway can tell an event whose service is down from one that
 * nobody knows. */
static const char built_in[] =
    "{\"roles\":{"
    "\"user\":[\"emit:value.get\",\"emit:invite.seen\"],"
    "\"service\":[\"emit:connection.new\",\"emit:connection.removed\",\"emit:connection.import\","
    "\"emit:invite.created\",\"emit:invite.seen\",\"emit:value.get\",\"emit:*\",\"subscribe:*\",\"rate:"
    "none\"],"
    "\"admin\":[\"emit:connection.new\",\"emit:connection.removed\",\"emit:connection.import\","
    "\"emit:invite.created\",\"emit:invite.seen\",\"emit:value.get\",\"emit:*\",\"subscribe:*\"]}}";

static const char *const client_submits[] = {"emit:connection.new@own", "emit:connection.removed@own",
                                             "emit:invite.created@own"};
#define CLIENT_SUBMITS (sizeof(client_submits) / sizeof(client_submits[0]))

struct role {
    char *name;         /* owned */
    char **permissions; /* owned, and so is each text */
    size_t count;
};

struct policy {
    size_t count;
    struct role roles[POLICY_ROLES_MAXIMUM + 1]; /* one more for `user`, which client_submit may add */
};

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    for (size_t i = 0; i < policy->count; i++) {
        for (size_t j = 0; j < policy->roles[i].count; j++)
            free(policy->roles[i].permissions[j]);
        free(policy->roles[i].permissions);
        free(policy->roles[i].name);
    }
    free(policy);
}

/* A new role with room for `capacity` permissions; NULL when out of memory. */
static struct role *add_role(struct policy *policy, const char *name, size_t capacity)
{
    struct role *role = &policy->roles[policy->count++];

    role->name = strdup(name);
    role->permissions = calloc(capacity ? capacity : 1, sizeof(char *));
    return role->name && role->permissions ? role : NULL;
}

static enum status add_permission(struct role *role, struct slice permission)
{
    char *copy = strndup(permission.data, permission.length);

    if (!copy)
        return STATUS_NO_MEMORY;
    role->permissions[role->count++] = copy;
    return STATUS_OK;
}

static enum status read_role(struct policy *policy, const char *name, const json_t *list, char *error,
                             size_t error_size)
{
    struct role *role;
    size_t index;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) > POLICY_PERMISSIONS_MAXIMUM) {
        snprintf(error, error_size, "role \"%.64s\": expected an array of at most %d permissions", name,
                 POLICY_PERMISSIONS_MAXIMUM);
        return STATUS_MALFORMED;
    }
    role = add_role(policy, name, json_array_size(list) + CLIENT_SUBMITS);
    if (!role)
        return STATUS_NO_MEMORY;
    json_array_foreach(list, index, item)
    {
        struct slice permission = json_string_slice(item);
        if (!permission.data || !permission_valid(permission)) {
            snprintf(error, error_size,
                     "role \"%.64s\", item %zu: %s%.*s%s is not a valid permission, expected emit:<event>, "
                     "emit:<event>@own, subscribe:<industry> or rate:none",
                     name, index + 1, permission.data ? "\"" : "",
                     permission.data ? (int)(permission.length > 64 ? 64 : permission.length) : 8,
                     permission.data ? permission.data : "a value", permission.data ? "\"" : "");
            return STATUS_MALFORMED;
        }
        if (add_permission(role, permission) != STATUS_OK)
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static enum status read_roles(struct policy *policy, json_t *root, char *error, size_t error_size)
{
    json_t *roles = json_object_get(root, "roles");
    enum status status = STATUS_OK;
    const char *name;
    json_t *list;

    if (!json_is_object(roles) || json_object_size(root) != 1) {
        snprintf(error, error_size, "%s", "expected an object whose only member is the object \"roles\"");
        return STATUS_MALFORMED;
    }
    if (json_object_size(roles) > POLICY_ROLES_MAXIMUM) {
        snprintf(error, error_size, "has more than %d roles", POLICY_ROLES_MAXIMUM);
        return STATUS_MALFORMED;
    }
    json_object_foreach(roles, name, list)
    {
        struct slice role = slice_from_string(name);
        if (status == STATUS_OK && (!id_valid(role) || role.length > TOKEN_ROLE_MAXIMUM_BYTES)) {
            snprintf(error, error_size, "role \"%.64s\": a role's name has 1 to %d bytes", name,
                     TOKEN_ROLE_MAXIMUM_BYTES);
            status = STATUS_MALFORMED;
        }
        if (status == STATUS_OK)
            status = read_role(policy, name, list, error, error_size);
    }
    return status;
}

static struct role *find_role(struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->count; i++)
        if (strcmp(policy->roles[i].name, name) == 0)
            return &policy->roles[i];
    return NULL;
}

static enum status add_client_submits(struct policy *policy)
{
    enum status status = STATUS_OK;
    struct role *user = find_role(policy, "user");

    if (!user)
        user = add_role(policy, "user", CLIENT_SUBMITS);
    if (!user)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; status == STATUS_OK && i < CLIENT_SUBMITS; i++)
        status = add_permission(user, slice_from_string(client_submits[i]));
    return status;
}

static enum status policy_parse(struct slice text, bool client_submit, struct policy **ret_policy,
                                char *error, size_t error_size)
{
    json_t *root = NULL;
    struct policy *policy = calloc(1, sizeof(*policy));
    enum status status = policy ? json_parse(text, &root, error, error_size) : STATUS_NO_MEMORY;

    if (status == STATUS_OK)
        status = read_roles(policy, root, error, error_size);
    if (status == STATUS_OK && client_submit)
        status = add_client_submits(policy);
    json_decref(root);
    if (status != STATUS_OK) {
        policy_free(policy);
        return status;
    }
    *ret_policy = policy;
    return STATUS_OK;
}

/* The whole file, at most FILE_MAXIMUM_BYTES; the caller frees. */
static enum status read_roles_file(const char *path, char **ret_text, size_t *ret_length, char *error,
                                   size_t error_size)
{
    enum status status = STATUS_MALFORMED;
    char *text = malloc(FILE_MAXIMUM_BYTES + 1);
    FILE *file = text ? fopen(path, "rbe") : NULL;
    size_t length = 0;

    if (!text)
        return STATUS_NO_MEMORY;
    if (!file) {
        snprintf(error, error_size, "cannot be opened: %s", strerror(errno));
    } else {
        length = fread(text, 1, FILE_MAXIMUM_BYTES + 1, file);
        if (ferror(file))
            snprintf(error, error_size, "%s", "cannot be read");
        else if (length > FILE_MAXIMUM_BYTES)
            snprintf(error, error_size, "%s", "is larger than 1 MB");
        else
            status = STATUS_OK;
        (void)fclose(file); /* it was only read */
    }
    if (status != STATUS_OK) {
        free(text);
        return status;
    }
    *ret_text = text;
    *ret_length = length;
    return STATUS_OK;
}

enum status policy_create(const char *roles_file, bool client_submit, struct policy **ret_policy, char *error,
                          size_t error_size)
{
    char reason[384] = "out of memory";
    char *text = NULL;
    size_t length = 0;
    enum status status;

    if (!roles_file || !*roles_file) {
        status = policy_parse(slice_make(built_in, sizeof(built_in) - 1), client_submit, ret_policy, reason,
                              sizeof(reason));
        if (status != STATUS_OK)
            snprintf(error, error_size, "built-in roles: %s", reason);
        return status;
    }
    status = read_roles_file(roles_file, &text, &length, reason, sizeof(reason));
    if (status == STATUS_OK)
        status = policy_parse(slice_make(text, length), client_submit, ret_policy, reason, sizeof(reason));
    if (status != STATUS_OK)
        snprintf(error, error_size, "ROLES_FILE %s: %s", roles_file, reason);
    free(text);
    return status;
}

char **policy_permissions(const struct policy *policy, const char *role, size_t *ret_count, bool *ret_known)
{
    for (size_t i = 0; i < policy->count; i++) {
        if (strcmp(policy->roles[i].name, role) == 0) {
            *ret_count = policy->roles[i].count;
            *ret_known = true;
            return policy->roles[i].permissions;
        }
    }
    *ret_count = 0;
    *ret_known = false;
    return NULL;
}
