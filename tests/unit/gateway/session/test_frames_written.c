/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What sockets have taken of the frames that value-svc keeps, as value-svc hears it over a real broker.
 */
#include "base_rig.h"
#include "heard.h"

#include "broker/sender.h"
#include "common/log.h"
#include "common/wire.h"
#include "presence.pb-c.h"
#include "session/frames_written.h"
#include "session/identity.h"
#include "session/session.h"
#include "support/nats_server.h"

static struct nats_server server;
static struct base_rig rig;
static struct bus *bus;
static struct heard heard;

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 10);
    heard_init(&heard);
    bus = heard_bus(server.url);
    heard_subscribe(&heard, bus, "pollen8.session.gw-1");
    assert_int_equal(sender_create(bus, 100, &rig.gateway.sender), STATUS_OK);
    rig.gateway.frames_written = frames_written_create();
    assert_non_null(rig.gateway.frames_written);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sender_free(rig.gateway.sender);
    frames_written_free(rig.gateway.frames_written);
    bus_free(bus);
    heard_done(&heard);
    base_rig_stop(&rig);
    return 0;
}

static struct identity *identity_of(const char *user)
{
    Pollen8__Identity message = POLLEN8__IDENTITY__INIT;
    struct identity *identity = NULL;

    message.user_id = (char *)(uintptr_t)user;
    message.role = (char *)(uintptr_t) "user";
    assert_int_equal(identity_create(&message, &identity), STATUS_OK);
    return identity;
}

static struct frame *frame_of(uint64_t event_id, bool keep)
{
    struct frame *frame = NULL;

    assert_int_equal(frame_create_event(SLICE_LITERAL("e"), SLICE_LITERAL("1"), NULL, &frame), STATUS_OK);
    frame->event_id = event_id;
    frame->keep = keep;
    return frame;
}

static void note(const struct session *session, uint64_t event_id, bool keep)
{
    struct frame *frame = frame_of(event_id, keep);

    frames_written_note_frame(&rig.gateway, session, frame);
    frame_unref(frame);
}

/* The message of that number says that this user got `count` frames from `first` on. */
static void assert_report(size_t number, const char *user, size_t count, uint64_t first)
{
    const ProtobufCMessage *unpacked = NULL;
    struct wire_arena arena = {0};

    assert_int_equal(wire_unpack(&arena, &pollen8__frames_written__descriptor,
                                 heard_wait(&heard, number)->data, &unpacked),
                     STATUS_OK);
    const Pollen8__FramesWritten *message = (const Pollen8__FramesWritten *)unpacked;
    assert_string_equal(message->gateway, "gw-1");
    assert_string_equal(message->user_id, user);
    assert_int_equal(message->n_event_ids, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(message->event_ids[i], first + i);
    wire_arena_done(&arena);
}

static void one_message_a_user_and_turn(void **state)
{
    struct session ada = {.identity = identity_of("ada")};
    struct session bo = {.identity = identity_of("bo")};

    (void)state;
    note(&ada, 1, true);
    note(&ada, 2, true);
    note(&ada, 8, false); /* it is not kept */
    note(&ada, 0, true);  /* and this one has no id */
    note(&bo, 5, true);
    assert_int_equal(sender_depth(rig.gateway.sender), 0); /* nothing before the turn ends */
    frames_written_turn(&rig.gateway);
    assert_report(0, "ada", 2, 1);
    assert_report(1, "bo", 1, 5);
    frames_written_turn(&rig.gateway); /* nothing to report */
    note(&ada, 3, true);
    frames_written_turn(&rig.gateway);
    assert_report(2, "ada", 1, 3);
    identity_unref(ada.identity);
    identity_unref(bo.identity);
}

static void who_is_nobody_has_had_nothing(void **state)
{
    const struct session nobody = {0};
    struct session ada = {.identity = identity_of("ada")};

    (void)state;
    note(&nobody, 1, true);
    note(&ada, 2, true);
    frames_written_turn(&rig.gateway);
    assert_report(0, "ada", 1, 2);
    identity_unref(ada.identity);
}

/* The oldest of a queue. */
static void what_leaves_a_queue(void **state)
{
    struct session ada = {.identity = identity_of("ada"), .format = FRAME_JSON};

    (void)state;
    for (uint64_t id = 1; id <= 5; id++) {
        struct frame *frame = frame_of(id, true);

        assert_int_equal(outq_push(&ada.outq, frame, FRAME_JSON, 10000), STATUS_OK);
        frame_unref(frame);
    }
    frames_written_note(&rig.gateway, &ada, 3);
    frames_written_turn(&rig.gateway);
    assert_report(0, "ada", 3, 1);
    outq_clear(&ada.outq);
    identity_unref(ada.identity);
}

/* More than a turn gathers is reported before the turn ends; nothing is left out. */
static void more_than_a_turn_gathers(void **state)
{
    struct session ada = {.identity = identity_of("ada")};

    (void)state;
    for (uint64_t id = 1; id <= 300; id++)
        note(&ada, id, true);
    assert_report(0, "ada", 256, 1);
    frames_written_turn(&rig.gateway);
    assert_report(1, "ada", 44, 257);
    identity_unref(ada.identity);
}

int main(void)
{
#define WRITTEN_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WRITTEN_TEST(one_message_a_user_and_turn),
        WRITTEN_TEST(who_is_nobody_has_had_nothing),
        WRITTEN_TEST(what_leaves_a_queue),
        WRITTEN_TEST(more_than_a_turn_gathers),
    };
#undef WRITTEN_TEST

    log_init("test", LOG_ERROR, LOG_TEXT);
    if (!nats_server_init(&server) || !nats_server_start(&server))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_server_done(&server);
    return failed;
}
