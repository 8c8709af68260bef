/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Child processes by their ids, and a client on the bus.
 */
#include "rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"

static int connect_to(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- value-svc -------------------------------------------------------------------------------------- */

#define PROCESSES_MAXIMUM 8

static pid_t running[PROCESSES_MAXIMUM]; /* 0: free */

static void replace_running(pid_t from, pid_t to)
{
    size_t at = 0;

    while (at < PROCESSES_MAXIMUM && running[at] != from)
        at++;
    assert_true(at < PROCESSES_MAXIMUM);
    running[at] = to;
}

static void run_value(const struct value_process *process, const char *nats_url, const char *redis_url,
                      const char *const *settings)
{
    char port[16];

    snprintf(port, sizeof(port), "%d", process->ops_port);
    setenv("NATS_URL", nats_url, 1);
    setenv("REDIS_URL", redis_url, 1);
    setenv("OPS_PORT", port, 1);
    setenv("OPS_ADDRESS", "127.0.0.1", 1);
    setenv("LOG_LEVEL", "error", 0);
    for (; settings && *settings; settings++)
        putenv((char *)(uintptr_t)*settings);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(VALUE_SVC_PATH, "value-svc", (char *)NULL);
    _exit(127);
}

void value_start(struct value_process *process, const char *nats_url, const char *redis_url,
                 const char *const *settings)
{
    process->ops_port = rig_free_port();
    process->pid = fork();
    if (process->pid == 0)
        run_value(process, nats_url, redis_url, settings);
    assert_true(process->pid > 0);
    replace_running(0, process->pid);
}

int value_stop(struct value_process *process, int signal)
{
    int status = 0;

    assert_true(process->pid > 0);
    kill(process->pid, signal);
    waitpid(process->pid, &status, 0);
    replace_running(process->pid, 0);
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int value_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROCESSES_MAXIMUM; i++) {
        if (running[i] == 0)
            continue;
        kill(running[i], SIGKILL);
        waitpid(running[i], NULL, 0);
        running[i] = 0;
    }
    return 0;
}

/* The whole answer of the ops port, NUL-terminated; its length. */
static size_t get(const struct value_process *process, const char *path, char *answer, size_t size)
{
    char request[128];
    size_t length = 0;
    ssize_t count = 1;
    int fd = connect_to(process->ops_port);

    answer[0] = '\0';
    if (fd < 0)
        return 0;
    snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
    if (write(fd, request, strlen(request)) < 0)
        count = 0;
    while (count > 0 && length + 1 < size) {
        count = read(fd, answer + length, size - 1 - length);
        if (count > 0)
            length += (size_t)count;
    }
    answer[length] = '\0';
    close(fd);
    return length;
}

struct readiness {
    const struct value_process *process;
    int code;
};

static bool ready(void *context)
{
    const struct readiness *readiness = context;
    char answer[1024];
    int code = 0;

    if (get(readiness->process, "/readyz", answer, sizeof(answer)) > 12)
        code = (int)strtol(answer + 9, NULL, 10); /* "HTTP/1.1 200" */
    return code == readiness->code;
}

void value_wait_ready(const struct value_process *process, int code)
{
    struct readiness readiness = {.process = process, .code = code};

    rig_until(ready, &readiness, code == 200 ? "value-svc is ready" : "value-svc is not ready");
}

void value_start_ready(struct value_process *process, const struct nats_server *nats,
                       const struct redis_server *redis, const char *const *settings)
{
    value_start(process, nats->url, redis->url, settings);
    value_wait_ready(process, 200);
    rig_until(rig_replayed, (void *)(uintptr_t)redis, "Redis' epoch is replayed");
}

int64_t value_metric(const struct value_process *process, const char *series)
{
    static char answer[262144];
    char line[256];
    const char *at;

    get(process, "/metrics", answer, sizeof(answer));
    snprintf(line, sizeof(line), "\n%s ", series);
    at = strstr(answer, line);
    return at ? strtoll(at + strlen(line), NULL, 10) : -1;
}

/* ---- the client ------------------------------------------------------------------------------------- */

struct rig {
    struct bus *bus;
    struct bus_subscription *out;
    struct bus_subscription *dead;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t frame_count;       /* guarded by lock, as all below */
    struct rig_frame *frames; /* room for RIG_FRAMES_MAXIMUM */
    bool answered;
    enum status answer_status;
    char answer[1048576];
    size_t answer_length;
};

static void copy_slice(char *out, size_t size, struct slice text)
{
    size_t length = text.length < size ? text.length : size - 1;

    if (length > 0)
        memcpy(out, text.data, length);
    out[length] = '\0';
}

static void add_frame(struct rig *rig, const struct rig_frame *frame)
{
    pthread_mutex_lock(&rig->lock);
    if (rig->frame_count < RIG_FRAMES_MAXIMUM)
        rig->frames[rig->frame_count++] = *frame;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static void on_out(void *context, const struct bus_message *message)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    const Pollen8__OutboundFrame *outbound;
    struct rig_frame frame = {0};

    if (wire_unpack(&arena, &pollen8__outbound_frame__descriptor, message->data, &unpacked) == STATUS_OK) {
        outbound = (const Pollen8__OutboundFrame *)unpacked;
        copy_slice(frame.subject, sizeof(frame.subject), message->subject);
        copy_slice(frame.event, sizeof(frame.event), slice_from_string(outbound->event));
        copy_slice(frame.data, sizeof(frame.data), slice_make(outbound->data.data, outbound->data.len));
        frame.event_id = outbound->event_id;
        frame.epoch = outbound->epoch;
        frame.version = outbound->version;
        frame.lane = outbound->lane;
        frame.lane_sequence = outbound->lane_sequence;
        frame.lane_previous = outbound->lane_previous;
        frame.user_sequence = outbound->user_sequence;
        frame.history_epoch = outbound->history_epoch;
        frame.first_lane = outbound->first_lane;
        frame.first_lane_sequence = outbound->first_lane_sequence;
        frame.policy = (int)outbound->policy;
        for (size_t i = 0; i < outbound->n_industries; i++)
            snprintf(frame.industries + strlen(frame.industries),
                     sizeof(frame.industries) - strlen(frame.industries), "%s%s", i > 0 ? "," : "",
                     outbound->industries[i]);
        add_frame(context, &frame);
    }
    wire_arena_done(&arena);
}

static void on_dead(void *context, const struct bus_message *message)
{
    struct rig_frame frame = {0};

    copy_slice(frame.subject, sizeof(frame.subject), message->subject);
    copy_slice(frame.data, sizeof(frame.data), message->data);
    bus_header(message, "Pollen8-Reason", frame.reason, sizeof(frame.reason));
    add_frame(context, &frame);
}

struct rig *rig_create(const char *nats_url)
{
    const struct bus_options options = {.url = nats_url, .name = "test", .send_as_soon_as_possible = true};
    struct rig *rig = calloc(1, sizeof(*rig));
    char error[256];

    assert_non_null(rig);
    rig->frames = calloc(RIG_FRAMES_MAXIMUM, sizeof(*rig->frames));
    assert_non_null(rig->frames);
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->changed, NULL);
    assert_int_equal(bus_create(&options, &rig->bus, error, sizeof(error)), STATUS_OK);
    assert_int_equal(bus_subscribe(rig->bus, "pollen8.out.>", NULL, on_out, rig, &rig->out), STATUS_OK);
    assert_int_equal(bus_subscribe(rig->bus, "pollen8.dead.>", NULL, on_dead, rig, &rig->dead), STATUS_OK);
    rig_flush(rig);
    return rig;
}

void rig_free(struct rig *rig)
{
    bus_free(rig->bus);
    pthread_cond_destroy(&rig->changed);
    pthread_mutex_destroy(&rig->lock);
    free(rig->frames);
    free(rig);
}

struct rig *rig_start(struct nats_server *nats, struct redis_server *redis)
{
    assert_true(nats_server_init(nats));
    assert_true(nats_server_start(nats));
    redis_init(redis, true);
    return rig_create(nats->url);
}

void rig_end(struct rig *rig, struct nats_server *nats, struct redis_server *redis)
{
    rig_free(rig);
    redis_done(redis);
    nats_server_done(nats);
}

struct store *rig_store(const struct redis_server *redis, struct store_url *url, int64_t timeout_ms)
{
    struct store_options options = {.url = url, .timeout_ms = timeout_ms, .any_epoch = true};
    struct store *store = NULL;
    char error[128];

    assert_int_equal(store_url_parse(redis->url, url, error, sizeof(error)), STATUS_OK);
    assert_int_equal(store_create(&options, &store), STATUS_OK);
    assert_int_equal(store_connect(store), STATUS_OK);
    if (!store_world(store)->of_server)
        rig_begin_epoch(store, &store_world(store)->position);
    return store;
}

void rig_begin_epoch(struct store *store, const struct store_position *position)
{
    struct store_world next = *store_world(store);

    next.epoch = next.epoch + 1 > (uint64_t)clock_wall_ms() ? next.epoch + 1 : (uint64_t)clock_wall_ms();
    next.position = *position;
    next.target = UINT64_MAX >> 12; /* it is not replayed yet */
    if (next.state == STORE_NEW)
        next.state = STORE_WHOLE;
    snprintf(next.identity, sizeof(next.identity), "%s", "test");
    assert_int_equal(store_raise(store, &next, ""), STATUS_OK);
}

bool rig_replayed(void *redis)
{
    int64_t epoch = redis_integer(redis, "HGET p8:epoch epoch");

    return epoch > 0 && redis_integer(redis, "HGET p8:epoch replayed") == epoch;
}

struct bus *rig_bus(struct rig *rig)
{
    return rig->bus;
}

static bool flushed(void *context)
{
    struct rig *rig = context;

    return bus_flush(rig->bus, 1000) == STATUS_OK;
}

void rig_flush(struct rig *rig)
{
    rig_until(flushed, rig, "the broker has everything");
}

void rig_publish(struct rig *rig, const char *subject, const char *text)
{
    assert_int_equal(bus_publish(rig->bus, subject, text, strlen(text)), STATUS_OK);
}

void rig_clear(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    rig->frame_count = 0;
    pthread_mutex_unlock(&rig->lock);
}

static bool matches(const struct rig_frame *frame, const char *subject, const char *event)
{
    return (!subject || strcmp(frame->subject, subject) == 0) && (!event || strcmp(frame->event, event) == 0);
}

size_t rig_count(struct rig *rig, const char *subject, const char *event)
{
    size_t count = 0;

    pthread_mutex_lock(&rig->lock);
    for (size_t i = 0; i < rig->frame_count; i++)
        count += matches(&rig->frames[i], subject, event);
    pthread_mutex_unlock(&rig->lock);
    return count;
}

bool rig_get(struct rig *rig, const char *subject, const char *event, size_t index,
             struct rig_frame *ret_frame)
{
    bool found = false;

    pthread_mutex_lock(&rig->lock);
    for (size_t i = 0; i < rig->frame_count && !found; i++) {
        if (!matches(&rig->frames[i], subject, event) || index-- > 0)
            continue;
        *ret_frame = rig->frames[i];
        found = true;
    }
    pthread_mutex_unlock(&rig->lock);
    return found;
}

struct wanted {
    struct rig *rig;
    const char *subject;
    const char *event;
    size_t count;
};

static bool arrived(void *context)
{
    const struct wanted *wanted = context;

    return rig_count(wanted->rig, wanted->subject, wanted->event) >= wanted->count;
}

void rig_wait(struct rig *rig, const char *subject, const char *event, size_t count)
{
    struct wanted wanted = {.rig = rig, .subject = subject, .event = event, .count = count};

    rig_until(arrived, &wanted, "the frames arrived");
}

static void on_answer(void *context, enum status status, const struct bus_message *message)
{
    struct rig *rig = context;

    pthread_mutex_lock(&rig->lock);
    rig->answered = true;
    rig->answer_status = status;
    rig->answer_length = 0;
    if (status == STATUS_OK && message->data.length <= sizeof(rig->answer)) {
        rig->answer_length = message->data.length;
        if (message->data.length > 0)
            memcpy(rig->answer, message->data.data, message->data.length);
    }
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

enum status rig_ask(struct rig *rig, const char *subject, const void *data, size_t length,
                    struct slice *ret_answer)
{
    enum status status;

    rig->answered = false;
    assert_int_equal(bus_request(rig->bus, subject, NULL, data, length, RIG_PATIENCE_MS, on_answer, rig),
                     STATUS_OK);
    pthread_mutex_lock(&rig->lock);
    while (!rig->answered)
        pthread_cond_wait(&rig->changed, &rig->lock);
    status = rig->answer_status;
    pthread_mutex_unlock(&rig->lock);
    *ret_answer = slice_make(rig->answer, rig->answer_length);
    return status;
}

bool rig_durable(struct rig *rig, char out[RIG_DURABLE_SIZE])
{
    static const char prefix[] = "\"value-svc-";
    struct slice answer;
    const char *at;
    unsigned long long newest = 0;

    if (rig_ask(rig, "$JS.API.CONSUMER.NAMES.POLLEN8_EVENTS", "", 0, &answer) != STATUS_OK)
        return false;
    for (at = answer.data; at;
         at = memmem(at, answer.length - (size_t)(at - answer.data), prefix, sizeof(prefix) - 1)) {
        unsigned long long epoch = at == answer.data ? 0 : strtoull(at + sizeof(prefix) - 1, NULL, 10);

        newest = epoch > newest ? epoch : newest;
        at++;
    }
    snprintf(out, RIG_DURABLE_SIZE, "value-svc-%llu", newest);
    return newest != 0;
}

struct slice rig_durable_info(struct rig *rig)
{
    char durable[RIG_DURABLE_SIZE];
    char subject[128];
    struct slice answer = {0};

    if (!rig_durable(rig, durable))
        return answer;
    snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.INFO.POLLEN8_EVENTS.%s", durable);
    if (rig_ask(rig, subject, "", 0, &answer) != STATUS_OK)
        answer.length = 0;
    return answer;
}

static bool settled(void *context)
{
    struct slice info = rig_durable_info(context);

    return info.length > 0 && memmem(info.data, info.length, "\"num_ack_pending\":0,", 20) &&
           memmem(info.data, info.length, "\"num_pending\":0", 15);
}

void rig_settle(struct rig *rig)
{
    rig_flush(rig);
    rig_until(settled, rig, "all is handed out and acknowledged");
}
