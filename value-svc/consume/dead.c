/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * letters -> one request each to the stream POLLEN8_DEAD -> wait until all are answered.
 */
#include "consume/dead.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/bus/subject.h"
#include "common/names.h"
#include "submit/publish_ack.h"

#define STORE_TIMEOUT_MS 5000
#define HEADER_ROOM      1024 /* bytes of a message that our headers may take */

struct burial {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    size_t outstanding; /* guarded by lock */
    bool failed;        /* guarded by lock */
};

/* On the bus's delivery or timer thread. */
static void on_dead_answer(void *context, enum status status, const struct bus_message *message)
{
    struct dead_letter *letter = context;
    struct burial *burial = letter->burial;
    struct publish_ack ack = {0};
    bool stored = status == STATUS_OK && publish_ack_read(message->data, &ack) == STATUS_OK;
    pthread_mutex_lock(&burial->lock);
    burial->failed = burial->failed || !stored;
    letter->repeated = stored && ack.duplicate;
    burial->outstanding--;
    pthread_cond_signal(&burial->answered);
    pthread_mutex_unlock(&burial->lock);
}

static enum status send_letter(struct bus *bus, struct burial *burial, struct dead_letter *letter)
{
    char subject[SUBJECT_SIZE];
    char id[64];
    const char *place = id + strlen("dead-");
    const char *const headers[] = {"Pollen8-Reason",
                                   letter->reason,
                                   "Nats-Msg-Id",
                                   id,
                                   letter->tried ? "Pollen8-Event" : NULL,
                                   place,
                                   NULL};
    int64_t room = bus_maximum_payload(bus) - HEADER_ROOM;
    size_t length = letter->body.length;
    struct slice name = event_name_valid(letter->name) ? letter->name : SLICE_LITERAL("unknown");
    enum status status = subject_make(subject, SUBJECT_DEAD, name);
    if (status != STATUS_OK)
        return status;
    letter->burial = burial;
    if (room > 0 && length > (size_t)room)
        length = (size_t)room; /* it was too large to begin with: this much is enough to judge it */
    snprintf(id, sizeof(id), "dead-%" PRIu64 "-%" PRId64, letter->stream_sequence, letter->timestamp_ms);
    return bus_request(bus, subject, headers, letter->body.data, length, STORE_TIMEOUT_MS, on_dead_answer,
                       letter);
}

enum status dead_bury(struct bus *bus, struct dead_letter *letters, size_t count)
{
    struct burial burial = {.lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER};
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&burial.lock);
        burial.outstanding++;
        pthread_mutex_unlock(&burial.lock);
        if (send_letter(bus, &burial, &letters[i]) == STATUS_OK)
            continue;
        pthread_mutex_lock(&burial.lock);
        burial.outstanding--;
        burial.failed = true;
        pthread_mutex_unlock(&burial.lock);
    }
    pthread_mutex_lock(&burial.lock);
    while (burial.outstanding > 0)
        pthread_cond_wait(&burial.answered, &burial.lock);
    bool failed = burial.failed;
    pthread_mutex_unlock(&burial.lock);
    pthread_cond_destroy(&burial.answered);
    pthread_mutex_destroy(&burial.lock);
    return failed ? STATUS_DISCONNECTED : STATUS_OK;
}
