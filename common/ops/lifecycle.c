/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Signals are blocked everywhere and read as data, by sigtimedwait or a signalfd: there is no signal
 * handler, so no code ever runs at an arbitrary point.
 */
#include "common/ops/lifecycle.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"

/* Set by lifecycle_draining: from then on whoever reads the next SIGTERM or SIGINT ends the process. */
static _Atomic bool draining;

static sigset_t watched(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

void lifecycle_init(void)
{
    sigset_t set = watched();
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

_Noreturn static void end_at_once(const char *why)
{
    log_event(LOG_ERROR, why);
    _exit(1); /* no exit handlers: the drain still uses what they would free */
}

static enum lifecycle_event event_of(int signal)
{
    if (signal == SIGHUP)
        return LIFECYCLE_RELOAD;
    if (atomic_load(&draining))
        end_at_once("a second signal: ending without draining");
    return LIFECYCLE_STOP;
}

/* The next watched signal, or 0 when the time is up (negative: no limit). Interrupted waits go on. */
static int next_signal(int64_t timeout_ms)
{
    sigset_t set = watched();
    uint64_t deadline = clock_monotonic_ms() + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        uint64_t left = deadline > now ? deadline - now : 0;
        struct timespec wait = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
        int signal = timeout_ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &wait);
        if (signal > 0)
            return signal;
        if (timeout_ms >= 0 && errno == EAGAIN)
            return 0;
    }
}

enum lifecycle_event lifecycle_wait(int64_t timeout_ms)
{
    int signal = next_signal(timeout_ms);
    return signal == 0 ? LIFECYCLE_TIMEOUT : event_of(signal);
}

/* Waits out the drain's time; a signal or its end is the end of the process. */
static void *watch_drain(void *argument)
{
    uint64_t deadline = *(uint64_t *)argument;
    free(argument);
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        if (now >= deadline)
            end_at_once("the drain took too long: ending without it");
        (void)lifecycle_wait((int64_t)(deadline - now));
    }
    return NULL;
}

void lifecycle_draining(int64_t limit_ms)
{
    uint64_t *deadline = malloc(sizeof(*deadline));
    CHECK(deadline);
    *deadline = clock_monotonic_ms() + (limit_ms > 0 ? (uint64_t)limit_ms : 0);
    atomic_store(&draining, true);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, watch_drain, deadline) == 0);
    pthread_detach(thread);
}

int lifecycle_descriptor(void)
{
    sigset_t set = watched();
    int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(descriptor >= 0);
    return descriptor;
}

enum lifecycle_event lifecycle_read(int descriptor)
{
    struct signalfd_siginfo info;
    ssize_t got;
    do {
        got = read(descriptor, &info, sizeof(info));
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(info) ? event_of((int)info.ssi_signo) : LIFECYCLE_TIMEOUT;
}

uint64_t lifecycle_raise_open_files(uint64_t wanted)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t aim = limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max ? (rlim_t)wanted : limit.rlim_max;
    if (aim > limit.rlim_cur) {
        struct rlimit raised = {.rlim_cur = aim, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            return aim;
    }
    return limit.rlim_cur;
}
