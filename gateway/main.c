/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The gateway: settings -> parts in dependency order -> loop -> parts freed in the reverse order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/gateway.h"
#include "base/mailbox.h"
#include "base/timer_wheel.h"
#include "broker/delivery.h"
#include "broker/reader.h"
#include "broker/requests.h"
#include "broker/sender.h"
#include "cluster/departures.h"
#include "cluster/forward.h"
#include "cluster/peer_message.h"
#include "cluster/peers.h"
#include "cluster/poll_relay.h"
#include "common/bus/bus.h"
#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/ops/lifecycle.h"
#include "common/ops/ops_http.h"
#include "common/rng.h"
#include "drain.h"
#include "egress/dedupe.h"
#include "frame/progress.h"
#include "gaps/gaps.h"
#include "gaps/reconnect.h"
#include "http/exchange.h"
#include "http/origin.h"
#include "http/parked.h"
#include "ingress/client_ask.h"
#include "lws_callback.h"
#include "net/listener.h"
#include "net/loop.h"
#include "peer_inbox.h"
#include "presence.h"
#include "recovery/catchup.h"
#include "recovery/catchup_live.h"
#include "recovery/catchup_read.h"
#include "recovery/opening.h"
#include "rooms/board.h"
#include "rooms/control.h"
#include "rooms/membership.h"
#include "rooms/rooms.h"
#include "rooms/users.h"
#include "session/frames_written.h"
#include "session/session.h"
#include "session/session_events.h"
#include "session/sessions.h"
#include "transport/engineio.h"
#include "transport/namespace.h"
#include "transport/socketio.h"
#include "transport/ws_writer.h"
#include "turn.h"

/* As long as value-svc may be behind when it delivers again, in a new epoch, what the epoch before delivered while
 * its end was being found. */
#define DEDUPE_WINDOW_MS   120000
#define DEDUPE_MAXIMUM     131072
#define ADDRESSES          16384
#define DEPARTURES_MAXIMUM 65536
#define DEPARTURE_KEPT_MS  60000 /* no reply to an event comes later: REQUEST_TIMEOUT */
#define LOOP_STALLED_MS    10000
#define DRAIN_GRACE_MS     15000 /* after DRAIN_SECONDS, before the process ends anyway */

static struct ops_http *ops; /* main's: stop() must reach it */

static const struct engineio_handler socketio = {
    .text = socketio_text,
    .binary = socketio_binary,
    .opened = socketio_opened,
    .refused = socketio_refused,
    .ended = namespaces_close,
};

/* It still has its identity. */
static void on_session_stripped(struct gateway *gateway, struct session *session)
{
    client_asks_end(gateway, session);
    membership_leave_all(gateway, session);
    catchup_free(gateway, session);
    presence_ended(gateway, session);
}

static const struct session_events session_events = {
    .due = opening_due,
    .deliver = catchup_deliver,
    .full = catchup_slow,
    .drained = catchup_drained,
    .ask = client_ask_send,
    .stripped = on_session_stripped,
    .orphan = forward_answer,
};

/* ---- ops thread --------------------------------------------------------------------------------------- */

static bool bus_is_connected(void *context)
{
    const struct gateway *gateway = context;
    return bus_connected(gateway->bus) && reader_connected(gateway->reader);
}

static bool is_listening(void *context)
{
    const struct gateway *gateway = context;
    return atomic_load(&gateway->listening);
}

static bool loop_turns(void *context)
{
    const struct gateway *gateway = context;
    uint64_t turned_ms = atomic_load(&gateway->turned_ms);
    return clock_monotonic_ms() - turned_ms < LOOP_STALLED_MS;
}

static void refresh_metrics(void *context)
{
    struct gateway *gateway = context;
    presence_refresh(gateway->presence);
    metrics_set(gateway->metrics, METRIC_MAILBOX_DEPTH,
                (int64_t)mailbox_depth(gateway->mailbox, MAIL_FRAMES));
    metrics_set(gateway->metrics, METRIC_OUTBOUND_DEPTH, (int64_t)sender_depth(gateway->sender));
    metrics_set(gateway->metrics, METRIC_NATS_CONNECTED, bus_connected(gateway->bus));
    metrics_set(gateway->metrics, METRIC_NATS_DROPPED, (int64_t)bus_dropped(gateway->bus));
}

static enum status start_ops(struct gateway *gateway)
{
    const struct ops_check ready[] = {{"nats", bus_is_connected, gateway},
                                      {"listening", is_listening, gateway}};
    const struct ops_check alive[] = {{"loop", loop_turns, gateway}};
    const struct ops_options options = {
        .address = gateway->settings->ops_address,
        .port = (uint16_t)gateway->settings->ops_port,
        .service = "gateway",
        .metrics = gateway->metrics,
        .refresh = refresh_metrics,
        .refresh_context = gateway,
        .ready = ready,
        .ready_count = sizeof(ready) / sizeof(ready[0]),
        .alive = alive,
        .alive_count = sizeof(alive) / sizeof(alive[0]),
    };
    return ops_http_create(&options, &ops);
}

/* ---- broker ------------------------------------------------------------------------------------------- */

static void on_bus_state(void *context, enum bus_state state)
{
    struct gateway *gateway = context;
    static const char *const lines[] = {
        [BUS_CONNECTED] = "connected to NATS",
        [BUS_DISCONNECTED] = "NATS is away",
        [BUS_RECONNECTED] = "connected to NATS again",
        [BUS_SLOW_CONSUMER] = "the NATS library drops messages",
        [BUS_CLOSED] = "the connection to NATS is closed",
    };
    bool ending = !atomic_load(&gateway->listening);
    bool bad = !ending && (state == BUS_DISCONNECTED || state == BUS_SLOW_CONSUMER);
    log_event(bad ? LOG_WARN : LOG_INFO, lines[state]);
    if (state == BUS_DISCONNECTED || state == BUS_RECONNECTED || state == BUS_SLOW_CONSUMER)
        peers_broken(gateway);
    /* Frames of the new connection come before the report that it is established. */
    bool frames_end = state == BUS_DISCONNECTED && atomic_load(&gateway->bus_has_frames);
    if (state != BUS_RECONNECTED && state != BUS_SLOW_CONSUMER && !frames_end)
        return;
    if (state == BUS_SLOW_CONSUMER)
        metrics_add(gateway->metrics, METRIC_NATS_SLOW_CONSUMER, 1);
    atomic_store(&gateway->reconnected, true);
    loop_wake(gateway->loop);
}

static enum status start_bus(struct gateway *gateway, char *error, size_t error_size)
{
    char name[64];
    snprintf(name, sizeof(name), "gateway %s", gateway->settings->gateway_name);
    const struct bus_options options = {
        .url = gateway->settings->nats_url,
        .name = name,
        .credentials_file = gateway->settings->nats_credentials_file,
        .ca_file = gateway->settings->nats_ca_file,
        .send_as_soon_as_possible = true,
        .pending_messages = (uint32_t)gateway->settings->inbound_queue,
        .on_state = on_bus_state,
        .context = gateway,
    };
    return bus_create(&options, &gateway->bus, error, error_size);
}

static void on_first_frames(struct gateway *gateway)
{
    /* Only now is every lane heard. */
    progress_start(gateway->progress, gateway->now_ms, clock_wall_ms() - PROGRESS_EARLY_MS);
}

static void on_frames_again(struct gateway *gateway)
{
    atomic_store(&gateway->reconnected, true);
}

/* Frames arrive again before the event that reports it. None of them may be taken before the gap is closed,
 * so the gap begins with the loss of the connection. */
static const struct reader_events reader_events = {
    .user_frame = delivery_user_frame,
    .renew = users_renew,
    .first = on_first_frames,
    .again = on_frames_again,
    .lost = gaps_everywhere,
};

static enum status subscribe(struct gateway *gateway)
{
    enum status status = reader_subscribe(gateway->reader, SUBJECT_OUT_INDUSTRY, delivery_industry_frame);
    if (status == STATUS_OK)
        status = reader_subscribe(gateway->reader, SUBJECT_OUT_ALL, delivery_all_frame);
    if (status == STATUS_OK)
        status = reader_subscribe(gateway->reader, SUBJECT_OUT_LANE, delivery_lane_mark);
    if (status ==
        /* few, of few users: one subscription per user would cost the broker something with every connect */
        STATUS_OK)
        status = reader_subscribe(gateway->reader, SUBJECT_CTL_ANY, control_receive);
    if (status == STATUS_OK)
        status = peer_message_subscribe(gateway);
    return status;
}

/* ---- signals ------------------------------------------------------------------------------------------ */

static void stop(struct gateway *gateway)
{
    if (gateway->draining)
        return;
    ops_http_drain(ops);
    lifecycle_draining(gateway->settings->drain_time + DRAIN_GRACE_MS);
    if (drain_start(gateway) != STATUS_OK)
        loop_end(gateway->loop);
}

static void reload(struct gateway *gateway)
{
    listener_reload(gateway->listener);
}

/* ---- parts -------------------------------------------------------------------------------------------- */

static enum status make_pings(struct gateway *gateway)
{
    enum status status = STATUS_OK;
    for (int i = 0; status == STATUS_OK && i < FRAME_FORMATS; i++)
        status = frame_create_message((enum frame_format)i, formats[i].ping_opcode, formats[i].ping,
                                      &gateway->pings[i]);
    return status;
}

static enum status make_limits(struct gateway *gateway, char *error, size_t error_size)
{
    const struct settings *settings = gateway->settings;
    const struct token_rule handshakes = {.per_minute = (uint32_t)settings->handshake_rate * 60,
                                          .burst = (uint32_t)settings->handshake_burst};
    gateway->event_rule = (struct token_rule){.per_minute = (uint32_t)settings->event_rate,
                                              .burst = (uint32_t)settings->event_burst};
    gateway->handshakes = address_limits_create(&handshakes, ADDRESSES, rng_u64());
    gateway->proxies = networks_parse(settings->trusted_proxies);
    if (!gateway->proxies) {
        snprintf(error, error_size, "TRUSTED_PROXIES must be networks like 10.0.0.0/8,::1/128");
        return STATUS_MALFORMED;
    }
    if (!gateway->handshakes)
        return STATUS_NO_MEMORY;
    int name = snprintf(error, error_size, "ALLOWED_ORIGINS: ");
    return origin_policy_create(settings->allowed_origins, &gateway->origins, error + name,
                                error_size - (size_t)name);
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

static enum status make_parts(struct gateway *gateway, char *error, size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    gateway->now_ms = clock_monotonic_ms();
    gateway->wheel = timer_wheel_create(gateway->now_ms, gateway);
    gateway->rooms = rooms_create(rng_u64());
    gateway->sessions = sessions_create();
    gateway->board = board_create();
    gateway->controls = controls_create();
    gateway->dedupe = dedupe_create(DEDUPE_WINDOW_MS, DEDUPE_MAXIMUM);
    gateway->progress = progress_create(LANE_KEEP_MS, gateway->now_ms, clock_wall_ms() - PROGRESS_EARLY_MS);
    gateway->exchanges = exchanges_create();
    gateway->ws_writer = ws_writer_create();
    gateway->frames_written = frames_written_create();
    gateway->poll_relays = poll_relays_create();
    gateway->departures = departures_create(DEPARTURES_MAXIMUM, DEPARTURE_KEPT_MS);
    if (!gateway->wheel || !gateway->rooms || !gateway->sessions || !gateway->board || !gateway->controls ||
        !gateway->dedupe || !gateway->progress || !gateway->poll_relays || !gateway->departures ||
        !gateway->exchanges || !gateway->ws_writer || !gateway->frames_written)
        return STATUS_NO_MEMORY;
    rooms_on_move(gateway->rooms, membership_moved);
    enum status status = make_pings(gateway);
    if (status == STATUS_OK)
        status = make_limits(gateway, error, error_size);
    if (status == STATUS_OK)
        status = metrics_create(measures, METRIC_COUNT, &gateway->metrics);
    if (status == STATUS_OK)
        status = make_loop(gateway, error, error_size);
    if (status == STATUS_OK)
        gateway->mailbox = mailbox_create((size_t)gateway->settings->inbound_queue, loop_wake, gateway->loop);
    return status == STATUS_OK && !gateway->mailbox ? STATUS_NO_MEMORY : status;
}

static enum status connect_parts(struct gateway *gateway, char *error, size_t error_size)
{
    struct uv_loop_s *loop = loop_uv(gateway->loop);
    enum status status = start_bus(gateway, error, error_size);
    if (status == STATUS_OK)
        status = sender_create(gateway->bus, (size_t)gateway->settings->outbound_queue, &gateway->sender);
    if (status == STATUS_OK)
        status = reader_create(gateway, loop, &reader_events, &gateway->reader, error, error_size);
    if (status == STATUS_OK)
        status = requests_create(gateway, reader_on_loop(gateway->reader) ? loop : NULL, &gateway->requests);
    if (status == STATUS_OK)
        status = subscribe(gateway);
    if (status == STATUS_OK)
        status = presence_create(gateway, &gateway->presence);
    if (status == STATUS_OK)
        status = reconnect_create(gateway, &gateway->reconnect);
    if (status == STATUS_OK)
        status = gaps_create(gateway, &gateway->gaps);
    if (status == STATUS_OK)
        status = peers_create(gateway, &gateway->peers);
    if (status != STATUS_OK)
        return status;
    status = start_ops(gateway);
    if (status != STATUS_OK)
        snprintf(error, error_size, "cannot listen on OPS_PORT %d", (int)gateway->settings->ops_port);
    return status;
}

/* The loop has ended: no session is left, and only the bus's threads are still running. */
static void free_parts(struct gateway *gateway)
{
    ops_http_free(ops);
    presence_end(gateway);
    reconnect_free(gateway, gateway->reconnect);
    gaps_free(gateway, gateway->gaps);
    presence_free(gateway, gateway->presence);
    peers_free(gateway, gateway->peers);
    poll_relays_free(gateway->poll_relays);
    departures_free(gateway->departures);
    users_end(gateway);
    sender_free(gateway->sender);
    requests_free(gateway->requests);
    reader_free(gateway->reader);
    bus_free(gateway->bus);
    mailbox_free(gateway->mailbox);
    drain_free(gateway);
    board_free(gateway->board);
    controls_free(gateway->controls);
    rooms_free(gateway->rooms);
    sessions_free(gateway->sessions);
    dedupe_free(gateway->dedupe);
    progress_free(gateway->progress);
    address_limits_free(gateway->handshakes);
    origin_policy_free(gateway->origins);
    networks_free(gateway->proxies);
    for (int i = 0; i < FRAME_FORMATS; i++)
        frame_unref(gateway->pings[i]);
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
    struct gateway gateway = {
        .settings = &settings, .events = &session_events, .engineio = &socketio, .peer_events = &peer_inbox};
    char error[256] = "out of memory";
    settings_load(&settings, argc, argv);
    log_init("gateway", (enum log_level)settings.log_level, (enum log_format)settings.log_format);
    lifecycle_init();
    json_init();
    gateway.instance = rng_u64();
    enum status status = make_parts(&gateway, error, sizeof(error));
    if (status == STATUS_OK)
        status = connect_parts(&gateway, error, sizeof(error));
    if (status != STATUS_OK) {
        log_event(LOG_ERROR, error);
        _exit(status == STATUS_MALFORMED ? 2 : 1); /* half-built parts go with the process */
    }
    log_event(LOG_INFO, "listening", LOG_I("port", listener_port(gateway.listener)),
              LOG_S("gateway", settings.gateway_name), LOG_S("tls", settings.tls_cert_file ? "on" : "off"));
    loop_run(gateway.loop);
    free_parts(&gateway);
    settings_done(&settings);
    log_event(LOG_INFO, "ended");
    return 0;
}
