/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table of config.def, read once: environment -> struct settings -> checks across settings. Networks in
 * CIDR form are stored as 16-byte IPv6 addresses (IPv4 mapped), so that one comparison serves both.
 */
#include "base/settings.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/namespace_list.h"
#include "common/rng.h"

#define NETWORKS_MAXIMUM 64

static const struct config_setting table[] = {
#define SETTING(field, type, name, default_text, minimum, maximum, help)                                     \
    {name, default_text, help, CONFIG_##type, offsetof(struct settings, field), minimum, maximum},
#include "base/config.def"
#include "common/ops/config_common.def"
#undef SETTING
};

static const struct config_program program = {
    .name = "gateway",
    .purpose = "holds the clients' connections: Socket.IO and plain WebSocket on one side, NATS on the other",
    .settings = table,
    .count = sizeof(table) / sizeof(table[0]),
};

struct network {
    unsigned char address[16];
    unsigned bits;
};

struct networks {
    size_t count;
    struct network list[NETWORKS_MAXIMUM];
};

static bool name_valid(const char *name)
{
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name);
}

static bool path_valid(const char *path)
{
    size_t length = strlen(path);
    return path[0] == '/' && path[length - 1] != '/' && strcmp(path, "/ws") != 0 &&
           strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/") == length;
}

_Noreturn static void refuse(const char *what)
{
    fprintf(stderr, "gateway: %s\n", what);
    exit(2);
}

void settings_load(struct settings *settings, int argc, char **argv)
{
    memset(settings, 0, sizeof(*settings));
    config_load(&program, settings, argc, argv);
    if (!settings->gateway_name || !settings->gateway_name[0]) {
        free(settings->gateway_name);
        settings->gateway_name = calloc(1, 16);
        if (!settings->gateway_name)
            refuse("out of memory");
        rng_id(settings->gateway_name, 9);
    }
    if (!name_valid(settings->gateway_name))
        refuse("GATEWAY_NAME may hold letters, digits, _ and - only");
    if (!path_valid(settings->socketio_path))
        refuse("SOCKETIO_PATH must start with / and end without one, of letters, digits and _ . - /, and is "
               "not /ws");
    if (!namespace_list_valid(settings->namespaces))
        refuse("NAMESPACES is a list of at most 16 different names, separated by commas, that start with /");
    bool certificate = settings->tls_cert_file && settings->tls_cert_file[0];
    bool key = settings->tls_key_file && settings->tls_key_file[0];
    if (certificate != key)
        refuse("TLS_CERT_FILE and TLS_KEY_FILE must be set together");
}

void settings_done(struct settings *settings)
{
    config_free(&program, settings);
}

/* IPv4 becomes ::ffff:a.b.c.d. */
static bool address_bytes(const struct sockaddr *address, unsigned char out[16])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return true;
    }
    if (address->sa_family != AF_INET)
        return false;
    memcpy(out, mapped, 12);
    memcpy(out + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    return true;
}

static bool network_parse(char *text, struct network *network)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char *slash = strchr(text, '/');
    char *end = NULL;
    if (slash)
        *slash = '\0';
    unsigned width = 128;
    const struct sockaddr *address = (const struct sockaddr *)&v6;
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        width = 32;
        address = (const struct sockaddr *)&v4;
    } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1) {
        return false;
    }
    unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : width;
    if (bits > width || (slash && (!slash[1] || *end)))
        return false;
    network->bits = (unsigned)bits + (128 - width);
    return address_bytes(address, network->address);
}

struct networks *networks_parse(const char *text)
{
    struct networks *networks = calloc(1, sizeof(*networks));
    char *copy = strdup(text ? text : "");
    char *rest = NULL;
    bool good = networks && copy;
    for (char *item = good ? strtok_r(copy, ", ", &rest) : NULL; item; item = strtok_r(NULL, ", ", &rest)) {
        good = networks->count < NETWORKS_MAXIMUM && network_parse(item, &networks->list[networks->count]);
        if (!good)
            break;
        networks->count++;
    }
    free(copy);
    if (good)
        return networks;
    free(networks);
    return NULL;
}

void networks_free(struct networks *networks)
{
    free(networks);
}

static bool network_contains(const struct network *network, const unsigned char address[16])
{
    unsigned whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    if (memcmp(network->address, address, whole) != 0)
        return false;
    return rest == 0 || ((network->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool networks_contain(const struct networks *networks, const struct sockaddr *address)
{
    unsigned char bytes[16];
    if (!address_bytes(address, bytes))
        return false;
    for (size_t i = 0; i < networks->count; i++)
        if (network_contains(&networks->list[i], bytes))
            return true;
    return false;
}
