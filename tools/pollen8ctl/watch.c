/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `watch`: a client of /ws. Connects with a token that it signs itself, prints every message as received, one
 * per line, and reconnects with growing pauses when the connection ends. Messages about the connection go to
 * standard error, so that standard output has only the events.
 */
#include "command.h"

#include <getopt.h>
#include <libwebsockets.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/rng.h"

#define MESSAGE_MAXIMUM  (4 * 1024 * 1024)
#define PAUSE_FIRST_MS   250
#define PAUSE_MAXIMUM_MS 10000
#define TOKEN_VALID_S    3600
#define CLOSE_EXPIRED    4001
#define CLOSE_REVOKED    4003
#define URL_MAXIMUM      1024

static const char usage[] =
    "usage: pollen8ctl watch USER --secret-file FILE [--role ROLE] [--url ws://localhost:3001/ws]\n"
    "\n"
    "  Prints each message that the ring sends to this user, one per line, until Ctrl-C. Reconnects\n"
    "  automatically.\n"
    "  Exit status 1: the ring refuses this user.\n";

/* The URL of the command line, split for the library. */
struct target {
    char text[URL_MAXIMUM]; /* the parts below point into it */
    const char *host;
    const char *path;
    int port;
    bool tls;
    char authority[URL_MAXIMUM];
};

struct watch {
    struct target target;
    const char *user;
    const char *role;
    const char *secret_file;
    char *token;
    char *message; /* pieces of the message being received */
    size_t length;
    struct lws *connection;
    bool open;     /* the connection is established */
    bool over;     /* the connection has ended */
    bool received; /* a message arrived on it */
    bool refused;  /* finally */
    unsigned pause_ms;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* A newline inside a payload is white space in JSON, but would start a second line here. */
static void print_message(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        putchar((unsigned char)text[i] < ' ' ? ' ' : text[i]);
    putchar('\n');
    fflush(stdout);
}

static int receive(struct watch *watch, struct lws *connection, const void *data, size_t length)
{
    if (watch->length + length > MESSAGE_MAXIMUM)
        return -1;
    memcpy(watch->message + watch->length, data, length);
    watch->length += length;
    if (!lws_is_final_fragment(connection) || lws_remaining_packet_payload(connection) > 0)
        return 0;
    print_message(watch->message, watch->length);
    watch->length = 0;
    watch->received = true;
    return 0;
}

static void closed_by_ring(struct watch *watch, const unsigned char *data, size_t length)
{
    int code = length >= 2 ? data[0] << 8 | data[1] : 0;
    int text = length > 2 ? (int)(length - 2) : 0;

    fprintf(stderr, "watch: closed by the ring with %d %.*s\n", code, text,
            text ? (const char *)data + 2 : "");
    /* A fresh token that is refused will be refused again. An expired one is replaced on the next try. */
    if (code == CLOSE_REVOKED || (code == CLOSE_EXPIRED && !watch->received))
        watch->refused = true;
}

static int add_token(struct watch *watch, struct lws *connection, unsigned char **place, unsigned char *end)
{
    char value[4096];

    if (snprintf(value, sizeof(value), "Bearer %s", watch->token) >= (int)sizeof(value))
        return -1;
    return lws_add_http_header_by_token(connection, WSI_TOKEN_HTTP_AUTHORIZATION, (unsigned char *)value,
                                        (int)strlen(value), place, end);
}

static int on_event(struct lws *connection, enum lws_callback_reasons reason, void *session, void *data,
                    size_t length)
{
    struct watch *watch = lws_context_user(lws_get_context(connection));

    (void)session;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: {
        unsigned char **place = data;

        return add_token(watch, connection, place, *place + length);
    }
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        watch->open = true;
        fprintf(stderr, "watch: connected to %s as %s\n", watch->target.authority, watch->user);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE: return receive(watch, connection, data, length);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: closed_by_ring(watch, data, length); return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        fprintf(stderr, "watch: cannot connect to %s: %.*s\n", watch->target.authority,
                data ? (int)length : 9, data ? (const char *)data : "no answer");
        watch->over = true;
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED: watch->over = true; return 0;
    default: return 0;
    }
}

static bool parse_url(const char *url, struct target *target)
{
    const char *scheme;
    const char *path;

    if (snprintf(target->text, sizeof(target->text), "%s", url) >= (int)sizeof(target->text) ||
        lws_parse_uri(target->text, &scheme, &target->host, &target->port, &path) != 0)
        return false;
    target->tls = strcmp(scheme, "wss") == 0;
    if (!target->tls && strcmp(scheme, "ws") != 0)
        return false;
    snprintf(target->authority, sizeof(target->authority), "%s:%d", target->host, target->port);
    /* lws_parse_uri removes the leading slash. */
    path = strchr(strstr(url, "://") + 3, '/');
    target->path = path ? path : "/ws";
    return true;
}

static bool open_connection(struct watch *watch, struct lws_context *context)
{
    struct lws_client_connect_info info = {.context = context,
                                           .address = watch->target.host,
                                           .port = watch->target.port,
                                           .path = watch->target.path,
                                           .host = watch->target.authority,
                                           .protocol = "pollen8.v1.json",
                                           .local_protocol_name = "watch",
                                           .ietf_version_or_minus_one = -1,
                                           .ssl_connection = watch->target.tls ? LCCSCF_USE_SSL : 0};

    free(watch->token);
    watch->token = token_sign(watch->secret_file, watch->user, watch->role, TOKEN_VALID_S);
    if (!watch->token)
        return false;
    watch->open = watch->over = watch->received = false;
    watch->length = 0;
    if (!lws_client_connect_via_info(&info))
        watch->over = true;
    return true;
}

/* Waits half to all of a pause that doubles, so that many watchers do not reconnect at once. */
static void pause_before_retry(struct watch *watch)
{
    unsigned long wait_ms;
    struct timespec pause;

    if (watch->open || watch->pause_ms == 0)
        watch->pause_ms = PAUSE_FIRST_MS;
    else if (watch->pause_ms < PAUSE_MAXIMUM_MS)
        watch->pause_ms *= 2;
    wait_ms = watch->pause_ms / 2 + (unsigned long)rng_below(watch->pause_ms / 2 + 1);
    pause =
        (struct timespec){.tv_sec = (time_t)(wait_ms / 1000), .tv_nsec = (long)(wait_ms % 1000) * 1000000L};
    nanosleep(&pause, NULL); /* a signal ends it early */
}

static int run(struct watch *watch)
{
    static const struct lws_protocols protocols[] = {
        {.name = "watch", .callback = on_event, .rx_buffer_size = 65536}, {0}};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols,
                                             .user = watch,
                                             .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT};
    struct lws_context *context;

    lws_set_log_level(0, NULL);
    context = lws_create_context(&info);
    if (!context)
        return command_fail(EXIT_FAILED, "cannot start a client");
    while (!interrupted && !watch->refused && open_connection(watch, context)) {
        while (!interrupted && !watch->over)
            if (lws_service(context, 0) < 0)
                break;
        if (!interrupted && !watch->refused)
            pause_before_retry(watch);
    }
    lws_context_destroy(context);
    return interrupted ? 0 : EXIT_FAILED;
}

int command_watch(int argc, char **argv)
{
    struct watch watch = {0};
    const char *url = "ws://localhost:3001/ws";
    const struct command_option options[] = {{"secret-file", &watch.secret_file, NULL},
                                             {"role", &watch.role, NULL},
                                             {"url", &url, NULL},
                                             {NULL, NULL, NULL}};
    struct sigaction action = {.sa_handler = on_signal};
    int result = command_options(argc, argv, usage, options);

    if (result != 0)
        return result == COMMAND_HELPED ? 0 : result;
    if (argc - optind != 1 || argv[optind][0] == '\0')
        return command_fail(EXIT_USAGE, "watch takes one USER; pollen8ctl watch --help says more");
    if (!watch.secret_file)
        return command_fail(EXIT_USAGE, "watch needs --secret-file FILE");
    if (!parse_url(url, &watch.target))
        return command_fail(EXIT_USAGE, "--url is '%s', expected ws://host:port/ws", url);
    watch.user = argv[optind];
    watch.message = malloc(MESSAGE_MAXIMUM);
    if (!watch.message)
        return command_fail(EXIT_FAILED, "out of memory");
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    result = run(&watch);
    free(watch.message);
    free(watch.token);
    return result;
}
