// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Socket.IO v5 packet by packet, with an application behind the gateway that echoes (../conformance/application.js):
// namespaces, several arguments, binary, acks in both directions, and how they end.

const assert = require('node:assert/strict');
const { withRing, until, proto } = require('./helpers/ring');
const { Polling, SEPARATOR, Socket } = require('./helpers/engineio');
const { serveApplication, subjectOf } = require('../conformance/application');

const OutboundFrame = proto.lookupType('OutboundFrame');
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

  it('/ws: what came with the first message is passed on as well, token or not', async () => {
    const client = app.ring.openWs(undefined);
    await client.opened;
    client.send('auth', { device: 'd1' });
    assert.deepEqual((await client.wait('auth'))[0], { device: 'd1' });
  });

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

  it('a frame for one namespace reaches the sessions in that one alone', async () => {
    const sockets = [await app.joined('/'), await app.joined('/custom'), await app.joined('/other')];
    const to = (nameSpace, number) => app.ring.broker.publish('pollen8.out.all', OutboundFrame.encode(
      OutboundFrame.fromObject({ event: 'n', data: Buffer.from(`${number}`), nameSpace })).finish());
    ['/custom', '/', '/random', ''].forEach(to);
    await Promise.all([sockets[0].message(/^42\["n",3\]$/), sockets[1].message(/^42\/custom,\["n",3\]$/),
      sockets[2].message(/^42\/other,\["n",3\]$/)]);
    assert.deepEqual(sockets.map((socket) => socket.messages.filter((one) => one.includes('["n"'))),
      [['42["n",1]', '42["n",3]'], ['42/custom,["n",0]', '42/custom,["n",3]'], ['42/other,["n",3]']]);
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

  it('attachments are taken only from who has joined', async () => {
    for (const packet of [`451-["message",${PLACEHOLDER(0)}]`, `451-/custom,["message",${PLACEHOLDER(0)}]`]) {
      const socket = app.socket();
      await socket.opened;
      if (packet.includes('/custom')) await app.join(socket, '/');
      socket.send(packet);
      await socket.end();
    }
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

withApplication('questions to clients', {}, (app, it) => {
  const lastUser = () => app.application.users.at(-1);
  const question = { event: 'question', data: Buffer.from('{"n":1}'), answerTimeoutMs: 20000 };
  const ask = (frame = {}, user = lastUser()) => app.application.ask(subjectOf(user), { ...question, ...frame });
  const first = (answers) => until('an answer', () => answers[0]);
  const numberOf = async (socket, prefix = '') => Number((await socket.message(new RegExp(`^4[25](?:\\d+-)?${prefix}\\d+\\["question"`)))
    .slice(2).replace(/^\d+-/, '').replace(prefix, '').match(/^\d+/)[0]);

  it('the ack of a client is the answer, with all that it gave', async () => {
    const socket = await app.joined();
    const answers = ask();
    const number = await numberOf(socket);
    assert.ok(socket.messages.includes(`42${number}["question",{"n":1}]`));
    socket.send(`43${number}["yes",{"a":[1.50]}]`);
    const { data, userId, session } = await first(answers);
    assert.equal(data, '["yes",{"a":[1.50]}]');
    assert.equal(userId, lastUser());
    assert.equal(session, sidOf(socket.messages.find((one) => one.startsWith('40'))));
  });

  it('with several arguments, in a further namespace', async () => {
    const socket = await app.joined('/custom');
    const answers = ask({ data: Buffer.from('[1,"2"]'), arguments: true });
    const number = await numberOf(socket, '/custom,');
    assert.ok(socket.messages.includes(`42/custom,${number}["question",1,"2"]`));
    socket.send(`43/custom,${number}[]`);
    assert.equal((await first(answers)).data, '[]');
  });

  it('with attachments both ways', async () => {
    const socket = await app.joined();
    const answers = ask({ data: Buffer.from(PLACEHOLDER(0)), attachments: [Buffer.from([9, 8])] });
    const number = await numberOf(socket);
    await until('the attachment', () => socket.messages.some((one) => typeof one !== 'string' && one.equals(Buffer.from([9, 8]))));
    socket.send(`461-${number}[${PLACEHOLDER(0)}]`);
    socket.send(Buffer.from([7]));
    const answer = await first(answers);
    assert.deepEqual([answer.data, answer.attachments], [`[${PLACEHOLDER(0)}]`, [[7]]]);
  });

  it('each session answers for itself', async () => {
    const sockets = [await app.joined('/'), await app.joined('/custom')];
    const session = await app.polling();
    const answers = app.application.ask('pollen8.out.all', question);
    sockets[0].send(`43${await numberOf(sockets[0])}["a"]`);
    sockets[1].send(`43/custom,${await numberOf(sockets[1], '/custom,')}["b"]`);
    await session.pollFor(/^42\d+\["question"/);
    const number = /^42(\d+)/.exec(session.packets.find((one) => /^42\d+\["question"/.test(one)))[1];
    await session.post(`43${number}["c"]`);
    await until('three answers', () => answers.length === 3);
    assert.deepEqual(answers.map((one) => one.data).sort(), ['["a"]', '["b"]', '["c"]']);
  });

  it('no answer in time, the end of the session and its leaving are errors, each told once', async () => {
    const socket = await app.joined();
    const late = ask({ answerTimeoutMs: 100 });
    const number = await numberOf(socket);
    assert.equal((await first(late)).code, 'UNAVAILABLE');
    socket.send(`43${number}["too late"]`);
    const left = ask();
    await until('the second question', () => socket.messages.includes(`42${number + 1}["question",{"n":1}]`));
    socket.send('41');
    assert.equal((await first(left)).code, 'UNAVAILABLE');
    await app.join(socket, '/');
    const ended = ask();
    await until('the third', () => socket.messages.includes(`42${number + 2}["question",{"n":1}]`));
    socket.close();
    assert.equal((await first(ended)).code, 'UNAVAILABLE');
    assert.deepEqual([late.length, left.length, ended.length], [1, 1, 1]);
  });

  it('a client has so many to answer at once', async () => {
    const socket = await app.joined();
    const all = Array.from({ length: 66 }, () => ask());
    await until('64 questions', () => socket.messages.filter((one) => one.includes('"question"')).length === 64);
    const refused = await until('two refusals', () => {
      const list = all.filter((answers) => answers.length);
      return list.length === 2 && list;
    });
    assert.deepEqual(refused.map(([answer]) => answer.code), ['RATE_LIMITED', 'RATE_LIMITED']);
    socket.send(`43${await numberOf(socket)}[1]`);
    await until('room for one', () => all.some(([answer]) => answer && answer.data === '[1]'));
    const next = ask();
    await until('one more question', () => socket.messages.filter((one) => one.includes('"question"')).length === 65);
    assert.equal(next.length, 0);
  });

  it('an answer that is no JSON for services is an error; one to nothing is passed over', async () => {
    const socket = await app.joined();
    socket.send('43999[1]');
    const answers = ask();
    socket.send(`43${await numberOf(socket)}[{"a":1,"a":2}]`);
    assert.equal((await first(answers)).code, 'INVALID_PAYLOAD');
  });

  it('the stock client answers by calling what it was given', async () => {
    const client = app.ring.track(app.ring.openSio('x'));
    client.socket.on('question', (data, callback) => callback({ got: data }, Buffer.from([1, 2])));
    await client.wait('auth');
    const answer = await first(ask());
    assert.deepEqual([answer.data, answer.attachments], [`[{"got":{"n":1}},${PLACEHOLDER(0)}]`, [[1, 2]]]);
  });

  it('/ws: `ask` and `answer`, JSON and protobuf', async () => {
    for (const protocol of ['pollen8.v1.json', 'pollen8.v1.protobuf']) {
      const client = app.ring.openWs('x', { protocol });
      await client.wait('auth');
      const [json, binary] = [ask(), ask({ data: Buffer.from(PLACEHOLDER(0)), attachments: [Buffer.from([9, 8])] })];
      const asked = await until('both questions', () => client.frames.filter((one) => one.event === 'question').length === 2
        && client.frames.filter((one) => one.event === 'question'));
      assert.deepEqual(asked.map((one) => [one.data, one.attachments]), [[{ n: 1 }, undefined],
        [{ _placeholder: true, num: 0 }, [protocol === 'pollen8.v1.json' ? 'CQg=' : Buffer.from([9, 8])]]], protocol);
      client.answer(asked[0].ask, { fine: true });
      client.answer(asked[1].ask);
      assert.deepEqual([(await first(json)).data, (await first(binary)).data], ['[{"fine":true}]', '[]']);
    }
  });

  it('/ws: a protobuf client sends attachments and gets them back', async () => {
    const client = app.ring.openWs('x', { protocol: 'pollen8.v1.protobuf' });
    await client.wait('auth');
    const reply = await client.request('message-with-ack', { _placeholder: true, num: 0 }, { attachments: [Buffer.from([1, 2, 3])] });
    assert.deepEqual([reply.data, reply.attachments], [[{ _placeholder: true, num: 0 }], [Buffer.from([1, 2, 3])]]);
    const refused = await client.request('message-with-ack', {}, { attachments: [Buffer.from([1])] });
    assert.equal(refused.error.code, 'INVALID_PAYLOAD');
  });
});

withApplication('volatile', { SOCKET_SEND_BUFFER: '8192', SESSION_QUEUE_BYTES: '8MB' }, (app, it) => {
  const send = (event, more = {}) => app.application.send(app.application.users.at(-1),
    { event, data: Buffer.from('1'), ...more });
  const dropped = async () => (await app.ring.metrics(app.ring.gateway)).value('pollen8_gateway_volatile_dropped_total') || 0;

  it('goes to a socket that takes it, and not to one that is stuck', async () => {
    const other = await app.joined();
    const witness = app.application.users.at(-1);
    let marks = 0;
    /** After this the gateway has dealt with all that was sent: a frame to another session follows it. */
    const dealt = async () => {
      app.application.send(witness, { event: 'mark', data: Buffer.from(`${++marks}`) });
      await other.message(new RegExp(`^42\\["mark",${marks}\\]$`));
      return dropped();
    };
    const socket = await app.joined();
    send('now', { policy: 'DELIVERY_VOLATILE' });
    await socket.message(/^42\["now",1\]$/);
    socket.socket.pause();
    let large = 0; // the kernel may take some megabytes for a client that does not read
    await until('the socket to be stuck', async () => {
      for (let i = 0; i < 10; i++, large++) send('large', { data: Buffer.from(`"${'x'.repeat(100000)}"`) });
      // A socket that is full for a moment takes more soon: stuck is one that has taken nothing all the while.
      for (let i = 0; i < 10; i++) {
        const before = await dropped();
        send('lost', { policy: 'DELIVERY_VOLATILE' });
        if (await dealt() === before) return false;
      }
      return true;
    });
    const before = await dropped();
    send('lost.too', { policy: 'DELIVERY_VOLATILE' });
    send('kept');
    assert.equal(await dealt(), before + 1);
    socket.socket.resume();
    await socket.message(/^42\["kept",1\]$/);
    assert.equal(socket.messages.includes('42["lost.too",1]'), false);
    assert.equal(socket.messages.filter((one) => one.startsWith('42["large"')).length, large);
  });

  it('waits for no poll', async () => {
    const session = await app.polling();
    const before = await dropped();
    send('lost', { policy: 'DELIVERY_VOLATILE' });
    await until('it to be dropped', async () => await dropped() === before + 1);
    const { answer } = await session.held();
    send('now', { policy: 'DELIVERY_VOLATILE' });
    assert.equal((await answer).text, '42["now",1]');
  });
});
