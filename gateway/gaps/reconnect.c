/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A flag set on another thread (reconnect) or by the mailbox (frames refused) -> checked ten times a second
 * -> every open session gets a time for its next snapshot.
 */
#include "gaps/reconnect.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/gateway.h"
#include "base/mailbox.h"
#include "base/timer_wheel.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/rng.h"
#include "frame/progress.h"
#include "gaps/gaps.h"
#include "session/session.h"
#include "session/sessions.h"

#define LOOK_MS            100
#define SETTLE_MS          200 /* time for the server to know the subscriptions again */
#define SNAPSHOTS_A_SECOND 5000

struct reconnect {
    struct wheel_timer timer;
};

static void ask_all(struct gateway *gateway)
{
    size_t sessions = sessions_count(gateway->sessions);
    uint64_t spread_ms = 500 + (uint64_t)sessions * 1000 / SNAPSHOTS_A_SECOND;
    for (size_t i = 0; i < sessions_slots(gateway->sessions); i++) {
        struct session *session = sessions_at(gateway->sessions, i);
        if (!session || session->state != SESSION_OPEN)
            continue;
        session->snapshot_ms = gateway->now_ms + SETTLE_MS + rng_below(spread_ms);
        if (session->snapshots_left == 0)
            session->snapshots_left = 1;
        session_rearm(gateway, session);
    }
    log_event(LOG_INFO, "sessions ask for their snapshots again", LOG_U("sessions", sessions),
              LOG_U("over_ms", spread_ms));
}

static void look(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    progress_expire(gateway->progress, gateway->now_ms, clock_wall_ms());
    bool gap = atomic_exchange(&gateway->reconnected, false);
    if (mailbox_gap(gateway->mailbox))
        gap = true;
    if (gap) {
        metrics_add(gateway->metrics, METRIC_GAPS, 1);
        gaps_everywhere(gateway);
        ask_all(gateway);
    }
    timer_wheel_arm(gateway->wheel, timer, gateway->now_ms + LOOK_MS);
}

enum status reconnect_create(struct gateway *gateway, struct reconnect **ret_reconnect)
{
    struct reconnect *reconnect = calloc(1, sizeof(*reconnect));
    if (!reconnect)
        return STATUS_NO_MEMORY;
    reconnect->timer.fire = look;
    timer_wheel_arm(gateway->wheel, &reconnect->timer, gateway->now_ms + LOOK_MS);
    *ret_reconnect = reconnect;
    return STATUS_OK;
}

void reconnect_free(struct gateway *gateway, struct reconnect *reconnect)
{
    if (!reconnect)
        return;
    timer_wheel_cancel(gateway->wheel, &reconnect->timer);
    free(reconnect);
}
