/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * init -> start -> (queue -> run) -> finish -> done.
 */
#include "query/query_reader.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"

enum status query_reader_init(struct query_reader *reader, struct service *service, int64_t capacity,
                              const char *unusable)
{
    reader->service = service;
    reader->unusable = unusable;
    reader->store = service_store(service, false);
    return reader->store ? query_queue_create((size_t)capacity, &reader->queue) : STATUS_NO_MEMORY;
}

void query_reader_start(struct query_reader *reader, void *(*run)(void *context), void *context)
{
    CHECK(pthread_create(&reader->thread, NULL, run, context) == 0);
    reader->running = true;
}

bool query_reader_ready(struct query_reader *reader)
{
    int64_t now = (int64_t)clock_monotonic_ms();
    if (!store_connected(reader->store) && now < reader->retry_at_ms)
        return false;
    if (service_store_try(reader->service, reader->store) == STATUS_OK)
        return true;
    reader->retry_at_ms = now + store_retry_ms(reader->store);
    log_event_limited(LOG_WARN, reader->unusable, LOG_S("error", store_error(reader->store)));
    return false;
}

void query_reader_finish(struct query_reader *reader)
{
    query_queue_close(reader->queue);
    if (reader->running)
        pthread_join(reader->thread, NULL);
    reader->running = false;
}

void query_reader_done(struct query_reader *reader)
{
    query_queue_free(reader->queue);
    store_free(reader->store);
}
