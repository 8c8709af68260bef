/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The platform's user store: collection `users` by _id (an ObjectId or a string), its industries as names
 * or as references into collection `industries`. The only user of the MongoDB library. The timeouts in the
 * connection string bound every call. It reports "not found" only if the server said so; every failure is
 * "not known now".
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mongoc/mongoc.h>

#include "common/log.h"
#include "users/users.h"

#define APPLICATION_NAME       "pollen8-auth-svc"
#define HEARTBEAT_FREQUENCY_MS 5000 /* how soon a recovered server is noticed */
#define LOOKUP_SCHEME          "mongodb+srv://"
#define SERVER_CODE_MAX_TIME   50 /* MaxTimeMSExpired */

struct users_mongo {
    struct users users; /* first, because callers hold it */
    mongoc_uri_t *uri;
    /* NULL until the servers' names (mongodb+srv) could be looked up; made by poll's thread, then kept. */
    mongoc_client_pool_t *_Atomic pool;
    char *users_collection;
    char *industries_collection;
    int64_t timeout_ms;
};

/* The references of a record into the industries collection. */
struct references {
    bson_t ids; /* an array of _id values */
    uint32_t count;
};

/* ---- reading a record ------------------------------------------------------------------------------- */

static void add_reference(struct references *references, struct user *user, const bson_value_t *id)
{
    const char *key;
    char text[16];

    if (references->count >= INDUSTRIES_MAXIMUM) {
        user->defects++;
        return;
    }
    (void)bson_uint32_to_string(references->count++, &key, text, sizeof(text));
    if (!bson_append_value(&references->ids, key, -1, id))
        user->defects++;
}

/* A document as an industry: {"$ref":..,"$id":..} refers to one, {"name":..} is one. */
static enum status read_industry_document(const bson_iter_t *item, struct user *user,
                                          struct references *references)
{
    bson_iter_t member, copy = *item;

    if (bson_iter_recurse(&copy, &member) && bson_iter_find(&member, "$id")) {
        add_reference(references, user, bson_iter_value(&member));
        return STATUS_OK;
    }
    if (bson_iter_recurse(&copy, &member) && bson_iter_find(&member, "name") &&
        BSON_ITER_HOLDS_UTF8(&member)) {
        uint32_t length = 0;
        const char *name = bson_iter_utf8(&member, &length);
        return user_add_industry(user, slice_make(name, length));
    }
    user->defects++;
    return STATUS_OK;
}

static enum status read_industries(const bson_iter_t *member, struct user *user,
                                   struct references *references)
{
    bson_iter_t copy = *member, item;
    enum status status = STATUS_OK;

    if (BSON_ITER_HOLDS_NULL(member))
        return STATUS_OK;
    if (!BSON_ITER_HOLDS_ARRAY(member) || !bson_iter_recurse(&copy, &item)) {
        user->defects++;
        return STATUS_OK;
    }
    while (status == STATUS_OK && bson_iter_next(&item)) {
        if (BSON_ITER_HOLDS_UTF8(&item)) {
            uint32_t length = 0;
            const char *name = bson_iter_utf8(&item, &length);
            status = user_add_industry(user, slice_make(name, length));
        } else if (BSON_ITER_HOLDS_OID(&item)) {
            add_reference(references, user, bson_iter_value(&item));
        } else if (BSON_ITER_HOLDS_DOCUMENT(&item)) {
            status = read_industry_document(&item, user, references);
        } else {
            user->defects++;
        }
    }
    return status;
}

static void read_role(const bson_iter_t *member, struct user *user)
{
    uint32_t length = 0;
    const char *role = BSON_ITER_HOLDS_UTF8(member) ? bson_iter_utf8(member, &length) : NULL;

    if (!BSON_ITER_HOLDS_NULL(member))
        user_set_role(user, slice_make(role, length)); /* a different type: a defect, and the lowest role */
}

/* An unreadable value refuses: somebody meant to lock the user out. */
static void read_disabled(const bson_iter_t *member, struct user *user)
{
    if (BSON_ITER_HOLDS_BOOL(member) || BSON_ITER_HOLDS_NUMBER(member)) {
        user->disabled = bson_iter_as_bool(member);
    } else if (!BSON_ITER_HOLDS_NULL(member)) {
        user->disabled = true;
        user->defects++;
    }
}

static void read_valid_after(const bson_iter_t *member, struct user *user)
{
    if (BSON_ITER_HOLDS_DATE_TIME(member)) {
        user->tokens_valid_after_ms = bson_iter_date_time(member);
    } else if (BSON_ITER_HOLDS_INT32(member) || BSON_ITER_HOLDS_INT64(member)) {
        user_set_valid_after_number(user, (double)bson_iter_as_int64(member));
    } else if (BSON_ITER_HOLDS_DOUBLE(member)) {
        user_set_valid_after_number(user, bson_iter_double(member));
    } else if (!BSON_ITER_HOLDS_NULL(member)) {
        user->tokens_valid_after_ms = INT64_MAX; /* as read_disabled */
        user->defects++;
    }
}

static enum status read_record(const bson_t *record, struct user *user, struct references *references)
{
    enum status status = STATUS_OK;
    bson_iter_t member;

    if (!bson_iter_init(&member, record))
        return STATUS_DISCONNECTED;
    while (status == STATUS_OK && bson_iter_next(&member)) {
        const char *name = bson_iter_key(&member);
        if (strcmp(name, "industries") == 0)
            status = read_industries(&member, user, references);
        else if (strcmp(name, "role") == 0)
            read_role(&member, user);
        else if (strcmp(name, "disabled") == 0)
            read_disabled(&member, user);
        else if (strcmp(name, "tokensValidAfter") == 0)
            read_valid_after(&member, user);
    }
    return status;
}

/* ---- asking ----------------------------------------------------------------------------------------- */

static enum status status_of(const bson_error_t *error)
{
    if (error->domain == MONGOC_ERROR_SERVER && error->code == SERVER_CODE_MAX_TIME)
        return STATUS_TIMEOUT;
    return STATUS_DISCONNECTED;
}

static mongoc_cursor_t *find(const struct users_mongo *store, mongoc_collection_t *collection,
                             const bson_t *filter, const bson_t *projection, int64_t limit)
{
    bson_t options = BSON_INITIALIZER;
    mongoc_cursor_t *cursor = NULL;

    if (BSON_APPEND_DOCUMENT(&options, "projection", projection) &&
        BSON_APPEND_INT64(&options, "limit", limit) &&
        BSON_APPEND_INT64(&options, "maxTimeMS", store->timeout_ms))
        cursor = mongoc_collection_find_with_opts(collection, filter, &options, NULL);
    bson_destroy(&options);
    return cursor;
}

/* {_id: {$in: [ObjectId, string]}}: a record may have either. */
static bool make_filter(bson_t *filter, struct slice id)
{
    bson_t in = BSON_INITIALIZER, array = BSON_INITIALIZER;
    bson_oid_t object_id;
    bool made = bson_append_utf8(&array, "0", 1, id.data, (int)id.length);

    if (made && id.length == 24 && bson_oid_is_valid(id.data, id.length)) {
        char text[25] = "";
        memcpy(text, id.data, 24);
        bson_oid_init_from_string(&object_id, text);
        made = BSON_APPEND_OID(&array, "1", &object_id);
    }
    made = made && BSON_APPEND_ARRAY(&in, "$in", &array) && BSON_APPEND_DOCUMENT(filter, "_id", &in);
    bson_destroy(&array);
    bson_destroy(&in);
    return made;
}

static enum status find_record(const struct users_mongo *store, mongoc_client_t *client, struct slice id,
                               struct user *user, struct references *references)
{
    mongoc_collection_t *collection =
        mongoc_client_get_collection(client, mongoc_uri_get_database(store->uri), store->users_collection);
    bson_t filter = BSON_INITIALIZER;
    bson_t *projection = BCON_NEW("industries", BCON_INT32(1), "role", BCON_INT32(1), "disabled",
                                  BCON_INT32(1), "tokensValidAfter", BCON_INT32(1));
    mongoc_cursor_t *cursor =
        make_filter(&filter, id) ? find(store, collection, &filter, projection, 1) : NULL;
    const bson_t *record = NULL;
    bson_error_t error = {0};
    enum status status = STATUS_NO_MEMORY;

    if (cursor && mongoc_cursor_next(cursor, &record))
        status = read_record(record, user, references);
    else if (cursor)
        status = mongoc_cursor_error(cursor, &error) ? status_of(&error) : STATUS_NOT_FOUND;
    mongoc_cursor_destroy(cursor);
    bson_destroy(projection);
    bson_destroy(&filter);
    mongoc_collection_destroy(collection);
    return status;
}

static enum status read_names(mongoc_cursor_t *cursor, struct user *user, uint32_t *ret_found)
{
    enum status status = STATUS_OK;
    const bson_t *industry = NULL;
    bson_iter_t name;
    bson_error_t error = {0};

    *ret_found = 0;
    while (status == STATUS_OK && mongoc_cursor_next(cursor, &industry)) {
        uint32_t length = 0;
        const char *text;
        if (!bson_iter_init_find(&name, industry, "name") || !BSON_ITER_HOLDS_UTF8(&name))
            continue;
        text = bson_iter_utf8(&name, &length);
        status = user_add_industry(user, slice_make(text, length));
        (*ret_found)++;
    }
    if (status == STATUS_OK && mongoc_cursor_error(cursor, &error))
        status = status_of(&error);
    return status;
}

/* Names of the industries that a record refers to. References that lead nowhere are defects. */
static enum status find_industries(const struct users_mongo *store, mongoc_client_t *client,
                                   struct user *user, const struct references *references)
{
    mongoc_collection_t *collection = mongoc_client_get_collection(
        client, mongoc_uri_get_database(store->uri), store->industries_collection);
    bson_t filter = BSON_INITIALIZER, in = BSON_INITIALIZER;
    bson_t *projection = BCON_NEW("name", BCON_INT32(1));
    mongoc_cursor_t *cursor = NULL;
    enum status status = STATUS_NO_MEMORY;
    uint32_t found = 0;

    if (BSON_APPEND_ARRAY(&in, "$in", &references->ids) && BSON_APPEND_DOCUMENT(&filter, "_id", &in))
        cursor = find(store, collection, &filter, projection, INDUSTRIES_MAXIMUM);
    if (cursor)
        status = read_names(cursor, user, &found);
    if (found < references->count)
        user->defects += references->count - found;
    mongoc_cursor_destroy(cursor);
    bson_destroy(projection);
    bson_destroy(&in);
    bson_destroy(&filter);
    mongoc_collection_destroy(collection);
    return status;
}

static enum status users_mongo_find(struct users *users, struct slice id, struct user **ret_user)
{
    struct users_mongo *store = (struct users_mongo *)users;
    struct references references = {.ids = BSON_INITIALIZER};
    mongoc_client_pool_t *pool = atomic_load(&store->pool);
    mongoc_client_t *client = pool ? mongoc_client_pool_pop(pool) : NULL;
    struct user *user = user_create();
    enum status status = STATUS_NO_MEMORY;

    if (!client)
        status = pool ? STATUS_TIMEOUT : STATUS_DISCONNECTED;
    else if (user)
        status = find_record(store, client, id, user, &references);
    if (status == STATUS_OK && references.count > 0)
        status = find_industries(store, client, user, &references);
    if (client)
        mongoc_client_pool_push(pool, client);
    bson_destroy(&references.ids);
    if (status != STATUS_OK) {
        user_unref(user);
        return status;
    }
    *ret_user = user;
    return STATUS_OK;
}

/* Makes the pool. Looks names up if the scheme requires it, which can block for the resolver's time. */
static mongoc_client_pool_t *open_pool(struct users_mongo *store, bson_error_t *error)
{
    mongoc_client_pool_t *pool = mongoc_client_pool_new_with_error(store->uri, error);

    if (pool) {
        (void)mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
        atomic_store(&store->pool, pool);
    }
    return pool;
}

static enum users_state users_mongo_poll(struct users *users, bool now, char *error, size_t error_size)
{
    struct users_mongo *store = (struct users_mongo *)users;
    bson_error_t trouble = {.message = "every connection is in use"};
    mongoc_client_pool_t *pool = atomic_load(&store->pool);
    mongoc_client_t *client = NULL;
    bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
    bool answered = false;

    (void)now; /* every lookup reads the record again */
    *error = '\0';
    if (!pool)
        pool = open_pool(store, &trouble);
    if (pool)
        client = mongoc_client_pool_pop(pool);
    if (client) {
        answered = mongoc_client_command_simple(client, mongoc_uri_get_database(store->uri), ping,
                                                mongoc_client_get_read_prefs(client), NULL, &trouble);
        mongoc_client_pool_push(pool, client);
    }
    if (!answered)
        snprintf(error, error_size, "%s", trouble.message);
    bson_destroy(ping);
    return answered ? USERS_UP : USERS_DOWN;
}

/* ---- life cycle ------------------------------------------------------------------------------------- */

static void users_mongo_free(struct users *users)
{
    struct users_mongo *store = (struct users_mongo *)users;

    if (atomic_load(&store->pool))
        mongoc_client_pool_destroy(atomic_load(&store->pool));
    mongoc_uri_destroy(store->uri);
    free(store->users_collection);
    free(store->industries_collection);
    free(store);
}

static void library_log(mongoc_log_level_t level, const char *domain, const char *message, void *context)
{
    (void)context;
    if (level <= MONGOC_LOG_LEVEL_CRITICAL)
        log_event_limited(LOG_ERROR, "MongoDB library", LOG_S("domain", domain), LOG_S("text", message));
    else if (level == MONGOC_LOG_LEVEL_WARNING)
        log_event_limited(LOG_WARN, "MongoDB library", LOG_S("domain", domain), LOG_S("text", message));
    else if (level <= MONGOC_LOG_LEVEL_DEBUG)
        log_event_limited(LOG_DEBUG, "MongoDB library", LOG_S("domain", domain), LOG_S("text", message));
}

/* The library cannot be started again once cleaned up, so clean up at the end of the process. */
static void library_start(void)
{
    mongoc_log_set_handler(library_log, NULL);
    mongoc_init();
    (void)atexit(mongoc_cleanup);
}

static bool add_option(mongoc_uri_t *uri, const char *name, int64_t value)
{
    return mongoc_uri_has_option(uri, name) || mongoc_uri_set_option_as_int32(uri, name, (int32_t)value);
}

/* The library's default waits are up to five minutes: replace all of them. */
static bool add_timeouts(mongoc_uri_t *uri, const struct users_mongo_options *options)
{
    return add_option(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, options->timeout_ms) &&
           add_option(uri, MONGOC_URI_CONNECTTIMEOUTMS, options->timeout_ms) &&
           add_option(uri, MONGOC_URI_SOCKETTIMEOUTMS, options->timeout_ms) &&
           add_option(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, options->timeout_ms) &&
           add_option(uri, MONGOC_URI_HEARTBEATFREQUENCYMS, HEARTBEAT_FREQUENCY_MS) &&
           add_option(uri, MONGOC_URI_MAXPOOLSIZE, options->clients) &&
           (mongoc_uri_get_appname(uri) || mongoc_uri_set_appname(uri, APPLICATION_NAME));
}

/* What is wrong with the connection string, or NULL. The library's own text is not passed on: it may repeat
 * parts of the string, such as a password. */
static const char *judge_uri(mongoc_uri_t *uri, const struct users_mongo_options *options)
{
    const char *ca_file;

    if (!uri)
        return "is not a connection string, expected mongodb://[user:password@]host[:port]/database";
    if (!mongoc_uri_get_database(uri))
        return "names no database, expected mongodb://host/database";
    if (!add_timeouts(uri, options))
        return "does not accept the missing timeouts";
    ca_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, NULL);
    if (ca_file && access(ca_file, R_OK) != 0)
        return "names a tlsCAFile that cannot be read";
    return NULL;
}

static struct users_mongo *store_create(const struct users_mongo_options *options)
{
    struct users_mongo *store = calloc(1, sizeof(*store));

    if (!store)
        return NULL;
    store->timeout_ms = options->timeout_ms;
    store->users_collection = strdup(options->users_collection);
    store->industries_collection = strdup(options->industries_collection);
    if (!store->users_collection || !store->industries_collection) {
        free(store->users_collection);
        free(store->industries_collection);
        free(store);
        return NULL;
    }
    return store;
}

enum status users_mongo_create(const struct users_mongo_options *options, struct users **ret_users,
                               char *error, size_t error_size)
{
    static const struct users_ops ops = {
        .name = "mongodb", .find = users_mongo_find, .poll = users_mongo_poll, .free = users_mongo_free};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct users_mongo *store = store_create(options);
    bson_error_t trouble = {0};
    const char *reason;

    snprintf(error, error_size, "%s", "out of memory");
    if (!store)
        return STATUS_NO_MEMORY;
    (void)pthread_once(&once, library_start);
    store->users.ops = &ops;
    store->uri = mongoc_uri_new_with_error(options->uri, NULL);
    reason = judge_uri(store->uri, options);
    if (!reason && strncmp(options->uri, LOOKUP_SCHEME, strlen(LOOKUP_SCHEME)) != 0 &&
        !open_pool(store, &trouble))
        reason = "has conflicting options";
    if (reason) {
        snprintf(error, error_size, "MONGODB_URI %s", reason);
        users_mongo_free(&store->users);
        return STATUS_MALFORMED;
    }
    *ret_users = &store->users;
    return STATUS_OK;
}
