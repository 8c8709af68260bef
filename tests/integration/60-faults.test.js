// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Parts that are absent, die, freeze and come back. Clients stay connected where they can, are told UNAVAILABLE
// meanwhile, and afterwards every count is exact without anybody's help.

const assert = require('node:assert/strict');
const net = require('node:net');
const { USERS, withRing, until, get } = require('./helpers/ring');

const users = [...USERS, { _id: 'counted', industries: ['counting'] }];
const quick = { gateway: { REQUEST_TIMEOUT: '2s', AUTH_TIMEOUT: '2s' }, value: { SUBMIT_TIMEOUT: '1s', REDIS_TIMEOUT: '1s', ACK_WAIT: '2s' } };

const ready = async (part) => (await get(part.opsPort, '/readyz')).status === 200;
const notReady = (part) => until(`${part.name} not ready`, async () => (await get(part.opsPort, '/readyz')).status === 503);

/** The ack's outcome as one word. */
const word = (reply) => (reply.ok ? 'ok' : reply.error.code);

withRing('any order of start', { users, prepareOnly: true, env: quick }, (ring, it) => {
  it('services wait for what they need, say so, and become ready by themselves', async () => {
    const services = [ring.gateway, ring.value, ring.auth];
    for (const part of services) await part.start({ wait: false });
    // Nothing is there: alive, not ready, and the readiness page says what is missing.
    for (const part of services) {
      await until(`${part.name} alive`, async () => (await get(part.opsPort, '/healthz')).status === 200);
      const page = await get(part.opsPort, '/readyz');
      assert.equal(page.status, 503, part.name);
      assert.match(page.text, /nats/i, part.name);
    }
    await ring.nats.start();
    await ring.gateway.waitReady();
    await ring.auth.waitReady();
    const page = await get(ring.value.opsPort, '/readyz');
    assert.equal(page.status, 503, 'value-svc has no Redis yet');
    assert.match(page.text, /redis/i);
    await ring.redis.start();
    await ring.value.waitReady();
    await ring.connectNats();
    const ada = await ring.sio('ada');
    await ring.connectionNew('ada', ['technology']);
    await ada.wait('network.update', (list) => list.some((data) => data.newValue === 3.14));
  });

  it('with value-svc away a session opens all the same, and its value follows', async () => {
    await ring.value.stop();
    const ada = ring.openSio('ada');
    await until('connected', () => ada.socket.connected);
    const ws = ring.openWs('ada');
    await ws.opened;
    assert.equal(word(await ws.request('value.get')), 'UNAVAILABLE');
    assert.equal(word(await ada.request('value.get')), 'UNAVAILABLE');
    await ring.publish('connection.new', { userId: 'ada', industries: ['technology'] });
    assert.deepEqual(ada.events, []);
    await ring.value.start();
    await ada.wait('network.update', (list) => list.some((data) => data.newValue === 6.28));
    await ws.wait('network.update', (list) => list.some((data) => data.newValue === 6.28));
    await ring.settle(ada, ws);
    assert.equal(ada.all('connection.new').length, 1);
  });
});

withRing('Redis lost while running', { users, env: quick }, (ring, it) => {
  it('clients stay, acks say UNAVAILABLE, events wait in the stream, counts are exact afterwards', async () => {
    const counted = [await ring.sio('counted'), await ring.ws('counted')];
    const backend = await ring.ws(undefined, { token: ring.service() });
    for (let i = 0; i < 10; i++) await ring.connectionNew('counted', ['counting']);
    await ring.applied();
    await ring.redis.kill();
    await until('UNAVAILABLE', async () => word(await counted[0].request('value.get')) === 'UNAVAILABLE');
    await notReady(ring.value);
    assert.match((await get(ring.value.opsPort, '/readyz')).text, /redis/i);
    assert.equal((await get(ring.value.opsPort, '/healthz')).status, 200);
    for (let i = 0; i < 20; i++) await ring.connectionNew('counted', ['counting']);
    // What is submitted is stored by the stream, or honestly refused; ok counts.
    const reply = await backend.request('connection.new', { userId: 'counted', industries: ['counting'], eventId: 'once' });
    assert.ok(['ok', 'UNAVAILABLE'].includes(word(reply)), JSON.stringify(reply));
    assert.ok(await ready(ring.gateway), 'the gateway does not depend on Redis');
    await ring.redis.start();
    await ring.value.waitReady();
    // The unsure one is sent again with the same eventId: counted once.
    assert.equal(word(await until('ok', async () => {
      const again = await backend.request('connection.new', { userId: 'counted', industries: ['counting'], eventId: 'once' });
      return again.ok && again;
    })), 'ok');
    await ring.settle(...counted);
    for (const client of counted) {
      assert.equal(client.values().at(-1), 97.34, client.label); // 31 × 3.14
      assert.equal(client.connected, true);
      assert.equal(client.all('connection.new').length, 31, `${client.label}: each once, however often it was handed out`);
    }
    assert.equal(counted[0].connects, 1, 'never disconnected');
    assert.deepEqual((await counted[0].request('value.get')).data, { userId: 'counted', newValue: 97.34, connections: 31 });
  });

  it('Redis frozen is like Redis gone', async () => {
    const client = await ring.ws('counted');
    const before = (await client.request('value.get')).data.connections;
    ring.redis.freeze();
    try {
      await until('UNAVAILABLE', async () => word(await client.request('value.get')) === 'UNAVAILABLE');
      for (let i = 0; i < 5; i++) await ring.connectionNew('counted', ['counting']);
    } finally {
      ring.redis.thaw();
    }
    await ring.value.waitReady();
    await ring.settle(client);
    assert.equal((await client.request('value.get')).data.connections, before + 5);
  });

  it('a Redis that comes back empty is filled again from the stream', async () => {
    const client = await ring.ws('counted');
    const before = (await client.request('value.get')).data.connections;
    await ring.redisCommand('FLUSHALL');
    await ring.redis.restart();
    await ring.value.waitReady();
    await ring.connectionNew('counted', ['counting']);
    await ring.settle(client);
    await until('the count from before and one', async () => {
      const reply = await client.request('value.get');
      return reply.ok && reply.data.connections === before + 1;
    });
    await ring.settle(client);
    assert.equal((await client.request('value.get')).data.connections, before + 1);
    assert.equal(client.values().at(-1), Math.round((before + 1) * 314) / 100, 'and the client was told');
  });
});

for (const reader of ['loop', 'library']) withRing(`NATS lost while running, frames read by the ${reader}`, {
  users, env: { ...quick, gateway: { ...quick.gateway, BROKER_READER: reader } },
}, (ring, it) => {
  it('clients stay, acks say UNAVAILABLE, all comes back by itself, counts exact', async () => {
    const counted = [await ring.sio('counted'), await ring.ws('counted')];
    for (let i = 0; i < 10; i++) await ring.connectionNew('counted', ['counting']);
    await ring.settle(...counted);
    await ring.nats.kill();
    await notReady(ring.gateway);
    await notReady(ring.value);
    await notReady(ring.auth);
    for (const client of counted) assert.equal(word(await client.request('value.get')), 'UNAVAILABLE');
    const outside = ring.openSio('ada');
    const end = await ring.openWs('ada').disconnected();
    assert.equal(end.code, 1012);
    await ring.nats.start();
    for (const part of [ring.gateway, ring.value, ring.auth]) await part.waitReady();
    await outside.ready();
    assert.equal(outside.errors.filter((error) => error.data).length, 0);
    await until('the test’s own connection', () => ring.broker.flush().then(() => true));
    for (let i = 0; i < 10; i++) await ring.connectionNew('counted', ['counting']);
    await ring.settle(...counted);
    for (const client of counted) {
      assert.equal(client.connected, true);
      assert.equal(client.values().at(-1), 62.8, client.label);
      assert.equal(client.all('connection.new').length, 20, client.label);
      assert.deepEqual((await client.request('value.get')).data.connections, 20);
    }
    assert.equal(counted[0].connects, 1);
  });

  it('what happened while only the gateway was cut off is made good by the snapshot', async () => {
    const client = await ring.ws('counted');
    const before = (await client.request('value.get')).data.connections;
    // Frozen, the gateway misses everything; NATS drops it as a slow consumer or keeps it, both are fine.
    ring.gateway.freeze();
    for (let i = 0; i < 50; i++) await ring.connectionNew('counted', ['counting']);
    await ring.applied();
    ring.gateway.thaw();
    await client.wait('network.update', (list) => list.at(-1).newValue === Math.round((before + 50) * 314) / 100);
  });
});

// One user's events in a few seconds, and those that come again: more than HISTORY_LENGTH tells by default.
withRing('value-svc killed in mid-stream', {
  users, value: 2, env: { gateway: { ...quick.gateway, SESSION_QUEUE_BYTES: '16MB' }, value: { ...quick.value, HISTORY_LENGTH: '10000' } },
}, (ring, it) => {
  it('a thousand events are counted exactly once, delivered once, and the rest is worked off by the other', async () => {
    const counted = [await ring.sio('counted'), await ring.ws('counted')];
    const kills = [];
    for (let round = 0; round < 4; round++) {
      const published = Promise.all(Array.from({ length: 250 }, () => ring.connectionNew('counted', ['counting'])));
      const victim = ring.values[round % 2];
      // In the middle of the work, wherever that is: some of the events have arrived, others have not.
      await counted[0].wait('connection.new', round * 250 + 20);
      await victim.kill();
      kills.push(victim.name);
      await published;
      await victim.start();
    }
    await ring.settle(...counted);
    const { data } = await counted[1].request('value.get');
    assert.equal(data.connections, 1000, `after kills of ${kills}`);
    for (const client of counted) {
      assert.equal(client.values().at(-1), 3140, client.label);
      assert.equal(client.all('connection.new').length, 1000, `${client.label}: repeats are dropped, none is missing`);
    }
    assert.deepEqual(await ring.deadLetters(), []);
  });
});

withRing('gateways stop', { users, gateways: 2, env: { gateway: { DRAIN_SECONDS: '1s' } } }, (ring, it) => {
  it('SIGTERM closes /ws with 1012 and Socket.IO by its transport, exits 0; clients go to the other', async () => {
    const ws = await ring.ws('ada', { gateway: 0 });
    const proto = await ring.protobuf('ada', { gateway: 0 });
    const sio = await ring.sio('ada', { gateway: 0 });
    const other = await ring.sio('bo', { gateway: 1 });
    const exit = await ring.gateways[0].stop();
    assert.deepEqual(exit, { code: 0, signal: null });
    for (const client of [ws, proto]) {
      const end = await client.disconnected();
      assert.equal(end.code, 1012);
    }
    assert.equal((await sio.disconnected()).reason, 'transport close');
    assert.equal(sio.errors.filter((error) => error.data).length, 0);
    await ring.connectionNew('x', ['technology']);
    await other.wait('connection.new');
    // The stock client kept trying; its gateway is back.
    await ring.gateways[0].start();
    await sio.reconnected(2);
    await sio.wait('network.update', 2);
    assert.equal(other.connects, 1);
  });

  it('a draining gateway is not ready and takes nobody new', async () => {
    await Promise.all(Array.from({ length: 20 }, () => ring.ws('ada', { gateway: 0 })));
    const stopping = ring.gateways[0].stop();
    await until('not ready or gone', async () => {
      const page = await get(ring.gateways[0].opsPort, '/readyz').catch(() => ({ status: 503 }));
      return page.status === 503;
    });
    const late = ring.openWs('bo', { gateway: 0 });
    await assert.rejects(late.opened);
    assert.equal((await stopping).code, 0);
    await ring.gateways[0].start();
  });

  it('kill -9 of a gateway: its clients come back, the others never notice', async () => {
    const sio = await ring.sio('ada', { gateway: 0 });
    const other = await ring.ws('bo', { gateway: 1 });
    await ring.gateways[0].kill();
    await sio.disconnected();
    await ring.gateways[0].start();
    await sio.reconnected(2);
    await sio.wait('network.update', 2);
    sio.forget();
    await ring.connectionNew('x', ['technology']);
    await ring.settle(sio, other);
    assert.equal(sio.all('connection.new').length, 1);
    assert.equal(other.all('connection.new').length, 1);
  });
});

// What a history holds is more than the publisher below sends while a worker's last events wait for another.
withRing('services stop', { users, auth: 2, value: 2, env: { value: { ...quick.value, HISTORY_LENGTH: '50000' } } }, (ring, it) => {
  it('one auth-svc and one value-svc leave under load without anybody noticing', async () => {
    const client = await ring.sio('counted');
    let sent = 0;
    let stop = false;
    const load = (async () => {
      while (!stop) {
        await ring.connectionNew('counted', ['counting']);
        sent++;
      }
    })();
    const arrivals = (async () => {
      while (!stop) (await ring.ws('ada')).close();
    })();
    for (const part of [ring.auths[0], ring.values[0], ring.auths[1], ring.values[1]]) {
      const from = sent;
      await until('some load', () => sent > from + 20);
      assert.deepEqual(await part.stop(), { code: 0, signal: null });
      const after = sent;
      await until('some load', () => sent > after + 20);
      await part.start();
    }
    stop = true;
    await Promise.all([load, arrivals]);
    await ring.settle(client);
    assert.equal((await client.request('value.get')).data.connections, sent);
    assert.equal(client.all('connection.new').length, sent);
  });

  it('a second SIGTERM ends a service that will not', async () => {
    // Frozen stores make the drain wait; the second signal does not.
    ring.values[0].exitAllowed = true;
    ring.redis.freeze();
    try {
      for (let i = 0; i < 5; i++) await ring.connectionNew('counted', ['counting']);
      ring.values[0].expectingExit = true;
      ring.values[0].signal('SIGTERM');
      await until('the drain or the end', async () => !ring.values[0].running
        || (await get(ring.values[0].opsPort, '/readyz').catch(() => ({ status: 503 }))).status === 503);
      if (ring.values[0].running) ring.values[0].signal('SIGTERM');
      const exit = await ring.values[0].gone;
      assert.ok(exit.code === 0 || exit.code === 1, JSON.stringify(exit));
    } finally {
      ring.redis.thaw();
    }
    await ring.values[0].start();
  });
});

withRing('few descriptors', { users, prepareOnly: true, env: { gateway: { MAX_SESSIONS: '6000' } } }, (ring, it) => {
  // Of 9,000 descriptors the library of the gateway has places for 2,250, 128 of which are not for connections.
  const places = 2122;

  it('connections beyond those being opened wait until some have gone, and then come in; the open ones do not count', async () => {
    ring.gateway.args = ['-c', 'ulimit -n 9000 && exec "$0"', ring.gateway.command];
    ring.gateway.command = 'sh';
    for (const part of [ring.nats, ring.redis, ring.auth, ring.value, ring.gateway]) await part.start();
    const open = await Promise.all(Array.from({ length: 50 }, () => ring.ws('ada')));
    const accepted = async () => (await ring.metrics(ring.gateway)).value('pollen8_gateway_accepts_total', { result: 'accepted' });
    const silent = Array.from({ length: places + 100 }, () => net.connect(new URL(ring.url(0)).port, '127.0.0.1').on('error', () => {}));
    await until('all places to be taken', async () => await accepted() >= places);
    assert.equal(await accepted(), open.length + places);
    const late = ring.openWs('bo');
    assert.equal((await open[0].request('value.get')).ok, true, 'who is in notices nothing');
    assert.equal(await accepted(), open.length + places, 'the others wait');
    for (const socket of silent) socket.destroy();
    await late.ready();
    await Promise.all(Array.from({ length: 50 }, () => ring.ws('ada')));
  });
});
