/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Settings come from the environment, as they do in the process.
 */
#include "service_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "service/stream.h"

struct service service;

static bool streams_made(void *context)
{
    return stream_ensure(context) == STATUS_OK;
}

int service_set_up(void **state)
{
    char *arguments[] = {(char[]){"value-svc"}, NULL};

    ring_set_up(state);
    setenv("NATS_URL", nats.url, 1);
    setenv("REDIS_URL", redis.url, 1);
    setenv("LOG_LEVEL", "error", 1);
    assert_int_equal(service_init(&service, 1, arguments), SERVICE_RUN);
    rig_until(streams_made, &service, "the streams are there");
    store = rig_store(&redis, &url, 2000);
    atomic_store(&service.epoch, store_epoch(store));
    return 0;
}

int service_tear_down(void **state)
{
    store_free(store);
    service_done(&service);
    return ring_tear_down(state);
}

int64_t service_metric(const char *series)
{
    char line[256];
    struct buf buf;
    const char *at;
    int64_t value;

    buf_init(&buf, 1048576);
    assert_int_equal(metrics_render(service.metrics, "value-svc", &buf), STATUS_OK);
    snprintf(line, sizeof(line), "\n%s ", series);
    at = strstr(buf.data, line);
    value = at ? strtoll(at + strlen(line), NULL, 10) : -1;
    buf_done(&buf);
    return value;
}
