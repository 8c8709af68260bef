/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Answers put together by whom they go to, and what is in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "batch.pb-c.h"
#include "common/bus/batch.h"
#include "common/wire.h"

static struct sent {
    unsigned messages;
    size_t items;
    uint64_t ids[256];
    char reply[32];
    size_t length;
} sent;

static void respond(void *context, struct slice reply, const void *data, size_t length)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *message;

    (void)context;
    sent.messages++;
    sent.length = length;
    assert_true(reply.length < sizeof(sent.reply));
    memcpy(sent.reply, reply.data, reply.length);
    sent.reply[reply.length] = '\0';
    sent.items = 0;
    if (wire_unpack(&arena, &pollen8__batch__descriptor, slice_make(data, length), &message) == STATUS_OK) {
        const Pollen8__Batch *batch = (const Pollen8__Batch *)message;
        sent.items = batch->n_items;
        for (size_t i = 0; i < batch->n_items && i < 256; i++)
            sent.ids[i] = batch->items[i]->id;
    }
    wire_arena_done(&arena);
}

static struct batch_answers answers;

static void add(const char *reply, uint64_t id, size_t length)
{
    static const char body[BATCH_BYTES];

    assert_int_equal(batch_answers_add(&answers, slice_from_string(reply), id, slice_make(body, length)),
                     STATUS_OK);
}

static int set_up(void **state)
{
    (void)state;
    memset(&sent, 0, sizeof(sent));
    batch_answers_init(&answers, respond, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    batch_answers_done(&answers);
    return 0;
}

static void one_message_an_asker(void **state)
{
    (void)state;
    add("a", 1, 10);
    add("a", UINT64_MAX, 0);
    add("a", 3, 10);
    assert_int_equal(sent.messages, 0);
    add("b", 1, 10); /* another */
    assert_int_equal(sent.messages, 1);
    assert_string_equal(sent.reply, "a");
    assert_int_equal(sent.items, 3);
    assert_true(sent.ids[0] == 1 && sent.ids[1] == UINT64_MAX && sent.ids[2] == 3);
    batch_answers_flush(&answers);
    assert_int_equal(sent.messages, 2);
    assert_string_equal(sent.reply, "b");
    assert_int_equal(sent.items, 1);
    batch_answers_flush(&answers); /* nothing is left */
    assert_int_equal(sent.messages, 2);
}

static void alone_at_once(void **state)
{
    (void)state;
    add("a", 1, 10);
    add("alone", 0, 7);
    assert_int_equal(sent.messages, 1);
    assert_string_equal(sent.reply, "alone");
    assert_int_equal(sent.length, 7);
    batch_answers_flush(&answers);
    assert_string_equal(sent.reply, "a");
}

static void bounded(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 100; id++)
        add("a", id, 4096);
    assert_true(sent.messages >= 4);
    assert_true(sent.length <= BATCH_BYTES + 4096 + 64);
    batch_answers_flush(&answers);
    assert_true(sent.ids[sent.items - 1] == 100);
    char reply[SUBJECT_SIZE + 1] = {0};
    memset(reply, 'x', sizeof(reply));
    assert_int_equal(batch_answers_add(&answers, slice_make(reply, sizeof(reply)), 1, slice_make("", 0)),
                     STATUS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_message_an_asker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(alone_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounded, set_up, tear_down)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
