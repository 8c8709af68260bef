/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The benchmark's publisher: 150-byte events to the broker, as OutboundFrame the way value-svc publishes
 * them, or as plain JSON for the peers. Each holds the monotonic time "t" and a running number "s". In a
 * flood a fixed number of events is in flight: the next goes out when the load client says by UDP that every
 * session has an earlier one. Otherwise they go out at a fixed rate, whatever comes of them (open loop).
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"
#include "broker_line.h"
#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/wire.h"
#include "frame.pb-c.h"

#define STALL_MS   5000
#define TURN_US    200
#define SETTLE_US  100000
#define DATA_BYTES 512
#define EPOCH      ((uint64_t)1 << 62) /* above every real one: no snapshot makes these stale */

static const char usage[] =
    "usage: bench-publish --broker PORT --mode flood|rate|unicast --seconds S [options]\n"
    "  --frames       OutboundFrame on pollen8.out.*; without: JSON on industry.* and user.*\n"
    "  --room NAME    flood, rate: the industry (default: steel)\n"
    "  --users N      unicast: u0 to u<N-1> in turn\n"
    "  --window N     flood: events in flight\n"
    "  --rate R       rate, unicast: events a second\n"
    "  --ack PORT     flood: where the load client's UDP comes in\n";

struct publisher {
    int broker;
    int ack;
    bool frames;
    const char *mode;
    const char *room;
    uint32_t users;
    uint32_t window;
    double rate;
    uint32_t sequence;
    uint32_t acknowledged;
    uint32_t stalls; /* events some session did not get in time */
    struct buf packed;
};

static int event_text(struct publisher *publisher, char out[DATA_BYTES])
{
    return snprintf(
        out, DATA_BYTES,
        "{\"t\":%" PRIu64 ",\"s\":%" PRIu32
        ",\"industry\":\"steel\",\"kind\":\"quote\",\"id\":\"a81bc81b-dead-4e5d\",\"price\":1234.56,"
        "\"qty\":10000,\"src\":\"feed-7\"}",
        clock_monotonic_ns(), publisher->sequence);
}

/* Like value-svc: industry events are queued, a user's updates replace each other and carry a version. */
static bool pack_frame(struct publisher *publisher, const char *user, char *data, size_t length)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    char *industries[1] = {(char *)(uintptr_t)publisher->room};

    frame.data.data = (uint8_t *)data;
    frame.data.len = length;
    frame.published_at_us = clock_wall_us();
    frame.event_id = (uint64_t)frame.published_at_us << 8 | (publisher->sequence & 0xff);
    if (user) {
        frame.event = (char *)(uintptr_t)("network.update");
        frame.user_id = (char *)(uintptr_t)user;
        frame.policy = POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST;
        frame.coalesce_key = (char *)(uintptr_t)("network.update");
        frame.epoch = EPOCH;
        frame.version = (uint64_t)frame.published_at_us;
    } else {
        frame.event = (char *)(uintptr_t)("connection.new");
        frame.industries = industries;
        frame.n_industries = 1;
    }
    buf_clear(&publisher->packed);
    return wire_pack(&publisher->packed, &frame.base) == STATUS_OK;
}

static bool publish_next(struct publisher *publisher)
{
    char data[DATA_BYTES];
    char subject[SUBJECT_SIZE];
    char user[32];
    bool unicast = publisher->mode[0] == 'u';
    int length;

    if (unicast)
        snprintf(user, sizeof(user), "u%" PRIu32, publisher->sequence % publisher->users);
    publisher->sequence++;
    length = event_text(publisher, data);
    if (!publisher->frames) {
        snprintf(subject, sizeof(subject), unicast ? "user.%s" : "industry.%s",
                 unicast ? user : publisher->room);
        return broker_line_publish(publisher->broker, subject, data, (size_t)length);
    }
    if (!pack_frame(publisher, unicast ? user : NULL, data, (size_t)length))
        return false;
    if (!unicast)
        snprintf(subject, sizeof(subject), "%s", SUBJECT_OUT_INDUSTRY);
    else if (subject_make(subject, SUBJECT_OUT_USER, slice_from_string(user)) != STATUS_OK)
        return false;
    return broker_line_publish(publisher->broker, subject, publisher->packed.data, publisher->packed.length);
}

static bool flood_turn(struct publisher *publisher, uint64_t end)
{
    struct pollfd wait[2] = {{.fd = publisher->ack, .events = POLLIN},
                             {.fd = publisher->broker, .events = POLLIN}};
    uint32_t number;

    while (publisher->sequence - publisher->acknowledged < publisher->window && clock_monotonic_ns() < end)
        if (!publish_next(publisher))
            return false;
    if (poll(wait, 2, STALL_MS) == 0) { /* a lost event must not hang the run; it is counted */
        publisher->acknowledged++;
        publisher->stalls++;
    }
    while (recv(publisher->ack, &number, sizeof(number), MSG_DONTWAIT) == (ssize_t)sizeof(number))
        if ((int32_t)(number - publisher->acknowledged) > 0)
            publisher->acknowledged = number;
    return !wait[1].revents || broker_line_answer(publisher->broker);
}

static bool rate_turn(struct publisher *publisher, uint64_t start)
{
    while (publisher->sequence < publisher->rate * (double)(clock_monotonic_ns() - start) / 1e9)
        if (!publish_next(publisher))
            return false;
    usleep(TURN_US);
    return broker_line_answer(publisher->broker);
}

static int ack_socket(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int run(struct publisher *publisher, double seconds)
{
    uint64_t start;
    uint64_t end;
    bool flood = publisher->mode[0] == 'f';
    bool connected;

    usleep(SETTLE_US);
    connected = broker_line_answer(publisher->broker);
    start = clock_monotonic_ns();
    end = start + (uint64_t)(seconds * 1e9);
    while (connected && clock_monotonic_ns() < end)
        connected = flood ? flood_turn(publisher, end) : rate_turn(publisher, start);
    printf("{\"published\":%" PRIu32 ",\"stalls\":%" PRIu32 ",\"seconds\":%.3f}\n", publisher->sequence,
           publisher->stalls, (double)(clock_monotonic_ns() - start) / 1e9);
    if (!connected)
        fprintf(stderr, "bench-publish: the broker's connection is lost\n");
    return connected ? 0 : 1;
}

struct ports {
    uint16_t broker;
    uint16_t ack;
    double seconds;
};

static struct ports read_arguments(struct publisher *publisher, int count, char **values)
{
    static const struct option options[] = {
        {"broker", required_argument, NULL, 'b'},  {"mode", required_argument, NULL, 'm'},
        {"seconds", required_argument, NULL, 's'}, {"frames", no_argument, NULL, 'f'},
        {"room", required_argument, NULL, 'r'},    {"users", required_argument, NULL, 'u'},
        {"window", required_argument, NULL, 'w'},  {"rate", required_argument, NULL, 'R'},
        {"ack", required_argument, NULL, 'a'},     {NULL, 0, NULL, 0}};
    struct ports ports = {.seconds = 5};
    int option;

    while ((option = getopt_long(count, values, "", options, NULL)) != -1) {
        switch (option) {
        case 'b': ports.broker = (uint16_t)argument_number("--broker", optarg, 1, 65535); break;
        case 'm': publisher->mode = optarg; break;
        case 's': ports.seconds = argument_decimal("--seconds", optarg, 0.1, 86400); break;
        case 'f': publisher->frames = true; break;
        case 'r': publisher->room = optarg; break;
        case 'u': publisher->users = (uint32_t)argument_number("--users", optarg, 1, 10000000); break;
        case 'w': publisher->window = (uint32_t)argument_number("--window", optarg, 1, 60000); break;
        case 'R': publisher->rate = argument_decimal("--rate", optarg, 0.01, 1e6); break;
        case 'a': ports.ack = (uint16_t)argument_number("--ack", optarg, 1, 65535); break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    return ports;
}

int main(int argc, char **argv)
{
    struct publisher publisher = {
        .broker = -1, .ack = -1, .mode = "", .room = "steel", .users = 1, .window = 1, .rate = 1};
    struct ports ports = read_arguments(&publisher, argc, argv);
    int status = 1;

    if (!ports.broker || !publisher.mode[0] || !strchr("fru", publisher.mode[0]) ||
        (publisher.mode[0] == 'f' && !ports.ack)) {
        fputs(usage, stderr);
        return 2;
    }
    buf_init(&publisher.packed, (size_t)64 * 1024);
    publisher.broker = broker_line_open(ports.broker, "");
    if (ports.ack)
        publisher.ack = ack_socket(ports.ack);
    if (publisher.broker < 0 || (ports.ack && publisher.ack < 0))
        perror("bench-publish");
    else
        status = run(&publisher, ports.seconds);
    buf_done(&publisher.packed);
    if (publisher.broker >= 0)
        close(publisher.broker);
    if (publisher.ack >= 0)
        close(publisher.ack);
    return status;
}
