// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What value-svc stands on: a broker that is full, streams made by somebody else, a Redis that evicts.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const path = require('node:path');
const { withRing, until, bin } = require('./helpers/ring');

const MB = 1048576;
const EVENTS = { name: 'POLLEN8_EVENTS', subjects: ['pollen8.events.>'] };
const PADDING = ' '.repeat(3000); // white space in a JSON text counts for nothing but the disk

const sum = (ring, user) => ring.redisCommand('HGET', `p8:{u.${Buffer.from(user).toString('base64url')}}:net`, 'connections')
  .then(Number);
const metric = async (ring, name, labels) => (await ring.metrics(ring.value)).value(name, labels);
const events = async (ring) => ring.manager.streams.info('POLLEN8_EVENTS');

/** The first snapshot begun after now. */
async function snapshot(ring) {
  const from = Math.floor(Date.now() / 1000);
  await until('a snapshot', async () => await metric(ring, 'pollen8_value_snapshot_timestamp_seconds') > from + 1);
}

/** Publishes for `user` until the broker refuses, or `most`; how many it acknowledged. */
async function fill(ring, user, most = Infinity) {
  for (let stored = 0; ; stored++) {
    if (stored === most) return stored;
    const text = `{"userId":"${user}","industries":["x"]${PADDING}}`;
    try {
      await ring.publish('connection.new', text);
    } catch {
      return stored;
    }
  }
}

/** The same value-svc with another environment. */
async function restartWith(ring, env) {
  await ring.value.stop();
  Object.assign(ring.value.env, env);
  await ring.value.start();
}

async function rebuild(ring) {
  const child = spawn(path.join(bin, 'value-svc'), ['--rebuild'], {
    env: { ...ring.value.env, LOG_LEVEL: 'error' }, stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.on('data', (bytes) => { text += bytes; });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, text);
}

const value = { DEDUPE_WINDOW: '1s', SNAPSHOT_INTERVAL: '1s', EVENTS_KEEP: '1h' };

withRing('a broker that is full', { maxFileStore: '6MB', gateways: 0, auth: 0, env: { value } }, (ring, it) => {
  let expected = 0;

  it('takes no event and no snapshot, and is emptied as the runbook says', async () => {
    expected += await fill(ring, 'ada', 500);
    await ring.applied();
    await snapshot(ring);
    await snapshot(ring);
    expected += await fill(ring, 'ada');
    assert.ok(expected > 1000);
    const from = await metric(ring, 'pollen8_value_snapshots_total', { result: 'abandoned' }) || 0;
    await until('a snapshot that cannot be stored', async () => await metric(ring, 'pollen8_value_snapshots_total', { result: 'abandoned' }) > from);
    const before = await events(ring);
    await restartWith(ring, { EVENTS_KEEP: '1s' });
    await until('events to be purged', async () => (await events(ring)).state.first_seq > before.state.first_seq);
    await until('events to be taken', () => ring.connectionNew('ada', ['x']).then(() => true));
    expected += 1;
    await ring.applied();
    assert.equal(await sum(ring, 'ada'), expected);
    await snapshot(ring);
    assert.match(ring.value.output, /does not store the snapshot.*insufficient resources/);
  });

  it('and a rebuild is exact afterwards', async () => {
    await ring.redisCommand('FLUSHALL');
    await rebuild(ring);
    await ring.applied();
    assert.equal(await sum(ring, 'ada'), expected);
  });
});

withRing('a broker with room for snapshots', { maxFileStore: '8MB', gateways: 0, auth: 0, env: { value: { ...value, EVENTS_MAX_BYTES: '4MB' } } }, (ring, it) => {
  let expected = 0;

  it('stores them, and dead letters, when no event is taken any more', async () => {
    assert.equal((await events(ring)).config.max_bytes, 4 * MB);
    expected += await fill(ring, 'bo');
    await ring.applied();
    await snapshot(ring);
    await ring.jetstream.publish('pollen8.dead.connection.new', 'x');
    assert.equal(await fill(ring, 'bo'), 0);
    assert.equal(await metric(ring, 'pollen8_value_stream_maximum_bytes', { stream: 'POLLEN8_EVENTS' }), 4 * MB);
  });

  it('no limit below what the stream holds deletes an event; it is set when there is room', async () => {
    const before = await events(ring);
    await restartWith(ring, { EVENTS_MAX_BYTES: '2MB' });
    await ring.value.waitLog(/EVENTS_MAX_BYTES is not in force/);
    assert.equal(await metric(ring, 'pollen8_value_stream_unbounded', { stream: 'POLLEN8_EVENTS' }), 1);
    assert.deepEqual((await events(ring)).state, before.state);
    await restartWith(ring, { EVENTS_KEEP: '1s' });
    await until('the limit', async () => (await events(ring)).config.max_bytes === 2 * MB);
    await until('the metric', async () => await metric(ring, 'pollen8_value_stream_unbounded', { stream: 'POLLEN8_EVENTS' }) === 0);
    await ring.connectionNew('bo', ['x']);
    await ring.applied();
    assert.equal(await sum(ring, 'bo'), expected + 1);
  });

  it('a limit that the broker cannot reserve is no reason to stop', async () => {
    await restartWith(ring, { EVENTS_MAX_BYTES: '64MB' });
    await ring.value.waitLog(/EVENTS_MAX_BYTES is not in force/);
    assert.equal((await events(ring)).config.max_bytes, 2 * MB);
    await ring.connectionNew('bo', ['x']);
    await ring.applied();
    assert.equal(await sum(ring, 'bo'), expected + 2);
  });
});

/** A ring whose broker and Redis run and whose value-svc does not yet. */
async function begin(ring) {
  await Promise.all([ring.nats.start(), ring.redis.start()]);
  await ring.connectNats();
}

withRing('a stream made by somebody else', { prepareOnly: true, gateways: 0, auth: 0, env: { value: { DEDUPE_WINDOW: '30s' } } }, (ring, it) => {
  it('stored in memory: a warning, and ready; what can be changed is put right', async () => {
    await begin(ring);
    await ring.manager.streams.add({ ...EVENTS, storage: 'memory', no_ack: true });
    await ring.value.start();
    await ring.value.waitLog(/stored in memory/);
    assert.equal(await metric(ring, 'pollen8_value_stream_in_memory', { stream: 'POLLEN8_EVENTS' }), 1);
    assert.equal(await metric(ring, 'pollen8_value_stream_in_memory', { stream: 'POLLEN8_DEAD' }), 0);
    const { config } = await events(ring);
    assert.equal(config.duplicate_window, 30e9);
    assert.ok(!config.no_ack);
    await ring.connectionNew('cy', ['x']);
    await ring.applied();
    assert.equal(await sum(ring, 'cy'), 1);
    assert.equal(ring.value.output.match(/stored in memory/g).length, 1);
  });

  for (const retention of ['workqueue', 'interest']) {
    it(`${retention} retention: not ready, and nothing is fetched, until the stream is made anew`, async () => {
      await ring.value.stop();
      await ring.manager.streams.delete('POLLEN8_EVENTS');
      await ring.manager.streams.add({ ...EVENTS, storage: 'file', retention });
      const mark = ring.value.mark();
      await ring.value.start({ wait: false });
      await ring.value.waitLog(/retention is not `limits`/, mark);
      await until('not ready', async () => {
        const { status, text } = await ring.get(ring.value, '/readyz');
        return status === 503 && /stream/.test(text);
      });
      assert.equal(await metric(ring, 'pollen8_value_stream_refused', { stream: 'POLLEN8_EVENTS' }), 1);
      assert.deepEqual(await ring.manager.consumers.list('POLLEN8_EVENTS').next(), []);
      assert.equal((await events(ring)).config.retention, retention);
      await ring.manager.streams.delete('POLLEN8_EVENTS');
      await ring.value.waitReady();
      assert.equal(await metric(ring, 'pollen8_value_stream_refused', { stream: 'POLLEN8_EVENTS' }), 0);
      assert.equal((await events(ring)).config.retention, 'limits');
      assert.equal(ring.value.output.slice(mark).match(/retention is not `limits`/g).length, 1);
    });
  }
});

withRing('a stream replaced while value-svc runs', { gateways: 0, auth: 0 }, (ring, it) => {
  it('by one with workqueue retention: nothing is fetched from it', async () => {
    await until('the other stream', async () => {
      await ring.manager.streams.delete('POLLEN8_EVENTS');
      return ring.manager.streams.add({ ...EVENTS, storage: 'file', retention: 'workqueue' }); // before value-svc makes its own
    });
    await ring.connectionNew('eve', ['x']);
    await ring.value.waitLog(/retention is not `limits`/);
    await until('not ready', async () => (await ring.get(ring.value, '/readyz')).status === 503);
    assert.deepEqual(await ring.manager.consumers.list('POLLEN8_EVENTS').next(), []);
    assert.equal((await events(ring)).state.messages, 1);
    await ring.manager.streams.delete('POLLEN8_EVENTS');
    await ring.value.waitReady();
    await ring.connectionNew('eve', ['x']);
    await ring.applied();
    assert.equal(await sum(ring, 'eve'), 1);
  });
});

withRing('the duplicate window', { gateways: 0, auth: 0, env: { value: { DEDUPE_WINDOW: '1s' } } }, (ring, it) => {
  const identity = { userId: 'backend', permissions: ['emit:connection.new'], role: 'service' };

  it('is DEDUPE_WINDOW, not longer: the same eventId counts again behind it', async () => {
    assert.equal((await events(ring)).config.duplicate_window, 1e9);
    const submit = () => ring.submit('connection.new', { userId: 'dee', industries: ['x'], eventId: 'same' }, identity);
    assert.deepEqual(await submit(), { data: {} });
    assert.deepEqual(await submit(), { data: { duplicate: true } });
    await until('the window to end', async () => (await submit()).data.duplicate === undefined);
    await ring.applied();
    assert.equal(await sum(ring, 'dee'), 2);
  });
});

withRing('a Redis that evicts', { prepareOnly: true, gateways: 0, auth: 0 }, (ring, it) => {
  it('a warning at each start, and ready while it has evicted nothing', async () => {
    await begin(ring);
    await ring.redisCommand('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    for (let i = 0; i < 2; i++) {
      const mark = ring.value.mark();
      await ring.value.start();
      await ring.value.waitLog(/"warn".*Redis evicts keys/, mark);
      assert.equal(await metric(ring, 'pollen8_value_redis_evicts'), 1);
      assert.equal(await metric(ring, 'pollen8_value_redis_evicted_keys'), 0);
      if (i === 0) await ring.value.stop();
    }
  });

  it('not ready where keys were evicted, until that was put right', async () => {
    await ring.redisCommand('CONFIG', 'SET', 'maxmemory', `${8 * MB}`);
    for (let i = 0; i < 12; i++) await ring.redisCommand('SET', `filler${i}`, 'x'.repeat(MB));
    await until('not ready', async () => {
      const { status, text } = await ring.get(ring.value, '/readyz');
      return status === 503 && /redis/.test(text);
    });
    await ring.value.waitLog(/Redis has evicted keys/);
    assert.ok(await metric(ring, 'pollen8_value_redis_evicted_keys') > 0);
    await ring.redisCommand('CONFIG', 'SET', 'maxmemory', '0');
    await ring.redisCommand('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await ring.redisCommand('CONFIG', 'RESETSTAT');
    await ring.value.waitReady();
    assert.equal(await metric(ring, 'pollen8_value_redis_evicts'), 0);
  });

  it('one that refuses CONFIG is looked at all the same', async () => {
    await ring.value.stop();
    await ring.redisCommand('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl');
    await ring.redisCommand('ACL', 'SETUSER', 'default', '-config');
    const mark = ring.value.mark();
    await ring.value.start();
    await ring.value.waitLog(/Redis evicts keys.*volatile-ttl/, mark);
    assert.equal(await metric(ring, 'pollen8_value_redis_evicts'), 1);
  });
});
