// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Counts that are exact whatever Redis lost: snapshots in the broker, value-svc --rebuild, and what may be purged.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout } = require('node:timers/promises');
const { withRing, until, get, bin, SLOW } = require('./helpers/ring');

// Short, so that keys of events and the stream grow old within a test.
const value = { DEDUPE_WINDOW: '1s', SNAPSHOT_INTERVAL: '1s', EVENTS_KEEP: '1h', ACK_WAIT: '2s', REDIS_TIMEOUT: '1s' };
const key = (user) => `p8:{u.${Buffer.from(user).toString('base64url')}}:net`;

/** Publishers that note what was acknowledged: expected.get(user) is what its count must become. */
class Load {
  constructor(ring, name, users, publishers = 4, pauseMs = 3) {
    Object.assign(this, { ring, name, users, pauseMs, expected: new Map(), sent: 0, running: true });
    this.done = Promise.all(Array.from({ length: publishers }, (_, i) => this.publish(i)));
  }

  add(user, change) {
    this.expected.set(user, (this.expected.get(user) || 0) + change);
  }

  async publish(publisher) {
    for (let i = 0; this.running; i++) {
      const user = `${this.name}${(i * 7 + publisher * 13) % this.users}`;
      const removed = i % 9 === 8;
      const payload = { userId: user, industries: ['x'], ...(i % 3 ? {} : { eventId: `${publisher}-${i}` }) };
      await this.ring.publish(removed ? 'connection.removed' : 'connection.new', payload);
      this.add(user, removed ? -1 : 1);
      if (i % 30 === 0) await this.ring.publish('connection.new', { ...payload, eventId: `${publisher}-${i}` }).catch(() => {});
      if (i % 30 === 0 && removed) this.add(user, 1); // another event: another key
      this.sent++;
      await setTimeout(this.pauseMs); // a rate that leaves the services room
    }
  }

  reach(count) {
    return until(`${count} events`, () => this.sent >= count);
  }

  async stop() {
    this.running = false;
    await this.done;
  }
}

async function counts(ring, users) {
  const found = new Map();
  const script = "local r = {} for i, k in ipairs(KEYS) do r[i] = redis.call('HGET', k, 'connections') or '0' end return r";
  for (let i = 0; i < users.length; i += 1000) {
    const some = users.slice(i, i + 1000);
    const values = await ring.redisCommand('EVAL', script, some.length, ...some.map(key));
    some.forEach((user, j) => found.set(user, Number(values[j])));
  }
  return found;
}

/** Until all is acknowledged in the newest epoch. */
async function applied(ring) {
  await until('the stream to be worked off', async () => {
    const one = await ring.durable();
    return one && one.num_pending === 0 && one.num_ack_pending === 0;
  });
}

async function assertExact(ring, expected) {
  await applied(ring);
  const users = [...expected.keys()];
  const found = await counts(ring, users);
  const wrong = users.filter((user) => found.get(user) !== expected.get(user))
    .map((user) => `${user}: ${found.get(user)} instead of ${expected.get(user)}`);
  assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} of ${users.length} users`);
}

/** value-svc --rebuild as a process of its own: { child, ended: { code, signal, stdout, stderr }, text() }. */
function rebuild(ring, option = '--rebuild', env = {}) {
  const child = spawn(path.join(bin, 'value-svc'), [option], {
    env: { NATS_URL: ring.natsUrl, REDIS_URL: ring.redisUrl, LOG_LEVEL: 'error', ...value, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (bytes) => { out[name] += bytes; });
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, ...out })));
  return { child, ended, text: () => out.stderr };
}

async function rebuilt(ring, option, env) {
  const result = await rebuild(ring, option, env).ended;
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /^\d+ users from the snapshot, \d+ events after it, \d+\.\d s\n$/);
  return result;
}

const metric = async (ring, name, labels) => (await ring.metrics(ring.values[0])).value(name, labels);
const snapshotTime = (ring) => metric(ring, 'pollen8_value_snapshot_timestamp_seconds');

/** A snapshot that began after this call. */
async function snapshot(ring) {
  const from = Math.floor(Date.now() / 1000);
  await until('a snapshot', async () => await snapshotTime(ring) > from + 1);
}

/** Until every instance knows that a rebuild is needed, or that none is. */
async function known(ring, needed) {
  for (const part of ring.values) {
    await until(`${part.name} to know`, async () => (await ring.metrics(part)).value('pollen8_value_rebuild_needed') === needed);
  }
}

/** Redis loses everything, and a replay does not help: the stream's first event is gone, which the snapshot has. */
async function lose(ring) {
  await ring.manager.streams.purge('POLLEN8_EVENTS', { seq: 2 });
  await ring.redisCommand('FLUSHALL');
}

withRing('Redis emptied under load', { value: 2, env: { value } }, (ring, it) => {
  it('rebuild restores every count exactly while publishers run and the service does', async () => {
    const load = new Load(ring, 'a', 300);
    await load.reach(1500 / SLOW);
    await snapshot(ring);
    await load.reach(3000 / SLOW);
    await lose(ring);
    await load.reach(load.sent + 500 / SLOW);
    await known(ring, 1);
    await ring.values[0].waitLog(/value-svc --rebuild/);
    const mark = load.sent;
    await rebuilt(ring);
    await load.reach(mark + 500 / SLOW);
    await load.stop();
    await assertExact(ring, load.expected);
    await known(ring, 0);
    assert.deepEqual(await ring.deadLetters(), []);
    // And once more, with nothing lost: nothing changes.
    await rebuilt(ring);
    await assertExact(ring, load.expected);
  });

  it('nobody is told a value that is wrong, and everybody the right one afterwards', async () => {
    const client = await ring.ws('ada');
    for (let i = 0; i < 5; i++) await ring.connectionNew('ada', ['x']);
    await client.wait('network.update', (list) => list.some((data) => data.newValue === 15.7));
    await snapshot(ring);
    await known(ring, 0);
    await lose(ring);
    await known(ring, 1);
    await until('withheld', async () => {
      const reply = await client.request('value.get');
      return !reply.ok && reply.error.code === 'UNAVAILABLE';
    });
    client.forget();
    await ring.connectionNew('ada', ['technology']);
    await client.wait('connection.new', 1);
    await rebuilt(ring);
    await client.wait('network.update', (list) => list.some((data) => data.newValue === 18.84));
    assert.deepEqual(client.values().filter((one) => one < 15.7), [], 'no lower one in between');
    const { data } = await until('answers again', async () => {
      const reply = await client.request('value.get');
      return reply.ok && reply;
    });
    assert.equal(data.connections, 6);
    assert.equal(client.all('connection.new').length, 1, 'what was delivered before is not delivered again');
  });

  it('a Redis whose files are gone is the same', async () => {
    const load = new Load(ring, 'b', 100);
    await load.reach(300);
    await ring.redis.kill();
    fs.rmSync(path.join(ring.folder, 'redis'), { recursive: true });
    fs.mkdirSync(path.join(ring.folder, 'redis'));
    await load.reach(600);
    await ring.redis.start();
    const first = await rebuilt(ring);
    assert.match(first.stderr, /snapshot \S+ has \d+ users/);
    await load.stop();
    await assertExact(ring, load.expected);
  });

  it('what was imported stays imported once', async () => {
    for (let i = 0; i < 3; i++) await ring.publish('connection.import', { userId: 'imported', connections: 7, eventId: 'import:m' });
    await snapshot(ring);
    await lose(ring);
    await rebuilt(ring);
    await ring.publish('connection.import', { userId: 'imported', connections: 7, eventId: 'import:m' });
    await assertExact(ring, new Map([['imported', 7]]));
  });
});

withRing('rebuild killed', { value: 1, env: { value: { ...value, SNAPSHOT_INTERVAL: '5s' } } }, (ring, it) => {
  const USERS = 8000;
  const imported = new Map();

  it('in the middle, again and again: the next run goes on, counts are exact', async () => {
    const expected = imported;
    for (let i = 0; i < USERS; i += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, j) => ring.publish('connection.import', { userId: `u${i + j}`, connections: (i + j) % 89, eventId: 'import:m' })));
      for (let j = 0; j < 500; j++) expected.set(`u${i + j}`, (i + j) % 89);
    }
    await applied(ring);
    await snapshot(ring);
    const load = new Load(ring, 'u', 1000, 2, 10);
    load.expected = expected;
    await load.reach(200);
    await lose(ring);
    let wentOn = 0;
    let kills = 0;
    for (let run = 0; kills < 2; run++) {
      assert.ok(run < 20, 'every run was over before it could be killed');
      const note = () => ring.redisCommand('HGET', 'p8:epoch', 'rebuild').catch(() => null);
      const before = await note();
      const { child, ended } = rebuild(ring);
      await until('some chunks', async () => {
        const now = await note();
        return (now && now !== before && Number(now.split(' ')[2]) > kills) || child.exitCode !== null;
      }, undefined, 0); // all that is left may be done within a usual pause
      if (child.exitCode === null) process.kill(child.pid, 'SIGKILL');
      const end = await ended;
      if (/resuming an interrupted rebuild/.test(end.stderr)) wentOn++;
      if (end.signal === 'SIGKILL') {
        kills++;
      } else {
        assert.equal(end.code, 0, end.stderr);
        await lose(ring);
      }
    }
    assert.ok(wentOn > 0, 'a run went on where the one before was');
    await rebuilt(ring);
    await load.stop();
    await assertExact(ring, load.expected);
  });

  it('Redis restarted in the middle: it goes on', async () => {
    await snapshot(ring);
    const load = new Load(ring, 'r', 100);
    const run = rebuild(ring);
    await until('some progress', async () => /^\S+ 1 [1-9]/.test(await ring.redisCommand('HGET', 'p8:epoch', 'rebuild').catch(() => '') || '')
      || run.child.exitCode !== null);
    await ring.redis.kill();
    await ring.redis.start();
    const end = await run.ended;
    assert.equal(end.code, 0, end.stderr);
    await load.stop();
    await assertExact(ring, new Map([...imported, ...load.expected]));
  });
});

withRing('without a snapshot', { value: 1, env: { value: { ...value, SNAPSHOT_INTERVAL: '0' } } }, (ring, it) => {
  it('the whole stream is used where it is all there', async () => {
    const load = new Load(ring, 'w', 50);
    await load.reach(1000 / SLOW);
    await ring.redisCommand('FLUSHALL');
    const result = await rebuilt(ring);
    assert.match(result.stderr, /no verified snapshot/);
    await load.stop();
    await assertExact(ring, load.expected);
  });

  it('where its beginning is gone it says what is missing, and changes nothing', async () => {
    // Without how far the stream was acknowledged, which the service that runs notes from time to time.
    const known = () => ring.redisCommand('HMGET', 'p8:epoch', 'epoch', 'state', 'quiet', 'replayed', 'rebuild', 'who');
    const before = await known();
    await ring.manager.streams.purge('POLLEN8_EVENTS', { seq: 100 });
    const refused = await rebuild(ring).ended;
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /events 1 to 99 are no longer in the stream/);
    assert.match(refused.stderr, /--rebuild-accept-loss/);
    assert.deepEqual(await known(), before);
    await rebuilt(ring, '--rebuild-accept-loss');
    await applied(ring);
    const { messages } = (await ring.manager.streams.info('POLLEN8_EVENTS')).state;
    assert.ok(messages > 0);
  });

  it('used wrongly, or with servers away, it is one line', async () => {
    const wrong = await rebuild(ring, '--rebuild-nonsense').ended;
    assert.equal(wrong.code, 2);
    const bad = await rebuild(ring, '--rebuild', { REDIS_URL: 'nonsense' }).ended;
    assert.equal(bad.code, 2);
  });
});

withRing('events are purged', { value: 2, env: { value: { ...value, EVENTS_KEEP: '1s' } } }, (ring, it) => {
  it('only where two verified snapshots have them, and a rebuild is exact ever after', async () => {
    const load = new Load(ring, 'u', 200);
    await until('events are purged', async () => (await ring.manager.streams.info('POLLEN8_EVENTS')).state.first_seq > 200, 6 * 10000 * SLOW);
    const { state } = await ring.manager.streams.info('POLLEN8_SNAPSHOT');
    assert.ok(state.messages >= 2);
    await ring.redisCommand('FLUSHALL');
    await load.reach(load.sent + 200);
    await rebuilt(ring);
    await load.stop();
    await assertExact(ring, load.expected);
    assert.ok((await metric(ring, 'pollen8_value_events_purged_total')) >= 0);
  });

  it('a damaged snapshot is passed over: the one before it serves', async () => {
    await known(ring, 0);
    await snapshot(ring);
    await ring.connectionNew('late', ['x']);
    await applied(ring);
    await snapshot(ring);
    for (const part of ring.values) await part.stop();
    // The newest one's last chunk is lost.
    const { state } = await ring.manager.streams.info('POLLEN8_SNAPSHOT');
    let damaged;
    for (let seq = state.last_seq; seq >= state.first_seq && !damaged; seq--) {
      const message = await ring.manager.streams.getMessage('POLLEN8_SNAPSHOT', { seq }).catch(() => null);
      if (message && /chunk/.test(message.subject)) damaged = seq;
    }
    await ring.manager.streams.deleteMessage('POLLEN8_SNAPSHOT', damaged);
    const before = await counts(ring, [...Array(200).keys()].map((i) => `u${i}`).concat('late'));
    await ring.redisCommand('FLUSHALL');
    const result = await rebuilt(ring);
    assert.match(result.stderr, /is damaged; the one before it is tried/);
    assert.deepEqual(await counts(ring, [...before.keys()]), before);
    for (const part of ring.values) await part.start();
  });
});

withRing('value-svc killed between take and acknowledgement', { value: 2, env: { value: { ...value, ACK_WAIT: '1s', DEDUPE_WINDOW: '10m', WORKERS: '2', BATCH: '16' } } }, (ring, it) => {
  it('every event counts once, its duplicates too', async () => {
    const load = new Load(ring, 'k', 20, 6);
    for (let i = 0; i < 12; i++) {
      const victim = ring.values[i % 2];
      await load.reach(load.sent + 40 + i * 7);
      await victim.kill();
      await load.reach(load.sent + 10);
      await victim.start();
    }
    await load.stop();
    await assertExact(ring, load.expected);
    assert.deepEqual(await ring.deadLetters(), []);
  });
});
