/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Users of every kind out of a real Redis into a real stream and back: byte for byte, over the borders of
 * chunks, from any chunk on; and what is not what was written is noticed.
 */
#include "snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bus_stream.h"
#include "common/subject.h"
#include "rig.h"
#include "snapshot_manifest.h"
#include "store_rebuild.h"

#define SMALL_USERS 300
#define LARGE_SEEN  30000 /* of one user: several chunks */

static struct nats_server nats;
static struct redis_server redis;
static struct rig *rig;
static struct store *store;
static struct store_url url;

static bool stream_made(void *context)
{
    const char *const subjects[] = {SUBJECT_SNAPSHOT_ANY, NULL};
    const struct bus_stream_options options = {.name = STREAM_SNAPSHOT, .subjects = subjects};

    (void)context;
    return bus_stream_ensure(rig_bus(rig), &options, NULL, 0) == STATUS_OK;
}

static int set_up(void **state)
{
    (void)state;
    assert_true(nats_server_init(&nats));
    assert_true(nats_server_start(&nats));
    rig = rig_create(nats.url);
    rig_until(stream_made, NULL, "the stream is there");
    redis_init(&redis, false);
    store = rig_store(&redis, &url, 10000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_free(store);
    redis_done(&redis);
    rig_free(rig);
    nats_server_done(&nats);
    return 0;
}

/* Small users, one with more keys than a chunk holds, one with kept frames that expire, one without a sum. */
static void fill(void)
{
    char script[256];

    for (int i = 0; i < SMALL_USERS; i++) {
        redis_integer(&redis, "HSET p8:{u.small%d}:net connections %d n 1 h 2 more something", i, i);
        redis_integer(&redis, "HSET p8:{u.small%d}:seen k%d 1", i, i);
        redis_integer(&redis, "RPUSH p8:{u.small%d}:seen.order k%d", i, i);
    }
    snprintf(script, sizeof script,
             "for i = 1, %d do redis.call('HSET', 'p8:{u.large}:seen', 'key' .. i, '0123456789 ' .. i) "
             "redis.call('RPUSH', 'p8:{u.large}:seen.order', 'key' .. i) end return 1",
             LARGE_SEEN);
    redis_integer(&redis, "EVAL %s 0", script);
    redis_integer(&redis, "HSET p8:{u.large}:net connections 5 n 7");
    redis_integer(&redis, "XADD p8:{u.kept}:kept 1-1 i 1 k name f frame");
    redis_integer(&redis, "XADD p8:{u.kept}:kept 2-5 i 2 k name");
    redis_integer(&redis, "PEXPIRE p8:{u.kept}:kept 1000000");
    redis_integer(&redis, "HSET p8:{u.kept}:net n 1");
    redis_integer(&redis, "HSET p8:{u.seen}:seen k 1");
    redis_integer(&redis, "XADD p8:{u.kept}:history 1-1 e x"); /* no part of it */
    redis_integer(&redis, "SET other 1");
}

static void write_all(struct snapshot_body *body)
{
    struct snapshot_writer *writer = NULL;
    uint64_t cursor = 0;

    assert_int_equal(snapshot_writer_create(rig_bus(rig), &writer), STATUS_OK);
    do
        assert_int_equal(store_snapshot_step(store, &cursor, snapshot_write_user, writer), STATUS_OK);
    while (cursor != 0);
    assert_int_equal(snapshot_writer_finish(writer, body), STATUS_OK);
    snapshot_writer_free(writer);
}

static enum status restore_user(void *context, const char *user, const struct store_key *keys, size_t count)
{
    size_t *users = context;

    (*users)++;
    return store_restore(store, user, keys, count);
}

static enum status read_from(const struct snapshot_body *body, uint32_t chunk, store_user_fn *each,
                             void *context, uint32_t *nexts)
{
    struct snapshot_reader *reader = NULL;
    uint32_t next = chunk;
    enum status status = snapshot_reader_create(rig_bus(rig), body, chunk, &reader);

    while (status == STATUS_OK) {
        status = snapshot_read(reader, each, context, &next);
        if (status == STATUS_OK)
            status = store_restored(store);
        if (nexts && chunk < body->chunks)
            nexts[chunk++] = next;
    }
    snapshot_reader_free(reader);
    return status;
}

static void clear_all(void)
{
    uint64_t cursor = 0;
    uint64_t deleted;

    do
        assert_int_equal(store_clear_step(store, &cursor, &deleted), STATUS_OK);
    while (cursor != 0);
    assert_int_equal(redis_integer(&redis, "EXISTS p8:{u.large}:net p8:{u.small0}:net p8:{u.kept}:kept"), 0);
    assert_int_equal(redis_integer(&redis, "EXISTS other"), 1);
}

static void expect_all(void)
{
    for (int i = 0; i < SMALL_USERS; i++) {
        assert_int_equal(redis_integer(&redis, "HGET p8:{u.small%d}:net connections", i), i);
        assert_int_equal(redis_integer(&redis, "HSTRLEN p8:{u.small%d}:net more", i), 9);
        assert_int_equal(redis_integer(&redis, "HGET p8:{u.small%d}:seen k%d", i, i), 1);
        assert_int_equal(redis_integer(&redis, "LLEN p8:{u.small%d}:seen.order", i), 1);
    }
    assert_int_equal(redis_integer(&redis, "HLEN p8:{u.large}:seen"), LARGE_SEEN);
    assert_int_equal(redis_integer(&redis, "LLEN p8:{u.large}:seen.order"), LARGE_SEEN);
    assert_int_equal(redis_integer(&redis, "LPOS p8:{u.large}:seen.order key20000"), 19999);
    assert_int_equal(redis_integer(&redis, "HGET p8:{u.large}:net connections"), 5);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{u.kept}:kept"), 2);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{u.kept}:history"), 0);
    assert_true(redis_integer(&redis, "PTTL p8:{u.kept}:kept") > 900000);
    assert_int_equal(redis_integer(&redis, "PTTL p8:{u.large}:net"), -1);
    assert_int_equal(redis_integer(&redis, "HGET p8:{u.seen}:seen k"), 1);
}

static void out_and_back(void **state)
{
    struct snapshot_body body;
    uint32_t nexts[64] = {0};
    size_t users = 0;

    (void)state;
    fill();
    write_all(&body);
    assert_true(body.chunks >= 3 && body.chunks < 64);
    assert_true(body.users >= SMALL_USERS + 3);
    clear_all();
    assert_int_equal(read_from(&body, 0, restore_user, &users, nexts), STATUS_NOT_FOUND);
    assert_int_equal(users, body.users);
    expect_all();
    /* Once more, over what is there: nothing is there twice. */
    assert_int_equal(read_from(&body, 0, restore_user, &users, NULL), STATUS_NOT_FOUND);
    expect_all();
    /* Stopped after any chunk and gone on with where it said. */
    for (uint32_t chunk = 0; chunk < body.chunks; chunk++) {
        struct snapshot_reader *reader = NULL;
        uint32_t next = 0;

        clear_all();
        assert_int_equal(snapshot_reader_create(rig_bus(rig), &body, 0, &reader), STATUS_OK);
        for (uint32_t i = 0; i <= chunk; i++) {
            assert_int_equal(snapshot_read(reader, restore_user, &users, &next), STATUS_OK);
            assert_int_equal(store_restored(store), STATUS_OK);
        }
        snapshot_reader_free(reader);
        assert_int_equal(next, nexts[chunk]);
        assert_int_equal(read_from(&body, next, restore_user, &users, NULL), STATUS_NOT_FOUND);
        expect_all();
    }
}

static void manifests(void **state)
{
    static struct snapshot_manifest manifest;
    static struct snapshot_manifest found;
    uint64_t place = 0;
    uint64_t second = 0;

    (void)state;
    assert_int_equal(snapshot_newest(rig_bus(rig), &found, &place), STATUS_NOT_FOUND);
    manifest.sequence = 12;
    manifest.taken_at_ms = 34;
    manifest.mark_count = SNAPSHOT_MARKS_MAXIMUM;
    manifest.marks[SNAPSHOT_MARKS_MAXIMUM - 1].sequence = UINT64_MAX;
    write_all(&manifest.body);
    assert_int_equal(snapshot_publish(rig_bus(rig), &manifest), STATUS_OK);
    assert_int_equal(snapshot_newest(rig_bus(rig), &found, &place), STATUS_OK);
    assert_memory_equal(&found, &manifest, sizeof found);
    manifest.previous = place;
    manifest.sequence = 13;
    assert_int_equal(snapshot_publish(rig_bus(rig), &manifest), STATUS_OK);
    assert_int_equal(snapshot_newest(rig_bus(rig), &found, &second), STATUS_OK);
    assert_true(found.sequence == 13 && second == place + 1);
    assert_int_equal(snapshot_at(rig_bus(rig), found.previous, &found), STATUS_OK);
    assert_int_equal(found.sequence, 12);
    assert_int_equal(snapshot_at(rig_bus(rig), manifest.body.first_sequence, &found), STATUS_MALFORMED);
}

static void damage_is_noticed(void **state)
{
    struct snapshot_body body;
    struct snapshot_body other;

    (void)state;
    write_all(&body);
    assert_int_equal(read_from(&body, 0, NULL, NULL, NULL), STATUS_NOT_FOUND);
    other = body;
    other.checksum++;
    assert_int_equal(read_from(&other, 0, NULL, NULL, NULL), STATUS_MALFORMED);
    other = body;
    other.chunks++;
    assert_int_equal(read_from(&other, 0, NULL, NULL, NULL), STATUS_MALFORMED);
    other = body;
    other.chunks--;
    assert_int_equal(read_from(&other, 0, NULL, NULL, NULL), STATUS_MALFORMED);
    assert_int_equal(bus_stored_delete(rig_bus(rig), STREAM_SNAPSHOT, body.first_sequence + 1), STATUS_OK);
    assert_int_equal(read_from(&body, 0, NULL, NULL, NULL), STATUS_MALFORMED);
}

/* The steps of a rebuild, and who may take them. */
static void steps(void **state)
{
    const struct store_world *world = store_world(store);
    struct store_world next;
    char note[STORE_REBUILD_NOTE_SIZE];
    uint64_t epoch = store_epoch(store);

    (void)state;
    assert_int_equal(store_rebuild_note(store, "a", "x"), STATUS_NOT_FOUND);
    assert_int_equal(store_rebuild_begin(store, "a", note), STATUS_OK);
    assert_string_equal(note, "");
    assert_true(store_epoch(store) > epoch && world->state == STORE_REBUILD);
    epoch = store_epoch(store);
    assert_int_equal(store_rebuild_note(store, "a", "half"), STATUS_OK);
    assert_int_equal(store_rebuild_begin(store, "b", note), STATUS_OK); /* goes on */
    assert_string_equal(note, "half");
    assert_true(store_epoch(store) == epoch);
    assert_int_equal(store_rebuild_note(store, "a", "late"), STATUS_NOT_FOUND);
    next = *world;
    next.epoch++;
    next.state = STORE_WHOLE;
    next.position = (struct store_position){.sequence = 77, .time_ms = 88, .stream_created_ms = 99};
    next.target = 77;
    assert_int_equal(store_raise(store, &next, "a"), STATUS_AGAIN);
    assert_int_equal(store_raise(store, &next, ""), STATUS_AGAIN);
    assert_int_equal(store_raise(store, &next, "b"), STATUS_OK);
    assert_true(store_epoch(store) > epoch && world->state == STORE_WHOLE && world->replayed);
    assert_true(world->position.sequence == 77 && world->position.time_ms == 88);
    assert_int_equal(store_rebuild_note(store, "b", "x"), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_and_back),
        cmocka_unit_test(manifests),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(steps),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
