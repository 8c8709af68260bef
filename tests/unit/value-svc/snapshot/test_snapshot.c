/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Users of every kind out of a real Redis into a real stream and back: byte for byte, over the borders of
 * chunks, from any chunk on; and what is not what was written is noticed.
 */
#include "snapshot/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64url.h"
#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "common/rng.h"
#include "common/wire.h"
#include "fixture.h"
#include "records/store_rebuild.h"
#include "snapshot.pb-c.h"
#include "snapshot/snapshot_manifest.h"

#define SMALL_USERS 300
#define LARGE_SEEN  30000 /* of one user: several chunks */

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
    snprintf(script, sizeof(script),
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
    struct store_walk *walk = NULL;
    bool done = false;

    assert_int_equal(snapshot_writer_create(rig_bus(rig), &writer), STATUS_OK);
    assert_int_equal(store_walk_create(&walk), STATUS_OK);
    while (!done)
        assert_int_equal(store_walk_step(store, walk, snapshot_write, writer, &done), STATUS_OK);
    store_walk_free(walk);
    assert_int_equal(snapshot_writer_finish(writer, body), STATUS_OK);
    snapshot_writer_free(writer);
}

static enum status restore_piece(void *context, const struct store_piece *piece)
{
    size_t *users = context;

    *users += piece->last;
    return store_restore(store, piece);
}

static enum status read_from(const struct snapshot_body *body, uint32_t chunk, store_piece_fn *each,
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
    assert_int_equal(read_from(&body, 0, restore_piece, &users, nexts), STATUS_NOT_FOUND);
    assert_int_equal(users, body.users);
    expect_all();
    /* Once more, over what is there: nothing is there twice. */
    assert_int_equal(read_from(&body, 0, restore_piece, &users, NULL), STATUS_NOT_FOUND);
    expect_all();
    /* Stopped after any chunk and gone on with where it said. */
    for (uint32_t chunk = 0; chunk < body.chunks; chunk++) {
        struct snapshot_reader *reader = NULL;
        uint32_t next = 0;

        clear_all();
        assert_int_equal(snapshot_reader_create(rig_bus(rig), &body, 0, &reader), STATUS_OK);
        for (uint32_t i = 0; i <= chunk; i++) {
            assert_int_equal(snapshot_read(reader, restore_piece, &users, &next), STATUS_OK);
            assert_int_equal(store_restored(store), STATUS_OK);
        }
        snapshot_reader_free(reader);
        assert_int_equal(next, nexts[chunk]);
        assert_int_equal(read_from(&body, next, restore_piece, &users, NULL), STATUS_NOT_FOUND);
        expect_all();
    }
}

/* ---- a user with much, while it changes --------------------------------------------------------------- */

#define HOT_EVENTS 8000 /* there before: every eighth an import under an eventId */
#define HOT_MORE   400  /* coming while it is read */
#define HOT_LATER  30   /* after that */

static const struct store_rules hot_rules = {
    .window_ms = 1000, .retention_ms = 3000, .ack_floor = HOT_EVENTS - 10};

/* The events of the user "hot", by their number, always the same: from HOT_EVENTS on some have the key of an
 * earlier one, a window later. */
static int64_t apply_hot(uint64_t number)
{
    bool again = number > HOT_EVENTS && number % 3 == 0;
    uint64_t named = again ? number - HOT_EVENTS : number;
    bool import = named % 8 == 0;
    char key[32];
    struct store_event event = {
        .user_id = "hot",
        .key = key,
        .counts = true,
        .once = import,
        .change = import ? 10 : 1,
        .sequence = number,
        .time_ms = 1000000 + (int64_t)(number > HOT_EVENTS ? 4000 + number - HOT_EVENTS : number / 8)};

    snprintf(key, sizeof(key), "%s%d", import ? "import" : "key", (int)named);
    assert_int_equal(store_apply(store, &hot_rules, &event, 1), STATUS_OK);
    return event.outcome == STORE_APPLIED ? event.change : 0;
}

static int64_t apply_range(uint64_t from, uint64_t to)
{
    int64_t changed = 0;

    for (uint64_t number = from; number < to; number++)
        changed += apply_hot(number);
    return changed;
}

static enum status write_small_pieces(void *context, const struct store_piece *piece)
{
    assert_true(piece->count <= 2500);
    return snapshot_write(context, piece);
}

static void a_hot_user_is_whole_and_of_one_moment(void **state)
{
    /* Entries that are missing or there twice, or whose record is. */
    static const char wrong[] =
        "local wrong, there = 0, {} for _, entry in ipairs(redis.call('LRANGE', 'p8:{u.aG90}:seen.order', 0, "
        "-1)) do "
        "if there[entry] then wrong = wrong + 1 end there[entry] = true end "
        "for _, entry in ipairs(redis.call('LRANGE', 'truth', 0, -1)) do if not there[entry] or "
        "redis.call('HEXISTS', 'p8:{u.aG90}:seen', string.match(entry, '^%S+')) == 0 then wrong = wrong + 1 "
        "end end "
        "return wrong";
    struct snapshot_body body;
    struct snapshot_writer *writer = NULL;
    struct store_walk *walk = NULL;
    uint64_t next = HOT_EVENTS + 1;
    size_t users = 0;
    size_t steps = 0;
    bool done = false;
    int64_t before;
    int64_t truth = 0;

    (void)state;
    clear_all();
    before = apply_range(1, HOT_EVENTS + 1);
    assert_int_equal(before, HOT_EVENTS / 8 * 10 + HOT_EVENTS / 8 * 7);
    assert_int_equal(redis_integer(&redis, "HLEN p8:{u.aG90}:seen"), HOT_EVENTS);
    redis_integer(&redis, "HSET p8:{u.aG90}:seen orphan x"); /* the order does not name it */
    redis_integer(&redis, "HSET p8:{u.aG90}:net other field");
    redis_integer(&redis, "XADD p8:{u.aG90}:kept 1-1 i 1 k name f frame");
    assert_int_equal(snapshot_writer_create(rig_bus(rig), &writer), STATUS_OK);
    assert_int_equal(store_walk_create(&walk), STATUS_OK);
    for (; !done; steps++) {
        assert_int_equal(store_walk_step(store, walk, write_small_pieces, writer, &done), STATUS_OK);
        if (done)
            redis_integer(&redis, "COPY p8:{u.aG90}:seen.order truth");
        for (int i = 0; i < 20 && next <= HOT_EVENTS + HOT_MORE; i++)
            before += apply_hot(next++);
    }
    store_walk_free(walk);
    assert_true(steps > HOT_EVENTS / 500);
    assert_true(next == HOT_EVENTS + HOT_MORE + 1);
    assert_true(redis_integer(&redis, "HLEN p8:{u.aG90}:seen") <
                HOT_EVENTS); /* forgotten at its front meanwhile */
    truth = before + apply_range(next, next + HOT_LATER);
    assert_int_equal(redis_integer(&redis, "HGET p8:{u.aG90}:net connections"), truth);
    assert_int_equal(snapshot_writer_finish(writer, &body), STATUS_OK);
    snapshot_writer_free(writer);
    assert_int_equal(body.users, 1);

    clear_all();
    assert_int_equal(read_from(&body, 0, restore_piece, &users, NULL), STATUS_NOT_FOUND);
    assert_int_equal(users, 1);
    assert_true(redis_integer(&redis, "HGET p8:{u.aG90}:net connections") <= truth);
    assert_int_equal(redis_integer(&redis, "EVAL %s 0", wrong), 0);
    assert_int_equal(redis_integer(&redis, "HEXISTS p8:{u.aG90}:seen orphan"), 1);
    assert_int_equal(redis_integer(&redis, "HEXISTS p8:{u.aG90}:net other"), 1);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{u.aG90}:kept"), 1);
    assert_int_equal(redis_integer(&redis, "ZCARD p8:seen.due"), 1);
    /* All that came after the position of the snapshot again, as a rebuild does: each counts once. */
    apply_range(HOT_EVENTS - 9, next + HOT_LATER);
    assert_int_equal(redis_integer(&redis, "HGET p8:{u.aG90}:net connections"), truth);
}

/* ---- as older versions wrote it ----------------------------------------------------------------------- */

struct old_piece {
    const char *suffix;
    const char *type;
    const char *items[4];
};

/* They cut keys anywhere, also between a name and its value, and within an entry. */
static void what_older_versions_wrote_is_read(void **state)
{
    static const struct old_piece pieces[] = {{":net", "hash", {"connections"}},
                                              {":net", "hash", {"5", "n"}},
                                              {":net", "hash", {"7"}},
                                              {":seen.order", "list", {"a 1 2", "b 1 2"}},
                                              {":seen.order", "list", {"c 1 2"}},
                                              {":kept", "stream", {"1-1", "2", "i", "1"}},
                                              {":kept", "stream", {"2-1"}},
                                              {":kept", "stream", {"2", "i"}},
                                              {":kept", "stream", {"2"}}};
    enum { COUNT = sizeof(pieces) / sizeof(pieces[0]) };
    struct snapshot_body body = {.id = "older", .users = 1};
    size_t users = 0;

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) { /* a chunk each */
        Pollen8__SnapshotKey key = POLLEN8__SNAPSHOT_KEY__INIT;
        Pollen8__SnapshotKey *keys[] = {&key};
        Pollen8__SnapshotChunk chunk = POLLEN8__SNAPSHOT_CHUNK__INIT;
        ProtobufCBinaryData items[4];
        uint64_t sequence;
        struct buf packed;

        for (size_t k = 0; k < 4 && pieces[i].items[k]; k++)
            items[key.n_items++] = (ProtobufCBinaryData){.len = strlen(pieces[i].items[k]),
                                                         .data = (uint8_t *)(uintptr_t)pieces[i].items[k]};
        key.items = items;
        key.user = (char[]){"older"};
        key.suffix = (char *)(uintptr_t)pieces[i].suffix;
        key.type = (char *)(uintptr_t)pieces[i].type;
        key.first = i == 0;
        key.last = i + 1 == COUNT;
        chunk.keys = keys;
        chunk.n_keys = 1;
        chunk.snapshot = body.id;
        chunk.index = body.chunks++;
        buf_init(&packed, 65536);
        assert_int_equal(wire_pack(&packed, &chunk.base), STATUS_OK);
        assert_int_equal(bus_store(rig_bus(rig), "pollen8.snapshot.chunk.older", NULL, buf_slice(&packed),
                                   &sequence, NULL, 0),
                         STATUS_OK);
        if (i == 0)
            body.first_sequence = sequence;
        body.checksum = hash64(packed.data, packed.length, body.checksum);
        buf_done(&packed);
    }
    assert_int_equal(read_from(&body, 0, NULL, NULL, NULL), STATUS_NOT_FOUND);
    assert_int_equal(read_from(&body, 0, restore_piece, &users, NULL), STATUS_NOT_FOUND);
    assert_int_equal(users, 1);
    assert_int_equal(redis_integer(&redis, "HGET p8:{u.older}:net connections"), 5);
    assert_int_equal(redis_integer(&redis, "HGET p8:{u.older}:net n"), 7);
    assert_int_equal(redis_integer(&redis, "LLEN p8:{u.older}:seen.order"), 3);
    assert_int_equal(redis_integer(&redis, "XLEN p8:{u.older}:kept"), 2);
    /* The same without its end. */
    body.chunks--;
    body.checksum = 0;
    assert_int_equal(read_from(&body, 0, NULL, NULL, NULL), STATUS_MALFORMED);
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
    assert_memory_equal(&found, &manifest, sizeof(found));
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
        cmocka_unit_test(a_hot_user_is_whole_and_of_one_moment),
        cmocka_unit_test(what_older_versions_wrote_is_read),
        cmocka_unit_test(manifests),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(steps),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
