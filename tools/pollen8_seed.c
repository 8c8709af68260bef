/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * pollen8-seed: the init step of a ring in containers. Writes a random JWT secret if there is none, and adds
 * the users of a JSON file to MongoDB if they do not exist yet. It never changes what exists. It waits for
 * MongoDB, so that containers may start in any order.
 *
 *   arguments -> secret file (written under a temporary name, then linked: never seen half-written)
 *             -> users file -> one upsert per user ($setOnInsert), tried again until the time is up
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64url.h"
#include "common/clock.h"
#include "common/rng.h"

#define SECRET_BYTES        48
#define USERS_MAXIMUM_BYTES (1024 * 1024)
#define RETRY_MS            1000
#define DEFAULT_MONGODB_URI "mongodb://localhost:27017/pollen8"
#define EXIT_USAGE          2

struct arguments {
    const char *secret_path;
    const char *users_path;
    int64_t wait_ms;
};

static void print_help(void)
{
    puts("Usage: pollen8-seed [--secret FILE] [--users FILE] [--wait SECONDS]\n"
         "Creates what a new ring needs and never changes what exists.\n\n"
         "  --secret FILE   writes a random JWT secret, readable by this user and group, if FILE does not "
         "exist\n"
         "  --users FILE    adds the users of {\"users\":[{\"_id\":...}]} to MongoDB if they do not exist\n"
         "  --wait SECONDS  how long to wait for MongoDB (120)\n\n"
         "  MONGODB_URI     " DEFAULT_MONGODB_URI);
}

/* Returns -1 to go on, else the exit status. */
static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"secret", required_argument, NULL, 's'},
                                            {"users", required_argument, NULL, 'u'},
                                            {"wait", required_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        char *end = NULL;
        switch (option) {
        case 's': arguments->secret_path = optarg; break;
        case 'u': arguments->users_path = optarg; break;
        case 'w':
            arguments->wait_ms = strtol(optarg, &end, 10) * 1000;
            if (*end != '\0' || arguments->wait_ms <= 0 || arguments->wait_ms > 86400000) {
                fprintf(stderr, "pollen8-seed: --wait is '%s', expected seconds from 1 to 86400\n", optarg);
                return EXIT_USAGE;
            }
            break;
        case 'h': print_help(); return EXIT_SUCCESS;
        default: return EXIT_USAGE;
        }
    }
    if (optind < argc || (!arguments->secret_path && !arguments->users_path)) {
        fputs("pollen8-seed: expected --secret FILE, --users FILE or both; see --help\n", stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static bool write_whole(int descriptor, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(descriptor, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return fsync(descriptor) == 0;
}

/* Writes the secret under a temporary name, then links it to `path`: of two that run at once one wins. */
static bool make_secret(const char *path)
{
    if (access(path, F_OK) == 0) {
        printf("secret: %s exists, kept\n", path);
        return true;
    }
    char secret[BASE64URL_LENGTH(SECRET_BYTES) + 1];
    char fresh[4096];
    rng_id(secret, SECRET_BYTES);
    if (snprintf(fresh, sizeof(fresh), "%s.%ld", path, (long)getpid()) >= (int)sizeof(fresh)) {
        errno = ENAMETOOLONG;
        return false;
    }
    int descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0440);
    if (descriptor < 0)
        return false;
    bool made = write_whole(descriptor, secret, sizeof(secret) - 1);
    explicit_bzero(secret, sizeof(secret));
    made = close(descriptor) == 0 && made && (link(fresh, path) == 0 || errno == EEXIST);
    int error = errno;
    unlink(fresh);
    errno = error;
    if (made)
        printf("secret: %s created\n", path);
    return made;
}

/* The whole file as a NUL-terminated text, which the caller frees; NULL with errno set. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(USERS_MAXIMUM_BYTES + 1) : NULL;
    size_t length = text ? fread(text, 1, USERS_MAXIMUM_BYTES + 1, file) : 0;
    if (text && (ferror(file) || length > USERS_MAXIMUM_BYTES)) {
        errno = length > USERS_MAXIMUM_BYTES ? EFBIG : EIO;
        free(text);
        text = NULL;
    }
    if (text)
        text[length] = '\0';
    if (file)
        fclose(file);
    return text;
}

/* Inserts the record if none has its _id. */
static bool upsert(mongoc_collection_t *collection, const bson_t *filter, const bson_t *update,
                   bool *ret_added, bson_error_t *error)
{
    bson_t options = BSON_INITIALIZER;
    bson_t reply;
    bson_iter_t upserted;
    BSON_APPEND_BOOL(&options, "upsert", true);
    bool done = mongoc_collection_update_one(collection, filter, update, &options, &reply, error);
    *ret_added = done && bson_iter_init_find(&upserted, &reply, "upsertedId");
    bson_destroy(&reply);
    bson_destroy(&options);
    return done;
}

static bool add_user(mongoc_collection_t *collection, const bson_t *record, bson_error_t *error)
{
    bson_t filter = BSON_INITIALIZER;
    bson_t rest = BSON_INITIALIZER;
    bson_t update = BSON_INITIALIZER;
    bson_iter_t id;
    bool done = false;
    bool added = false;
    bson_copy_to_excluding_noinit(record, &rest, "_id", (char *)NULL);
    if (!bson_iter_init_find(&id, record, "_id") || !BSON_ITER_HOLDS_UTF8(&id) ||
        !BSON_APPEND_VALUE(&filter, "_id", bson_iter_value(&id)) ||
        !BSON_APPEND_DOCUMENT(&update, "$setOnInsert", &rest))
        bson_set_error(error, BSON_ERROR_INVALID, 0, "a user's _id is not a string");
    else
        done = upsert(collection, &filter, &update, &added, error);
    if (done)
        printf("user: %s %s\n", bson_iter_utf8(&id, NULL), added ? "added" : "exists, kept");
    bson_destroy(&filter);
    bson_destroy(&rest);
    bson_destroy(&update);
    return done;
}

static bool add_users(mongoc_collection_t *collection, const bson_t *file, bson_error_t *error)
{
    bson_iter_t users, each;
    if (!bson_iter_init_find(&users, file, "users") || !BSON_ITER_HOLDS_ARRAY(&users) ||
        !bson_iter_recurse(&users, &each)) {
        bson_set_error(error, BSON_ERROR_INVALID, 0, "expected {\"users\":[...]}");
        return false;
    }
    while (bson_iter_next(&each)) {
        const uint8_t *bytes = NULL;
        uint32_t length = 0;
        bson_t record;
        if (!BSON_ITER_HOLDS_DOCUMENT(&each)) {
            bson_set_error(error, BSON_ERROR_INVALID, 0, "a user is not an object");
            return false;
        }
        bson_iter_document(&each, &length, &bytes);
        if (!bson_init_static(&record, bytes, length) || !add_user(collection, &record, error))
            return false;
    }
    return true;
}

/* An unreachable or starting MongoDB is transient; any other error is final. */
static bool is_transient(const bson_error_t *error)
{
    return error->domain == MONGOC_ERROR_SERVER_SELECTION || error->domain == MONGOC_ERROR_STREAM;
}

static bool seed(mongoc_client_t *client, const bson_t *file, int64_t wait_ms, bson_error_t *error)
{
    mongoc_collection_t *collection =
        mongoc_client_get_collection(client, mongoc_uri_get_database(mongoc_client_get_uri(client)), "users");
    uint64_t until = clock_monotonic_ms() + (uint64_t)wait_ms;
    bool done;
    while (!(done = add_users(collection, file, error)) && is_transient(error) &&
           clock_monotonic_ms() < until) {
        fprintf(stderr, "pollen8-seed: waiting for MongoDB: %s\n", error->message);
        usleep(RETRY_MS * 1000);
    }
    mongoc_collection_destroy(collection);
    return done;
}

/* Reads the users file and connects; `error` gets the failure. */
static bool seed_from(const char *path, int64_t wait_ms, bson_error_t *error)
{
    const char *uri_text = getenv("MONGODB_URI");
    char *text = read_text(path);
    bson_t *file = text ? bson_new_from_json((const uint8_t *)text, -1, error) : NULL;
    mongoc_uri_t *uri =
        file ? mongoc_uri_new_with_error(uri_text && *uri_text ? uri_text : DEFAULT_MONGODB_URI, error)
             : NULL;
    mongoc_client_t *client = NULL;
    bool done = false;
    if (!text)
        bson_set_error(error, BSON_ERROR_INVALID, 0, "%s: %s", path, strerror(errno));
    if (uri && !mongoc_uri_get_database(uri)) {
        bson_set_error(error, BSON_ERROR_INVALID, 0, "MONGODB_URI names no database");
    } else if (uri) {
        mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 2000);
        mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, 5000);
        client = mongoc_client_new_from_uri_with_error(uri, error);
        done = client && mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2) &&
               seed(client, file, wait_ms, error);
    }
    mongoc_client_destroy(client);
    mongoc_uri_destroy(uri);
    bson_destroy(file);
    free(text);
    return done;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.wait_ms = 120000};
    int status = read_arguments(argc, argv, &arguments);
    if (status >= 0)
        return status;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (arguments.secret_path && !make_secret(arguments.secret_path)) {
        fprintf(stderr, "pollen8-seed: %s: %s\n", arguments.secret_path, strerror(errno));
        return EXIT_FAILURE;
    }
    if (!arguments.users_path)
        return EXIT_SUCCESS;
    bson_error_t error = {0};
    mongoc_init();
    bool done = seed_from(arguments.users_path, arguments.wait_ms, &error);
    mongoc_cleanup();
    if (!done)
        fprintf(stderr, "pollen8-seed: users: %s\n", error.message);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
