// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Socket.IO v5 packet by packet, with an application behind the gateway that echoes (../conformance/application.js):
// namespaces, several arguments, binary, acks in both directions, and how they end.

const assert = require('node:assert/strict');
const { withRing, until, proto } = require('./helpers/ring');
const { Polling, SEPARATOR, Socket } = require('./helpers/engineio');
const { serveApplication } = require('../conformance/application');

const PLACEHOLDER = (num) => `{"_placeholder":true,"num":${num}}`;

/** A suite with the application behind the gateway. */
function withApplication(name, env, body) {
  withRing(name, {
    auth: 0, value: 0, redis: false,
    env: { gateway: { NAMESPACES: '/custom,/other', AUTH_PAYLOAD: 'whole', CONNECTION_RECOVERY: 'off', ...env } },
  }, (ring, it) => {
    const open = [];
    const suite = {
      ring,
      socket(query = '', options = {}) {
        const socket = new Socket(`${ring.url().replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket${query}`, options);
        open.push(socket);
        return socket;
      },
      /** Joined to `names`, each of which has had its `auth`. */
      async joined(...names) {
        const socket = suite.socket();
        for (const name of names.length ? names : ['/']) await suite.join(socket, name);
        return socket;
      },
      async join(socket, name) {
        const prefix = name === '/' ? '' : `${name},`;
        const before = socket.messages.length;
        await socket.opened;
        socket.send(`40${prefix}{"token":"t"}`);
        await until(`${name} to be joined`, () => socket.messages.slice(before)
          .some((one) => typeof one === 'string' && one.startsWith(`42${prefix}["auth"`)));
      },
      async polling() {
        const session = await new Polling(ring.url()).open();
        open.push(session);
        await session.post('40{"token":"t"}');
        await session.pollFor(/^42\["auth"/);
        return session;
      },
    };
    let started = false;
    body(suite, (title, test) => it(title, async () => {
      if (!started) {
        suite.application = serveApplication(ring.broker, proto);
        await ring.broker.flush();
        started = true;
      }
      try {
        await test();
      } finally {
        for (const client of open.splice(0)) client.close();
      }
    }));
  });
}

const sidOf = (message) => JSON.parse(message.slice(message.indexOf('{'))).sid;

withApplication('namespaces', {}, (app, it) => {
  for (const [what, packet, connect, auth] of [
    ['the main one', '40', /^40\{/, '42["auth",{}]'],
    ['the main one, with a payload', '40{"a":1}', /^40\{/, '42["auth",{"a":1}]'],
    ['a configured one', '40/custom,', /^40\/custom,\{/, '42/custom,["auth",{}]'],
    ['a configured one, without the comma', '40/custom', /^40\/custom,\{/, '42/custom,["auth",{}]'],
    ['a configured one, with a payload', '40/custom,{"token":"abc"}', /^40\/custom,\{/, '42/custom,["auth",{"token":"abc"}]'],
  ]) {
    it(`${what} is joined, and learns what came with it`, async () => {
      const socket = app.socket();
      await socket.opened;
      socket.send(packet);
      assert.deepEqual(Object.keys(JSON.parse((await socket.message(connect)).replace(/^[^{]*/, ''))), ['sid']);
      await socket.message(/"auth"/);
      assert.ok(socket.messages.includes(auth), socket.messages);
    });
  }

  it('one that is not configured is refused, and the others stay usable', async () => {
    const socket = await app.joined('/');
    for (const name of ['/random', '/custom/x', '/customx', '/CUSTOM', '/', '/custo']) {
      if (name !== '/') socket.send(`40${name}`);
    }
    await socket.message(/^44\/custo,/);
    assert.deepEqual(socket.messages.filter((one) => one.startsWith('44')), ['/random', '/custom/x', '/customx', '/CUSTOM', '/custo']
      .map((name) => `44${name},{"message":"Invalid namespace"}`));
    socket.send('421["message-with-ack",1]');
    await socket.message(/^431\[1\]$/);
  });

  it('several on one connection: each with a sid, a user, events and acks of its own', async () => {
    const socket = await app.joined('/', '/custom', '/other');
    const sids = socket.messages.filter((one) => /^40/.test(one)).map(sidOf);
    assert.equal(new Set(sids).size, 3);
    socket.send('42/custom,7["message-with-ack","custom"]');
    socket.send('427["message-with-ack","main"]');
    socket.send('42/other,["message","other"]');
    await socket.message(/^437\["main"\]$/);
    await socket.message(/^43\/custom,7\["custom"\]$/);
    await socket.message(/^42\/other,\["message-back","other"\]$/);
    assert.equal(socket.messages.filter((one) => one.includes('message-back')).length, 1);
  });

  it('a further one without the main one, and the main one later', async () => {
    const socket = await app.joined('/custom');
    socket.send('42/custom,1["message-with-ack"]');
    await socket.message(/^43\/custom,1\[/);
    await app.join(socket, '/');
    socket.send('421["message-with-ack",2]');
    await socket.message(/^431\[2\]$/);
  });

  it('leaving a further one leaves the others usable; it can be joined again', async () => {
    const socket = await app.joined('/', '/custom');
    const first = sidOf(await socket.message(/^40\/custom,/));
    socket.send('41/custom,');
    socket.send('42["message","to main"]');
    await socket.message(/^42\["message-back","to main"\]$/);
    socket.messages = [];
    await app.join(socket, '/custom');
    assert.notEqual(sidOf(await socket.message(/^40\/custom,/)), first);
  });

  it('leaving the main one leaves the further ones, and the transport', async () => {
    const socket = await app.joined('/', '/custom');
    socket.send('41');
    socket.send('42/custom,1["message-with-ack",1]');
    await socket.message(/^43\/custom,1\[1\]$/);
    socket.messages = [];
    await app.join(socket, '/');
    assert.equal(socket.closed, null);
  });

  for (const [what, packet] of [['an event', '42/custom,["message"]'], ['leaving', '41/custom'], ['an ack', '43/custom,1[]']]) {
    it(`${what} in one that was not joined ends the connection`, async () => {
      const socket = await app.joined('/');
      socket.send(packet);
      await socket.end();
    });
  }

  it('joining one twice ends the connection', async () => {
    const socket = await app.joined('/', '/custom');
    socket.send('40/custom');
    await socket.end();
  });

  it('sessions of all namespaces end with the connection', async () => {
    const count = async () => (await app.ring.metrics(app.ring.gateway))
      .value('pollen8_gateway_sessions', { transport: 'socketio_namespace' }) || 0;
    await until('those of other tests to end', async () => await count() === 0);
    const socket = await app.joined('/custom', '/other');
    assert.equal(await count(), 2);
    socket.close();
    await until('both to end', async () => await count() === 0);
  });

  it('over polling too', async () => {
    const session = await app.polling();
    await session.post(['40/custom,', '421["message-with-ack","main"]'].join(SEPARATOR));
    await session.pollFor(/^42\/custom,\["auth",\{\}\]/);
    await session.pollFor(/^431\["main"\]/);
    await session.post('42/custom,2["message-with-ack","custom"]');
    await session.pollFor(/^43\/custom,2\["custom"\]/);
  });

  it('an upgrade takes them along', async () => {
    const session = await app.polling();
    await session.post('40/custom,');
    await session.pollFor(/^42\/custom,\["auth"/);
    const socket = session.socket();
    await socket.opened;
    socket.send('2probe');
    await socket.message(/^3probe$/);
    socket.send('5');
    socket.send('42/custom,2["message-with-ack","custom"]');
    await socket.message(/^43\/custom,2\["custom"\]$/);
    socket.close();
  });

  it('a token of the handshake serves every namespace', async () => {
    const socket = app.socket('&token=query-token');
    await socket.opened;
    for (const name of ['/', '/custom', '/other']) await app.join(socket, name);
  });
});

withApplication('connect timeout', { CONNECT_TIMEOUT: '400ms' }, (app, it) => {
  it('a client that joins none is closed', async () => {
    const socket = app.socket();
    await socket.opened;
    await socket.end();
  });

  it('one that joins any stays; one that has left all is closed', async () => {
    const socket = await app.joined('/custom');
    const other = app.socket(); // its end is later than that of the first would have been
    await other.end();
    assert.equal(socket.closed, null);
    socket.send('41/custom');
    await socket.end();
  });

  it('one that was refused in a further namespace has the time that was left', async () => {
    const socket = app.socket();
    await socket.opened;
    socket.send('40/random');
    await socket.message(/^44\/random/);
    await socket.end();
  });
});

withApplication('arguments', {}, (app, it) => {
  for (const list of ['1,"2",{"3":[true]}', '[]', '[1,2]', 'null', '1.50,"\\u00fc"', '{},{}']) {
    it(`[${list}] come back as they were`, async () => {
      const socket = await app.joined();
      socket.send(`42["message",${list}]`);
      socket.send(`42456["message-with-ack",${list}]`);
      await socket.message(/^42\["message-back"/);
      await socket.message(/^43456/);
      assert.ok(socket.messages.includes(`42["message-back",${list}]`), socket.messages);
      assert.ok(socket.messages.includes(`43456[${list}]`), socket.messages);
    });
  }

  it('what the gateway itself answers takes one', async () => {
    const socket = await app.joined();
    socket.send('421["subscribe",{"industries":["a"]},2]');
    assert.match(await socket.message(/^431/), /"INVALID_PAYLOAD"/);
  });

  for (const packet of ['4abc', '42{}', '42abc["message",1]', '42', '42[]', '42[1]', '47', '43[]', '45["message"]',
    '451-["message"]', `452-["message",${PLACEHOLDER(0)},${PLACEHOLDER(0)}]`, `451-["message",${PLACEHOLDER(1)}]`,
    `4511-["message",${Array.from({ length: 11 }, (_, i) => PLACEHOLDER(i)).join()}]`, '44{"message":"x"}']) {
    it(`${packet.slice(0, 60)} ends the connection`, async () => {
      const socket = await app.joined();
      socket.send(packet);
      await socket.end();
    });
  }
});

withApplication('binary', {}, (app, it) => {
  const bytes = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];

  /** The text message that matches and the binary ones right behind it. */
  async function packet(socket, match) {
    const text = await socket.message(match);
    const at = socket.messages.indexOf(text);
    const count = Number(/^4[56](\d+)-/.exec(text)[1]);
    await until('the attachments', () => socket.messages.length > at + count);
    return [text, ...socket.messages.slice(at + 1, at + 1 + count).map((one) => [...one])];
  }

  it('events: attachments follow their event, also in a further namespace', async () => {
    const socket = await app.joined('/', '/custom');
    for (const prefix of ['', '/custom,']) {
      socket.send(`452-${prefix}["message",${PLACEHOLDER(0)},${PLACEHOLDER(1)}]`);
      for (const one of bytes) socket.send(one);
      assert.deepEqual(await packet(socket, new RegExp(`^452-${prefix}\\[`)),
        [`452-${prefix}["message-back",${PLACEHOLDER(0)},${PLACEHOLDER(1)}]`, [1, 2, 3], [4, 5, 6]]);
    }
  });

  it('acks', async () => {
    const socket = await app.joined();
    socket.send(`452-789["message-with-ack",${PLACEHOLDER(1)},{"deep":[${PLACEHOLDER(0)}]}]`);
    for (const one of bytes) socket.send(one);
    assert.deepEqual(await packet(socket, /^462-789/),
      [`462-789[${PLACEHOLDER(1)},{"deep":[${PLACEHOLDER(0)}]}]`, [1, 2, 3], [4, 5, 6]]);
  });

  it('ten attachments, empty ones, and none', async () => {
    const socket = await app.joined();
    const list = Array.from({ length: 10 }, (_, i) => PLACEHOLDER(i)).join();
    socket.send(`4510-1["message-with-ack",${list}]`);
    for (let i = 0; i < 10; i++) socket.send(Buffer.alloc(i));
    const [text, ...parts] = await packet(socket, /^4610-1/);
    assert.equal(text, `4610-1[${list}]`);
    assert.deepEqual(parts.map((one) => one.length), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    socket.send('450-2["message-with-ack",1]');
    await socket.message(/^432\[1\]$/);
  });

  it('many events with attachments beside plain ones: each stays whole', async () => {
    const socket = await app.joined();
    for (let i = 0; i < 25; i++) {
      socket.send(`452-["message",${i},${PLACEHOLDER(0)},${PLACEHOLDER(1)}]`);
      socket.send(Buffer.from([i, 0]));
      socket.send(Buffer.alloc(2000, i));
      socket.send(`42["message",${i}]`);
    }
    await until('all of them', () => socket.messages.filter((one) => `${one}`.startsWith('42["message-back"')).length === 25
      && socket.messages.filter((one) => typeof one !== 'string').length === 50);
    let seen = 0;
    socket.messages.forEach((one, at) => {
      const match = typeof one === 'string' && /^452-\["message-back",(\d+),/.exec(one);
      if (!match) return;
      seen++;
      assert.deepEqual([...socket.messages[at + 1]], [Number(match[1]), 0]);
      assert.deepEqual(socket.messages[at + 2], Buffer.alloc(2000, Number(match[1])));
    });
    assert.equal(seen, 25);
  });

  it('over polling, as base64', async () => {
    const session = await app.polling();
    await session.post([`452-789["message-with-ack",${PLACEHOLDER(0)},${PLACEHOLDER(1)}]`, 'bAQID', 'bBAUG'].join(SEPARATOR));
    await session.pollFor(/^bBAUG/);
    const at = session.packets.findIndex((one) => one.startsWith('462'));
    assert.deepEqual(session.packets.slice(at, at + 3),
      [`462-789[${PLACEHOLDER(0)},${PLACEHOLDER(1)}]`, 'bAQID', 'bBAUG']);
    await session.post(`451-["message",${PLACEHOLDER(0)}]`); // the rest comes with another body
    await session.post('bAAEC');
    await session.pollFor(/^bAAEC/);
  });

  it('as much as maxPayload; one byte more ends the connection', async () => {
    const socket = await app.joined();
    const send = (second) => {
      socket.send(`452-1["message-with-ack",${PLACEHOLDER(0)},${PLACEHOLDER(1)}]`);
      socket.send(Buffer.alloc(500000, 1));
      socket.send(Buffer.alloc(second, 2));
    };
    send(500000);
    const parts = await packet(socket, /^462-1/);
    assert.deepEqual(parts.slice(1).map((one) => one.length), [500000, 500000]);
    send(500001);
    assert.equal((await socket.end()).code, 1009);
  });

  it('text where an attachment should be, or an attachment that nobody announced, ends the connection', async () => {
    const first = await app.joined();
    first.send(`451-["message",${PLACEHOLDER(0)}]`);
    first.send('42["message",1]');
    await first.end();
    const second = await app.joined();
    second.send(bytes[0]);
    await second.end();
  });

  it('a packet that is half-way ends with the connection', async () => {
    const socket = await app.joined();
    socket.send(`452-["message",${PLACEHOLDER(0)},${PLACEHOLDER(1)}]`);
    socket.send(Buffer.alloc(100000));
    socket.close();
    const next = await app.joined();
    next.send('421["message-with-ack",1]');
    await next.message(/^431/);
  });
});
