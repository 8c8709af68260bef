/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The sessions of the load client: opens them, answers heartbeats, counts what they get. One thread, one
 * epoll. What a server wants of a client is text from the command line: in it %d is the session's number and
 * %t its token.
 */
#ifndef POLLEN8_BENCH_LOAD_SESSIONS_H
#define POLLEN8_BENCH_LOAD_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

struct load; /* opaque */

struct load_options {
    uint16_t port;
    uint16_t ack_port; /* 0: nobody is told */
    uint32_t count;
    uint32_t in_flight; /* sessions being opened at once */
    const char *path;   /* of the upgrade request */
    const char *header; /* one more line of it; NULL: none */
    const char *first;  /* message sent once upgraded; NULL: none */
    const char *ready;  /* what the message holds that makes a session open; NULL: open once upgraded */
    const char *marker; /* what each event holds; a number after it is its time, `,"s":` its running number */
    const char *ping;   /* a message that is a heartbeat; NULL: none */
    const char *pong;   /* the answer to it */
    uint32_t from; /* the number of the first session: several clients share users and source addresses */
    const char *const *tokens; /* one a session; NULL: none */
    bool binary;               /* send binary messages */
    bool tls;
    bool values; /* a decimal number follows the marker: the last of each session is kept, nothing is timed */
};

/* NULL with errno. */
struct load *load_create(const struct load_options *options);
void load_free(struct load *load);

/* Waits for another descriptor's input too: load_turn says when it is there. false with errno. */
bool load_watch(const struct load *load, int descriptor);

/* Opens what may be opened, waits for input at most as long as epoll_wait(2) would, and handles what has come
 * in. Whether the other descriptor has any. */
bool load_turn(struct load *load, int timeout_ms);

/* Every session is open or has failed for good. */
bool load_settled(const struct load *load);

/* Starts the figures of a phase again. */
void load_reset(struct load *load);

/* One line of JSON with the figures since then. */
void load_report(const struct load *load);

/* Every session ends and comes back at once. */
void load_storm(struct load *load, uint32_t in_flight);

/* From now on `rate` sessions a second end and come back; 0: none. */
void load_churn(struct load *load, double rate);

#endif
