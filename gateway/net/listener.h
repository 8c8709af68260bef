/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The public port: our own listening socket (so that several processes can share one port, connections are
 * capped and running out of descriptors does not spin), and the library's virtual host with TLS. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_NET_LISTENER_H
#define POLLEN8_GATEWAY_NET_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

#define LISTENER_KEEPALIVE_S 60 /* an HTTP connection may be idle this long between two requests */

struct gateway;
struct listener; /* opaque */
struct lws;
struct lws_context;
struct lws_http_mount;
struct lws_protocols;
struct uv_loop_s;

/* What the listener needs of the library: its context, what it calls and for which paths, and descriptors. */
struct listener_library {
    struct lws_context *context;
    const struct lws_protocols *protocols; /* static, as the next */
    const struct lws_http_mount *mounts;
    uint64_t files;      /* number of descriptors, from 0, that it has slots for */
    uint64_t open_files; /* the process's limit */
};

/* Binds and listens. On failure `error` gets one line. */
enum status listener_create(struct gateway *gateway, struct uv_loop_s *loop,
                            const struct listener_library *library, struct listener **ret_listener,
                            char *error, size_t error_size);

uint16_t listener_port(const struct listener *listener);

/* Accepts no more connections. */
void listener_stop(struct listener *listener);

/* The number of open connections. */
size_t listener_connections(const struct listener *listener);

/* Duplicates the library's descriptor, above those it has slots for as long as such are free. -1: errno. */
int listener_duplicate(const struct listener *listener, int descriptor);

/* A connection goes on without the library, under a duplicate of its descriptor, which the caller owns. The
 * library closes the number it knows; by then that is a different, unused socket. Must not be called inside a
 * callback of the library. */
void listener_let_go(struct listener *listener, struct lws *wsi);

/* Gives a connection that went on without the library back to it, with a request to read. */
void listener_take_back(struct listener *listener, int descriptor);

/* A connection is gone; from the library's callback, or of a socket that went on without it (NULL). */
void listener_closed(struct listener *listener, const struct lws *wsi);

/* Reads certificate and key again; if the new ones cannot be read, the old ones stay. */
void listener_reload(struct listener *listener);

/* Called after listener_stop, once the loop has run its closing handles. */
void listener_free(struct listener *listener);

#endif
