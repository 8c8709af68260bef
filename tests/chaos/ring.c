/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Options → folder, files, ports → processes.
 */
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attackers.h"
#include "common/clock.h"
#include "common/rng.h"
#include "ledger.h"

#define FIRST_PORT 10000 /* below what outgoing connections take: a part that is away finds its port free */
#define PORTS      20000

const char *part_kind_name(enum part_kind kind)
{
    static const char *const names[] = {"nats-server", "redis-server", "auth-svc",
                                        "value-svc",   "gateway",      "redis-sentinel"};

    return names[kind];
}

/* ---- ports and questions ---------------------------------------------------------------------------- */

static int loopback_socket(struct sockaddr_in *address, uint16_t port)
{
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static bool port_taken(const struct ring *ring, uint16_t port)
{
    for (size_t i = 0; i < ring->count; i++)
        if (ring->parts[i].port == port || ring->parts[i].ops_port == port ||
            ring->parts[i].wire_port == port)
            return true;
    return false;
}

static uint16_t free_port(const struct ring *ring)
{
    for (;;) {
        struct sockaddr_in address;
        uint16_t port = (uint16_t)(FIRST_PORT + rng_below(PORTS));
        int fd = loopback_socket(&address, port);
        bool free = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

        if (fd >= 0)
            close(fd);
        if (free && !port_taken(ring, port))
            return port;
    }
}

/* Whether `expected` is at the start of what a port says after `question`. */
static bool port_says(uint16_t port, const char *question, const char *expected)
{
    struct timeval limit = {.tv_usec = RING_ASK_MS * 1000};
    struct sockaddr_in address;
    char answer[256] = "";
    int fd = loopback_socket(&address, port);
    bool said = false;

    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        send(fd, question, strlen(question), MSG_NOSIGNAL) == (ssize_t)strlen(question)) {
        ssize_t length = recv(fd, answer, sizeof(answer) - 1, 0);
        said = length > 0 && strncmp(answer, expected, strlen(expected)) == 0;
    }
    close(fd);
    return said;
}

bool ring_ready(const struct part *part)
{
    if (part->process.pid == 0)
        return false;
    if (part->kind == PART_NATS)
        return port_says(part->port, "", "INFO ");
    if (part->kind == PART_REDIS || part->kind == PART_SENTINEL)
        return port_says(part->port, "PING\r\n", "+PONG");
    return port_says(part->ops_port, "GET /readyz HTTP/1.0\r\n\r\n", "HTTP/1.0 200") ||
           port_says(part->ops_port, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                     "HTTP/1.1 200");
}

/* ---- layout ----------------------------------------------------------------------------------------- */

static FILE *open_file(const struct ring *ring, const char *name)
{
    char path[RING_FOLDER_SIZE + 32];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", ring->folder, name);
    file = fopen(path, "we");
    if (!file)
        perror(path);
    return file;
}

static void write_attackers(FILE *file, const struct ring_options *options)
{
    uint32_t industries = options->users / options->users_an_industry;

    for (uint32_t attacker = 0; attacker < options->attackers; attacker++) {
        fprintf(file, ",{\"_id\":\"" ATTACKER_USER "\",\"industries\":[", attacker);
        for (uint32_t i = 0; i < attacker_industries(attacker, industries); i++) {
            char industry[LEDGER_INDUSTRY_SIZE];
            ledger_write_industry(industry, 0, attacker_industry(attacker, i, industries));
            fprintf(file, "%s\"%s\"", i ? "," : "", industry);
        }
        fputs("]}", file);
    }
}

static bool write_users(const struct ring *ring, const struct ring_options *options)
{
    FILE *file = open_file(ring, "users.json");

    if (!file)
        return false;
    fputs("{\"users\":[", file);
    for (uint32_t user = 0; user < options->users; user++) {
        char industry[LEDGER_INDUSTRY_SIZE];
        ledger_write_industry(industry, 0, user / options->users_an_industry);
        fprintf(file, "%s{\"_id\":\"" LEDGER_USER "\",\"industries\":[\"%s\"]}", user ? "," : "", user,
                industry);
    }
    write_attackers(file, options);
    fputs("]}", file);
    return fclose(file) == 0;
}

static bool write_broker_file(const struct ring *ring, uint16_t port)
{
    FILE *file = open_file(ring, "nats.conf");

    if (!file)
        return false;
    fprintf(file,
            "listen: \"127.0.0.1:%u\"\nmax_payload: 2097152\nmax_pending: 64MB\nwrite_deadline: \"5s\"\n"
            "jetstream { store_dir: \"%s/nats\" }\n",
            port, ring->folder);
    return fclose(file) == 0;
}

static struct part *add_part(struct ring *ring, enum part_kind kind, uint32_t number, uint16_t port)
{
    struct part *part = &ring->parts[ring->count++];

    part->kind = kind;
    part->port = port;
    snprintf(part->process.name, sizeof(part->process.name), "%s-%u", part_kind_name(kind), number + 1);
    snprintf(part->process.log, sizeof(part->process.log), "%s/%s-%u.log", ring->folder, part_kind_name(kind),
             number + 1);
    return part;
}

static void add_broker(struct ring *ring)
{
    ring->nats = add_part(ring, PART_NATS, 0, free_port(ring));
    process_argument(&ring->nats->process, "nats-server");
    process_argument(&ring->nats->process, "-c");
    process_argument(&ring->nats->process, "%s/nats.conf", ring->folder);
}

/* A file of settings, for sentinels rewrite those of a server that changes its role. */
static bool write_redis_file(struct ring *ring, uint32_t number, bool fails_over)
{
    const struct part *part = ring->redises[number];
    char name[32];
    char data[RING_FOLDER_SIZE + 16];
    FILE *file;

    snprintf(data, sizeof(data), "%s/redis-%u", ring->folder, number + 1);
    snprintf(name, sizeof(name), "redis-%u.conf", number + 1);
    file = mkdir(data, 0700) == 0 ? open_file(ring, name) : NULL;
    if (!file)
        return false;
    fprintf(file, "bind 127.0.0.1\nport %u\ndir %s\nappendonly yes\nappendfsync %s\nsave \"\"\n", part->port,
            data, fails_over ? "everysec" : "always");
    if (fails_over)
        fprintf(
            file,
            "replica-announce-ip 127.0.0.1\nreplica-announce-port %u\nbind-source-addr " WIRES_SERVER_ADDRESS
            "\nrepl-diskless-sync-delay 0\n",
            part->wire_port);
    if (number > 0)
        fprintf(file, "replicaof 127.0.0.1 %u\n", ring->redises[0]->wire_port);
    return fclose(file) == 0;
}

static bool write_sentinel_file(struct ring *ring, uint32_t number)
{
    char name[32];
    FILE *file;

    snprintf(name, sizeof(name), "sentinel-%u.conf", number + 1);
    file = open_file(ring, name);
    if (!file)
        return false;
    fprintf(file,
            "bind 127.0.0.1\nbind-source-addr " WIRES_SERVER_ADDRESS
            "\nport %u\ndir %s\nsentinel announce-ip 127.0.0.1\nsentinel monitor " RING_PRIMARY
            " 127.0.0.1 %u 2\n"
            "sentinel down-after-milliseconds " RING_PRIMARY " 1000\n"
            "sentinel failover-timeout " RING_PRIMARY " 6000\n"
            "sentinel parallel-syncs " RING_PRIMARY " 2\n",
            ring->sentinels[number]->port, ring->folder, ring->redises[0]->wire_port);
    return fclose(file) == 0;
}

static bool add_redises(struct ring *ring, const struct ring_options *options)
{
    bool written = true;

    ring->redis_count = options->sentinels ? RING_REDISES_MAXIMUM : 1;
    for (uint32_t i = 0; i < ring->redis_count && written; i++) {
        ring->redises[i] = add_part(ring, PART_REDIS, i, free_port(ring));
        ring->redises[i]->wire_port = options->sentinels ? free_port(ring) : 0;
        process_argument(&ring->redises[i]->process, "redis-server");
        process_argument(&ring->redises[i]->process, "%s/redis-%u.conf", ring->folder, i + 1);
        written = write_redis_file(ring, i, options->sentinels);
    }
    for (uint32_t i = 0; i < ring->redis_count && options->sentinels && written; i++) {
        ring->sentinels[i] = add_part(ring, PART_SENTINEL, i, free_port(ring));
        process_argument(&ring->sentinels[i]->process, "redis-server");
        process_argument(&ring->sentinels[i]->process, "%s/sentinel-%u.conf", ring->folder, i + 1);
        process_argument(&ring->sentinels[i]->process, "--sentinel");
        written = write_sentinel_file(ring, i);
    }
    return written;
}

static struct part *add_service(struct ring *ring, enum part_kind kind, uint32_t number, bool listens)
{
    struct part *part = add_part(ring, kind, number, listens ? free_port(ring) : 0);

    part->ops_port = free_port(ring);
    process_argument(&part->process, "%s/%s", ring->programs, part_kind_name(kind));
    process_setting(&part->process, "NATS_URL=nats://127.0.0.1:%u", ring->nats->port);
    process_setting(&part->process, "OPS_ADDRESS=127.0.0.1");
    process_setting(&part->process, "OPS_PORT=%u", part->ops_port);
    process_setting(&part->process, "LOG_FORMAT=text");
    return part;
}

static bool lay_wires(struct ring *ring)
{
    uint16_t outer[RING_REDISES_MAXIMUM];
    uint16_t inner[RING_REDISES_MAXIMUM];

    for (uint32_t i = 0; i < ring->redis_count; i++) {
        outer[i] = ring->redises[i]->wire_port;
        inner[i] = ring->redises[i]->port;
    }
    if (wires_start(&ring->wires, outer, inner, ring->redis_count))
        return true;
    perror("wires");
    return false;
}

static void set_redis(const struct ring *ring, struct process *process, const struct ring_options *options)
{
    if (!options->sentinels) {
        process_setting(process, "REDIS_URL=redis://127.0.0.1:%u", ring->redises[0]->port);
        return;
    }
    process_setting(process,
                    "REDIS_URL=redis+sentinel://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u/" RING_PRIMARY,
                    ring->sentinels[0]->port, ring->sentinels[1]->port, ring->sentinels[2]->port);
    process_setting(process, "REDIS_WAIT_REPLICAS=%u", options->wait_replicas);
}

static void add_services(struct ring *ring, const struct ring_options *options)
{
    for (uint32_t i = 0; i < options->auths; i++) {
        struct process *process = &add_service(ring, PART_AUTH, i, false)->process;
        process_setting(process, "JWT_SECRET=" RING_SECRET);
        process_setting(process, "USER_STORE=file:%s/users.json", ring->folder);
    }
    for (uint32_t i = 0; i < options->values; i++)
        set_redis(ring, &add_service(ring, PART_VALUE, i, false)->process, options);
    ring->gateway_count = options->gateways;
    for (uint32_t i = 0; i < options->gateways; i++) {
        ring->gateways[i] = add_service(ring, PART_GATEWAY, i, true);
        process_setting(&ring->gateways[i]->process, "PORT=%u", ring->gateways[i]->port);
        process_setting(&ring->gateways[i]->process, "LISTEN_ADDRESS=127.0.0.1");
        process_setting(&ring->gateways[i]->process, "NAMESPACES=" RING_NAMESPACE);
        process_setting(&ring->gateways[i]->process, "DRAIN_SECONDS=%us", options->drain_seconds);
    }
}

bool ring_create(struct ring *ring, const struct ring_options *options, struct report *report)
{
    const char *temporary = getenv("TMPDIR");

    *ring =
        (struct ring){.report = report, .programs = options->programs, .folder = malloc(RING_FOLDER_SIZE)};
    if (!ring->folder)
        return false;
    snprintf(ring->folder, RING_FOLDER_SIZE, "%s/pollen8-chaos-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(ring->folder)) {
        perror(ring->folder);
        return false;
    }
    add_broker(ring);
    if (!add_redises(ring, options))
        return false;
    if (options->sentinels && !lay_wires(ring))
        return false;
    add_services(ring, options);
    return write_users(ring, options) && write_broker_file(ring, ring->nats->port);
}

/* ---- life ------------------------------------------------------------------------------------------- */

void ring_start_part(struct ring *ring, struct part *part)
{
    if (part->process.pid == 0 && !process_start(&part->process, clock_monotonic_ms()))
        report_violation(ring->report, "%s cannot be started: %s", part->process.name, strerror(errno));
}

static void say_end(struct ring *ring, const struct part *part, int status)
{
    if (WIFSIGNALED(status))
        report_violation(ring->report, "%s ended by itself: signal %d, see %s", part->process.name,
                         WTERMSIG(status), part->process.log);
    else
        report_violation(ring->report, "%s ended by itself: exit status %d, see %s", part->process.name,
                         WEXITSTATUS(status), part->process.log);
}

void ring_watch(struct ring *ring)
{
    for (size_t i = 0; i < ring->count; i++) {
        int status = 0;
        if (!process_ended(&ring->parts[i].process, &status))
            continue;
        say_end(ring, &ring->parts[i], status);
        ring_start_part(ring, &ring->parts[i]);
    }
}

void ring_stop_kind(struct ring *ring, enum part_kind kind, uint64_t limit_ms)
{
    uint64_t end_ms = clock_monotonic_ms() + limit_ms;
    int status = 0;

    for (size_t i = 0; i < ring->count; i++)
        if (ring->parts[i].kind == kind && ring->parts[i].process.pid)
            kill(ring->parts[i].process.pid, SIGTERM);
    for (size_t i = 0; i < ring->count; i++) {
        struct process *process = &ring->parts[i].process;
        if (ring->parts[i].kind != kind || process->pid == 0)
            continue;
        while (!process_ended(process, &status) && clock_monotonic_ms() < end_ms)
            usleep(5000);
        if (process->pid) {
            report_violation(ring->report, "%s did not end on SIGTERM", process->name);
            process_kill(process);
        } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            say_end(ring, &ring->parts[i], status);
        }
    }
}

static int remove_entry(const char *path, const struct stat *state, int flag, struct FTW *walk)
{
    (void)state;
    (void)flag;
    (void)walk;
    return remove(path);
}

void ring_free(struct ring *ring, bool keep)
{
    for (size_t i = 0; i < ring->count; i++)
        process_kill(&ring->parts[i].process);
    wires_end(&ring->wires);
    if (!ring->folder)
        return;
    if (keep)
        fprintf(stderr, "logs and data are in %s\n", ring->folder);
    else
        nftw(ring->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(ring->folder);
    ring->folder = NULL;
}
