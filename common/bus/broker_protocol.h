/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The part of the broker's text protocol that a minimal client needs: reads what the server sends, one
 * operation at a time, and writes what is sent to it. For connections that are read on a loop thread
 * (gateway/broker/link/broker_link.h); everything else goes through bus.h. Strict: anything that the server
 * is not known to send is malformed. Pure; any thread.
 *
 *   server   INFO {json}                                    CRLF ends every line
 *            MSG  <subject> <sid> [reply] <bytes>           then the bytes and CRLF
 *            HMSG <subject> <sid> [reply] <head> <bytes>    the same, the first <head> bytes are headers
 *            PING · PONG · +OK · -ERR 'text'
 *   client   CONNECT {json} · SUB <subject> <sid> · UNSUB <sid> · PING · PONG
 *            PUB <subject> [reply] <bytes>                  then the bytes and CRLF
 */
#ifndef POLLEN8_COMMON_BUS_BROKER_PROTOCOL_H
#define POLLEN8_COMMON_BUS_BROKER_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bus/host.h"

#define BROKER_LINE_MAXIMUM 32768 /* an INFO of a large cluster is the longest */
#define BROKER_SERVERS      16

enum broker_kind { BROKER_INFO, BROKER_MESSAGE, BROKER_PING, BROKER_PONG, BROKER_OK, BROKER_ERROR };

/* Everything is borrowed from the bytes read. */
struct broker_operation {
    enum broker_kind kind;
    struct slice text;    /* INFO: its JSON; ERROR: what is between the quotes */
    struct slice subject; /* MESSAGE, and so on */
    struct slice reply;   /* length 0: none */
    struct slice headers; /* length 0: none */
    struct slice data;
    uint64_t subscription; /* sid */
};

/* Reads the first operation. STATUS_OK: it took *ret_size bytes. STATUS_NOT_FOUND: it is incomplete;
 * *ret_size is how many bytes are needed before the next call. STATUS_MALFORMED, also if a line or a body
 * (past `body_maximum`) is too long: the connection is unusable. */
enum status broker_operation_read(struct slice bytes, size_t body_maximum,
                                  struct broker_operation *ret_operation, size_t *ret_size);

/* One of NATS_URL. The strings are borrowed from the list, which is cut in place. */
struct broker_server {
    struct host host;
    const char *user; /* NULL: none */
    const char *password;
    const char *token;
};

/* nats://[user:password@|token@]host[:port], comma-separated. STATUS_MALFORMED; STATUS_NOT_FOUND if one of
 * them requires TLS. */
enum status broker_servers_parse(char *list, struct broker_server servers[BROKER_SERVERS], size_t *ret_count);

/* The line CONNECT for that server, which shows `name` for this client. */
enum status broker_connect_append(struct buf *buf, const struct broker_server *server, const char *name);

enum status broker_subscribe_append(struct buf *buf, const char *subject, uint64_t subscription);
enum status broker_unsubscribe_append(struct buf *buf, uint64_t subscription);

/* `reply` may be NULL. On failure part of the operation may have been appended. */
enum status broker_publish_append(struct buf *buf, const char *subject, const char *reply, struct slice data);

/* Whether the message says that the request's subject has no subscriber. */
bool broker_no_responders(const struct broker_operation *message);

#endif
