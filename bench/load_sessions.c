/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session: socket → upgrade → first message → the answer that makes it open → events. An event's latency is
 * from the time it carries to the moment its bytes were read. Once every open session has the event number s,
 * the publisher is told s by UDP.
 */
#include "load_sessions.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"
#include "common/clock.h"
#include "load_figures.h"
#include "load_frame.h"
#include "load_number.h"
#include "ws_client.h"

#define EVENTS_A_TURN       16384
#define TEXT_BYTES          WS_CLIENT_TEXT_BYTES
#define SESSIONS_AN_ADDRESS 12000
#define OTHER               UINT32_MAX /* a descriptor that is no session's */
#define OPENING_LIMIT_NS    (180ULL * 1000000000ULL)

enum session_state { SESSION_CLOSED, SESSION_OPENING, SESSION_JOINING, SESSION_OPEN };

struct session {
    struct ws_client client; /* first: a session is found from it */
    enum session_state state;
    uint32_t events;
    uint64_t value; /* hundredths, of the last event; only with options.values */
};

struct load {
    struct load_options options;
    struct session *sessions; /* owned */
    int epoll;
    int ack;
    uint32_t next_to_open; /* sessions below have been started in this round */
    uint32_t opening;
    uint32_t open;
    uint32_t failed;
    uint32_t lost;
    uint64_t round_started; /* monotonic ns */
    uint64_t round_ended;   /* 0: still opening */
    double churn_rate;
    uint64_t churn_started;
    uint64_t churned;
    uint32_t churn_next;
    struct load_figures figures;
    struct epoll_event ready[EVENTS_A_TURN];
    struct ws_client_handlers handlers;
    char input[WS_CLIENT_TAIL_BYTES + WS_CLIENT_READ_BYTES];
};

static bool expand(const struct load *load, uint32_t number, const char *template, char out[TEXT_BYTES])
{
    const char *token = load->options.tokens ? load->options.tokens[number] : NULL;

    number += load->options.from;
    return argument_expand(template, number, token, out, TEXT_BYTES);
}

static void session_end(struct load *load, struct session *session)
{
    if (session->state == SESSION_OPEN) {
        load->open--;
        load->lost++;
    } else {
        load->opening--;
        load->failed++;
    }
    session->state = SESSION_CLOSED;
    ws_client_close(&session->client);
}

static bool session_send(const struct load *load, struct session *session, const char *text)
{
    enum frame_opcode opcode = load->options.binary ? FRAME_BINARY : FRAME_TEXT;

    return ws_client_send(&session->client, opcode, slice_from_string(text));
}

static void session_opened(struct load *load, struct session *session)
{
    session->state = SESSION_OPEN;
    load->open++;
    load->opening--;
}

static void acknowledge(struct load *load, uint32_t number)
{
    if (!load_figures_received(&load->figures, number, load->open))
        return;
    if (send(load->ack, &number, sizeof(number), MSG_DONTWAIT) < 0 && errno != EAGAIN &&
        errno != ECONNREFUSED)
        perror("bench-load: ack");
}

static void count_event(struct load *load, struct session *session, const char *at, const char *end)
{
    session->events++;
    if (load->options.values) {
        session->value = read_hundredths(at, end);
        load_figures_event(&load->figures, 0);
        return;
    }
    load_figures_event(&load->figures, read_number(&at, end));
    if (load->ack >= 0 && end - at > 5 && memcmp(at, ",\"s\":", 5) == 0) {
        at += 5;
        acknowledge(load, (uint32_t)read_number(&at, end));
    }
}

static void take_events(struct load *load, struct session *session, struct slice text)
{
    const char *at = text.data;
    const char *end = text.data + text.length;
    size_t marker_length = strlen(load->options.marker);

    while ((at = memmem(at, (size_t)(end - at), load->options.marker, marker_length))) {
        at += marker_length;
        count_event(load, session, at, end);
    }
}

/* One line of a message: a heartbeat, or events. */
static void take_line(struct load *load, struct session *session, struct slice line)
{
    const struct load_options *options = &load->options;

    if (options->ping && slice_equal_string(line, options->ping)) {
        if (!session_send(load, session, options->pong))
            session_end(load, session);
    } else if (session->state == SESSION_OPEN) {
        take_events(load, session, line);
    } else if (memmem(line.data, line.length, options->ready, strlen(options->ready))) {
        session_opened(load, session);
    }
}

/* A peer may put several messages into one, a line each. */
static void take_text(struct load *load, struct session *session, struct slice text)
{
    const char *line_end;

    if (load->options.binary) {
        take_line(load, session, text);
        return;
    }
    while (session->state != SESSION_CLOSED && (line_end = memchr(text.data, '\n', text.length))) {
        size_t length = (size_t)(line_end - text.data);
        take_line(load, session, slice_make(text.data, length));
        text = slice_make(line_end + 1, text.length - length - 1);
    }
    if (session->state != SESSION_CLOSED)
        take_line(load, session, text);
}

static bool send_first(struct load *load, struct session *session)
{
    char text[TEXT_BYTES];

    return expand(load, (uint32_t)(session - load->sessions), load->options.first, text) &&
           session_send(load, session, text);
}

static bool upgraded(void *context, struct ws_client *client)
{
    struct load *load = context;
    struct session *session = (struct session *)(void *)client;

    if (load->options.first && !send_first(load, session))
        return false;
    session->state = SESSION_JOINING;
    if (!load->options.ready)
        session_opened(load, session);
    return true;
}

static void refused(void *context, struct ws_client *client, struct slice line)
{
    const struct load *load = context;

    (void)client;
    if (load->failed == 0)
        fprintf(stderr, "bench-load: %.*s\n", (int)line.length, line.data);
}

static void take_message(void *context, struct ws_client *client, enum frame_opcode opcode,
                         struct slice payload)
{
    struct load *load = context;
    struct session *session = (struct session *)(void *)client;

    if (opcode == FRAME_CLOSE)
        session_end(load, session);
    else
        take_text(load, session, payload);
}

static void session_read(struct load *load, struct session *session)
{
    ssize_t length = ws_client_read(&session->client, &load->handlers);

    if (length < 0 && session->state != SESSION_CLOSED)
        session_end(load, session);
    if (length <= 0)
        return;
    load->figures.reads++;
    load->figures.bytes += (uint64_t)length;
}

static void session_connect(struct load *load, struct session *session)
{
    uint32_t number = (uint32_t)(session - load->sessions);
    char path[TEXT_BYTES];

    if (!expand(load, number, load->options.path, path) ||
        !ws_client_connect(&session->client, load->epoll, number, load->options.port, path,
                           load->options.header))
        session_end(load, session);
}

static void session_start(struct load *load, uint32_t number)
{
    struct session *session = &load->sessions[number];

    load->opening++;
    session->state = SESSION_OPENING;
    if (!ws_client_start(&session->client, load->epoll, number, load->options.port,
                         1 + (load->options.from + number) / SESSIONS_AN_ADDRESS, load->options.tls)) {
        perror("bench-load: connect");
        session_end(load, session);
    } else if (session->client.stream.connected) {
        session_connect(load, session);
    }
}

static void open_some(struct load *load)
{
    if (load->round_ended)
        return;
    while (load->next_to_open < load->options.count && load->opening < load->options.in_flight)
        session_start(load, load->next_to_open++);
    if (load->next_to_open == load->options.count && load->opening == 0)
        load->round_ended = clock_monotonic_ns();
    else if (clock_monotonic_ns() - load->round_started > OPENING_LIMIT_NS) {
        for (uint32_t i = 0; i < load->options.count; i++)
            if (load->sessions[i].state != SESSION_CLOSED && load->sessions[i].state != SESSION_OPEN)
                session_end(load, &load->sessions[i]);
        load->failed += load->options.count - load->next_to_open;
        load->round_ended = clock_monotonic_ns();
    }
}

static void churn_some(struct load *load)
{
    double due = load->churn_rate * (double)(clock_monotonic_ns() - load->churn_started) / 1e9;

    for (uint32_t tries = 0; (double)load->churned < due && tries < load->options.count; tries++) {
        struct session *session = &load->sessions[load->churn_next];
        if (session->state == SESSION_OPEN) {
            session_end(load, session);
            load->lost--; /* meant, not lost */
            session_start(load, load->churn_next);
            load->churned++;
        }
        load->churn_next = (load->churn_next + 1) % load->options.count;
    }
}

bool load_turn(struct load *load, int timeout_ms)
{
    bool other = false;
    int count;

    open_some(load);
    if (load->churn_rate > 0)
        churn_some(load);
    count = epoll_wait(load->epoll, load->ready, EVENTS_A_TURN, timeout_ms);
    for (int i = 0; i < count; i++) {
        uint32_t number = load->ready[i].data.u32;
        struct session *session = number == OTHER ? NULL : &load->sessions[number];
        other |= !session;
        if (!session || session->state == SESSION_CLOSED)
            continue; /* ended earlier in this turn */
        if (session->client.state == WS_CLIENT_CONNECTING)
            session_connect(load, session);
        else
            session_read(load, session);
    }
    return other;
}

bool load_settled(const struct load *load)
{
    return load->round_ended != 0;
}

void load_reset(struct load *load)
{
    load_figures_reset(&load->figures);
    load->churned = 0;
    load->churn_started = clock_monotonic_ns();
    load->lost = load->failed = 0;
    for (uint32_t i = 0; i < load->options.count; i++)
        load->sessions[i].events = 0;
}

void load_report(const struct load *load)
{
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    uint64_t values = 0;

    for (uint32_t i = 0; i < load->options.count; i++) {
        const struct session *session = &load->sessions[i];
        if (session->state == SESSION_OPEN && session->events < least)
            least = session->events;
        if (session->state == SESSION_OPEN && session->events > most)
            most = session->events;
        values += session->value;
    }
    printf("{\"sessions\":%" PRIu32 ",\"failed\":%" PRIu32 ",\"lost\":%" PRIu32 ",\"churned\":%" PRIu64
           ",\"opening_s\":%.3f,\"least\":%" PRIu32 ",\"most\":%" PRIu32 ",\"values\":%" PRIu64 ",",
           load->open, load->failed, load->lost, load->churned,
           (double)(load->round_ended - load->round_started) / 1e9, load->open ? least : 0, most, values);
    load_figures_print(&load->figures);
    puts("}");
    fflush(stdout);
}

void load_storm(struct load *load, uint32_t in_flight)
{
    for (uint32_t i = 0; i < load->options.count; i++)
        if (load->sessions[i].state != SESSION_CLOSED)
            session_end(load, &load->sessions[i]);
    load->options.in_flight = in_flight;
    load->failed = load->lost = 0;
    load->next_to_open = 0;
    load->round_ended = 0;
    load->round_started = clock_monotonic_ns();
}

void load_churn(struct load *load, double rate)
{
    load->churn_rate = rate;
    load->churned = 0;
    load->churn_started = clock_monotonic_ns();
}

bool load_watch(const struct load *load, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = OTHER};

    return epoll_ctl(load->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

static int ack_socket(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct load *load_create(const struct load_options *options)
{
    struct load *load = calloc(1, sizeof(*load));

    if (!load)
        return NULL;
    load->options = *options;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->ack = options->ack_port ? ack_socket(options->ack_port) : -1;
    load->sessions = calloc(options->count, sizeof(*load->sessions));
    if (!load->sessions || load->epoll < 0 || (options->ack_port && load->ack < 0)) {
        load_free(load);
        return NULL;
    }
    for (uint32_t i = 0; i < options->count; i++)
        ws_client_init(&load->sessions[i].client);
    load->handlers = (struct ws_client_handlers){.opened = upgraded,
                                                 .message = take_message,
                                                 .refused = refused,
                                                 .context = load,
                                                 .input = load->input};
    load->round_started = clock_monotonic_ns();
    load_figures_reset(&load->figures);
    return load;
}

void load_free(struct load *load)
{
    if (!load)
        return;
    for (uint32_t i = 0; load->sessions && i < load->options.count; i++)
        ws_client_done(&load->sessions[i].client);
    free(load->sessions);
    if (load->epoll >= 0)
        close(load->epoll);
    if (load->ack >= 0)
        close(load->ack);
    free(load);
}
