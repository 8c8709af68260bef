/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Every STEP_MS the share of sessions that is due is closed, going round the table of sessions. A session
 * with a reply in flight accepts nothing more from its client and closes once it has been answered, at the
 * latest when the grace period after the drain time is over.
 */
#include "drain.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/gateway.h"
#include "base/timer_wheel.h"
#include "cluster/poll_relay.h"
#include "common/log.h"
#include "common/rng.h"
#include "net/listener.h"
#include "net/loop.h"
#include "session/session.h"
#include "session/sessions.h"

#define STEP_MS        20
#define ANSWER_WAIT_MS 2000 /* for answers in flight, after the drain time */
#define CLOSE_WAIT_MS  1000 /* for the clients' part of the closing handshake */

struct drain {
    struct wheel_timer timer;
    uint64_t end_ms;  /* all sessions that wait for nothing are closed by then */
    uint64_t hard_ms; /* and all others by then */
    uint64_t gone_ms; /* when the last session was closed; 0: not yet */
    size_t cursor;
};

/* Closes up to `share` sessions. */
static void close_some(struct gateway *gateway, struct drain *drain, size_t share)
{
    size_t slots = sessions_slots(gateway->sessions);
    for (size_t seen = 0; seen < slots && share > 0; seen++) {
        struct session *session = sessions_at(gateway->sessions, drain->cursor++ % slots);
        bool waits = session && session->in_flight && gateway->now_ms < drain->hard_ms;
        if (!session || (waits && session->leaving))
            continue;
        session->leaving = true;
        if (!waits)
            session_close(gateway, session, CAUSE_DRAIN);
        share--;
    }
}

static size_t share_of(const struct gateway *gateway, const struct drain *drain)
{
    size_t left = sessions_count(gateway->sessions);
    uint64_t steps = drain->end_ms > gateway->now_ms ? (drain->end_ms - gateway->now_ms) / STEP_MS + 1 : 1;
    return (left + (size_t)steps - 1) / (size_t)steps;
}

static void step(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct drain *drain = TIMER_OWNER(timer, struct drain, timer);
    if (sessions_count(gateway->sessions) > 0)
        close_some(gateway, drain, share_of(gateway, drain));
    if (sessions_count(gateway->sessions) == 0 && drain->gone_ms == 0)
        drain->gone_ms = gateway->now_ms;
    bool closed = drain->gone_ms && (listener_connections(gateway->listener) == 0 ||
                                     gateway->now_ms - drain->gone_ms >= CLOSE_WAIT_MS);
    if (closed)
        loop_end(gateway->loop);
    else
        timer_wheel_arm(gateway->wheel, timer, gateway->now_ms + STEP_MS);
}

enum status drain_start(struct gateway *gateway)
{
    if (gateway->draining)
        return STATUS_OK;
    struct drain *drain = calloc(1, sizeof(*drain));
    if (!drain)
        return STATUS_NO_MEMORY;
    gateway->draining = true;
    gateway->drain = drain;
    drain->timer.fire = step;
    drain->end_ms = gateway->now_ms + (uint64_t)gateway->settings->drain_time;
    drain->hard_ms = drain->end_ms + ANSWER_WAIT_MS;
    snprintf(gateway->drain_text, sizeof(gateway->drain_text), "{\"reconnectAfterMs\":%u}",
             (unsigned)(500 + rng_below(1500)));
    listener_stop(gateway->listener);
    log_event(LOG_INFO, "draining", LOG_U("sessions", sessions_count(gateway->sessions)),
              LOG_I("over_ms", gateway->settings->drain_time));
    poll_relays_release(gateway);
    timer_wheel_arm(gateway->wheel, &drain->timer, gateway->now_ms);
    return STATUS_OK;
}

void drain_free(struct gateway *gateway)
{
    if (!gateway->drain)
        return;
    timer_wheel_cancel(gateway->wheel, &gateway->drain->timer);
    free(gateway->drain);
    gateway->drain = NULL;
}
