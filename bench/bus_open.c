/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The services' own client of the broker, so that the benchmark pays what they pay.
 */
#include "bus_open.h"

#include <stdio.h>
#include <unistd.h>

#define TURNS   500
#define TURN_US 10000

struct bus *bus_open(uint16_t port, const char *name)
{
    char url[64];
    char error[256] = "";
    struct bus_options options = {.url = url, .name = name};
    struct bus *bus = NULL;

    snprintf(url, sizeof(url), "nats://127.0.0.1:%u", port);
    if (bus_create(&options, &bus, error, sizeof(error)) == STATUS_OK)
        for (int i = 0; i < TURNS && !bus_connected(bus); i++)
            usleep(TURN_US);
    if (bus && bus_connected(bus))
        return bus;
    fprintf(stderr, "%s: no connection to the broker %s\n", name, error);
    bus_free(bus);
    return NULL;
}
