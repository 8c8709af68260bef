/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Loop thread -> list under a lock -> (signal if the thread sleeps) -> sender thread takes the whole list ->
 * one bus call for each job.
 */
#include "broker/sender.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bus/subject.h"

#define PACKED_MAXIMUM (4u * 1024 * 1024)

enum job_kind { JOB_REQUEST, JOB_PUBLISH, JOB_CALL };

struct job {
    struct job *next;
    enum job_kind kind;
    bool secret;
    uint32_t timeout_ms;
    bus_reply_fn *callback;
    void (*function)(void *context, struct bus *bus);
    void *context;
    const char *const *headers;
    size_t length;
    char subject[SUBJECT_SIZE];
    char data[];
};

struct sender {
    struct bus *bus;
    size_t maximum;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct job *head;  /* lock */
    struct job **tail; /* lock */
    bool sleeping;     /* lock */
    bool ending;       /* lock */
    atomic_size_t depth;
};

static void perform(struct sender *sender, struct job *job)
{
    enum status status;
    switch (job->kind) {
    case JOB_REQUEST:
        status = bus_request(sender->bus, job->subject, NULL, job->data, job->length, job->timeout_ms,
                             job->callback, job->context);
        if (status != STATUS_OK)
            job->callback(job->context, status, NULL);
        break;
    case JOB_PUBLISH:
        /* Presence and the like: the next report replaces a lost one. */
        (void)bus_publish_with(sender->bus, job->subject, job->headers, job->data, job->length);
        break;
    case JOB_CALL: job->function(job->context, sender->bus); break;
    }
    if (job->secret)
        explicit_bzero(job->data, job->length);
    if (job->kind != JOB_CALL)
        atomic_fetch_sub_explicit(&sender->depth, 1, memory_order_relaxed);
    free(job);
}

static struct job *wait_for_jobs(struct sender *sender)
{
    pthread_mutex_lock(&sender->lock);
    while (!sender->head && !sender->ending) {
        sender->sleeping = true;
        pthread_cond_wait(&sender->filled, &sender->lock);
    }
    sender->sleeping = false;
    struct job *list = sender->head;
    sender->head = NULL;
    sender->tail = &sender->head;
    pthread_mutex_unlock(&sender->lock);
    return list;
}

static void *run(void *argument)
{
    struct sender *sender = argument;
    struct job *list;
    while ((list = wait_for_jobs(sender))) {
        while (list) {
            struct job *next = list->next;
            perform(sender, list);
            list = next;
        }
    }
    return NULL;
}

enum status sender_create(struct bus *bus, size_t maximum, struct sender **ret_sender)
{
    struct sender *sender = calloc(1, sizeof(*sender));
    if (!sender)
        return STATUS_NO_MEMORY;
    sender->bus = bus;
    sender->maximum = maximum;
    sender->tail = &sender->head;
    pthread_mutex_init(&sender->lock, NULL);
    pthread_cond_init(&sender->filled, NULL);
    if (pthread_create(&sender->thread, NULL, run, sender) != 0) {
        pthread_cond_destroy(&sender->filled);
        pthread_mutex_destroy(&sender->lock);
        free(sender);
        return STATUS_NO_MEMORY;
    }
    *ret_sender = sender;
    return STATUS_OK;
}

void sender_free(struct sender *sender)
{
    if (!sender)
        return;
    pthread_mutex_lock(&sender->lock);
    sender->ending = true;
    pthread_cond_signal(&sender->filled);
    pthread_mutex_unlock(&sender->lock);
    pthread_join(sender->thread, NULL);
    pthread_cond_destroy(&sender->filled);
    pthread_mutex_destroy(&sender->lock);
    free(sender);
}

static void post(struct sender *sender, struct job *job)
{
    if (job->kind != JOB_CALL)
        atomic_fetch_add_explicit(&sender->depth, 1, memory_order_relaxed);
    pthread_mutex_lock(&sender->lock);
    *sender->tail = job;
    sender->tail = &job->next;
    bool wake = sender->sleeping;
    sender->sleeping = false;
    if (wake)
        pthread_cond_signal(&sender->filled);
    pthread_mutex_unlock(&sender->lock);
}

static struct job *job_create(enum job_kind kind, const char *subject, struct slice data)
{
    struct job *job = malloc(sizeof(*job) + data.length);
    if (!job)
        return NULL;
    memset(job, 0, offsetof(struct job, subject));
    job->kind = kind;
    job->length = data.length;
    snprintf(job->subject, sizeof(job->subject), "%s", subject);
    if (data.length)
        memcpy(job->data, data.data, data.length);
    return job;
}

enum status sender_request(struct sender *sender, const char *subject, struct slice data, bool secret,
                           uint32_t timeout_ms, bus_reply_fn *callback, void *context)
{
    if (sender_depth(sender) >= sender->maximum)
        return STATUS_FULL;
    struct job *job = job_create(JOB_REQUEST, subject, data);
    if (!job)
        return STATUS_NO_MEMORY;
    job->secret = secret;
    job->timeout_ms = timeout_ms;
    job->callback = callback;
    job->context = context;
    post(sender, job);
    return STATUS_OK;
}

enum status sender_publish(struct sender *sender, const char *subject, const char *const *headers,
                           struct slice data)
{
    if (sender_depth(sender) >= sender->maximum)
        return STATUS_FULL;
    struct job *job = job_create(JOB_PUBLISH, subject, data);
    if (!job)
        return STATUS_NO_MEMORY;
    job->headers = headers;
    post(sender, job);
    return STATUS_OK;
}

enum status sender_publish_message(struct sender *sender, const char *subject, const char *const *headers,
                                   const ProtobufCMessage *message)
{
    struct buf packed;
    buf_init(&packed, PACKED_MAXIMUM);
    enum status status = wire_pack(&packed, message);
    if (status == STATUS_OK)
        status = sender_publish(sender, subject, headers, buf_slice(&packed));
    buf_done(&packed);
    return status;
}

enum status sender_call(struct sender *sender, void (*function)(void *context, struct bus *bus),
                        void *context)
{
    struct job *job = job_create(JOB_CALL, "", (struct slice){0});
    if (!job)
        return STATUS_NO_MEMORY;
    job->function = function;
    job->context = context;
    post(sender, job);
    return STATUS_OK;
}

size_t sender_depth(const struct sender *sender)
{
    return atomic_load_explicit(&sender->depth, memory_order_relaxed);
}
