/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the public conformance suite of the Engine.IO protocol expects on localhost:3000: every message, text
 * or binary, comes back. Made of the gateway's own transports, without broker, rooms and Socket.IO.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "base/mailbox.h"
#include "base/timer_wheel.h"
#include "codec/eio_packet.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/ops/lifecycle.h"
#include "common/rng.h"
#include "frame/progress.h"
#include "http/exchange.h"
#include "http/origin.h"
#include "http/parked.h"
#include "lws_callback.h"
#include "net/listener.h"
#include "net/loop.h"
#include "rooms/board.h"
#include "rooms/rooms.h"
#include "session/frames_written.h"
#include "session/session.h"
#include "session/session_events.h"
#include "session/session_send.h"
#include "session/sessions.h"
#include "transport/engineio.h"
#include "transport/ws_writer.h"
#include "turn.h"

/* What the suite expects; the environment may say otherwise, but for the address. */
static const char *const defaults[][2] = {
    {"PORT", "3000"},           {"SOCKETIO_PATH", "/engine.io"}, {"ALLOWED_ORIGINS", "*"},
    {"PING_INTERVAL", "300ms"}, {"PING_TIMEOUT", "200ms"},       {"MAX_PAYLOAD", "1000000"},
    {"CONNECT_TIMEOUT", "1h"}, /* nobody joins a namespace here */
    {"LOG_LEVEL", "warn"},
};

static void echo_text(struct gateway *gateway, struct session *session, struct slice text)
{
    struct buf buf;
    buf_init(&buf, text.length + 1);
    if (eio_packet_append(&buf, EIO_MESSAGE, text) == STATUS_OK)
        session_send_message(gateway, session, buf_slice(&buf));
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&buf);
}

static void echo_binary(struct gateway *gateway, struct session *session, struct slice bytes)
{
    struct frame *frame = NULL;
    if (frame_create_message(FRAME_SOCKETIO, WS_BINARY, bytes, &frame) == STATUS_OK)
        session_send(gateway, session, frame);
    else
        session_close(gateway, session, CAUSE_MEMORY);
    frame_unref(frame);
}

/* No session authenticates. */
static void opened(struct gateway *gateway, struct session *session, struct slice id)
{
    (void)gateway;
    (void)session;
    (void)id;
}

static void refused(struct gateway *gateway, struct session *session, struct slice id,
                    const struct client_result *result)
{
    (void)result;
    opened(gateway, session, id);
}

/* A session here has no identity, and carries no further ones. */
static void ended(struct gateway *gateway, struct session *session)
{
    (void)gateway;
    (void)session;
}

static const struct engineio_handler echo = {
    .text = echo_text, .binary = echo_binary, .opened = opened, .refused = refused, .ended = ended};

static const struct session_events events = {.stripped = ended};

static void stop(struct gateway *gateway)
{
    loop_end(gateway->loop);
}

static void reload(struct gateway *gateway)
{
    (void)gateway;
}

static void set_environment(void)
{
    char address[NI_MAXHOST] = "127.0.0.1";
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        setenv(defaults[i][0], defaults[i][1], 0);
    if (getaddrinfo("localhost", NULL, &hints, &found) == 0)
        (void)getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), NULL, 0,
                          NI_NUMERICHOST);
    if (found)
        freeaddrinfo(found);
    setenv("LISTEN_ADDRESS", address, 0);
}

static enum status make_loop(struct gateway *gateway, char *error, size_t error_size)
{
    const struct loop_handlers handlers = {
        .turn = turn_run,
        .polled = turn_polled,
        .close = turn_close,
        .free = turn_free,
        .stop = stop,
        .reload = reload,
        .protocols = lws_callback_protocols(),
        .mounts = lws_callback_mounts(),
    };
    enum status status = loop_create(gateway, &handlers, error, error_size);
    return status ? status : parking_create(gateway, loop_uv(gateway->loop), &gateway->parking);
}

static enum status make(struct gateway *gateway, char *error, size_t error_size)
{
    const struct token_rule unlimited = {0};
    gateway->now_ms = clock_monotonic_ms();
    gateway->wheel = timer_wheel_create(gateway->now_ms, gateway);
    gateway->rooms = rooms_create(rng_u64());
    gateway->sessions = sessions_create();
    gateway->board = board_create();
    gateway->progress = progress_create(1000, gateway->now_ms, clock_wall_ms());
    gateway->exchanges = exchanges_create();
    gateway->ws_writer = ws_writer_create();
    gateway->frames_written = frames_written_create();
    gateway->handshakes = address_limits_create(&unlimited, 16, 0);
    gateway->proxies = networks_parse("");
    if (!gateway->wheel || !gateway->rooms || !gateway->sessions || !gateway->board || !gateway->progress ||
        !gateway->exchanges || !gateway->ws_writer || !gateway->frames_written || !gateway->handshakes ||
        !gateway->proxies)
        return STATUS_NO_MEMORY;
    enum status status =
        frame_create_message(FRAME_SOCKETIO, WS_TEXT, SLICE_LITERAL("2"), &gateway->pings[FRAME_SOCKETIO]);
    if (status == STATUS_OK)
        status =
            origin_policy_create(gateway->settings->allowed_origins, &gateway->origins, error, error_size);
    if (status == STATUS_OK)
        status = metrics_create(measures, METRIC_COUNT, &gateway->metrics);
    if (status == STATUS_OK)
        status = make_loop(gateway, error, error_size);
    if (status == STATUS_OK)
        gateway->mailbox = mailbox_create(16, loop_wake, gateway->loop);
    return status == STATUS_OK && !gateway->mailbox ? STATUS_NO_MEMORY : status;
}

static void unmake(struct gateway *gateway)
{
    mailbox_free(gateway->mailbox);
    board_free(gateway->board);
    progress_free(gateway->progress);
    rooms_free(gateway->rooms);
    sessions_free(gateway->sessions);
    address_limits_free(gateway->handshakes);
    networks_free(gateway->proxies);
    origin_policy_free(gateway->origins);
    frame_unref(gateway->pings[FRAME_SOCKETIO]);
    listener_free(gateway->listener);
    timer_wheel_free(gateway->wheel);
    parking_free(gateway->parking);
    loop_free(gateway->loop);
    exchanges_free(gateway->exchanges);
    ws_writer_free(gateway->ws_writer);
    frames_written_free(gateway->frames_written);
    metrics_free(gateway->metrics);
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct gateway gateway = {.settings = &settings, .events = &events, .engineio = &echo};
    char error[256] = "out of memory";
    set_environment();
    settings_load(&settings, argc, argv);
    log_init("engineio", (enum log_level)settings.log_level, (enum log_format)settings.log_format);
    lifecycle_init();
    json_init();
    if (make(&gateway, error, sizeof(error)) != STATUS_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    printf("Engine.IO echo on %s port %u, path %s/\n", settings.listen_address,
           (unsigned)listener_port(gateway.listener), settings.socketio_path);
    fflush(stdout);
    loop_run(gateway.loop);
    unmake(&gateway);
    settings_done(&settings);
    return 0;
}
