/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A turn runs in libuv's prepare phase: after all callbacks of a round and before the loop sleeps. If some of
 * its work is left, the loop does not sleep (idle handle), but first looks at the sockets: that bounds the
 * wait of reads, pongs and accepts.
 */
#include "net/loop.h"

#include <libwebsockets.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "base/gateway.h"
#include "base/timer_wheel.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/ops/lifecycle.h"
#include "net/listener.h"
#include "net/socket.h"
#include "net/websocket.h"

#define LIBRARY_SHARE         4     /* of the descriptors: one in this many */
#define LIBRARY_FILES_MAXIMUM 16384 /* connections that are being opened, and requests of HTTP at work */
#define LIBRARY_FILES_MINIMUM 2048
/* Far below where the library gives up and falls back to a small table. */
#define OPEN_FILES_MAXIMUM 4000000u

struct loop {
    struct gateway *gateway;
    struct loop_handlers handlers;
    struct lws_context *context; /* the library sets it to NULL once it is really gone */
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* active while the loop must not sleep */
    bool polling;   /* between the turn and the check: what the library calls about was read just now */
    uv_async_t wake;
    pthread_mutex_t wake_lock;
    bool deaf;        /* wake_lock; the handle of wakes is closed or about to be */
    pthread_t thread; /* the loop's own, once it runs */
    bool woken;       /* by itself */
    uv_timer_t timer;
    uint64_t timer_due_ms;
    uv_poll_t signals;
    int signal_descriptor;
    bool ending;
};

/* ---- the turn ----------------------------------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void on_check(uv_check_t *check)
{
    struct loop *loop = check->data;
    loop->polling = false;
    loop->handlers.polled(loop->gateway);
}

/* The library processes the rest of earlier reads in its idle callback, before the turn. Nobody waits for a
 * header table meanwhile, because there are as many tables as connections. */
bool loop_input_waits(const struct loop *loop)
{
    return lws_service_adjust_timeout(loop->context, 1, 0) == 0;
}

bool loop_polling(const struct loop *loop)
{
    return loop->polling;
}

bool loop_left_over(const struct loop *loop)
{
    return !loop->polling && loop_input_waits(loop);
}

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    loop->timer_due_ms = TIMER_WHEEL_NEVER; /* the turn that follows advances the wheel */
}

static void on_wake(uv_async_t *wake)
{
    (void)wake; /* the turn that follows looks into the mailbox */
}

static void set_timer(struct loop *loop)
{
    uint64_t due_ms = timer_wheel_next(loop->gateway->wheel);
    uint64_t now_ms = loop->gateway->now_ms;
    if (due_ms == loop->timer_due_ms)
        return;
    loop->timer_due_ms = due_ms;
    if (due_ms == TIMER_WHEEL_NEVER) {
        uv_timer_stop(&loop->timer);
        return;
    }
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    struct gateway *gateway = loop->gateway;
    gateway->turn_us = clock_monotonic_us();
    gateway->now_ms = gateway->turn_us / 1000;
    loop->woken = false;
    loop->polling = true;
    atomic_store_explicit(&gateway->turned_ms, gateway->now_ms, memory_order_relaxed);
    bool more = loop->handlers.turn(gateway);
    more |= loop->woken;
    if (loop->ending) {
        uv_stop(&loop->uv);
        return;
    }
    set_timer(loop);
    if (more)
        uv_idle_start(&loop->idle, on_idle);
    else
        uv_idle_stop(&loop->idle);
    uint64_t taken_us = clock_monotonic_us() - gateway->turn_us;
    if (taken_us >= 1000) /* only noticeable times: an idle loop turns without work */
        metrics_observe_ns(gateway->metrics, METRIC_LOOP_LAG_SECONDS, taken_us * 1000);
}

static void on_signal(uv_poll_t *poll, int status, int events)
{
    struct loop *loop = poll->data;
    (void)status;
    (void)events;
    enum lifecycle_event event = lifecycle_read(loop->signal_descriptor);
    if (event == LIFECYCLE_STOP)
        loop->handlers.stop(loop->gateway);
    else if (event == LIFECYCLE_RELOAD)
        loop->handlers.reload(loop->gateway);
}

/* The bus's threads outlive the loop: once its handle is closed, waking does nothing. */
void loop_wake(void *context)
{
    struct loop *loop = context;
    if (pthread_equal(loop->thread, pthread_self())) {
        loop->woken = true; /* a turn follows before the loop sleeps, unless this is its end */
        return;
    }
    pthread_mutex_lock(&loop->wake_lock);
    if (!loop->deaf)
        uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->wake_lock);
}

static void stop_listening_to_wakes(struct loop *loop)
{
    pthread_mutex_lock(&loop->wake_lock);
    loop->deaf = true;
    pthread_mutex_unlock(&loop->wake_lock);
}

/* ---- making ------------------------------------------------------------------------------------------- */

/* The library sizes its tables by the limit of open files. Without a limit it falls back to 2,560
 * descriptors, so that an unbounded limit is lowered first. */
static uint64_t limit_open_files(const struct settings *settings)
{
    uint64_t wanted = (uint64_t)settings->max_sessions + 1024;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > OPEN_FILES_MAXIMUM) {
        limit.rlim_cur = wanted < OPEN_FILES_MAXIMUM ? wanted : OPEN_FILES_MAXIMUM;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur;
    }
    return lifecycle_raise_open_files(wanted);
}

static void on_library_log(int level, const char *line)
{
    size_t length = strcspn(line, "\n");
    log_event_limited(level == LLL_ERR ? LOG_WARN : LOG_DEBUG, "libwebsockets",
                      LOG_SLICE("text", slice_make(line, length)));
}

/* Whenever a connection arrives, the library scans a table with one slot per possible descriptor. If
 * established sockets leave it (no TLS), they move above the descriptors reserved for it. */
static uint64_t choose_library_files(const struct settings *settings, uint64_t open_files)
{
    uint64_t share = open_files / LIBRARY_SHARE;
    if (settings->tls_cert_file && settings->tls_cert_file[0])
        return open_files;
    if (share > LIBRARY_FILES_MAXIMUM)
        share = LIBRARY_FILES_MAXIMUM;
    return share > LIBRARY_FILES_MINIMUM ? share : open_files;
}

/* The library sizes its tables by the limit of open files. */
static struct lws_context *create_limited(struct lws_context_creation_info *info, uint64_t files)
{
    struct rlimit limit;
    bool lowers = getrlimit(RLIMIT_NOFILE, &limit) == 0 && files < limit.rlim_cur;
    if (lowers) {
        const struct rlimit lower = {.rlim_cur = (rlim_t)files, .rlim_max = limit.rlim_max};
        (void)setrlimit(RLIMIT_NOFILE, &lower);
    }
    struct lws_context *context = lws_create_context(info);
    if (lowers)
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    return context;
}

static bool create_context(struct loop *loop, uint64_t files)
{
    static const lws_retry_bo_t no_validity_checks = {
        0}; /* a sorted list of timers, slow with many sessions */
    struct lws_context_creation_info info;
    void *loops[1] = {&loop->uv};
    const struct settings *settings = loop->gateway->settings;
    memset(&info, 0, sizeof(info));
    lws_set_log_level(0, NULL); /* a failure at the start is reported in one line of ours */
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.options =
        LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8;
    if (settings->tls_cert_file && settings->tls_cert_file[0])
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.foreign_loops = loops;
    info.pcontext = &loop->context;
    info.user = loop->gateway;
    info.gid = (gid_t)-1;
    info.uid = (uid_t)-1;
    info.pt_serv_buf_size = 32768; /* holds a whole TLS record */
    info.max_http_header_data = 12288;
    info.max_http_header_pool2 =
        (unsigned)settings->max_sessions; /* polls that end with their connection keep one */
    info.timeout_secs = 10;
    info.retry_and_idle_policy = &no_validity_checks;
    loop->context = create_limited(&info, files);
    return loop->context != NULL;
}

static enum status watch_signals(struct loop *loop)
{
    loop->signal_descriptor = lifecycle_descriptor();
    if (loop->signal_descriptor < 0 || uv_poll_init(&loop->uv, &loop->signals, loop->signal_descriptor) != 0)
        return STATUS_NO_MEMORY;
    loop->signals.data = loop;
    uv_poll_start(&loop->signals, UV_READABLE, on_signal);
    return STATUS_OK;
}

static enum status init_handles(struct loop *loop)
{
    if (uv_loop_init(&loop->uv) != 0)
        return STATUS_NO_MEMORY;
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0)
        return STATUS_NO_MEMORY;
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_timer_init(&loop->uv, &loop->timer);
    loop->prepare.data = loop;
    loop->check.data = loop;
    loop->timer.data = loop;
    loop->timer_due_ms = TIMER_WHEEL_NEVER;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    return watch_signals(loop);
}

/* If this fails, the caller ends the process: what has been created ends with it. */
enum status loop_create(struct gateway *gateway, const struct loop_handlers *handlers, char *error,
                        size_t error_size)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return STATUS_NO_MEMORY;
    pthread_mutex_init(&loop->wake_lock, NULL);
    gateway->loop = loop;
    loop->gateway = gateway;
    loop->thread = pthread_self();
    loop->handlers = *handlers;
    uint64_t open_files = limit_open_files(gateway->settings);
    snprintf(error, error_size, "the event loop cannot be made");
    if (init_handles(loop) != STATUS_OK)
        return STATUS_NO_MEMORY;
    if (websockets_create(gateway, &loop->uv) != STATUS_OK)
        return STATUS_NO_MEMORY;
    uint64_t library_files = choose_library_files(gateway->settings, open_files);
    if (!create_context(loop, library_files)) {
        snprintf(error, error_size, "libwebsockets cannot start (is libwebsockets-evlib-uv installed?)");
        return STATUS_NOT_FOUND;
    }
    const struct listener_library library = {.context = loop->context,
                                             .protocols = handlers->protocols,
                                             .mounts = handlers->mounts,
                                             .files = library_files,
                                             .open_files = open_files};
    enum status status = listener_create(gateway, &loop->uv, &library, &gateway->listener, error, error_size);
    if (status == STATUS_OK)
        lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    return status;
}

/* ---- running and ending ------------------------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* The library's procedure on a foreign loop: destroy, let the loop run dry, destroy again. */
static void shut(struct loop *loop)
{
    loop->handlers.close(loop->gateway);
    lws_context_destroy(loop->context);
    close_handle((uv_handle_t *)&loop->prepare);
    close_handle((uv_handle_t *)&loop->check);
    close_handle((uv_handle_t *)&loop->idle);
    close_handle((uv_handle_t *)&loop->timer);
    stop_listening_to_wakes(loop);
    close_handle((uv_handle_t *)&loop->wake);
    close_handle((uv_handle_t *)&loop->signals);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop->handlers.free(loop->gateway);
    if (loop->context)
        lws_context_destroy(loop->context);
    close(loop->signal_descriptor);
    if (uv_loop_close(&loop->uv) != 0)
        log_event(LOG_WARN, "the event loop ended with open handles");
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    shut(loop);
}

void loop_end(struct loop *loop)
{
    loop->ending = true;
    uv_idle_start(&loop->idle, on_idle);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    sockets_free(loop->gateway->sockets);
    pthread_mutex_destroy(&loop->wake_lock);
    free(loop);
}
