/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A nats-server of the test's own: JetStream on, on 127.0.0.1, its data in a folder made by mkdtemp, its end
 * with the test process. One thread.
 */
#ifndef POLLEN8_TESTS_NATS_SERVER_H
#define POLLEN8_TESTS_NATS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct nats_server {
    pid_t pid;       /* 0: not running */
    int port;        /* kept over a restart */
    char folder[64]; /* kept over a restart, removed by nats_server_done */
    char url[64];
};

/* A free port and an empty folder; does not start the server. */
bool nats_server_init(struct nats_server *server);
/* Starts it and returns when it takes connections. */
bool nats_server_start(struct nats_server *server);
void nats_server_stop(struct nats_server *server); /* SIGTERM, and waits for its end */
void nats_server_done(struct nats_server *server);

#endif
