// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Socket.IO over HTTP long-polling, through a whole ring: the stock client as it comes (polling, then an
// upgrade) and with polling alone, and what only the gateway adds to Engine.IO: tokens, rates, TLS, drain.

const assert = require('node:assert/strict');
const { withRing, until } = require('./helpers/ring');
const { authority, tlsEnvironment } = require('./helpers/certificate');
const { Polling, SEPARATOR } = require('./helpers/engineio');

const asItComes = { options: { transports: undefined } };
const pollingAlone = { options: { transports: ['polling'] } };
const transport = (client) => client.socket.io.engine.transport.name;
const upgraded = (client) => until('the upgrade', () => transport(client) === 'websocket');

/** A session by hand, joined with a token. */
async function joined(ring, user, options) {
  const session = await new Polling(ring.url(), options).open();
  await session.post(`40${JSON.stringify({ token: ring.token(user) })}`);
  await session.pollFor(/^40/);
  await session.pollFor(/^42\["network.update"/);
  return session;
}

withRing('stock clients', {}, (ring, it) => {
  for (const [what, options, end] of [['as it comes', asItComes, 'websocket'], ['polling alone', pollingAlone, 'polling']]) {
    it(`${what}: events, acks and values arrive once and in order`, async () => {
      const ada = await ring.sio('ada', options);
      const { newValue } = (await ada.request('value.get')).data;
      for (let i = 0; i < 20; i++) await ring.connectionNew('ada', ['technology']);
      await ring.settle(ada);
      assert.equal(ada.all('connection.new').length, 20);
      const values = ada.values();
      assert.ok(values.every((value, i) => i === 0 || value > values[i - 1]), JSON.stringify(values));
      assert.equal(Math.round((values[values.length - 1] - newValue) * 100), 20 * 314);
      assert.equal(transport(ada), end);
    });

    it(`${what}: what arrives during the upgrade is neither lost nor doubled`, async () => {
      for (let round = 0; round < 5; round++) {
        const bo = ring.openSio('bo', options);
        await bo.ready();
        const before = bo.all('connection.new').length;
        await Promise.all(Array.from({ length: 30 }, (_, i) => ring.connectionNew(`r${round}-${i}`, ['technology'])));
        await ring.settle(bo);
        const users = bo.all('connection.new').slice(before).map((data) => data.userId);
        assert.deepEqual([...users].sort(), Array.from({ length: 30 }, (_, i) => `r${round}-${i}`).sort());
        bo.close();
      }
    });

    it(`${what}: refusals that are final come as connect_error`, async () => {
      const refused = await ring.openSio(undefined, { token: 'no-token', ...options }).refused();
      assert.equal(refused.code, 'AUTH_INVALID');
    });

    it(`${what}: the token may come with the handshake's headers`, async () => {
      const client = ring.openSio(undefined, { options: { ...options.options,
        extraHeaders: { Authorization: `Bearer ${ring.token('ada')}` } } });
      await client.ready();
    });

    it(`${what}: comes back when the gateway is killed`, async () => {
      const ada = await ring.sio('ada', options);
      if (end === 'websocket') await upgraded(ada);
      await ring.gateway.kill();
      await ada.disconnected();
      await ring.gateway.start();
      await ada.reconnected();
      ada.forget();
      await ring.connectionNew('new', ['technology']);
      await ada.wait('connection.new');
    });

    it(`${what}: a long message goes through in both directions`, async () => {
      const ada = await ring.sio('ada', options);
      if (end === 'websocket') await upgraded(ada);
      const answer = await ada.request('value.get', { padding: 'x'.repeat(200000) });
      assert.equal(answer.ok, false); // unknown member, but it arrived
      await ring.publish('connection.new', { userId: `u${'ü'.repeat(50)}`, industries: ['technology'] });
      await ada.wait('connection.new', (list) => list.some((data) => data.userId.length === 51));
    });
  }

  it('transports beside each other get the same', async () => {
    const clients = [await ring.sio('bo', pollingAlone), await ring.sio('bo', asItComes), await ring.sio('bo'),
      await ring.ws('bo'), await ring.protobuf('bo')];
    for (let i = 0; i < 10; i++) await ring.connectionNew(`n${i}`, ['technology']);
    await ring.settle(...clients);
    for (const client of clients) {
      assert.deepEqual(client.all('connection.new').map((data) => data.userId).sort(),
        Array.from({ length: 10 }, (_, i) => `n${i}`).sort(), client.label);
    }
  });

  it('the metrics tell polling from WebSocket, also after an upgrade', async () => {
    await until('the sessions of other tests to end', async () => {
      const metrics = await ring.metrics(ring.gateway);
      return (metrics.value('pollen8_gateway_sessions', { transport: 'socketio_polling' }) || 0) === 0
        && (metrics.value('pollen8_gateway_sessions', { transport: 'socketio_websocket' }) || 0) === 0;
    });
    await ring.sio('ada', pollingAlone);
    await upgraded(await ring.sio('ada', asItComes));
    await until('one of each', async () => {
      const metrics = await ring.metrics(ring.gateway);
      return metrics.value('pollen8_gateway_sessions', { transport: 'socketio_polling' }) === 1
        && metrics.value('pollen8_gateway_sessions', { transport: 'socketio_websocket' }) === 1;
    });
  });

  it('a client that closes is gone at once', async () => {
    const client = await ring.sio('ada', pollingAlone);
    client.close();
    await until('the end of the session', async () => {
      const metrics = await ring.metrics(ring.gateway);
      return metrics.value('pollen8_gateway_sessions', { transport: 'socketio_polling' }) === 0;
    });
  });

  it('several packets in one body: joined and asked at once', async () => {
    const session = await new Polling(ring.url()).open();
    await session.post(`40${JSON.stringify({ token: ring.token('ada') })}`);
    await session.pollFor(/^40/);
    await session.post(['420["value.get",{}]', '421["value.get",{}]'].join(SEPARATOR));
    const packets = await session.pollFor(/^431/);
    assert.ok(packets.some((packet) => packet.startsWith('430[{"ok":true')));
    session.close();
  });

  it('what no stock client sends ends the transport, and the poll that is held says so', async () => {
    const session = await joined(ring, 'ada');
    const { answer } = await session.held();
    await session.post('2nonsense');
    assert.equal((await answer).text, '1');
    assert.equal((await session.get()).status, 400);
    session.close();
  });
});

withRing('polling limits', {
  env: { gateway: { HANDSHAKE_RATE: '1', HANDSHAKE_BURST: '5', SESSION_QUEUE_BYTES: '16KB', WRITE_TIMEOUT: '2s', MAX_SESSIONS: '50' } },
}, (ring, it) => {
  it('a handshake counts, a poll does not', async () => {
    const session = await joined(ring, 'ada');
    for (let i = 0; i < 30; i++) {
      await session.post('420["value.get",{}]');
      await session.pollFor(/^430/);
      session.packets = [];
    }
    const answers = await Promise.all(Array.from({ length: 10 }, () => new Polling(ring.url()).request()));
    const refused = answers.filter((answer) => answer.status === 429);
    assert.ok(refused.length >= 4, `${refused.length}`);
    assert.equal(refused[0].headers['retry-after'], '1');
    session.close();
  });

  it('a session that is not polled while its queue is full is closed past the write deadline', async () => {
    const session = await until('room for a handshake', () => joined(ring, 'ada').catch(() => null));
    let code = 200;
    for (let i = 0; code === 200 && i < 100; i++) {
      await ring.publish('connection.new', { userId: 'q'.repeat(120), industries: ['technology', 'f'.repeat(60)] });
      code = i % 10 === 9 ? (await session.post('3')).status : 200;
    }
    await ring.applied();
    await until('the end of the session', async () => (await session.post('3')).status === 400);
    const metrics = await ring.metrics(ring.gateway);
    assert.ok(metrics.value('pollen8_gateway_closes_total', { reason: 'stuck' }) >= 1);
    session.close();
  });
});

withRing('a full queue', {
  env: { gateway: { SESSION_QUEUE_BYTES: '4096' }, value: { WORKERS: '1', HISTORY_LENGTH: '16' } },
}, (ring, it) => {
  const from = (packets, event) => packets.filter((packet) => packet.startsWith(`42["${event}"`)).map((packet) => JSON.parse(packet.slice(2))[1]);
  let names = 1000;

  async function industries(count) {
    const all = Array.from({ length: count }, () => `n${names++}`);
    for (const name of all) await ring.connectionNew(name, ['technology']);
    await ring.applied();
    return all;
  }

  /** Polls until an event that is published now has come; what came before it. */
  async function drained(session) {
    const [last] = await industries(1);
    await session.pollFor(new RegExp(`"connection.new",{"userId":"${last}"`));
    return session.packets;
  }

  it('whichever frame overflows it, the value that follows is the right one', async () => {
    const session = await joined(ring, 'ada');
    await session.pollFor(/"network.update"/);
    let right = 0;
    for (let count = 20; count <= 48; count++) {
      await drained(session);
      session.packets = [];
      const names = await industries(count);
      await ring.connectionNew('ada', []);
      await ring.applied();
      right += 314;
      const packets = await drained(session);
      assert.equal(from(packets, 'network.update').at(-1)?.newValue, right / 100, `after ${count} frames`);
      assert.deepEqual(from(packets, 'connection.new').map((data) => data.userId).slice(0, count), names);
    }
    session.close();
  });

  it('who misses a frame of a burst longer than HISTORY_LENGTH is given it', async () => {
    const session = await joined(ring, 'ada');
    await session.pollFor(/"network.update"/);
    await drained(session);
    for (let n = 0; n < 16; n++) { // far more than the history holds, all of it taken
      await industries(25);
      await drained(session);
    }
    session.packets = [];
    const names = await industries(45);
    const packets = await drained(session);
    assert.deepEqual(from(packets, 'connection.new').map((data) => data.userId).slice(0, 45), names);
    const metrics = await ring.metrics(ring.gateway);
    assert.equal(metrics.value('pollen8_gateway_recoveries_total', { result: 'slow_lost' }) || 0, 0);
    assert.ok(metrics.value('pollen8_gateway_recoveries_total', { result: 'slow_repaired' }) >= 1);
    session.close();
  });
});

withRing('polling while a gateway drains', { env: { gateway: { DRAIN_SECONDS: '1s' } } }, (ring, it) => {
  it('a held poll is told to come back', async () => {
    const session = await joined(ring, 'ada');
    const { answer } = await session.held();
    ring.gateway.exitAllowed = true;
    const gone = ring.gateway.stop();
    assert.match((await answer).text, /(^|\x1e)1$/);
    await gone;
    session.close();
  });
});

withRing('polling over TLS', {
  env: { gateway: tlsEnvironment },
}, (ring, it) => {
  const ca = () => authority(ring);

  for (const size of [9000, 60000, 900000]) {
    it(`a body of ${size} bytes arrives, and so does an answer to it`, async () => {
      const session = await joined(ring, 'ada', { ca: ca() });
      const posted = await session.post(`427["value.get",{"padding":"${'x'.repeat(size)}"}]`);
      assert.equal(posted.text, 'ok');
      await session.pollFor(/^437\[\{"ok":false/);
      session.close();
    });
  }

  it('stock clients poll and upgrade', async () => {
    const clients = [];
    for (const { options } of [asItComes, pollingAlone]) {
      clients.push(await ring.sio('ada', { options: { ...options, ca: ca() } }));
    }
    await upgraded(clients[0]);
    await ring.connectionNew('z', ['technology']);
    await ring.settle(...clients);
    for (const client of clients) assert.equal(client.all('connection.new').length, 1);
  });

  it('a poll that hangs up ends the session here too', async () => {
    const session = await joined(ring, 'ada', { ca: ca() });
    let connection;
    await session.held({ onSocket: (socket) => { connection = socket; } });
    connection.destroy();
    await until('the end of the session', async () => (await session.post('3')).status === 400);
    session.close();
  });
});

withRing('another path', { env: { gateway: { SOCKETIO_PATH: '/live/rt' } } }, (ring, it) => {
  it('is where the client is told to go', async () => {
    await upgraded(await ring.sio('ada', { options: { transports: undefined, path: '/live/rt' } }));
    const answer = await fetch(`${ring.url()}/socket.io/?EIO=4&transport=polling`);
    assert.equal(answer.status, 404);
  });
});
