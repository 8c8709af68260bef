/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * redis-server as a child process of the test on a free port of 127.0.0.1, its data in a folder made by
 * mkdtemp, its end with the test process; and the waiting that all these tests do. Failures end the running
 * test. One thread.
 */
#ifndef POLLEN8_TESTS_REDIS_SERVER_H
#define POLLEN8_TESTS_REDIS_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RIG_PATIENCE_MS 30000

/* Waits until `holds` does. */
void rig_until(bool (*holds)(void *context), void *context, const char *what);

int rig_free_port(void);

struct redis_server {
    pid_t pid;    /* 0: not running */
    int port;     /* kept over restarts, as the folder */
    bool durable; /* appendonly with fsync always; else only what SAVE wrote survives */
    int primary;  /* port of the server it is a replica of; 0: none */
    int watched;  /* port of the primary `main` it is a sentinel of; 0: no sentinel */
    char folder[64];
    char url[64];
};

void redis_start(struct redis_server *redis);            /* ready when it answers */
void redis_stop(struct redis_server *redis, int signal); /* and waits for the end */
void redis_init(struct redis_server *redis, bool durable);
void redis_init_replica(struct redis_server *redis, const struct redis_server *primary);
void redis_init_sentinel(struct redis_server *redis, const struct redis_server *primary);
void redis_done(struct redis_server *redis);

/* An integer that a command answers (a text is read as one); of a list its length; -1 for nil. */
int64_t redis_integer(struct redis_server *redis, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int64_t redis_sum(struct redis_server *redis, const char *user_id);

#endif
