/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A ring's lower half for tests: nats-server, redis-server and value-svc as child processes on free ports of
 * 127.0.0.1, and a client that publishes, asks and collects what is published. Everything ends with the test
 * process. Failures end the running test. One thread, but for the collecting.
 */
#ifndef POLLEN8_TESTS_VALUE_RIG_H
#define POLLEN8_TESTS_VALUE_RIG_H

#include <stdint.h>
#include <sys/types.h>

#include "common/bus/bus.h"
#include "common/wire.h"
#include "frame.pb-c.h"
#include "redis_server.h"
#include "store/store.h"
#include "support/nats_server.h"

#define RIG_FRAMES_MAXIMUM 65536

struct value_process {
    pid_t pid;
    int ops_port;
};

/* Starts value-svc on these servers with further "NAME=value" settings (NULL-terminated, may be NULL). */
void value_start(struct value_process *process, const char *nats_url, const char *redis_url,
                 const char *const *settings);
void value_wait_ready(const struct value_process *process, int code); /* until /readyz answers the code */
/* Also until nothing of an earlier epoch is replayed beside what the test publishes. */
void value_start_ready(struct value_process *process, const struct nats_server *nats,
                       const struct redis_server *redis, const char *const *settings);
int value_stop(struct value_process *process, int signal); /* exit status; -1: ended by a signal */
int value_end(void **state); /* a test's tear-down: ends those that a failed assertion left running */
int64_t value_metric(const struct value_process *process, const char *series); /* -1: not there */

/* One frame of pollen8.out.> or message of pollen8.dead.>, copied. */
struct rig_frame {
    char subject[256];
    char event[64];
    char data[512];
    char reason[256]; /* dead letters */
    uint64_t event_id, epoch, version, lane_sequence, lane_previous, user_sequence, history_epoch;
    uint64_t first_lane_sequence;
    uint32_t lane, first_lane;
    int policy;
    char industries[256]; /* joined with commas */
};

struct rig; /* opaque: the client */

struct rig *rig_create(const char *nats_url);
void rig_free(struct rig *rig);
struct bus *rig_bus(struct rig *rig);

/* The client with both servers, Redis durable. */
struct rig *rig_start(struct nats_server *nats, struct redis_server *redis);
void rig_end(struct rig *rig, struct nats_server *nats, struct redis_server *redis);

/* A connection of the service's own kind to the server, in an epoch of its own; `url` is filled, and outlives
 * it. */
struct store *rig_store(const struct redis_server *redis, struct store_url *url, int64_t timeout_ms);

/* Begins an epoch on the server that the store is connected to, as the watcher would. */
void rig_begin_epoch(struct store *store, const struct store_position *position);

bool rig_replayed(void *redis); /* a struct redis_server: whether the epoch it is in has been replayed */

void rig_publish(struct rig *rig, const char *subject, const char *text);
void rig_flush(struct rig *rig);

/* Frames collected since rig_clear that match (either may be NULL), in order of arrival. */
void rig_clear(struct rig *rig);
size_t rig_count(struct rig *rig, const char *subject, const char *event);
bool rig_get(struct rig *rig, const char *subject, const char *event, size_t index,
             struct rig_frame *ret_frame);
void rig_wait(struct rig *rig, const char *subject, const char *event, size_t count);

#define RIG_DURABLE_SIZE 64

/* The newest epoch's durable; false where there is none. */
bool rig_durable(struct rig *rig, char out[RIG_DURABLE_SIZE]);

/* What the broker says of it, as JSON; empty where there is none. Valid until the next rig_ask. */
struct slice rig_durable_info(struct rig *rig);

/* Until all that is in the stream has been handed out and acknowledged. */
void rig_settle(struct rig *rig);

/* Asks and waits; the answer's bytes are valid until the next rig_ask. */
enum status rig_ask(struct rig *rig, const char *subject, const void *data, size_t length,
                    struct slice *ret_answer);

#endif
