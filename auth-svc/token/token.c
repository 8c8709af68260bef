/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Token text -> shape -> header -> key -> signature -> claims -> rules, in that order. So nothing that a
 * token says is believed before its signature is valid, and no key is tried that its header did not name.
 *
 *   token = base64url(header) "." base64url(claims) "." base64url(signature)
 */
#include "token/token.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include <jwt.h>

#include "common/base64url.h"
#include "common/json.h"

/* 9999-12-31T23:59:59Z. A time in milliseconds that was taken for seconds is above it. */
#define SECONDS_MAXIMUM 253402300799.0

struct parts {
    struct slice header;
    struct slice claims;
    struct slice signature;
};

static enum status refuse(const char **ret_message, const char *message)
{
    *ret_message = message;
    return STATUS_AUTH_INVALID;
}

static bool base64url_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Exactly two dots, three non-empty parts, and no character outside the alphabet. */
static bool split(struct slice token, struct parts *ret_parts)
{
    struct slice part[3] = {{.data = token.data}};
    size_t index = 0;

    for (size_t i = 0; i < token.length; i++) {
        if (base64url_character(token.data[i])) {
            part[index].length++;
        } else if (token.data[i] == '.' && index < 2) {
            part[++index] = slice_make(token.data + i + 1, 0);
        } else {
            return false;
        }
    }
    *ret_parts = (struct parts){.header = part[0], .claims = part[1], .signature = part[2]};
    return index == 2 && part[0].length && part[1].length && part[2].length;
}

/* STATUS_MALFORMED if the part is not one JSON object. */
static enum status parse_part(struct slice part, json_t **ret_object)
{
    char text[TOKEN_MAXIMUM_BYTES];
    size_t length = 0;
    json_t *value = NULL;
    enum status status = base64url_decode(text, sizeof(text), part, &length);

    if (status == STATUS_OK)
        status = json_parse(slice_make(text, length), &value, NULL, 0);
    if (status != STATUS_OK)
        return status == STATUS_NO_MEMORY ? status : STATUS_MALFORMED;
    if (!json_is_object(value)) {
        json_decref(value);
        return STATUS_MALFORMED;
    }
    *ret_object = value;
    return STATUS_OK;
}

static bool algorithm_named(struct slice name, enum key_algorithm *ret_algorithm)
{
    static const char *const names[] = {[KEY_HS256] = "HS256", [KEY_RS256] = "RS256", [KEY_ES256] = "ES256"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal_string(name, names[i])) {
            *ret_algorithm = (enum key_algorithm)i;
            return true;
        }
    }
    return false;
}

/* The key that the header asks for. Checks its type and critical extensions too. */
static enum status choose_key(const json_t *header, const struct keys *keys, const struct key **ret_key,
                              const char **ret_message)
{
    enum key_algorithm algorithm;
    const json_t *type = json_object_get(header, "typ");
    const json_t *id = json_object_get(header, "kid");

    if (json_object_get(header, "crit"))
        return refuse(ret_message, "the token uses critical extensions that are not known here");
    if (type && (!json_is_string(type) || strcasecmp(json_string_value(type), "JWT") != 0))
        return refuse(ret_message, "the token's typ is not JWT");
    if (id && !json_is_string(id))
        return refuse(ret_message, "the token's kid is not a string");
    if (!algorithm_named(json_string_slice(json_object_get(header, "alg")), &algorithm))
        return refuse(ret_message, "the token's algorithm is not accepted");
    *ret_key = keys_find(keys, algorithm, id ? json_string_slice(id) : slice_make(NULL, 0));
    if (!*ret_key)
        return refuse(ret_message, "the token's signing key is not known");
    return STATUS_OK;
}

static enum status check_signature(struct slice token, const struct key *key, const char **ret_message)
{
    static const jwt_alg_t pinned[] = {
        [KEY_HS256] = JWT_ALG_HS256, [KEY_RS256] = JWT_ALG_RS256, [KEY_ES256] = JWT_ALG_ES256};
    char text[TOKEN_MAXIMUM_BYTES + 1];
    jwt_t *jwt = NULL;
    int error;
    bool as_pinned;

    memcpy(text, token.data, token.length);
    text[token.length] = '\0';
    json_watch_allocations();
    error = jwt_decode(&jwt, text, key->bytes, (int)key->length);
    if (error == ENOMEM || json_allocation_failed()) { /* the library reports the latter as a bad token */
        jwt_free(jwt);
        *ret_message = "tokens cannot be checked at the moment";
        return STATUS_NO_MEMORY;
    }
    /* The library verifies with whatever algorithm the token states, and accepts any key of length 0. It
     * records what it did, and only that counts. */
    as_pinned = error == 0 && jwt && jwt_get_alg(jwt) == pinned[key->algorithm];
    jwt_free(jwt);
    return as_pinned ? STATUS_OK : refuse(ret_message, "the token's signature is not valid");
}

/* A NumericDate (RFC 7519 section 2) in milliseconds, -1 if the claim is missing. Fractions count. */
static bool read_time(const json_t *claims, const char *name, int64_t *ret_ms)
{
    const json_t *value = json_object_get(claims, name);

    if (!value) {
        *ret_ms = -1;
        return true;
    }
    if (!json_is_number(value))
        return false;
    if (!(json_number_value(value) >= 0 && json_number_value(value) <= SECONDS_MAXIMUM))
        return false;
    *ret_ms = json_is_integer(value) ? (int64_t)json_integer_value(value) * 1000
                                     : (int64_t)floor(json_real_value(value) * 1000.0);
    return true;
}

static enum status check_times(const json_t *claims, const struct token_rules *rules, int64_t now_ms,
                               struct token_claims *ret_claims, const char **ret_message)
{
    int64_t expires, not_before, issued;

    if (!read_time(claims, "exp", &expires))
        return refuse(ret_message, "the token's exp is not a time in seconds");
    if (!read_time(claims, "nbf", &not_before))
        return refuse(ret_message, "the token's nbf is not a time in seconds");
    if (!read_time(claims, "iat", &issued))
        return refuse(ret_message, "the token's iat is not a time in seconds");
    if (expires < 0 && rules->require_expiry)
        return refuse(ret_message, "the token has no exp");
    /* 0 means "never" to everyone downstream. 1970 has passed either way. */
    ret_claims->expires_at_ms = expires < 0 ? 0 : (expires == 0 ? 1 : expires);
    ret_claims->issued_at_ms = issued;
    if (token_expired(ret_claims, rules, now_ms)) {
        *ret_message = "the token has expired";
        return STATUS_AUTH_EXPIRED;
    }
    if (not_before > now_ms + rules->leeway_ms || issued > now_ms + rules->leeway_ms)
        return refuse(ret_message, "the token is not valid yet");
    return STATUS_OK;
}

static bool audience_matches(const json_t *audience, const char *wanted)
{
    size_t index;
    json_t *item;

    if (json_is_string(audience))
        return slice_equal_string(json_string_slice(audience), wanted);
    json_array_foreach(audience, index,
                       item) if (json_is_string(item) &&
                                 slice_equal_string(json_string_slice(item), wanted)) return true;
    return false;
}

static enum status check_parties(const json_t *claims, const struct token_rules *rules,
                                 const char **ret_message)
{
    const json_t *issuer = json_object_get(claims, "iss");

    if (rules->issuer && *rules->issuer &&
        (!json_is_string(issuer) || !slice_equal_string(json_string_slice(issuer), rules->issuer)))
        return refuse(ret_message, "the token is from another issuer");
    if (rules->audience && *rules->audience &&
        !audience_matches(json_object_get(claims, "aud"), rules->audience))
        return refuse(ret_message, "the token is for another audience");
    return STATUS_OK;
}

static enum status read_identity(const json_t *claims, struct token_claims *ret_claims,
                                 const char **ret_message)
{
    const json_t *claim = json_object_get(claims, "role");
    const json_t *role = json_is_null(claim) ? NULL : claim;
    struct slice subject = json_string_slice(json_object_get(claims, "sub"));
    struct slice role_name = json_string_slice(role);

    if (!subject.data || !id_valid(subject))
        return refuse(ret_message, "the token's sub is not a usable user id");
    if (role && (!role_name.data || role_name.length > TOKEN_ROLE_MAXIMUM_BYTES || !id_valid(role_name)))
        return refuse(ret_message, "the token's role is not a usable name");
    memcpy(ret_claims->subject, subject.data, subject.length);
    ret_claims->subject[subject.length] = '\0';
    if (role)
        memcpy(ret_claims->role, role_name.data, role_name.length);
    ret_claims->role[role ? role_name.length : 0] = '\0';
    return STATUS_OK;
}

static enum status check_claims(struct slice part, const struct token_rules *rules, int64_t now_ms,
                                struct token_claims *ret_claims, const char **ret_message)
{
    json_t *claims = NULL;
    enum status status = parse_part(part, &claims);

    if (status != STATUS_OK)
        return status == STATUS_NO_MEMORY ? status
                                          : refuse(ret_message, "the token's claims are not valid JSON");
    status = check_times(claims, rules, now_ms, ret_claims, ret_message);
    if (status == STATUS_OK)
        status = check_parties(claims, rules, ret_message);
    if (status == STATUS_OK)
        status = read_identity(claims, ret_claims, ret_message);
    json_decref(claims);
    return status;
}

enum status token_verify(struct slice token, const struct keys *keys, const struct token_rules *rules,
                         int64_t now_ms, struct token_claims *ret_claims, const char **ret_message)
{
    struct token_claims claims = {0};
    struct parts parts;
    json_t *header = NULL;
    const struct key *key = NULL;
    enum status status;

    *ret_message = "tokens cannot be checked at the moment";
    if (token.length == 0) {
        *ret_message = "a token is required";
        return STATUS_AUTH_REQUIRED;
    }
    if (token.length > TOKEN_MAXIMUM_BYTES)
        return refuse(ret_message, "the token is longer than 8 KB");
    if (!split(token, &parts))
        return refuse(ret_message, "the token is not of the form header.claims.signature");
    status = parse_part(parts.header, &header);
    if (status != STATUS_OK)
        return status == STATUS_NO_MEMORY ? status
                                          : refuse(ret_message, "the token's header is not valid JSON");
    status = choose_key(header, keys, &key, ret_message);
    json_decref(header);
    if (status == STATUS_OK)
        status = check_signature(token, key, ret_message);
    if (status == STATUS_OK)
        status = check_claims(parts.claims, rules, now_ms, &claims, ret_message);
    if (status == STATUS_OK)
        *ret_claims = claims;
    return status;
}

bool token_expired(const struct token_claims *claims, const struct token_rules *rules, int64_t now_ms)
{
    return claims->expires_at_ms && now_ms >= claims->expires_at_ms + rules->leeway_ms;
}
