/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The embedded user store of a local run: one JSON file, read whole into an immutable table that lookups
 * share. poll() notices a new version of the file. A bad one is reported, and the previous table stays.
 *
 *   {"users":[{"_id":"ada","industries":["technology"],"role":"user","disabled":false,"tokensValidAfter":0}]}
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "users/users.h"

#define FILE_MAXIMUM_BYTES (16 * 1024 * 1024)
#define LOOK_INTERVAL_MS   1000

struct named_user {
    char *id;
    struct user *user;
};

struct table {
    size_t count;
    struct named_user list[]; /* sorted by id */
};

struct users_file {
    struct users users; /* first, because callers hold it */
    char *path;
    pthread_mutex_t lock; /* guards table */
    struct table *table;
    struct stat seen;      /* of the version last read, valid or not; poll's thread */
    uint64_t looked_at_ms; /* poll's thread */
};

/* The line on which the n-th user starts, counted from 1. The text is known to be valid JSON whose only
 * array of objects at depth 2 is `users`. */
static size_t line_of_user(struct slice text, size_t wanted)
{
    size_t line = 1, depth = 0, users = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == '\n')
            line++;
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (depth++ == 2 && users++ == wanted)
                return line;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return line;
}

static const char *read_industries(const json_t *value, struct user *user)
{
    size_t index;
    json_t *item;
    uint32_t defects = user->defects;

    if (!json_is_array(value) || json_array_size(value) > INDUSTRIES_MAXIMUM)
        return "industries must be an array of at most 32 strings";
    json_array_foreach(value, index, item)
    {
        if (!json_is_string(item))
            return "industries must be an array of at most 32 strings";
        if (user_add_industry(user, json_string_slice(item)) != STATUS_OK)
            return "out of memory";
        if (user->defects != defects)
            return "an industry is empty, longer than 64 bytes or has control characters";
    }
    return NULL;
}

/* Reads one member of a user. Returns why it is wrong, or NULL. */
static const char *read_member(const char *name, const json_t *value, struct user *user)
{
    struct slice text = json_string_slice(value);

    if (strcmp(name, "_id") == 0)
        return text.data && id_valid(text) ? NULL : "_id must be a string of 1 to 128 bytes";
    if (strcmp(name, "industries") == 0)
        return read_industries(value, user);
    if (strcmp(name, "role") == 0) {
        if (!text.data || text.length > TOKEN_ROLE_MAXIMUM_BYTES || !id_valid(text))
            return "role must be a string of 1 to 64 bytes";
        user_set_role(user, text);
        return NULL;
    }
    if (strcmp(name, "disabled") == 0) {
        user->disabled = json_is_true(value);
        return json_is_boolean(value) ? NULL : "disabled must be true or false";
    }
    if (strcmp(name, "tokensValidAfter") == 0) {
        if (!json_is_number(value))
            return "tokensValidAfter must be a number (Unix seconds or milliseconds)";
        user_set_valid_after_number(user, json_number_value(value));
        return user->tokens_valid_after_ms == INT64_MAX ? "tokensValidAfter is out of range" : NULL;
    }
    return "only _id, industries, role, disabled and tokensValidAfter are known members";
}

static const char *read_user(json_t *object, struct named_user *ret_user)
{
    const char *reason = NULL;
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return "must be an object";
    if (!json_object_get(object, "_id"))
        return "_id is missing";
    ret_user->user = user_create();
    if (!ret_user->user)
        return "out of memory";
    json_object_foreach(object, name, value)
    {
        if (!reason)
            reason = read_member(name, value, ret_user->user);
    }
    if (reason)
        return reason;
    ret_user->id = strdup(json_string_value(json_object_get(object, "_id")));
    return ret_user->id ? NULL : "out of memory";
}

static void table_free(struct table *table)
{
    for (size_t i = 0; table && i < table->count; i++) {
        free(table->list[i].id);
        user_unref(table->list[i].user);
    }
    free(table);
}

static int compare_users(const void *a, const void *b)
{
    return strcmp(((const struct named_user *)a)->id, ((const struct named_user *)b)->id);
}

static enum status sort_table(struct table *table, char *error, size_t error_size)
{
    qsort(table->list, table->count, sizeof(table->list[0]), compare_users);
    for (size_t i = 1; i < table->count; i++) {
        if (strcmp(table->list[i - 1].id, table->list[i].id) == 0) {
            snprintf(error, error_size, "two users have the _id \"%.128s\"", table->list[i].id);
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

static enum status table_from_json(const json_t *root, struct slice text, struct table **ret_table,
                                   char *error, size_t error_size)
{
    const json_t *list = json_object_get(root, "users");
    struct table *table;
    const char *reason = NULL;
    size_t index;
    json_t *item;

    if (!json_is_array(list) || json_object_size(root) != 1) {
        snprintf(error, error_size, "%s",
                 "line 1: expected an object whose only member is the array \"users\"");
        return STATUS_MALFORMED;
    }
    table = calloc(1, sizeof(*table) + json_array_size(list) * sizeof(table->list[0]));
    if (!table)
        return STATUS_NO_MEMORY;
    json_array_foreach(list, index, item)
    {
        /* If it is not an object, counting objects finds the line of the one before, which is near. */
        reason = read_user(item, &table->list[table->count++]);
        if (reason) {
            snprintf(error, error_size, "line %zu: user %zu: %s", line_of_user(text, index), index + 1,
                     reason);
            table_free(table);
            return STATUS_MALFORMED;
        }
    }
    if (sort_table(table, error, error_size) != STATUS_OK) {
        table_free(table);
        return STATUS_MALFORMED;
    }
    *ret_table = table;
    return STATUS_OK;
}

/* Replaces json_parse's "... (at byte N)" with the line: editors count lines. */
static void say_line(struct slice text, char *error, size_t error_size)
{
    static const char marker[] = " (at byte ";
    char reason[128];
    const char *at = strstr(error, marker);
    size_t byte = at ? strtoul(at + sizeof(marker) - 1, NULL, 10) : 0, line = 1;

    for (size_t i = 0; i < byte && i < text.length; i++)
        line += text.data[i] == '\n';
    snprintf(reason, sizeof(reason), "%.*s", at ? (int)(at - error) : (int)sizeof(reason), error);
    snprintf(error, error_size, "line %zu: %s", line, reason);
}

static enum status table_parse(struct slice text, struct table **ret_table, char *error, size_t error_size)
{
    json_t *root = NULL;
    enum status status = json_parse(text, &root, error, error_size);

    if (status == STATUS_MALFORMED)
        say_line(text, error, error_size);
    if (status != STATUS_OK)
        return status;
    status = table_from_json(root, text, ret_table, error, error_size);
    json_decref(root);
    return status;
}

/* The file's bytes (the caller frees) and its stat, taken from the one descriptor. */
static enum status read_file(const char *path, char **ret_text, struct stat *ret_stat, char *error,
                             size_t error_size)
{
    enum status status = STATUS_MALFORMED;
    size_t length = 0;
    ssize_t got = 0;
    char *text = NULL;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);

    if (descriptor < 0 || fstat(descriptor, ret_stat) != 0) {
        snprintf(error, error_size, "cannot be opened: %s", strerror(errno));
    } else if (!S_ISREG(ret_stat->st_mode) || ret_stat->st_size > FILE_MAXIMUM_BYTES) {
        snprintf(error, error_size, "%s", "is not a regular file of at most 16 MB");
    } else if (!(text = malloc((size_t)ret_stat->st_size + 1))) {
        snprintf(error, error_size, "%s", "out of memory");
        status = STATUS_NO_MEMORY;
    } else {
        while (length < (size_t)ret_stat->st_size &&
               (got = read(descriptor, text + length, (size_t)ret_stat->st_size - length)) > 0)
            length += (size_t)got;
        if (got >= 0 && length == (size_t)ret_stat->st_size)
            status = STATUS_OK;
        else
            snprintf(error, error_size, "%s", "cannot be read whole");
    }
    if (descriptor >= 0)
        (void)close(descriptor); /* it was only read */
    if (status != STATUS_OK) {
        free(text);
        return status;
    }
    text[length] = '\0';
    *ret_text = text;
    return STATUS_OK;
}

static enum status load(struct users_file *store, struct table **ret_table, char *error, size_t error_size)
{
    char reason[256] = "out of memory";
    char *text = NULL;
    enum status status = read_file(store->path, &text, &store->seen, reason, sizeof(reason));

    if (status == STATUS_OK)
        status =
            table_parse(slice_make(text, (size_t)store->seen.st_size), ret_table, reason, sizeof(reason));
    if (status != STATUS_OK)
        snprintf(error, error_size, "USER_STORE file:%s: %s", store->path, reason);
    free(text);
    return status;
}

static enum status users_file_find(struct users *users, struct slice id, struct user **ret_user)
{
    struct users_file *store = (struct users_file *)users;
    char text[ID_MAXIMUM_BYTES + 1];
    struct named_user wanted = {.id = text};
    const struct named_user *found;

    if (id.length > ID_MAXIMUM_BYTES)
        return STATUS_NOT_FOUND;
    memcpy(text, id.data, id.length);
    text[id.length] = '\0';
    pthread_mutex_lock(&store->lock);
    found = bsearch(&wanted, store->table->list, store->table->count, sizeof(wanted), compare_users);
    if (found)
        *ret_user = user_ref(found->user);
    pthread_mutex_unlock(&store->lock);
    return found ? STATUS_OK : STATUS_NOT_FOUND;
}

static bool same_version(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_size == b->st_size && a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static enum users_state users_file_poll(struct users *users, bool now, char *error, size_t error_size)
{
    struct users_file *store = (struct users_file *)users;
    struct table *table = NULL, *old;
    struct stat current = {0};
    uint64_t at_ms = clock_monotonic_ms();

    *error = '\0';
    if (!now && at_ms - store->looked_at_ms < LOOK_INTERVAL_MS)
        return USERS_UP;
    store->looked_at_ms = at_ms;
    if (!now && (stat(store->path, &current) != 0 || same_version(&current, &store->seen)))
        return USERS_UP; /* a file that is missing for a moment does not forget its users */
    if (load(store, &table, error, error_size) != STATUS_OK)
        return USERS_UP;
    pthread_mutex_lock(&store->lock);
    old = store->table;
    store->table = table;
    pthread_mutex_unlock(&store->lock);
    table_free(old);
    return USERS_CHANGED;
}

static void users_file_free(struct users *users)
{
    struct users_file *store = (struct users_file *)users;

    table_free(store->table);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store);
}

enum status users_file_create(const char *path, struct users **ret_users, char *error, size_t error_size)
{
    static const struct users_ops ops = {.name = "file",
                                         .immediate = true,
                                         .find = users_file_find,
                                         .poll = users_file_poll,
                                         .free = users_file_free};
    struct users_file *store = calloc(1, sizeof(*store));
    enum status status;

    snprintf(error, error_size, "%s", "out of memory");
    if (!store)
        return STATUS_NO_MEMORY;
    store->path = strdup(path);
    if (!store->path || pthread_mutex_init(&store->lock, NULL) != 0) {
        free(store->path);
        free(store);
        return STATUS_NO_MEMORY;
    }
    store->users.ops = &ops;
    store->looked_at_ms = clock_monotonic_ms();
    status = load(store, &store->table, error, error_size);
    if (status != STATUS_OK) {
        users_file_free(&store->users);
        return status;
    }
    *ret_users = &store->users;
    return STATUS_OK;
}
