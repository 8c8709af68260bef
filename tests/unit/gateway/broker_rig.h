/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The gateway's connections to a real broker that the test started. What it hears and says goes over the bus
 * and the sender's thread, as with BROKER_READER=library.
 */
#ifndef POLLEN8_TESTS_GATEWAY_BROKER_RIG_H
#define POLLEN8_TESTS_GATEWAY_BROKER_RIG_H

#include "base_rig.h"
#include "heard.h"

#include "broker/delivery.h"
#include "broker/reader.h"
#include "broker/requests.h"
#include "broker/sender.h"
#include "support/nats_server.h"

/* For the whole program; started by its main. */
static struct nats_server broker_rig_server;

/* The rig must have been started. */
static inline void broker_rig_start(struct base_rig *rig)
{
    struct gateway *gateway = &rig->gateway;
    static const struct reader_events events = {.user_frame = delivery_user_frame};
    char error[200];

    rig->settings.nats_url = broker_rig_server.url;
    rig->settings.broker_reader = READER_LIBRARY;
    rig->settings.inbound_queue = 1000;
    gateway->bus = heard_bus(broker_rig_server.url);
    assert_int_equal(sender_create(gateway->bus, 1000, &gateway->sender), STATUS_OK);
    assert_int_equal(reader_create(gateway, NULL, &events, &gateway->reader, error, sizeof(error)),
                     STATUS_OK);
    assert_int_equal(requests_create(gateway, NULL, &gateway->requests), STATUS_OK);
}

static inline void broker_rig_stop(struct base_rig *rig)
{
    struct gateway *gateway = &rig->gateway;

    requests_stop(gateway->requests);
    reader_stop(gateway->reader);
    sender_free(gateway->sender);
    bus_free(gateway->bus);
    requests_free(gateway->requests);
    reader_free(gateway->reader);
}

/* Returns when the broker has everything that the gateway has published and subscribed to so far. */
static inline void broker_rig_settle(struct base_rig *rig, struct bus *other)
{
    struct heard marker;
    struct bus_subscription *subscription;

    heard_init(&marker);
    assert_int_equal(bus_subscribe(other, "test.marker", NULL, heard_message, &marker, &subscription),
                     STATUS_OK);
    assert_int_equal(bus_flush(other, HEARD_LIMIT_MS), STATUS_OK);
    assert_int_equal(sender_publish(rig->gateway.sender, "test.marker", NULL, SLICE_LITERAL("")), STATUS_OK);
    (void)heard_wait(&marker, 0);
    bus_unsubscribe(subscription);
    assert_int_equal(bus_flush(other, HEARD_LIMIT_MS), STATUS_OK);
    heard_done(&marker);
}

/* Runs the tests with their own server. */
static inline int broker_rig_run(int (*tests)(void))
{
    if (!nats_server_init(&broker_rig_server) || !nats_server_start(&broker_rig_server))
        return 1;
    int failed = tests();
    nats_server_done(&broker_rig_server);
    return failed;
}

#endif
