// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Frames that do not arrive: a gateway sees it in the numbers, asks the histories, and gives them to its clients
// before anything newer. Where it cannot, the transport closes.

const assert = require('node:assert/strict');
const { after } = require('node:test');
const { proto, withRing, until } = require('./helpers/ring');
const { Platform, SETTLE_MS } = require('./helpers/lanes');
const { Proxy } = require('./helpers/proxy');

const numbers = (client) => client.events.filter((entry) => entry.event === 'test.number').map((entry) => entry.data.n);

/** The gateway knows the lane: from then on it sees what is missing. */
async function settled(ring, platform, lane, ...clients) {
  lane.industry('technology', 'test.start', {});
  for (const client of clients) await client.wait('test.start');
  await until('the gateway to have heard every lane', () => Date.now() - ring.startedAt > SETTLE_MS);
  for (const client of clients) client.forget();
}

function withPlatform(name, options, body) {
  withRing(name, { value: 0, redis: true, ...options }, (ring, it) => {
    body(ring, (title, test) => it(title, async () => {
      ring.startedAt = ring.startedAt || Date.now();
      const platform = await new Platform(ring).start();
      try {
        await test(platform);
      } finally {
        platform.stop();
      }
    }));
  });
}

withPlatform('gaps in a lane', {}, (ring, it) => {
  for (const kind of ['sio', 'ws', 'protobuf']) {
    it(`${kind}: what was lost comes from history, in order, before anything newer`, async (platform) => {
      const lane = platform.lane();
      const client = await ring[kind]('ada');
      await settled(ring, platform, lane, client);
      const before = await ring.metrics(ring.gateway);
      lane.industry('technology', 'test.number', { n: 1 });
      lane.industry('technology', 'test.number', { n: 2 }, { lost: true });
      lane.industry('finance', 'test.number', { n: 3 }, { lost: true });
      lane.industry('healthcare', 'test.number', { n: 0 }, { lost: true });
      lane.user('ada', 'test.number', { n: 4 }, { lost: true });
      lane.industry('technology', 'test.number', { n: 5 });
      lane.industry('technology', 'test.number', { n: 6 });
      await client.wait('test.number', 6);
      assert.deepEqual(numbers(client), [1, 2, 3, 4, 5, 6]);
      const metrics = await ring.metrics(ring.gateway);
      const repaired = (page) => page.value('pollen8_gateway_gap_repairs_total', { result: 'repaired' }) || 0;
      assert.equal(repaired(metrics) - repaired(before), 1);
      assert.ok(client.connected);
    });
  }

  it('a mark shows that the last one was lost', async (platform) => {
    const lane = platform.lane();
    const ada = await ring.sio('ada');
    await settled(ring, platform, lane, ada);
    lane.industry('technology', 'test.number', { n: 1 });
    lane.industry('technology', 'test.number', { n: 2 }, { lost: true });
    await ada.wait('test.number', 2);
    assert.deepEqual(numbers(ada), [1, 2]);
  });

  it('a lane of which nothing was heard has begun with what was lost', async (platform) => {
    const known = platform.lane();
    const ada = await ring.sio('ada');
    await settled(ring, platform, known, ada);
    const lane = platform.lane();
    lane.industry('technology', 'test.number', { n: 1 }, { lost: true });
    lane.industry('technology', 'test.number', { n: 2 });
    await ada.wait('test.number', 2);
    assert.deepEqual(numbers(ada), [1, 2]);
  });

  it("a user's frame that was lost comes a moment later, one that was overtaken is not asked for", async (platform) => {
    const lane = platform.lane();
    const ada = await ring.sio('ada');
    await settled(ring, platform, lane, ada);
    lane.user('ada', 'test.number', { n: 1 });
    const overtaken = lane.user('ada', 'test.number', { n: 2 }, { late: true });
    lane.user('ada', 'test.number', { n: 3 });
    overtaken();
    await ada.wait('test.number', 3);
    assert.deepEqual(numbers(ada), [1, 3, 2]);
    assert.equal(platform.reads.length, 0);
    lane.user('ada', 'test.number', { n: 4 }, { lost: true });
    lane.user('ada', 'test.number', { n: 5 });
    await ada.wait('test.number', 5);
    assert.deepEqual(numbers(ada), [1, 3, 2, 5, 4]);
    assert.deepEqual(platform.reads.map((read) => [read.industries, read.userIds]), [[[], ['ada']]]);
    assert.deepEqual(platform.reads[0].userUntil, [lane.users.get('ada')], 'not what came meanwhile');
  });

  it('only those whose history cannot tell are closed, and come back', async (platform) => {
    const lane = platform.lane();
    const [ada, cy, ws] = [await ring.sio('ada'), await ring.sio('cy'), await ring.ws('bo')];
    await settled(ring, platform, lane, ada, ws);
    platform.answer = ({ industries }) => (industries.includes('technology') ? { frames: [], complete: false, reason: 'length' } : {});
    lane.industry('healthcare', 'test.number', { n: 1 }, { lost: true });
    lane.industry('technology', 'test.number', { n: 2 }, { lost: true });
    lane.industry('healthcare', 'test.number', { n: 3 });
    await cy.wait('test.number', 2);
    assert.deepEqual(numbers(cy), [1, 3]);
    assert.deepEqual(await ws.disconnected(), { code: 1012, reason: 'frames were missed' });
    await ada.reconnected();
    assert.equal(cy.connects, 1);
    const metrics = await ring.metrics(ring.gateway);
    assert.equal(metrics.value('pollen8_gateway_closes_total', { reason: 'gap' }), 2);
  });

  it('a history that does not answer is asked again', async (platform) => {
    const lane = platform.lane();
    const ada = await ring.sio('ada');
    await settled(ring, platform, lane, ada);
    platform.subscriptions[1].unsubscribe();
    lane.industry('technology', 'test.number', { n: 1 }, { lost: true });
    lane.industry('technology', 'test.number', { n: 2 });
    await until('an unanswered question', async () =>
      (await ring.metrics(ring.gateway)).value('pollen8_gateway_history_reads_total', { result: 'failed' }) >= 1);
    assert.deepEqual(numbers(ada), [], 'nothing newer goes out');
    platform.subscriptions[1] = platform.serve('pollen8.history.read', 'HistoryRead', 'HistoryReply', (question) => platform.read(question));
    await ada.wait('test.number', 2);
    assert.deepEqual(numbers(ada), [1, 2]);
    assert.equal(ada.connects, 1);
  });
});

withPlatform('slow clients', {
  env: { gateway: { SESSION_QUEUE_BYTES: '64KB', SOCKET_SEND_BUFFER: '16KB', WRITE_TIMEOUT: '10s' } },
}, (ring, it) => {
  const raw = { sio: (client) => client.socket.io.engine.transport.ws, ws: (client) => client.socket };
  const filler = 'x'.repeat(1000);

  /** Far more than its queue and the sockets' buffers hold, while it does not read. */
  async function flood(lane, client, lively, count) {
    raw[client.closes ? 'sio' : 'ws'](client).pause();
    for (let n = 1; n <= count; n += 50) {
      for (let i = n; i < n + 50; i++) lane.industry('technology', 'test.number', { n: i, filler });
      await lively.wait('test.number', n + 49);
    }
  }

  for (const kind of ['sio', 'ws']) {
    it(`${kind}: one that reads again gets the rest from history, in order, once`, async (platform) => {
      const lane = platform.lane();
      const [slow, lively] = [await ring[kind]('ada'), await ring.ws('bo')];
      await settled(ring, platform, lane, slow, lively);
      await flood(lane, slow, lively, 1200);
      raw[kind](slow).resume();
      await slow.wait('test.number', 1200);
      lane.industry('technology', 'test.number', { n: 1201 });
      await slow.wait('test.number', 1201);
      const all = Array.from({ length: 1201 }, (_, i) => i + 1);
      assert.deepEqual(numbers(slow), all);
      assert.ok(platform.reads.length >= 1);
      assert.ok(slow.connected);
      const metrics = await ring.metrics(ring.gateway);
      assert.ok(metrics.value('pollen8_gateway_recoveries_total', { result: 'slow_repaired' }) >= 1);
    });
  }

  it('one whose rest is not in the history is closed with 4008', async (platform) => {
    const lane = platform.lane();
    const [slow, lively] = [await ring.ws('ada'), await ring.ws('bo')];
    await settled(ring, platform, lane, slow, lively);
    platform.answer = () => ({ frames: [], complete: false, reason: 'age' });
    await flood(lane, slow, lively, 600);
    raw.ws(slow).resume();
    assert.equal((await slow.disconnected()).code, 4008);
    const seen = numbers(slow);
    assert.deepEqual(seen, Array.from({ length: seen.length }, (_, i) => i + 1), 'without a hole');
  });
});

for (const reader of ['library', 'loop']) {
  withPlatform(`more than INBOUND_QUEUE holds, read by the ${reader}`, {
    env: { gateway: { INBOUND_QUEUE: '64', BROKER_READER: reader } },
  }, (ring, it) => {
    it(reader === 'library' ? 'what had to be dropped is counted and comes from history' : 'waits at the broker', async (platform) => {
      const lane = platform.lane();
      const [ada, ws] = [await ring.sio('ada'), await ring.ws('bo')];
      await settled(ring, platform, lane, ada, ws);
      const dropped = async () => {
        const metrics = await ring.metrics(ring.gateway);
        return (metrics.value('pollen8_gateway_broker_frames_total', { result: 'dropped' }) || 0)
          + (metrics.value('pollen8_gateway_nats_dropped') || 0);
      };
      let last = 0;
      do {
        for (let i = 0; i < 400; i++) lane.industry('technology', 'test.number', { n: ++last });
        await Promise.all([ada, ws].map((client) => client.wait('test.number', last)));
      } while (reader === 'library' && !await dropped() && last < 20000);
      assert.equal(await dropped() > 0, reader === 'library');
      const all = Array.from({ length: last }, (_, i) => i + 1);
      for (const client of [ada, ws]) assert.deepEqual(numbers(client), all);
      assert.equal(ada.connects, 1);
    });
  });
}

const proxies = [];

/** A ring whose gateway is behind a proxy: `pause()` is a broker that was away for it, and what came of that. */
function withProxy(name, options, body) {
  withRing(name, {
    ...options,
    env: {
      ...options.env,
      gateway: (index, ring) => {
        proxies[index] = new Proxy('127.0.0.1', ring.nats.port);
        return { NATS_URL: 'nats://127.0.0.1:1' }; // set before the start, when the proxy has its port
      },
    },
    prepareOnly: true,
  }, (ring, it) => {
    const repairs = async () => {
      const metrics = await ring.metrics(ring.gateway);
      return ['repaired', 'lost'].map((result) => metrics.value('pollen8_gateway_gap_repairs_total', { result }) || 0);
    };
    ring.begin = async () => {
      await proxies[0].start();
      ring.gateway.env.NATS_URL = `nats://127.0.0.1:${proxies[0].port}`;
      await Promise.all([ring.nats, ring.redis].map((part) => part && part.start()));
      await Promise.all([...ring.auths, ...ring.values, ring.gateway].map((part) => part.start()));
      await ring.connectNats();
      ring.startedAt = Date.now();
    };
    ring.pause = async () => {
      const before = await repairs();
      await proxies[0].down();
      await proxies[0].up();
      await until('the gateway to have asked what it missed', async () => String(await repairs()) !== String(before));
      return (await repairs())[1] - before[1] ? 'lost' : 'repaired';
    };
    body(ring, it);
    after(() => proxies[0].server && proxies[0].down());
  });
}

/** Marks of value-svc's lanes as they come: { lane, epoch }. */
async function listenToMarks(ring) {
  const type = proto.lookupType('OutboundFrame');
  const marks = [];
  const subscription = ring.broker.subscribe('pollen8.out.lane', {
    callback: (error, message) => {
      if (error) return;
      const { lane, historyEpoch } = type.toObject(type.decode(message.data), { longs: String });
      marks.push({ lane, epoch: historyEpoch });
    },
  });
  await ring.broker.flush();
  return { marks, stop: () => subscription.unsubscribe() };
}

withProxy('a gateway without its broker', { value: 0 }, (ring, it) => {
  it('gets what was published meanwhile, industries and users, once each', async () => {
    await ring.begin();
    const platform = await new Platform(ring).start();
    try {
      const lane = platform.lane();
      const other = platform.lane();
      const [ada, ws] = [await ring.sio('ada'), await ring.ws('bo')];
      await settled(ring, platform, lane, ada, ws);
      lane.industry('technology', 'test.number', { n: 1 });
      await ada.wait('test.number', 1);
      await proxies[0].down();
      for (let n = 2; n <= 50; n++) lane.industry('technology', 'test.number', { n });
      other.industry('finance', 'test.number', { n: 51 });
      lane.user('ada', 'test.number', { n: 52 });
      await ring.broker.flush();
      await proxies[0].up();
      await ada.wait('test.number', 52);
      await ws.wait('test.number', 50);
      lane.industry('technology', 'test.number', { n: 53 });
      await ada.wait('test.number', 53);
      await ws.wait('test.number', 51);
      const all = Array.from({ length: 53 }, (_, i) => i + 1);
      assert.deepEqual([...numbers(ada)].sort((a, b) => a - b), all);
      assert.deepEqual(numbers(ada).filter((n) => n <= 50 || n === 53), all.filter((n) => n <= 50 || n === 53));
      assert.deepEqual(numbers(ws), all.filter((n) => n <= 50 || n === 53));
      assert.equal(ada.connects, 1);
    } finally {
      platform.stop();
    }
  });
});

// Where nothing is missing nobody is told that something is: a gateway knows the epoch of the histories from marks, and
// before the first one from the answer to a session that opens.
withProxy('a gateway that has heard no event', { env: { value: { WORKERS: '2' } } }, (ring, it) => {
  const open = async () => [await ring.sio('ada'), await ring.ws('bo'), await ring.sio('cy')];
  const stays = (clients) => assert.deepEqual(clients.map((client) => [client.connected, client.connects || 1]),
    clients.map(() => [true, 1]));

  it('closes nobody as the broker pauses, in the first second too', async () => {
    await ring.begin();
    const clients = await open();
    assert.equal(await ring.pause(), 'repaired');
    stays(clients);
    await until('every lane to be heard', () => Date.now() - ring.startedAt > SETTLE_MS);
    assert.equal(await ring.pause(), 'repaired');
    stays(clients);
    await ring.connectionNew('n1', ['technology', 'healthcare']);
    for (const client of clients) await client.wait('connection.new');
    stays(clients);
  });

  it('nor after a quiet night, in which Redis was started again', async () => {
    const clients = await open();
    const { marks, stop } = await listenToMarks(ring);
    const epoch = () => ring.redisCommand('HGET', 'p8:epoch', 'epoch');
    const before = await epoch();
    await until('marks to tell the epoch', () => marks.some((mark) => mark.epoch === before));
    await ring.redis.kill();
    await ring.redis.start();
    await until('the epoch to rise', async () => await epoch() !== before);
    const now = await epoch();
    const lanes = new Set(marks.map((mark) => mark.lane));
    await until('every lane to tell the new one, twice', () =>
      [...lanes].every((lane) => marks.filter((mark) => mark.lane === lane && mark.epoch === now).length >= 2));
    stop();
    assert.equal(await ring.pause(), 'repaired');
    stays(clients);
  });
});

withRing('value-svc publishes to a single user alone', { gateways: 2, env: { value: { WORKERS: '1' } } }, (ring, it) => {
  it('its lane is heard all the same, by a gateway that starts meanwhile too', async () => {
    const users = await ring.listen('pollen8.out.user.YWRh');
    const { marks, stop } = await listenToMarks(ring);
    await ring.gateways[1].stop();
    let publishing = true;
    const stream = (async () => {
      while (publishing) {
        const { length } = users.frames;
        await ring.connectionNew('ada', []);
        await until('the frame', () => users.frames.length > length);
      }
    })();
    try {
      await until('a frame', () => users.frames.length > 0);
      const { lane } = users.frames.at(-1);
      const heard = () => marks.filter((mark) => mark.lane === Number(lane)).length;
      let seen = heard();
      for (let more = 0; more < 2; more++) {
        await until('a mark while frames go out', () => heard() > seen);
        seen = heard();
      }
      await ring.gateways[1].start();
      const startedAt = Date.now();
      const bo = await ring.sio('bo', { gateway: 1 });
      await until('every lane to be heard', () => Date.now() - startedAt > SETTLE_MS);
      await ring.connectionNew('n1', ['technology']);
      await bo.wait('connection.new');
      const metrics = await ring.metrics(ring.gateways[1]);
      assert.equal(metrics.value('pollen8_gateway_gaps_total') || 0, 0);
      assert.equal(bo.connects, 1);
    } finally {
      publishing = false;
      await stream;
      users.stop();
      stop();
    }
  });
});
