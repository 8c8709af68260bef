/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * scheme -> credentials (up to the last '@') -> hosts -> path (sentinel name, database).
 */
#include "store/store_url.h"

#include <stdio.h>
#include <string.h>

#include "common/slice.h"

#define REDIS_PORT    6379
#define SENTINEL_PORT 26379

struct parse {
    char *error;
    size_t error_size;
};

static enum status refuse(const struct parse *parse, const char *what)
{
    snprintf(parse->error, parse->error_size, "REDIS_URL: %s", what);
    return STATUS_MALFORMED;
}

/* Cuts `text` at the first (or last) `separator`: the part before it, and the rest after it. */
static bool cut(struct slice text, char separator, bool last, struct slice *before, struct slice *after)
{
    const char *at = NULL;
    if (text.length > 0)
        at = last ? memrchr(text.data, separator, text.length) : memchr(text.data, separator, text.length);
    if (!at)
        return false;
    *before = slice_make(text.data, (size_t)(at - text.data));
    *after = slice_make(at + 1, text.length - before->length - 1);
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool percent_decode(struct slice text, char out[STORE_URL_TEXT_SIZE])
{
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.length ? hex(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex(text.data[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || length + 1 >= STORE_URL_TEXT_SIZE)
            return false;
        out[length++] = c;
    }
    out[length] = '\0';
    return true;
}

static bool parse_number(struct slice text, long maximum, long *ret_number)
{
    if (text.length == 0 || text.length > 6)
        return false;
    long number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (text.data[i] - '0');
    }
    *ret_number = number;
    return number <= maximum;
}

static enum status parse_credentials(const struct parse *parse, struct slice text, struct store_url *url)
{
    struct slice user = {0};
    struct slice password = {0};
    if (!cut(text, ':', false, &user, &password))
        return refuse(parse, "the part before `@` must be user:password or :password");
    if (!percent_decode(user, url->user) || !percent_decode(password, url->password))
        return refuse(parse, "user or password is too long or not percent-encoded correctly");
    return STATUS_OK;
}

static enum status parse_host(const struct parse *parse, struct slice text, uint16_t default_port,
                              struct host *host)
{
    const char *reason = NULL;
    enum status status = host_parse(text, default_port, host, &reason);
    return status == STATUS_OK ? STATUS_OK : refuse(parse, reason);
}

static enum status parse_hosts(const struct parse *parse, struct slice text, struct store_url *url)
{
    if (!url->sentinel) {
        url->host_count = 1;
        return parse_host(parse, text, REDIS_PORT, &url->hosts[0]);
    }
    struct slice one;
    enum status status = STATUS_OK;
    bool more = true;
    while (more && status == STATUS_OK) {
        if (url->host_count == STORE_URL_HOSTS_MAXIMUM)
            return refuse(parse, "more than 8 sentinels");
        struct slice rest = {0};
        more = cut(text, ',', false, &one, &rest);
        status = parse_host(parse, more ? one : text, SENTINEL_PORT, &url->hosts[url->host_count++]);
        text = rest;
    }
    return status;
}

static enum status parse_path(const struct parse *parse, struct slice path, struct store_url *url)
{
    struct slice name = path;
    struct slice database = {0};
    if (url->sentinel) {
        cut(path, '/', false, &name, &database);
        if (name.length == 0 || name.length >= STORE_URL_TEXT_SIZE)
            return refuse(parse, "redis+sentinel:// needs the primary's name after the hosts: /name");
        memcpy(url->service, name.data, name.length);
        url->service[name.length] = '\0';
    } else {
        database = path;
    }
    long number = 0;
    if (database.length > 0 && !parse_number(database, 65535, &number))
        return refuse(parse, "the database is not a number");
    url->database = (int)number;
    return STATUS_OK;
}

static enum status parse_scheme(const struct parse *parse, struct slice *text, struct store_url *url)
{
    static const char plain[] = "redis://";
    static const char sentinel[] = "redis+sentinel://";
    if (slice_starts_with(*text, slice_from_string("rediss://")))
        return refuse(
            parse, "rediss:// (TLS) is not built in; run a TLS tunnel beside the service and use redis://");
    url->sentinel = slice_starts_with(*text, slice_from_string(sentinel));
    if (!url->sentinel && !slice_starts_with(*text, slice_from_string(plain)))
        return refuse(parse, "it must start with redis:// or redis+sentinel://");
    size_t skip = url->sentinel ? sizeof(sentinel) - 1 : sizeof(plain) - 1;
    *text = slice_make(text->data + skip, text->length - skip);
    return STATUS_OK;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): `error` is written to through struct parse */
enum status store_url_parse(const char *text, struct store_url *url, char *error, size_t error_size)
{
    const struct parse parse = {.error = error, .error_size = error_size};
    struct slice rest = slice_from_string(text);
    *url = (struct store_url){0};
    enum status status = parse_scheme(&parse, &rest, url);
    if (status != STATUS_OK)
        return status;
    if (memchr(rest.data, '?', rest.length) || memchr(rest.data, '#', rest.length))
        return refuse(&parse, "parameters (`?`, `#`) are not supported");
    struct slice credentials;
    if (cut(rest, '@', true, &credentials, &rest)) {
        status = parse_credentials(&parse, credentials, url);
        if (status != STATUS_OK)
            return status;
    }
    struct slice hosts = rest;
    struct slice path = {0};
    cut(rest, '/', false, &hosts, &path);
    status = parse_hosts(&parse, hosts, url);
    return status == STATUS_OK ? parse_path(&parse, path, url) : status;
}
