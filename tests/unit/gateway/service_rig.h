/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sessions in rooms, with requests to services over a real broker; the test is the services. For ingress and
 * recovery.
 */
#ifndef POLLEN8_TESTS_GATEWAY_SERVICE_RIG_H
#define POLLEN8_TESTS_GATEWAY_SERVICE_RIG_H

#include "broker_rig.h"
#include "rooms_rig.h"

#include "common/log.h"
#include "common/wire.h"
#include "frame/progress.h"
#include "rooms/control.h"
#include "rooms/users.h"

struct service_rig {
    struct base_rig base;
    struct bus *bus;         /* the services' */
    struct heard asked;      /* requests and other messages to them */
    struct wire_arena arena; /* of service_rig_asked */
};

/* The services subscribe to these subjects (NULL ends the list). */
static inline void service_rig_start(struct service_rig *rig, const struct session_events *events,
                                     const char *const *subjects)
{
    struct gateway *gateway = &rig->base.gateway;

    rooms_rig_start(&rig->base, events);
    broker_rig_start(&rig->base);
    rig->base.settings.auth_timeout = 5000;
    rig->base.settings.request_timeout = 5000;
    rig->base.settings.recovery_timeout = 3000;
    rig->base.settings.requests_per_session = 64;
    rig->base.settings.user_linger = 10000;
    gateway->controls = controls_create();
    gateway->progress = progress_create(150000, gateway->now_ms, 1000000);
    rig->arena = (struct wire_arena){0};
    heard_init(&rig->asked);
    rig->bus = heard_bus(broker_rig_server.url);
    for (; *subjects; subjects++)
        heard_subscribe(&rig->asked, rig->bus, *subjects);
}

/* Frees everything, including answers that still wait. */
static inline void service_rig_stop(struct service_rig *rig)
{
    struct gateway *gateway = &rig->base.gateway;
    struct mail *mail;

    sessions_close_all(gateway);
    sessions_end_turn(gateway);
    users_end(gateway);
    bus_free(rig->bus);
    broker_rig_stop(&rig->base);
    for (int lane = 0; lane < MAIL_LANES; lane++)
        while ((mail = mailbox_take(gateway->mailbox, (enum mail_lane)lane)))
            mail->kind->dispose(mail);
    heard_done(&rig->asked);
    wire_arena_done(&rig->arena);
    progress_free(gateway->progress);
    controls_free(gateway->controls);
    rooms_rig_stop(&rig->base);
}

/* Message number `number` to the services, from 0; valid until the next call. */
static inline const ProtobufCMessage *service_rig_asked(struct service_rig *rig, size_t number,
                                                        const ProtobufCMessageDescriptor *descriptor)
{
    const ProtobufCMessage *unpacked = NULL;

    wire_arena_reset(&rig->arena);
    assert_int_equal(wire_unpack(&rig->arena, descriptor, heard_wait(&rig->asked, number)->data, &unpacked),
                     STATUS_OK);
    return unpacked;
}

/* Answers it; the answer has been acted on when this returns. */
static inline void service_rig_answer(struct service_rig *rig, size_t number, const ProtobufCMessage *message)
{
    struct buf packed;

    buf_init(&packed, 1000000);
    assert_int_equal(wire_pack(&packed, message), STATUS_OK);
    assert_int_equal(
        bus_publish(rig->bus, heard_wait(&rig->asked, number)->reply, packed.data, packed.length), STATUS_OK);
    assert_int_equal(bus_flush(rig->bus, HEARD_LIMIT_MS), STATUS_OK);
    buf_done(&packed);
    base_rig_act(&rig->base, MAIL_REPLIES);
}

/* Returns how many messages the services have received, when everything sent so far has arrived. */
static inline size_t service_rig_count(struct service_rig *rig)
{
    broker_rig_settle(&rig->base, rig->bus);
    return heard_count(&rig->asked);
}

#endif
