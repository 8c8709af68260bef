/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The operator's list becomes rows of scheme, host and port; a request's Origin is cut the same way, in
 * place, and compared with each. Only the start allocates.
 */
#include "http/origin.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define HOST_MAXIMUM 253 /* of a name in DNS */

/* A serialised origin: scheme "://" host [":" port]. Slices keep the case they came in. */
struct origin {
    struct slice scheme;
    struct slice host; /* with the brackets of an IPv6 address; without the "*." of a wildcard */
    uint32_t port;     /* the scheme's default if none is written; 0: none */
    bool wildcard;
};

struct origin_policy {
    bool any;
    bool same_origin;
    bool null;
    size_t count;
    char *text; /* owned; the rows borrow from it */
    struct origin origins[ORIGIN_LIST_MAXIMUM];
};

static bool equal_ignoring_case(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || strncasecmp(a.data, b.data, a.length) == 0);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scheme_valid(struct slice scheme)
{
    if (scheme.length == 0 || !is_letter(scheme.data[0]))
        return false;
    for (size_t i = 1; i < scheme.length; i++) {
        char c = scheme.data[i];

        if (!is_letter(c) && !is_digit(c) && c != '+' && c != '-' && c != '.')
            return false;
    }
    return true;
}

/* A name of letters, digits, '-', '_' and '.', with no empty label; or an IPv6 address in brackets. */
static bool host_valid(struct slice host)
{
    bool bracketed = host.length > 2 && host.data[0] == '[' && host.data[host.length - 1] == ']';
    char previous = '.';

    if (host.length == 0 || host.length > HOST_MAXIMUM)
        return false;
    for (size_t i = bracketed ? 1 : 0; i < host.length - (bracketed ? 1 : 0); i++) {
        char c = host.data[i];

        if (bracketed ? !(strchr("abcdefABCDEF:.", c) && c != '\0') && !is_digit(c)
                      : !is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
        if (!bracketed && c == '.' && previous == '.')
            return false;
        previous = c;
    }
    return bracketed || previous != '.';
}

static uint32_t default_port(struct slice scheme)
{
    if (equal_ignoring_case(scheme, SLICE_LITERAL("http")))
        return 80;
    return equal_ignoring_case(scheme, SLICE_LITERAL("https")) ? 443 : 0;
}

/* Cuts ":port" off a host; *ret_port does not change if there is none. False for a bad port. */
static bool cut_port(struct slice *host, uint32_t *ret_port)
{
    size_t colon = host->length;
    uint32_t port = 0;

    while (colon > 0 && is_digit(host->data[colon - 1]))
        colon--;
    if (colon == 0 || host->data[colon - 1] != ':')
        return true; /* brackets end an IPv6 address without a port */
    if (colon == host->length || host->length - colon > 5)
        return false;
    for (size_t i = colon; i < host->length; i++)
        port = port * 10 + (uint32_t)(host->data[i] - '0');
    if (port == 0 || port > 65535)
        return false;
    *ret_port = port;
    host->length = colon - 1;
    return true;
}

static bool parse_origin(struct slice text, bool wildcard_allowed, struct origin *ret_origin)
{
    struct origin origin = {0};
    const char *separator = text.length > 0 ? memmem(text.data, text.length, "://", 3) : NULL;

    if (!separator)
        return false;
    origin.scheme = slice_make(text.data, (size_t)(separator - text.data));
    origin.host = slice_make(separator + 3, text.length - origin.scheme.length - 3);
    if (wildcard_allowed && slice_starts_with(origin.host, SLICE_LITERAL("*."))) {
        origin.wildcard = true;
        origin.host = slice_make(origin.host.data + 2, origin.host.length - 2);
    }
    origin.port = default_port(origin.scheme);
    if (!scheme_valid(origin.scheme) || !cut_port(&origin.host, &origin.port) || !host_valid(origin.host))
        return false;
    *ret_origin = origin;
    return true;
}

static struct slice trim(struct slice text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = slice_make(text.data + 1, text.length - 1);
    while (text.length > 0 && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

static enum status add_item(struct origin_policy *policy, struct slice item)
{
    if (slice_equal_string(item, "*")) {
        policy->any = true;
        return STATUS_OK;
    }
    if (slice_equal_string(item, "same-origin")) {
        policy->same_origin = true;
        return STATUS_OK;
    }
    if (slice_equal_string(item, "null")) {
        policy->null = true;
        return STATUS_OK;
    }
    if (policy->count == ORIGIN_LIST_MAXIMUM)
        return STATUS_FULL;
    if (!parse_origin(item, true, &policy->origins[policy->count]))
        return STATUS_MALFORMED;
    policy->count++;
    return STATUS_OK;
}

static enum status parse_list(struct origin_policy *policy, char *error, size_t error_size)
{
    const char *at = policy->text;

    for (;;) {
        size_t length = strcspn(at, ",");
        struct slice item = trim(slice_make(at, length));
        enum status status = add_item(policy, item);

        if (status == STATUS_FULL)
            snprintf(error, error_size, "more than %d origins", ORIGIN_LIST_MAXIMUM);
        else if (status != STATUS_OK)
            snprintf(error, error_size,
                     "'%.*s' is not an origin (expected scheme://host[:port], '*', 'same-origin' or 'null')",
                     (int)(item.length < 200 ? item.length : 200), item.data);
        if (status != STATUS_OK)
            return STATUS_MALFORMED;
        if (at[length] == '\0')
            return STATUS_OK;
        at += length + 1;
    }
}

enum status origin_policy_create(const char *text, struct origin_policy **ret_policy, char *error,
                                 size_t error_size)
{
    struct origin_policy *policy = calloc(1, sizeof(*policy));
    enum status status = STATUS_NO_MEMORY;

    if (!policy)
        return STATUS_NO_MEMORY;
    policy->text = strdup(text && *text ? text : "same-origin");
    if (policy->text)
        status = parse_list(policy, error, error_size);
    else
        snprintf(error, error_size, "out of memory");
    if (status != STATUS_OK) {
        origin_policy_free(policy);
        return status;
    }
    *ret_policy = policy;
    return STATUS_OK;
}

void origin_policy_free(struct origin_policy *policy)
{
    if (!policy)
        return;
    free(policy->text);
    free(policy);
}

/* Behind a proxy that ends TLS the request's own scheme is not known: a Host without a port stands for the
 * default port of the Origin's scheme. */
static bool is_same_origin(const struct origin *origin, struct slice host)
{
    uint32_t port = default_port(origin->scheme);

    if (port == 0 || !cut_port(&host, &port))
        return false; /* only http and https have a Host to be the same as */
    return port == origin->port && equal_ignoring_case(origin->host, host);
}

static bool matches(const struct origin *rule, const struct origin *origin)
{
    struct slice host = origin->host;

    if (!equal_ignoring_case(rule->scheme, origin->scheme) || rule->port != origin->port)
        return false;
    if (rule->wildcard) {
        if (host.length < rule->host.length + 2)
            return false;
        host = slice_make(host.data + host.length - rule->host.length, rule->host.length);
        if (host.data[-1] != '.')
            return false;
    }
    return equal_ignoring_case(rule->host, host);
}

bool origin_allowed(const struct origin_policy *policy, struct slice origin_text, struct slice host)
{
    struct origin origin;

    if (policy->any || !origin_text.data)
        return true;
    if (slice_equal_string(origin_text, "null"))
        return policy->null;
    if (!parse_origin(origin_text, false, &origin))
        return false;
    if (policy->same_origin && is_same_origin(&origin, host))
        return true;
    for (size_t i = 0; i < policy->count; i++) {
        if (matches(&policy->origins[i], &origin))
            return true;
    }
    return false;
}
