/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A flag set on another thread (reconnect) or by the mailbox (frames refused) -> looked at ten times a second
 * -> every open session gets a time for its next snapshot.
 */
#include "resync.h"

#include <stddef.h>
#include <stdlib.h>

#include "../common/clock.h"
#include "../common/log.h"
#include "../common/rng.h"
#include "gateway.h"
#include "mailbox.h"
#include "progress.h"
#include "repair.h"
#include "session.h"
#include "wheel.h"

#define LOOK_MS            100
#define SETTLE_MS          200 /* the server knows the subscriptions again */
#define SNAPSHOTS_A_SECOND 5000

struct resync {
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

bool resync_due(const struct gateway *gateway)
{
    return atomic_load_explicit(&gateway->reconnected, memory_order_acquire);
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
        repair_everywhere(gateway);
        ask_all(gateway);
    }
    wheel_arm(gateway->wheel, timer, gateway->now_ms + LOOK_MS);
}

enum status resync_create(struct gateway *gateway, struct resync **ret_resync)
{
    struct resync *resync = calloc(1, sizeof(*resync));
    if (!resync)
        return STATUS_NO_MEMORY;
    resync->timer.fire = look;
    wheel_arm(gateway->wheel, &resync->timer, gateway->now_ms + LOOK_MS);
    *ret_resync = resync;
    return STATUS_OK;
}

void resync_free(struct gateway *gateway, struct resync *resync)
{
    if (!resync)
        return;
    wheel_cancel(gateway->wheel, &resync->timer);
    free(resync);
}
