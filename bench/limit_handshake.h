/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The WebSocket handshake of the bare-C server, without a library. Pure.
 */
#ifndef POLLEN8_BENCH_LIMIT_HANDSHAKE_H
#define POLLEN8_BENCH_LIMIT_HANDSHAKE_H

#include <stddef.h>

/* The answer to an upgrade request (NUL-terminated); its length, 0 where the request has no key. */
size_t handshake_answer(const char *request, char *out, size_t capacity);

#endif
