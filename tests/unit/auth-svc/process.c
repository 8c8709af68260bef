/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * fork and exec with PR_SET_PDEATHSIG, so that a failed test leaves nothing running; readiness is asked
 * over HTTP like an orchestrator does.
 */
#include "process.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/bus/subject.h"
#include "common/wire.h"
#include "identity.pb-c.h"

#define TRIES         3000
#define PAUSE_NS      10000000L
#define SETTINGS_MOST 24
#define TIMEOUT_MS    10000

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof(address);
    int port = 0;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor >= 0 && bind(descriptor, (struct sockaddr *)&address, length) == 0 &&
        getsockname(descriptor, (struct sockaddr *)&address, &length) == 0)
        port = ntohs(address.sin_port);
    if (descriptor >= 0)
        close(descriptor);
    return port;
}

static void become_service(char *const *environment)
{
    char name[] = "auth-svc";
    char *const arguments[] = {name, NULL};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execve(AUTH_SVC_PROGRAM, arguments, environment);
    _exit(127);
}

bool process_start(struct process *process, const char *nats_url, const char *const *settings)
{
    char nats[256], ops[32], address[] = "OPS_ADDRESS=127.0.0.1", level[] = "LOG_LEVEL=error";
    char *environment[SETTINGS_MOST + 1] = {nats, ops, address, level};
    size_t count = 4;

    process->ops_port = free_port();
    (void)snprintf(nats, sizeof(nats), "NATS_URL=%s", nats_url);
    (void)snprintf(ops, sizeof(ops), "OPS_PORT=%d", process->ops_port);
    for (; *settings && count < SETTINGS_MOST; settings++)
        environment[count++] = strdup(*settings);
    process->pid = fork();
    if (process->pid == 0)
        become_service(environment);
    while (count > 4)
        free(environment[--count]);
    return process->pid > 0;
}

int process_get(const struct process *process, const char *path, char *body, size_t size)
{
    struct sockaddr_in address = loopback(process->ops_port);
    char request[128], response[32768];
    size_t length = 0;
    ssize_t got;
    int code = 0;
    const char *start;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", path);
    if (descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        send(descriptor, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request))
        while (length < sizeof(response) - 1 &&
               (got = recv(descriptor, response + length, sizeof(response) - 1 - length, 0)) > 0)
            length += (size_t)got;
    if (descriptor >= 0)
        close(descriptor);
    response[length] = '\0';
    if (strncmp(response, "HTTP/1.1 ", 9) == 0)
        code = (int)strtol(response + 9, NULL, 10);
    start = strstr(response, "\r\n\r\n");
    (void)snprintf(body, size, "%s", start ? start + 4 : "");
    return code;
}

bool process_wait_ready(const struct process *process, int code)
{
    char body[512];

    for (int i = 0; i < TRIES; i++) {
        if (process_get(process, "/readyz", body, sizeof(body)) == code)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return false;
}

int process_wait(struct process *process)
{
    int status = 0;

    if (waitpid(process->pid, &status, 0) != process->pid)
        return -1;
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int process_stop(struct process *process, int signal)
{
    if (process->pid <= 0 || kill(process->pid, signal) != 0)
        return -1;
    return process_wait(process);
}

/* ---- one request ------------------------------------------------------------------------------------ */

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    struct answer *answer;
};

static void join_list(char *out, size_t size, char **list, size_t count)
{
    size_t length = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count && length < size; i++)
        length += (size_t)snprintf(out + length, size - length, "%s%s", i ? "," : "", list[i]);
}

void read_answer(struct slice bytes, struct answer *answer)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    const Pollen8__VerifyReply *reply;

    memset(answer, 0, sizeof(*answer));
    if (wire_unpack(&arena, &pollen8__verify_reply__descriptor, bytes, &message) != STATUS_OK) {
        (void)snprintf(answer->code, sizeof(answer->code), "not a VerifyReply");
        wire_arena_done(&arena);
        return;
    }
    reply = (const Pollen8__VerifyReply *)message;
    if (reply->result_case == POLLEN8__VERIFY_REPLY__RESULT_IDENTITY) {
        const Pollen8__Identity *identity = reply->identity;
        (void)snprintf(answer->code, sizeof(answer->code), "ok");
        (void)snprintf(answer->user_id, sizeof(answer->user_id), "%s", identity->user_id);
        (void)snprintf(answer->role, sizeof(answer->role), "%s", identity->role);
        join_list(answer->industries, sizeof(answer->industries), identity->industries,
                  identity->n_industries);
        join_list(answer->permissions, sizeof(answer->permissions), identity->permissions,
                  identity->n_permissions);
        answer->expires_at_ms = identity->expires_at_ms;
    } else if (reply->result_case == POLLEN8__VERIFY_REPLY__RESULT_ERROR) {
        (void)snprintf(answer->code, sizeof(answer->code), "%s", reply->error->code);
        (void)snprintf(answer->message, sizeof(answer->message), "%s", reply->error->message);
        answer->retry_after_ms = reply->error->retry_after_ms;
    }
    wire_arena_done(&arena);
}

static void on_reply(void *context, enum status status, const struct bus_message *message)
{
    struct waiting *waiting = context;

    pthread_mutex_lock(&waiting->lock);
    if (status == STATUS_OK)
        read_answer(message->data, waiting->answer);
    else
        (void)snprintf(waiting->answer->code, sizeof(waiting->answer->code), "%s", status_code(status));
    waiting->done = true;
    pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(&waiting->lock);
}

void ask(struct bus *bus, const char *token, struct answer *answer)
{
    struct waiting waiting = {.answer = answer};
    Pollen8__VerifyRequest request;
    struct buf bytes;
    union {
        const char *constant;
        char *plain;
    } borrowed = {.constant = token};

    memset(answer, 0, sizeof(*answer));
    pthread_mutex_init(&waiting.lock, NULL);
    pthread_cond_init(&waiting.changed, NULL);
    pollen8__verify_request__init(&request);
    request.token = borrowed.plain;
    request.deadline_ms = TIMEOUT_MS;
    buf_init(&bytes, 64 * 1024);
    if (wire_pack(&bytes, &request.base) == STATUS_OK &&
        bus_request(bus, SUBJECT_AUTH_VERIFY, NULL, bytes.data, bytes.length, TIMEOUT_MS, on_reply,
                    &waiting) == STATUS_OK) {
        pthread_mutex_lock(&waiting.lock);
        while (!waiting.done)
            pthread_cond_wait(&waiting.changed, &waiting.lock);
        pthread_mutex_unlock(&waiting.lock);
    } else {
        (void)snprintf(answer->code, sizeof(answer->code), "not sent");
    }
    buf_done(&bytes);
    pthread_cond_destroy(&waiting.changed);
    pthread_mutex_destroy(&waiting.lock);
}
