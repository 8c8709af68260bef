// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What is counted stays exact whoever is wrong: a clock, a Redis that was left behind or is another one, a broker
// that lost its tail.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { withRing, until, get, bin, freePort, Part } = require('./helpers/ring');

const value = { ACK_WAIT: '2s', REDIS_TIMEOUT: '1s', SNAPSHOT_INTERVAL: '0' };
const key = (user) => `p8:{u.${Buffer.from(user).toString('base64url')}}:net`;

const send = (ring, user, count, more = {}) => Promise.all(Array.from({ length: count },
  () => ring.connectionNew(user, ['technology'], more)));

const sum = async (ring, user) => Number(await ring.redisCommand('HGET', key(user), 'connections'));

async function assertSum(ring, user, expected) {
  await ring.applied();
  assert.equal(await sum(ring, user), expected);
}

const metric = async (ring, part, name) => (await ring.metrics(part)).value(name);

/** A redis-server beside the ring's. */
async function redisServer(ring, name, args = []) {
  const port = await freePort();
  const dir = path.join(ring.folder, name);
  fs.mkdirSync(dir);
  const part = ring.add(new Part({
    name, command: 'redis-server', port,
    args: ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', ...args],
    ready: async () => true,
  }));
  return part;
}

/** Redis as it was at this moment, whatever it is told afterwards. */
async function lookAway(ring, body) {
  const dir = path.join(ring.folder, 'redis');
  const kept = path.join(ring.folder, 'kept');
  await until('the position is noted', async () => Number(await ring.redisCommand('HGET', 'p8:epoch', 'at'))
    === (await ring.manager.streams.info('POLLEN8_EVENTS')).state.last_seq);
  fs.rmSync(kept, { recursive: true, force: true });
  fs.cpSync(dir, kept, { recursive: true });
  await body();
  await ring.redis.kill();
  fs.rmSync(dir, { recursive: true });
  fs.renameSync(kept, dir);
  await ring.redis.start();
}

for (const [what, offset] of [['behind', -1500], ['ahead', 90000]]) {
  const preload = {
    ...value, CLOCK_OFFSET_MS: `${offset}`, LD_PRELOAD: path.join(bin, '../lib/libpollen8_clock_offset.so'),
    ASAN_OPTIONS: `${process.env.ASAN_OPTIONS || ''}:verify_asan_link_order=0`,
  };
  withRing(`value-svc's clock is ${what} the broker's`, { gateways: 0, auth: 0, env: { value: preload } }, (ring, it) => {
    it('what Redis forgot is counted again to the last event, and an ordinary restart counts nothing twice', async () => {
      await send(ring, 'ada', 500);
      await assertSum(ring, 'ada', 500);
      await lookAway(ring, async () => {
        await send(ring, 'ada', 3000);
        await assertSum(ring, 'ada', 3500);
      });
      await ring.value.waitReady();
      await until('all is counted again', async () => await sum(ring, 'ada') >= 3500);
      await assertSum(ring, 'ada', 3500);
      await ring.redis.restart();
      await send(ring, 'ada', 1);
      await assertSum(ring, 'ada', 3501);
    });
  });
}

withRing('an old primary lives on', { gateways: 0, auth: 0, value: 2, redis: false, env: {
  value: () => ({ ...value, LOG_LEVEL: 'info' }),
}, prepareOnly: true }, (ring, it) => {
  let servers;
  let sentinels;
  const master = async () => Number((await ring.command(sentinels[0].port, 'SENTINEL', 'get-master-addr-by-name', 'main'))[1]);

  it('starts with three sentinels', async () => {
    const [one, two] = [await redisServer(ring, 'redis-one', ['--appendonly', 'yes']), await redisServer(ring, 'redis-two', ['--appendonly', 'yes'])];
    two.args.push('--replicaof', '127.0.0.1', `${one.port}`);
    servers = [one, two];
    await one.start();
    await two.start();
    sentinels = [];
    for (let i = 0; i < 3; i++) {
      const port = await freePort();
      const file = path.join(ring.folder, `sentinel-${i}.conf`);
      fs.writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${ring.folder}`, `sentinel monitor main 127.0.0.1 ${one.port} 2`,
        'sentinel down-after-milliseconds main 1000', 'sentinel failover-timeout main 4000', ''].join('\n'));
      sentinels.push(ring.add(new Part({ name: `sentinel-${i}`, command: 'redis-server', args: [file, '--sentinel'], port, ready: async () => true })));
      await sentinels[i].start();
    }
    await until('the sentinels know each other and the replica', async () => (await Promise.all(sentinels.map(async ({ port }) => {
      const state = await ring.command(port, 'SENTINEL', 'MASTER', 'main');
      const of = (name) => Number(state[state.indexOf(name) + 1]);
      return of('num-other-sentinels') === 2 && of('num-slaves') === 1;
    }))).every(Boolean));
    await until('the replica has it all', async () => /master_link_status:up/.test(await ring.command(two.port, 'INFO', 'replication')));
    await ring.nats.start();
    ring.redisUrl = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main`;
    for (const part of ring.values) {
      part.env.REDIS_URL = ring.redisUrl;
      part.env.REDIS_WAIT_REPLICAS = '0';
      await part.start();
      await part.waitLog(/REDIS_WAIT_REPLICAS=0/); // one warning
    }
    await ring.connectNats();
  });

  const total = async () => Number(await ring.command(await master(), 'HGET', key('ada'), 'connections'));

  async function exact(expected) {
    await until(`${expected} are counted`, async () => { await ring.applied(); return await total() === expected; });
    await ring.applied();
    assert.equal(await total(), expected);
  }

  it('a stall longer than the sentinels wait loses nothing that was acknowledged', async () => {
    await send(ring, 'ada', 500);
    await exact(500);
    const before = await master();
    const stalled = servers.find(({ port }) => port === before);
    stalled.freeze();
    const sent = send(ring, 'ada', 500);
    await until('another is the primary', async () => await master() !== before);
    stalled.thaw();
    await sent;
    await send(ring, 'ada', 500);
    await exact(1500);
  });

  it('a planned failover while one value-svc restarts', async () => {
    const before = await master();
    const publishing = (async () => { for (let i = 0; i < 30; i++) await send(ring, 'ada', 50); })();
    await until('the failover is taken up', () => ring.command(sentinels[0].port, 'SENTINEL', 'FAILOVER', 'main').catch(() => null));
    await ring.values[0].kill();
    await ring.values[0].start();
    await until('another is the primary', async () => await master() !== before);
    await publishing;
    await exact(3000);
    assert.equal(await metric(ring, ring.values[1], 'pollen8_value_rebuild_needed'), 0);
  });

  it('ends', async () => {
    await Promise.all(ring.values.map((part) => part.stop()));
    await Promise.all([...sentinels, ...servers].map((part) => part.stop('SIGKILL')));
  });
});

withRing('value-svc with another Redis', { gateways: 0, auth: 0, value: 2, env: { value: (i) => ({ ...value, LOG_LEVEL: 'info' }) } }, (ring, it) => {
  it('takes nothing, is not ready and says why: empty, or with counts of its own', async () => {
    await send(ring, 'ada', 100);
    await assertSum(ring, 'ada', 100);
    const other = await redisServer(ring, 'redis-other');
    await other.start();
    const [first, second] = ring.values;
    await second.stop();
    second.env.REDIS_URL = `redis://127.0.0.1:${other.port}`;
    await second.start({ wait: false });
    await second.waitLog(/not ready.*is empty, and the stream was counted in another one/);
    await send(ring, 'ada', 1000);
    await assertSum(ring, 'ada', 1100);
    assert.equal((await get(second.opsPort, '/readyz')).status, 503);
    await ring.command(other.port, 'HSET', 'p8:epoch', 'epoch', '1', 'identity', 'of-another-ring', 'run_id', 'x');
    await second.waitLog(/not ready.*the stream is counted in another Redis/);
    await send(ring, 'ada', 1000);
    await assertSum(ring, 'ada', 2100);
    assert.equal(await ring.command(other.port, 'HGET', key('ada'), 'connections'), null);
    assert.equal((await get(first.opsPort, '/readyz')).status, 200);
    assert.equal((await get(second.opsPort, '/readyz')).status, 503);
    await second.stop();
    await other.stop();
  });
});

withRing('Redis of a ring whose stream begins later', { gateways: 0, auth: 0, env: { value: {
  ...value, SNAPSHOT_INTERVAL: '1s', EVENTS_KEEP: '1s', DEDUPE_WINDOW: '1s',
} } }, (ring, it) => {
  it('emptied, is no lost tail of the broker: the rebuild has its snapshot', async () => {
    await until('events are purged', async () => {
      await send(ring, 'ada', 20);
      return (await ring.manager.streams.info('POLLEN8_EVENTS')).state.first_seq > 100;
    });
    await ring.applied();
    const before = await sum(ring, 'ada');
    await ring.redisCommand('FLUSHALL');
    await until('a rebuild is needed', async () => await metric(ring, ring.value, 'pollen8_value_rebuild_needed') === 1);
    const { stdout } = await promisify(execFile)(path.join(bin, 'value-svc'), ['--rebuild'], { env: { ...ring.value.env, LOG_LEVEL: 'error' } });
    assert.match(stdout, /^1 users from the snapshot/);
    await assertSum(ring, 'ada', before);
    assert.equal(await metric(ring, ring.value, 'pollen8_value_stream_tail_losses_total'), 0);
  });

  it('has its streams again that somebody deleted', async () => {
    for (const name of ['POLLEN8_EPOCH', 'POLLEN8_SNAPSHOT']) {
      await ring.manager.streams.delete(name);
      await until(`${name} is there again`, () => ring.manager.streams.info(name).then(() => true, () => false));
    }
    await ring.redis.restart();
    await ring.value.waitReady();
    const before = await sum(ring, 'ada');
    await send(ring, 'ada', 5);
    await assertSum(ring, 'ada', before + 5);
  });
});

withRing('a copy of Redis beside the right one', { gateways: 0, auth: 0, value: 2, env: { value: () => ({ ...value, LOG_LEVEL: 'info' }) } }, (ring, it) => {
  it('takes nothing while somebody counts in that; and the right one is used again after it was wrong', async () => {
    const [first, second] = ring.values;
    await second.stop();
    await send(ring, 'ada', 60);
    await assertSum(ring, 'ada', 60);
    const copy = await redisServer(ring, 'redis-copy', ['--appendonly', 'yes']);
    fs.cpSync(path.join(ring.folder, 'redis'), path.join(ring.folder, 'redis-copy'), { recursive: true });
    await copy.start();
    second.env.REDIS_URL = `redis://127.0.0.1:${copy.port}`;
    await second.start({ wait: false });
    await second.waitLog(/not ready.*is a copy, or an older state/);
    await send(ring, 'ada', 40);
    await assertSum(ring, 'ada', 100);
    assert.equal((await get(first.opsPort, '/readyz')).status, 200);
    await first.stop(); // nobody counts in the right one: the copy is used, and is exact
    await second.waitReady();
    await until('all is counted in the copy', async () => await ring.command(copy.port, 'HGET', key('ada'), 'connections') === '100');
    await first.start({ wait: false });
    await first.waitLog(/not ready.*is a copy, or an older state/, first.mark() > 0 ? first.output.lastIndexOf('started') : 0);
    await second.stop();
    await first.waitReady();
    await send(ring, 'ada', 5);
    await assertSum(ring, 'ada', 105);
    await copy.stop();
  });
});

withRing('a broker that lost its tail', { gateways: 0, auth: 0, env: { value } }, (ring, it) => {
  const store = () => path.join(ring.folder, 'nats');
  const kept = () => path.join(ring.folder, 'nats-kept');

  async function startBroker() {
    await ring.broker.close();
    await ring.nats.start();
    await ring.connectNats();
  }

  /** The broker's folder as it was before `body`. */
  async function turnBack(body) {
    await ring.applied();
    await ring.nats.stop();
    fs.rmSync(kept(), { recursive: true, force: true });
    fs.cpSync(store(), kept(), { recursive: true });
    await startBroker();
    await body();
    await ring.applied();
    await ring.nats.stop();
    fs.rmSync(store(), { recursive: true });
    fs.renameSync(kept(), store());
  }

  it('is noticed and told, and what comes afterwards is counted and delivered', async () => {
    await send(ring, 'tail', 50);
    await turnBack(() => send(ring, 'tail', 200));
    await startBroker();
    await until('noticed', async () => await metric(ring, ring.value, 'pollen8_value_stream_tail_losses_total') === 1);
    await ring.value.waitLog(/the broker lost the end of the stream/);
    const industry = await ring.listen('pollen8.out.industry');
    const user = await ring.listen('pollen8.out.user.>');
    await send(ring, 'after', 30);
    await assertSum(ring, 'after', 30);
    await assertSum(ring, 'tail', 250); // what was lost there was counted already
    // Older ones may be delivered again.
    const ids = (list, name) => new Set(list.frames.filter(({ event, data }) => event === name && data.userId === 'after')
      .map(({ eventId }) => eventId)).size;
    await until('delivered', () => ids(industry, 'connection.new') === 30 && ids(user, 'network.update') >= 30);
    industry.stop();
    user.stop();
  });

  it('with more events than were lost before value-svc looks', async () => {
    await turnBack(async () => {
      await send(ring, 'tail', 40);
      await ring.applied();
      await until('the position is noted', async () => Number(await ring.redisCommand('HGET', 'p8:epoch', 'at'))
        === (await ring.manager.streams.info('POLLEN8_EVENTS')).state.last_seq);
      await ring.value.stop();
    });
    await startBroker();
    await send(ring, 'tail', 100);
    await ring.value.start();
    await until('noticed', async () => await metric(ring, ring.value, 'pollen8_value_stream_tail_losses_total') === 1);
    await assertSum(ring, 'tail', 390);
  });
});
