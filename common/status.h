/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * common/ itself: what every service and the rooms bus/ and ops/ are built on, and which knows none of them.
 * Text, numbers and time: slice, buf, utf8, base64, json, names, industry, permission, clock, rng. Messages:
 * wire. What goes wrong: this file, check, log. Everything here works on its arguments alone, except the
 * clocks, the random bytes and standard error.
 *
 * This file: the one result type. Functions return a status and hand results out through `ret_` pointers,
 * which they leave untouched on failure. STATUS_OK is 0. Values from STATUS_AUTH_REQUIRED on are refusals
 * that travel to clients (errors.def); the ones before it are local. Any thread.
 */
#ifndef POLLEN8_COMMON_STATUS_H
#define POLLEN8_COMMON_STATUS_H

#include <stdbool.h>
#include <stddef.h>

enum status {
    STATUS_OK = 0,
    STATUS_NO_MEMORY,     /* an allocation failed */
    STATUS_FULL,          /* a bound was reached; nothing was taken */
    STATUS_AGAIN,         /* nothing there now, or more input is needed */
    STATUS_TIMEOUT,       /* a deadline passed */
    STATUS_NOT_FOUND,     /* no such thing */
    STATUS_MALFORMED,     /* input that breaks its grammar */
    STATUS_DISCONNECTED,  /* the peer (NATS, Redis, MongoDB) cannot be reached now */
    STATUS_NO_RESPONDERS, /* the request's subject has no subscriber */
#define ERROR(suffix, code, message, close_code, final) STATUS_##suffix,
#include "common/errors.def"
#undef ERROR
    STATUS_COUNT
};

/* The code on the wire ("AUTH_EXPIRED"), or for a local status its lower-case name ("timeout"). Static text.
 */
const char *status_code(enum status status);

/* The default sentence for a refusal, or a plain description of a local status. Static text. */
const char *status_message(enum status status);

/* The WebSocket close code of a refusal on /ws; 0 if it never closes a session. */
unsigned status_close_code(enum status status);

/* Whether a Socket.IO client may get a CONNECT_ERROR (final), or its transport must close (not final). */
bool status_final(enum status status);

/* The refusal named by a wire code of `length` bytes; STATUS_INTERNAL for an unknown one. */
enum status status_from_code(const char *code, size_t length);

#endif
