/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The broker's text protocol on a plain socket, as little of it as the benchmark needs: the library would
 * put its own threads and batches between what is measured. Blocking; one thread. Loopback only.
 */
#ifndef POLLEN8_BENCH_BROKER_LINE_H
#define POLLEN8_BENCH_BROKER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connected socket after CONNECT and what `commands` adds (SUB lines, may be empty); -1 with errno. */
int broker_line_open(uint16_t port, const char *commands);

/* One message. false: the connection is lost. */
bool broker_line_publish(int fd, const char *subject, const void *data, size_t length);

/* Takes what has come in without waiting and answers PING. false: the connection is lost. */
bool broker_line_answer(int fd);

#endif
