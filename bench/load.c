/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The benchmark's load client: one thread, thousands of WebSocket sessions. It opens them, prints a line when
 * all are in, then does what its standard input says, a line each, and answers each with a line:
 *   reset          the figures of a phase start again
 *   report         those figures
 *   storm N        every session ends and comes back, N at once; answered when all are back
 *   churn RATE     so many sessions a second end and come back; 0: none
 *   quit
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "load_sessions.h"

static const char usage[] =
    "usage: bench-load --port P --sessions N [options]     (%d: the session's number, %t: its token)\n"
    "  --path TEXT --header TEXT   of the upgrade request\n"
    "  --first TEXT [--binary]     message sent once upgraded\n"
    "  --ready TEXT                part of the message that makes a session open\n"
    "  --ping TEXT --pong TEXT     heartbeat and its answer\n"
    "  --marker TEXT               part of every event (default: \"t\":)\n"
    "  --values                    a number follows the marker: report the sum of the last ones, in "
    "hundredths\n"
    "  --tokens FILE               one a line, at least as many as sessions\n"
    "  --in-flight N               sessions opened at once (default: 128)\n"
    "  --from N                    number of the first session (default: 0)\n"
    "  --ack PORT                  UDP port of the publisher\n"
    "  --tls                       TLS, certificates unchecked\n";

struct control {
    struct load *load;
    bool answer_when_settled;
    bool churning;
    bool ended;
    char line[256];
    size_t length;
};

static void answered(void)
{
    puts("{}");
    fflush(stdout);
}

static void obey(struct control *control, const char *line)
{
    if (strcmp(line, "reset") == 0) {
        load_reset(control->load);
        answered();
    } else if (strcmp(line, "report") == 0) {
        load_report(control->load);
    } else if (strncmp(line, "storm ", 6) == 0) {
        load_storm(control->load, (uint32_t)argument_number("storm", line + 6, 1, 1000000));
        control->answer_when_settled = true;
    } else if (strncmp(line, "churn ", 6) == 0) {
        double rate = argument_decimal("churn", line + 6, 0, 1e6);
        control->churning = rate > 0;
        load_churn(control->load, rate);
        answered();
    } else {
        control->ended = true;
    }
}

static void read_commands(struct control *control)
{
    char *end;
    ssize_t length =
        read(STDIN_FILENO, control->line + control->length, sizeof(control->line) - 1 - control->length);

    if (length <= 0) {
        control->ended = true;
        return;
    }
    control->length += (size_t)length;
    control->line[control->length] = 0;
    while (!control->ended && (end = strchr(control->line, '\n'))) {
        *end = 0;
        obey(control, control->line);
        control->length -= (size_t)(end + 1 - control->line);
        memmove(control->line, end + 1, control->length + 1);
    }
}

/* Sessions and commands are waited for together. */
static void serve(struct control *control)
{
    if (!load_watch(control->load, STDIN_FILENO))
        perror("bench-load: standard input");
    while (!control->ended) {
        int timeout_ms = control->churning || control->answer_when_settled ? 2 : -1;

        if (load_turn(control->load, timeout_ms))
            read_commands(control);
        if (control->answer_when_settled && load_settled(control->load)) {
            control->answer_when_settled = false;
            load_report(control->load);
        }
    }
}

/* `count` lines of a file from line `from` on, the caller's to free; ends the program where there are fewer.
 */
static char **read_tokens(const char *path, uint32_t from, uint32_t count)
{
    FILE *file = fopen(path, "re");
    char **tokens = calloc(count, sizeof(*tokens));

    if (!file || !tokens) {
        perror(path);
        exit(1);
    }
    for (uint32_t i = 0; i < from + count; i++) {
        char *line = NULL;
        size_t capacity = 0;
        ssize_t length = getline(&line, &capacity, file);
        if (length <= 1) {
            fprintf(stderr, "bench-load: %s has too few tokens\n", path);
            exit(2);
        }
        line[length - 1] = 0;
        if (i >= from)
            tokens[i - from] = line;
        else
            free(line);
    }
    fclose(file);
    return tokens;
}

static const char *read_arguments(struct load_options *options, int count, char **values)
{
    static const struct option names[] = {{"port", required_argument, NULL, 'p'},
                                          {"sessions", required_argument, NULL, 'n'},
                                          {"path", required_argument, NULL, 'u'},
                                          {"header", required_argument, NULL, 'h'},
                                          {"first", required_argument, NULL, 'f'},
                                          {"binary", no_argument, NULL, 'b'},
                                          {"ready", required_argument, NULL, 'r'},
                                          {"ping", required_argument, NULL, 'i'},
                                          {"pong", required_argument, NULL, 'o'},
                                          {"marker", required_argument, NULL, 'm'},
                                          {"tokens", required_argument, NULL, 't'},
                                          {"in-flight", required_argument, NULL, 'l'},
                                          {"ack", required_argument, NULL, 'a'},
                                          {"tls", no_argument, NULL, 's'},
                                          {"values", no_argument, NULL, 'v'},
                                          {"from", required_argument, NULL, 'F'},
                                          {NULL, 0, NULL, 0}};
    const char *tokens = NULL;
    int option;

    while ((option = getopt_long(count, values, "", names, NULL)) != -1) {
        switch (option) {
        case 'p': options->port = (uint16_t)argument_number("--port", optarg, 1, 65535); break;
        case 'n': options->count = (uint32_t)argument_number("--sessions", optarg, 1, 1000000); break;
        case 'u': options->path = optarg; break;
        case 'h': options->header = optarg; break;
        case 'f': options->first = optarg; break;
        case 'b': options->binary = true; break;
        case 'r': options->ready = optarg; break;
        case 'i': options->ping = optarg; break;
        case 'o': options->pong = optarg; break;
        case 'm': options->marker = optarg; break;
        case 't': tokens = optarg; break;
        case 'l': options->in_flight = (uint32_t)argument_number("--in-flight", optarg, 1, 100000); break;
        case 'a': options->ack_port = (uint16_t)argument_number("--ack", optarg, 1, 65535); break;
        case 's': options->tls = true; break;
        case 'F': options->from = (uint32_t)argument_number("--from", optarg, 0, 1000000); break;
        case 'v': options->values = true; break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    return tokens;
}

int main(int argc, char **argv)
{
    struct load_options options = {.path = "/", .marker = "\"t\":", .pong = "", .in_flight = 128};
    const char *file = read_arguments(&options, argc, argv);
    char **tokens = NULL;
    struct control control = {.load = NULL};

    if (!options.port || !options.count) {
        fputs(usage, stderr);
        return 2;
    }
    if (file)
        tokens = read_tokens(file, options.from, options.count);
    options.tokens = (const char *const *)tokens;
    raise_file_limit();
    control.load = load_create(&options);
    if (!control.load) {
        perror("bench-load");
        return 1;
    }
    control.answer_when_settled = true;
    serve(&control);
    load_free(control.load);
    for (uint32_t i = 0; tokens && i < options.count; i++)
        free(tokens[i]);
    free(tokens);
    return 0;
}
