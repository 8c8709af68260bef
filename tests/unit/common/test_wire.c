/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Messages between services: there and back, what a strict reader refuses, the bound of the arena, and
 * messages of a newer and an older version.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/wire.h"
#include "frame.pb-c.h"
#include "identity.pb-c.h"
#include "presence.pb-c.h"

static enum status unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                          struct slice bytes, const ProtobufCMessage **ret)
{
    /* A copy of exactly this size: reading past the end is seen by AddressSanitizer. */
    char *copy = malloc(bytes.length ? bytes.length : 1);
    enum status status;

    assert_non_null(copy);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    status = wire_unpack(arena, descriptor, slice_make(copy, bytes.length), ret);
    free(copy);
    return status;
}

static enum status status_of(const ProtobufCMessageDescriptor *descriptor, struct slice bytes)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    enum status status = unpack(&arena, descriptor, bytes, &message);

    assert_true((status == STATUS_OK) == (message != NULL));
    wire_arena_done(&arena);
    return status;
}

static void pack_frame(struct buf *buf)
{
    Pollen8__Identity identity = POLLEN8__IDENTITY__INIT;
    Pollen8__InboundFrame frame = POLLEN8__INBOUND_FRAME__INIT;
    char *industries[] = {(char[]){"tech"}, (char[]){"\xc3\xa9nergie"}};

    identity.user_id = (char[]){"u1"};
    identity.n_industries = 2;
    identity.industries = industries;
    identity.expires_at_ms = -5;
    frame.event = (char[]){"value.get"};
    frame.data = (ProtobufCBinaryData){.len = 3, .data = (uint8_t[]){'{', 0, 0xff}};
    frame.identity = &identity;
    frame.deadline_ms = 4000000000u;
    assert_int_equal(wire_pack(buf, &frame.base), STATUS_OK);
}

static void a_message_goes_there_and_back(void **state)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    const Pollen8__InboundFrame *frame;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_int_equal(buf_append_string(&buf, "head"), STATUS_OK);
    pack_frame(&buf);
    assert_memory_equal(buf.data, "head", 4);
    assert_int_equal(unpack(&arena, &pollen8__inbound_frame__descriptor,
                            slice_make(buf.data + 4, buf.length - 4), &message),
                     STATUS_OK);
    frame = (const Pollen8__InboundFrame *)message;
    assert_string_equal(frame->event, "value.get");
    assert_int_equal(frame->data.len, 3); /* bytes may hold anything */
    assert_memory_equal(frame->data.data, "{\0\xff", 3);
    assert_string_equal(frame->identity->user_id, "u1");
    assert_int_equal(frame->identity->n_industries, 2);
    assert_string_equal(frame->identity->industries[1], "\xc3\xa9nergie");
    assert_true(frame->identity->expires_at_ms == -5);
    assert_int_equal(frame->deadline_ms, 4000000000u);
    assert_string_equal(frame->session, "");
    wire_arena_done(&arena);
    buf_done(&buf);
}

static void every_truncation_is_refused_or_whole(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    pack_frame(&buf);
    for (size_t length = 0; length < buf.length; length++) {
        enum status status = status_of(&pollen8__inbound_frame__descriptor, slice_make(buf.data, length));

        assert_true(status == STATUS_OK || status == STATUS_MALFORMED);
    }
    buf_done(&buf);
}

static void every_flipped_bit_is_survived(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    pack_frame(&buf);
    for (size_t bit = 0; bit < buf.length * 8; bit++) {
        buf.data[bit / 8] ^= (char)(1u << bit % 8);
        (void)status_of(&pollen8__inbound_frame__descriptor, buf_slice(&buf));
        buf.data[bit / 8] ^= (char)(1u << bit % 8);
    }
    buf_done(&buf);
}

static void strings_must_be_text(void **state)
{
    static const struct {
        struct slice bytes;
        enum status status;
    } rows[] = {
        {SLICE_LITERAL(""), STATUS_OK},
        {SLICE_LITERAL("\x0a\x02u1"), STATUS_OK},
        {SLICE_LITERAL("\x0a\x00"), STATUS_OK},
        {SLICE_LITERAL("\x0a\x03u\x00x"), STATUS_MALFORMED},           /* an embedded NUL */
        {SLICE_LITERAL("\x0a\x01\x00"), STATUS_MALFORMED},             /* only a NUL */
        {SLICE_LITERAL("\x0a\x01\xff"), STATUS_MALFORMED},             /* not UTF-8 */
        {SLICE_LITERAL("\x0a\x02\xc0\x80"), STATUS_MALFORMED},         /* overlong NUL */
        {SLICE_LITERAL("\x0a\x03\xed\xa0\x80"), STATUS_MALFORMED},     /* a surrogate */
        {SLICE_LITERAL("\x0a\x01\xc3\x0a\x01\xa9"), STATUS_MALFORMED}, /* a character over two fields */
        {SLICE_LITERAL("\x0a\x01\xff\x0a\x02u1"),
         STATUS_MALFORMED},                                /* overwritten by the next, still refused */
        {SLICE_LITERAL("\x1a\x01\x00"), STATUS_MALFORMED}, /* repeated string */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(status_of(&pollen8__identity__descriptor, rows[i].bytes), rows[i].status);
    /* the same inside a message inside a oneof: VerifyReply.identity.user_id, VerifyReply.error.code */
    assert_int_equal(status_of(&pollen8__verify_reply__descriptor, SLICE_LITERAL("\x0a\x03\x0a\x01u")),
                     STATUS_OK);
    assert_int_equal(status_of(&pollen8__verify_reply__descriptor, SLICE_LITERAL("\x0a\x03\x0a\x01\x00")),
                     STATUS_MALFORMED);
    assert_int_equal(status_of(&pollen8__verify_reply__descriptor, SLICE_LITERAL("\x12\x03\x0a\x01\xff")),
                     STATUS_MALFORMED);
}

static void broken_structure(void **state)
{
    static const struct slice bad[] = {
        SLICE_LITERAL("\x0a"), /* no length */
        SLICE_LITERAL("\x0a\x05"
                      "abc"),                                              /* cut off */
        SLICE_LITERAL("\x0a\xff\xff\xff\xff\x0f"),                         /* 4 GB */
        SLICE_LITERAL("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),    /* 2^64 - 1 */
        SLICE_LITERAL("\x00\x00"),                                         /* field 0 */
        SLICE_LITERAL("\x02\x00"),                                         /* field 0 */
        SLICE_LITERAL("\x0b\x0c"),                                         /* a group */
        SLICE_LITERAL("\x0f\x00"),                                         /* wire type 7 */
        SLICE_LITERAL("\x28"),                                             /* no value */
        SLICE_LITERAL("\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* 11 bytes of number */
        SLICE_LITERAL("\xff\xff\xff\xff\xff\x01\x00"),                     /* a tag past 32 bits */
        SLICE_LITERAL("\xf8\xff\xff\xff\x1f\x00"),                         /* the same in 5 bytes */
        SLICE_LITERAL("\x0d"
                      "abc"), /* 3 of 4 bytes */
        SLICE_LITERAL("\x09"
                      "abcdefg"),       /* 7 of 8 bytes */
        SLICE_LITERAL("\x08\x01"),      /* a number where the schema has text */
        SLICE_LITERAL("{\"event\":1}"), /* JSON */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(status_of(&pollen8__identity__descriptor, bad[i]), STATUS_MALFORMED);
}

static void input_is_bounded(void **state)
{
    char *bytes = calloc(1, WIRE_MAXIMUM_BYTES + 1);
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;

    (void)state;
    assert_non_null(bytes);
    /* field 2 (bytes) of InboundFrame, filling the message to its last byte: 2,097,147 = 0x7ffffb */
    memcpy(bytes, "\x12\xfb\xff\x7f", 4);
    assert_int_equal(
        wire_unpack(&arena, &pollen8__inbound_frame__descriptor, slice_make(bytes, 4 + 0x1ffffb), &message),
        STATUS_OK);
    assert_int_equal(((const Pollen8__InboundFrame *)message)->data.len, 0x1ffffb);
    assert_int_equal(wire_unpack(&arena, &pollen8__inbound_frame__descriptor,
                                 slice_make(bytes, WIRE_MAXIMUM_BYTES + 1), &message),
                     STATUS_PAYLOAD_TOO_LARGE);
    wire_arena_done(&arena);
    free(bytes);
}

static void memory_is_bounded(void **state)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    size_t count = 500000;
    char *bytes = malloc(count * 2);

    (void)state;
    assert_non_null(bytes);
    /* half a million empty UserCount: 2 bytes each, some 60 of memory */
    for (size_t i = 0; i < count; i++)
        memcpy(bytes + i * 2, "\x22\x00", 2);
    assert_int_equal(
        wire_unpack(&arena, &pollen8__gateway_heartbeat__descriptor, slice_make(bytes, count * 2), &message),
        STATUS_MALFORMED);
    assert_null(message);
    /* the same amount of unknown fields */
    for (size_t i = 0; i < count; i++)
        memcpy(bytes + i * 2, "\x78\x01", 2);
    assert_int_equal(
        wire_unpack(&arena, &pollen8__gateway_heartbeat__descriptor, slice_make(bytes, count * 2), &message),
        STATUS_MALFORMED);
    /* after which the arena still serves */
    assert_int_equal(
        wire_unpack(&arena, &pollen8__gateway_heartbeat__descriptor, slice_make(bytes, 100), &message),
        STATUS_OK);
    assert_true(arena.allocated <= 100 * 16 + 64 * 1024);
    wire_arena_done(&arena);
    free(bytes);
}

static void a_large_heartbeat_fits(void **state)
{
    enum { USERS = 100000 };
    Pollen8__GatewayHeartbeat heartbeat = POLLEN8__GATEWAY_HEARTBEAT__INIT;
    Pollen8__UserCount *counts = calloc(USERS, sizeof(*counts));
    Pollen8__UserCount **list = calloc(USERS, sizeof(Pollen8__UserCount *));
    char(*names)[8] = calloc(USERS, sizeof(*names));
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    struct buf buf;

    (void)state;
    assert_true(counts && list && names);
    for (size_t i = 0; i < USERS; i++) {
        pollen8__user_count__init(&counts[i]);
        snprintf(names[i], sizeof(names[i]), "u%zu", i);
        counts[i].user_id = names[i];
        counts[i].sessions = 1;
        list[i] = &counts[i];
    }
    heartbeat.n_users = USERS;
    heartbeat.users = list;
    buf_init(&buf, WIRE_MAXIMUM_BYTES);
    assert_int_equal(wire_pack(&buf, &heartbeat.base), STATUS_OK);
    assert_int_equal(wire_unpack(&arena, &pollen8__gateway_heartbeat__descriptor, buf_slice(&buf), &message),
                     STATUS_OK);
    assert_int_equal(((const Pollen8__GatewayHeartbeat *)message)->n_users, USERS);
    assert_string_equal(((const Pollen8__GatewayHeartbeat *)message)->users[USERS - 1]->user_id, "u99999");
    wire_arena_done(&arena);
    buf_done(&buf);
    free(counts);
    free(list);
    free(names);
}

static void an_arena_is_used_again(void **state)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    const struct wire_chunk *chunk = NULL;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(
            wire_unpack(&arena, &pollen8__identity__descriptor, SLICE_LITERAL("\x0a\x02u1"), &message),
            STATUS_OK);
        assert_string_equal(((const Pollen8__Identity *)message)->user_id, "u1");
        if (chunk)
            assert_ptr_equal(chunk, arena.chunks); /* nothing new was allocated */
        chunk = arena.chunks;
    }
    wire_arena_reset(&arena);
    assert_int_equal(arena.allocated, 0);
    wire_arena_done(&arena);
    wire_arena_done(&arena);
    assert_null(arena.chunks);
}

/* ---- a rolling update: fields that the reader's version does not know yet ---- */

static const struct slice newer_fields[] = {
    SLICE_LITERAL("\xf8\x06\x96\x01"), /* field 111: number */
    SLICE_LITERAL("\xf9\x06"
                  "12345678"), /* field 111: 8 bytes */
    SLICE_LITERAL("\xfd\x06"
                  "1234"),                     /* field 111: 4 bytes */
    SLICE_LITERAL("\xfa\x06\x05hello"),        /* field 111: text or message */
    SLICE_LITERAL("\xfa\x06\x03\xff\x00\xff"), /* field 111: bytes that are no text */
    SLICE_LITERAL("\xfa\xff\xff\xff\x0f\x00"), /* the largest field number */
};

static void newer_messages_are_read_by_this_version(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10000);
    for (size_t i = 0; i < sizeof(newer_fields) / sizeof(newer_fields[0]); i++) {
        struct wire_arena arena = {0};
        const ProtobufCMessage *message = NULL;
        const Pollen8__InboundFrame *frame;

        /* before, in the middle of and after what is known; inside a message inside, too */
        buf_clear(&buf);
        assert_int_equal(buf_append(&buf, newer_fields[i].data, newer_fields[i].length), STATUS_OK);
        pack_frame(&buf);
        assert_int_equal(buf_append(&buf, newer_fields[i].data, newer_fields[i].length), STATUS_OK);
        assert_int_equal(buf_append_format(&buf, "\x1a%c\x12\x04role", (int)(6 + newer_fields[i].length)),
                         STATUS_OK);
        assert_int_equal(buf_append(&buf, newer_fields[i].data, newer_fields[i].length), STATUS_OK);
        assert_int_equal(unpack(&arena, &pollen8__inbound_frame__descriptor, buf_slice(&buf), &message),
                         STATUS_OK);
        frame = (const Pollen8__InboundFrame *)message;
        assert_string_equal(frame->event, "value.get");
        assert_string_equal(frame->identity->user_id, "u1");
        assert_string_equal(frame->identity->role, "role");
        assert_int_equal(frame->identity->n_industries, 2);
        assert_int_equal(frame->base.n_unknown_fields, 2);
        wire_arena_done(&arena);
    }
    buf_done(&buf);
}

static void what_is_unknown_passes_through_a_repack(void **state)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    struct buf first;
    struct buf second;

    (void)state;
    buf_init(&first, 10000);
    buf_init(&second, 10000);
    pack_frame(&first);
    for (size_t i = 0; i < sizeof(newer_fields) / sizeof(newer_fields[0]); i++)
        assert_int_equal(buf_append(&first, newer_fields[i].data, newer_fields[i].length), STATUS_OK);
    assert_int_equal(unpack(&arena, &pollen8__inbound_frame__descriptor, buf_slice(&first), &message),
                     STATUS_OK);
    assert_int_equal(wire_pack(&second, message), STATUS_OK);
    assert_true(slice_equal(buf_slice(&first), buf_slice(&second)));
    wire_arena_done(&arena);
    buf_done(&first);
    buf_done(&second);
}

static void older_messages_read_as_their_defaults(void **state)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    const Pollen8__OutboundFrame *frame;

    (void)state;
    /* an OutboundFrame of a version that knew only its event */
    assert_int_equal(
        unpack(&arena, &pollen8__outbound_frame__descriptor, SLICE_LITERAL("\x0a\x01x"), &message),
        STATUS_OK);
    frame = (const Pollen8__OutboundFrame *)message;
    assert_string_equal(frame->event, "x");
    assert_int_equal(frame->data.len, 0);
    assert_int_equal(frame->policy, POLLEN8__DELIVERY_POLICY__DELIVERY_QUEUE);
    assert_string_equal(frame->coalesce_key, "");
    assert_int_equal(frame->version, 0);
    assert_int_equal(frame->n_industries, 0);
    wire_arena_done(&arena);
    /* a oneof of which the reader knows no member: no result, not a broken message */
    assert_int_equal(unpack(&arena, &pollen8__verify_reply__descriptor, SLICE_LITERAL("\x3a\x00"), &message),
                     STATUS_OK);
    assert_int_equal(((const Pollen8__VerifyReply *)message)->result_case,
                     POLLEN8__VERIFY_REPLY__RESULT__NOT_SET);
    wire_arena_done(&arena);
    /* an enum's newer value arrives as it is: the reader decides */
    assert_int_equal(
        unpack(&arena, &pollen8__outbound_frame__descriptor, SLICE_LITERAL("\x20\x63"), &message), STATUS_OK);
    assert_int_equal((int)((const Pollen8__OutboundFrame *)message)->policy, 99);
    wire_arena_done(&arena);
}

static void packing_respects_the_buf(void **state)
{
    Pollen8__Identity identity = POLLEN8__IDENTITY__INIT;
    struct buf buf;

    (void)state;
    identity.user_id = (char[]){"0123456789"};
    buf_init(&buf, 11);
    assert_int_equal(wire_pack(&buf, &identity.base), STATUS_FULL);
    assert_int_equal(buf.length, 0);
    buf_done(&buf);
    buf_init(&buf, 12);
    assert_int_equal(wire_pack(&buf, &identity.base), STATUS_OK);
    buf_done(&buf);
    pollen8__identity__init(&identity);
    buf_init(&buf, 0);
    assert_int_equal(wire_pack(&buf, &identity.base), STATUS_OK); /* all defaults: no bytes at all */
    assert_int_equal(buf.length, 0);
}

/* What is appended to a packed message is as if it had been packed with it. */
static void fields_are_appended(void **state)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    const Pollen8__OutboundFrame *found;
    struct buf buf;

    (void)state;
    frame.event = (char[]){"x"};
    frame.lane_sequence = 5;
    buf_init(&buf, 200);
    assert_int_equal(wire_pack(&buf, &frame.base), STATUS_OK);
    assert_int_equal(wire_append_integer(&buf, 11, UINT64_MAX), STATUS_OK);
    assert_int_equal(wire_append_integer(&buf, 19, 300), STATUS_OK);
    assert_int_equal(wire_append_bytes(&buf, 9, SLICE_LITERAL("tech")), STATUS_OK);
    assert_int_equal(wire_append_bytes(&buf, 9, SLICE_LITERAL("")), STATUS_OK);
    assert_int_equal(unpack(&arena, &pollen8__outbound_frame__descriptor, buf_slice(&buf), &message),
                     STATUS_OK);
    found = (const Pollen8__OutboundFrame *)message;
    assert_string_equal(found->event, "x");
    assert_true(found->lane_sequence == UINT64_MAX);
    assert_int_equal(found->first_lane, 300);
    assert_int_equal(found->n_industries, 2);
    assert_string_equal(found->industries[0], "tech");
    assert_string_equal(found->industries[1], "");
    wire_arena_done(&arena);
    buf.maximum = buf.length + 5;
    assert_int_equal(wire_append_bytes(&buf, 9, SLICE_LITERAL("four")), STATUS_FULL);
    assert_int_equal(buf.length, buf.maximum - 5);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_there_and_back),
        cmocka_unit_test(every_truncation_is_refused_or_whole),
        cmocka_unit_test(every_flipped_bit_is_survived),
        cmocka_unit_test(strings_must_be_text),
        cmocka_unit_test(broken_structure),
        cmocka_unit_test(input_is_bounded),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(a_large_heartbeat_fits),
        cmocka_unit_test(an_arena_is_used_again),
        cmocka_unit_test(newer_messages_are_read_by_this_version),
        cmocka_unit_test(what_is_unknown_passes_through_a_repack),
        cmocka_unit_test(older_messages_read_as_their_defaults),
        cmocka_unit_test(packing_respects_the_buf),
        cmocka_unit_test(fields_are_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
