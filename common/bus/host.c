/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * text -> (brackets off) name and rest -> port.
 */
#include "common/bus/host.h"

static bool parse_port(struct slice text, uint16_t *ret_port)
{
    if (text.length == 0 || text.length > 5)
        return false;
    unsigned long number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (unsigned long)(text.data[i] - '0');
    }
    *ret_port = (uint16_t)number;
    return number >= 1 && number <= UINT16_MAX;
}

/* The name without brackets, and the rest after it. */
static const char *split(struct slice text, struct slice *ret_name, struct slice *ret_rest)
{
    const bool bracket = text.length > 0 && text.data[0] == '[';
    const char *end = text.length > 0 ? memchr(text.data, bracket ? ']' : ':', text.length) : NULL;
    size_t length = end ? (size_t)(end - text.data) : text.length;
    if (bracket && !end)
        return "an IPv6 host needs its closing `]`";
    *ret_name = bracket ? slice_make(text.data + 1, length - 1) : slice_make(text.data, length);
    *ret_rest = slice_make(text.data + length + bracket, text.length - length - bracket);
    if (bracket && ret_rest->length > 0 && ret_rest->data[0] != ':')
        return "only `:port` may follow the `]` of an IPv6 host";
    return NULL;
}

enum status host_parse(struct slice text, uint16_t default_port, struct host *ret_host,
                       const char **ret_reason)
{
    struct slice name = {0};
    struct slice rest = {0};
    uint16_t port = default_port;
    const char *reason = split(text, &name, &rest);
    if (!reason && (name.length == 0 || name.length >= HOST_SIZE))
        reason = "a host is empty or too long";
    if (!reason && rest.length > 0 && !parse_port(slice_make(rest.data + 1, rest.length - 1), &port))
        reason = "a port is not a number from 1 to 65535";
    if (reason) {
        *ret_reason = reason;
        return STATUS_MALFORMED;
    }
    memcpy(ret_host->name, name.data, name.length);
    ret_host->name[name.length] = '\0';
    ret_host->port = port;
    return STATUS_OK;
}
