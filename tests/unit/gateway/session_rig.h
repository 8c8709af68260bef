/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sessions without anything above them: the test receives their session_events, and their carrier is a client
 * that keeps the payload of every message it takes.
 */
#ifndef POLLEN8_TESTS_GATEWAY_SESSION_RIG_H
#define POLLEN8_TESTS_GATEWAY_SESSION_RIG_H

#include "base_rig.h"

#include <stdio.h>

#include "session/session.h"
#include "session/session_events.h"
#include "session/session_send.h"
#include "session/sessions.h"

#define CLIENT_MESSAGES 600

struct client {
    struct session *session; /* NULL once closed */
    bool stuck;              /* takes nothing */
    unsigned flushes;
    unsigned pings;
    unsigned opened;
    unsigned refused;
    uint16_t close_code;
    const char *close_text;
    const char *namespace; /* NULL: "/" */
    size_t count;
    char *messages[CLIENT_MESSAGES]; /* owned; NUL-terminated */
};

static inline void client_flush(struct gateway *gateway, struct session *session)
{
    struct client *client = session->transport;

    (void)gateway;
    client->flushes++;
    while (session->outq.count > 0 && !client->stuck) {
        struct frame *frame = outq_frames(&session->outq)[0];
        const struct wire *wire = frame_wire(frame, (enum frame_format)session->format);

        assert_true(client->count < CLIENT_MESSAGES);
        client->messages[client->count] =
            strndup((const char *)wire->bytes + wire->header, wire->length - wire->header);
        assert_non_null(client->messages[client->count++]);
        outq_pop(&session->outq, 1, wire->length);
    }
}

static inline bool client_writable(const struct session *session)
{
    const struct client *client = session->transport;

    return !client->stuck;
}

static inline void client_opened(struct gateway *gateway, struct session *session, struct slice id)
{
    struct client *client = session->transport;

    (void)gateway;
    (void)id;
    client->opened++;
}

static inline void client_refused(struct gateway *gateway, struct session *session, struct slice id,
                                  const struct client_result *result)
{
    struct client *client = session->transport;

    (void)gateway;
    (void)id;
    (void)result;
    client->refused++;
}

static inline void client_ping(struct gateway *gateway, struct session *session)
{
    struct client *client = session->transport;

    (void)gateway;
    client->pings++;
}

static inline void client_close(struct gateway *gateway, struct session *session, uint16_t code,
                                const char *text)
{
    struct client *client = session->transport;

    if (code)
        client_flush(gateway, session);
    client->close_code = code;
    client->close_text = text;
    client->session = NULL;
}

static inline const char *client_namespace(const struct session *session)
{
    const struct client *client = session->transport;

    return client->namespace ? client->namespace : "";
}

static const struct transport_ops client_ops = {.label = LABEL_SESSIONS_WEBSOCKET,
                                                .flush = client_flush,
                                                .writable = client_writable,
                                                .opened = client_opened,
                                                .refused = client_refused,
                                                .ping = client_ping,
                                                .close = client_close,
                                                .namespace = client_namespace};

static inline void session_rig_start(struct base_rig *rig, const struct session_events *events)
{
    base_rig_start(rig, 1000);
    rig->settings.session_queue_bytes = 262144;
    rig->settings.ping_interval = 25000;
    rig->settings.ping_timeout = 20000;
    rig->settings.write_timeout = 20000;
    rig->gateway.events = events;
    rig->gateway.sessions = sessions_create();
    assert_non_null(rig->gateway.sessions);
}

/* Closes the clients that remain. */
static inline void session_rig_stop(struct base_rig *rig)
{
    sessions_close_all(&rig->gateway);
    sessions_end_turn(&rig->gateway);
    assert_int_equal(sessions_count(rig->gateway.sessions), 0);
    sessions_free(rig->gateway.sessions);
    base_rig_stop(rig);
}

/* CONNECTED; values may be sent to it as if it had received its snapshot. */
static inline struct session *client_connect(struct base_rig *rig, struct client *client,
                                             enum frame_format format)
{
    *client = (struct client){.session = session_create(&rig->gateway, &client_ops, client, format, 0)};
    assert_non_null(client->session);
    client->session->valued = true;
    return client->session;
}

/* Forgets the messages received. */
static inline void client_clear(struct client *client)
{
    while (client->count > 0)
        free(client->messages[--client->count]);
}

/* Checks that it received exactly these messages (NULL ends the list), in this order; they are then
 * forgotten. */
static inline void client_told(struct client *client, const char *const *expected)
{
    size_t count = 0;

    for (; expected[count]; count++) {
        if (count >= client->count)
            fail_msg("not told: %s", expected[count]);
        assert_string_equal(client->messages[count], expected[count]);
    }
    if (client->count > count)
        fail_msg("told as well: %s", client->messages[count]);
    client_clear(client);
}

#define TOLD(client, ...) client_told(client, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Ends a turn of the loop. */
static inline void session_rig_turn(struct base_rig *rig)
{
    sessions_flush(&rig->gateway);
    sessions_end_turn(&rig->gateway);
}

#endif
