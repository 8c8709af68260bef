/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The real auth-svc as a child process with an environment of its own, and one client of it on the bus. One
 * thread.
 */
#ifndef POLLEN8_TESTS_AUTH_PROCESS_H
#define POLLEN8_TESTS_AUTH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/bus/bus.h"

struct process {
    pid_t pid;
    int ops_port;
};

/* Starts auth-svc with NATS at nats_url, a free OPS_PORT and the further "NAME=value" settings
 * (NULL-terminated). */
bool process_start(struct process *process, const char *nats_url, const char *const *settings);

/* GET of the ops port: the status code, 0 where nothing answers; the body's start in `body`. */
int process_get(const struct process *process, const char *path, char *body, size_t size);

/* Waits until /readyz answers `code`; false after half a minute. */
bool process_wait_ready(const struct process *process, int code);

/* Sends the signal and waits for the end; the exit status, -1 for an end by signal. */
int process_stop(struct process *process, int signal);

/* The same for a service that ends by itself. */
int process_wait(struct process *process);

/* What a VerifyReply said. */
struct answer {
    char code[32]; /* "ok", an error's code, or "timeout" and the like where none came */
    char message[128];
    char user_id[160];
    char role[80];
    char industries[512];   /* joined with commas */
    char permissions[1024]; /* joined with commas */
    int64_t expires_at_ms;
    uint32_t retry_after_ms;
};

/* One VerifyRequest, waiting for its reply. */
void ask(struct bus *bus, const char *token, struct answer *answer);

/* Reads a packed VerifyReply. */
void read_answer(struct slice bytes, struct answer *answer);

#endif
