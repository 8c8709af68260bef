// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What clients and backends may send, and what each bad thing is told. A session that misbehaves is refused or
// closed; nobody else notices.

const assert = require('node:assert/strict');
const { USERS, withRing, until } = require('./helpers/ring');
const { rawWebSocket } = require('./helpers/raw');

const kinds = ['sio', 'ws', 'protobuf'];

// Ids that are legal and would break a careless subject, key, pattern, JSON or log line.
const oddIds = ['a.b', 'a.*.b', '>', '*', '{x}', '}', 'with space', ' lead', 'u."q"', "o'brien", 'back\\slash',
  'Ωμέγα', '利用者', 'مستخدم', '👩‍💻', 'a/b', 'p8:{u.x}:net', '%s%n', '$JS.API', 'x'.repeat(128), 'é', 'e\u0301',
  '\u202Ertl', '-', '_', '0', 'null', '__proto__', 'constructor'];

const users = [...USERS, ...oddIds.map((_id) => ({ _id, industries: ['odd'] }))];

withRing('payloads', { users }, (ring, it) => {
  it('ids with . * > } spaces and any script work end to end', async () => {
    const witness = await ring.ws(oddIds[0]);
    await Promise.all(oddIds.map(async (id, i) => {
      const client = await ring[kinds[i % 3]](id);
      assert.deepEqual(client.all('network.update')[0], { userId: id, newValue: 0 });
      await ring.connectionNew(id, ['odd']);
      await client.wait('network.update', (list) => list.some((data) => data.newValue === 3.14));
      await ring.publish('invite.created', { inviteId: id, creatorId: id });
      assert.deepEqual((await client.wait('invite.created'))[0], { inviteId: id, creatorId: id });
      const value = await client.request('value.get', {});
      assert.deepEqual(value.data, { userId: id, newValue: 3.14, connections: 1 });
      assert.deepEqual(client.all('network.update').filter((data) => data.userId !== id), [], 'nobody else’s');
    }));
    await ring.settle(witness);
    const seen = witness.all('connection.new').map((data) => data.userId).sort();
    assert.deepEqual(seen, [...oddIds].sort());
  });

  const service = () => ({ token: ring.service() });
  const good = { userId: 'ada', industries: ['technology'] };
  const long = (n) => 'x'.repeat(n);

  // Event, payload: refused with INVALID_PAYLOAD on every transport, dead-lettered where a backend publishes it.
  const invalid = [
    ['no object', 'connection.new', 'text'],
    ['null', 'connection.new', null],
    ['an array', 'connection.new', [good]],
    ['an empty object', 'connection.new', {}],
    ['no industries', 'connection.new', { userId: 'ada' }],
    ['no userId', 'connection.new', { industries: ['technology'] }],
    ['a number for userId', 'connection.new', { ...good, userId: 7 }],
    ['null for userId', 'connection.new', { ...good, userId: null }],
    ['an empty userId', 'connection.new', { ...good, userId: '' }],
    ['a userId of 129 bytes', 'connection.new', { ...good, userId: long(129) }],
    ['a userId of 128 characters, 256 bytes', 'connection.new', { ...good, userId: 'é'.repeat(128) }],
    ['NUL in userId', 'connection.new', { ...good, userId: 'a\u0000b' }],
    ['a control character in userId', 'connection.new', { ...good, userId: 'a\u001bb' }],
    ['a line break in userId', 'connection.new', { ...good, userId: 'a\nb' }],
    ['DEL in userId', 'connection.new', { ...good, userId: 'a\u007fb' }],
    ['a string for industries', 'connection.new', { ...good, industries: 'technology' }],
    ['a number among industries', 'connection.new', { ...good, industries: ['technology', 3] }],
    ['an empty industry', 'connection.new', { ...good, industries: [''] }],
    ['a blank industry', 'connection.new', { ...good, industries: ['   '] }],
    ['an industry of 65 bytes', 'connection.new', { ...good, industries: [long(65)] }],
    ['NUL in an industry', 'connection.new', { ...good, industries: ['a\u0000'] }],
    ['33 industries', 'connection.new', { ...good, industries: Array.from({ length: 33 }, (_, i) => `i${i}`) }],
    ['an unknown member', 'connection.new', { ...good, admin: true }],
    ['an eventId of 129 bytes', 'connection.new', { ...good, eventId: long(129) }],
    ['a number for eventId', 'connection.new', { ...good, eventId: 5 }],
    ['an empty eventId', 'connection.new', { ...good, eventId: '' }],
    ['the same for removed', 'connection.removed', { userId: 'ada' }],
    ['a fraction of connections', 'connection.import', { userId: 'ada', connections: 1.5 }],
    ['a string for connections', 'connection.import', { userId: 'ada', connections: '5' }],
    ['connections past 2^63', 'connection.import', '{"userId":"ada","connections":9223372036854775808}'],
    ['connections as 1e400', 'connection.import', '{"userId":"ada","connections":1e400}'],
    ['connections as NaN', 'connection.import', '{"userId":"ada","connections":NaN}'],
    ['connections as Infinity', 'connection.import', '{"userId":"ada","connections":Infinity}'],
    ['industries in an import', 'connection.import', { userId: 'ada', connections: 5, industries: ['technology'] }],
    ['no inviteId', 'invite.created', { creatorId: 'ada' }],
    ['an empty inviteId', 'invite.created', { inviteId: '', creatorId: 'ada' }],
    ['an object for creatorId', 'invite.created', { inviteId: 'i', creatorId: { id: 'ada' } }],
    ['a creatorId with a control character', 'invite.created', { inviteId: 'i', creatorId: 'a\tb' }],
    ['a duplicate key', 'connection.new', '{"userId":"ada","userId":"bo","industries":["technology"]}'],
    ['a duplicate key by escape', 'connection.new', '{"userId":"ada","\\u0075serId":"bo","industries":["technology"]}'],
    ['a lone surrogate', 'connection.new', '{"userId":"a\\ud800","industries":["technology"]}'],
    ['an escaped NUL', 'connection.new', '{"userId":"a\\u0000b","industries":["technology"]}'],
    ['a trailing comma', 'connection.new', '{"userId":"ada","industries":["technology"],}'],
    ['a comment', 'connection.new', '{"userId":"ada",/**/"industries":["technology"]}'],
    ['a raw line break in a string', 'connection.new', '{"userId":"a\nb","industries":["technology"]}'],
    ['nesting of 100 000', 'connection.new', `${'['.repeat(100000)}${']'.repeat(100000)}`],
  ];

  const asText = (payload) => (typeof payload === 'string' && payload !== 'text' ? payload : JSON.stringify(payload));

  it('a submitted payload that is wrong is INVALID_PAYLOAD, on every transport', async () => {
    const sio = await ring.sio(undefined, service());
    const ws = await ring.ws(undefined, service());
    const proto = await ring.protobuf(undefined, service());
    const failures = [];
    for (const [what, event, payload] of invalid) {
      const replies = {};
      if (typeof payload !== 'string' || payload === 'text') {
        replies.sio = await sio.request(event, payload);
        replies.ws = await ws.request(event, payload);
        replies.protobuf = await proto.request(event, payload);
      } else {
        // Text that no serialiser of JavaScript makes is written by hand.
        ws.socket.send(`{"id":"x","event":"${event}","data":${payload}}`);
        replies.ws = await ws.orphan();
        const { ClientFrame } = require('./helpers/clients');
        proto.socket.send(ClientFrame.encode({ id: 'x', event, data: Buffer.from(payload) }).finish());
        replies.protobuf = await proto.orphan();
      }
      for (const [kind, reply] of Object.entries(replies)) {
        if (!reply.error || reply.error.code !== 'INVALID_PAYLOAD' || !reply.error.message) {
          failures.push(`${what} (${kind}): ${JSON.stringify(reply)}`);
        }
      }
    }
    assert.deepEqual(failures, []);
    for (const client of [sio, ws, proto]) {
      assert.equal((await client.request('connection.new', good)).ok, true, 'the session goes on');
    }
  });

  it('the largest legal payload works', async () => {
    const backend = await ring.ws(undefined, service());
    const industries = Array.from({ length: 32 }, (_, i) => `${i}`.padEnd(64, 'x'));
    const payload = { userId: 'x'.repeat(128), industries, eventId: 'e'.repeat(128) };
    assert.equal((await backend.request('connection.new', payload)).ok, true);
    await ring.applied();
  });

  it('an event of no industries is legal and only counts', async () => {
    const backend = await ring.ws(undefined, service());
    const reply = await backend.request('connection.new', { userId: 'nowhere', industries: [] });
    // Either answer is an answer; what must not be is a session that hangs or closes.
    assert.equal(typeof reply.ok, 'boolean');
    assert.equal(backend.connected, true);
  });

  it('what a backend publishes wrongly ends in the dead letters with a reason; the rest goes on', async () => {
    const bo = await ring.ws('bo');
    const before = (await ring.deadLetters()).length;
    for (const [, event, payload] of invalid) await ring.publish(event, asText(payload));
    const bytes = [
      ['connection.new', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
      ['connection.new', Buffer.from('{"userId":"\xff","industries":["technology"]}', 'latin1')],
      ['connection.new', Buffer.alloc(0)],
      ['connection.new', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
      ['connection.new', Buffer.from('plain words')],
      ['connection.new', Buffer.alloc(500000, 0x7b)],
      ['no.such.event', Buffer.from('{"userId":"ada","industries":["technology"]}')],
      ['network.update', Buffer.from('{"userId":"ada","newValue":1000000}')],
    ];
    for (const [event, data] of bytes) await ring.publish(event, data);
    await ring.connectionNew('after', ['technology']);
    await ring.settle(bo);
    assert.deepEqual(bo.all('connection.new').map((data) => data.userId), ['after']);
    const dead = (await ring.deadLetters()).slice(before);
    assert.equal(dead.length, invalid.length + bytes.length);
    for (const letter of dead) {
      assert.match(letter.subject, /^pollen8\.dead\./);
      const reasons = Object.entries(letter.headers).filter(([key]) => /reason/i.test(key));
      assert.equal(reasons.length, 1, JSON.stringify(letter.headers));
      assert.ok(reasons[0][1].length > 3);
    }
    const bodies = new Set(dead.map((letter) => letter.data.toString('latin1')));
    assert.ok(bodies.has('plain words'), 'the body is kept as it came');
    const metrics = await ring.metrics(ring.value);
    assert.ok(metrics.sum('pollen8_value_events_dead_total') >= dead.length);
  });
});

withRing('frames', { env: { gateway: { MAX_PAYLOAD: '100000', PING_INTERVAL: '5s', PING_TIMEOUT: '5s' } } }, (ring, it) => {
  let witness;
  const watched = (title, test) => it(title, async (t) => {
    witness = await ring.ws('ada');
    await test(t);
    await ring.connectionNew('w', ['technology']);
    await witness.wait('connection.new');
  });

  // [what, frames, close codes that are right]; the connection is an authenticated /ws session.
  const protocolErrors = [
    ['a reserved bit', [['{}', { rsv: 4 }]], [1002, 1006]],
    ['an unknown opcode', [['{}', { opcode: 3 }]], [1002, 1006]],
    ['an unknown control opcode', [['', { opcode: 11 }]], [1002, 1006]],
    ['a fragmented ping', [['x', { opcode: 9, fin: false }]], [1002, 1006]],
    ['a ping of 126 bytes', [['x'.repeat(126), { opcode: 9 }]], [1002, 1006]],
    ['a continuation of nothing', [['x', { opcode: 0 }]], [1002, 1006]],
    ['a new message within one', [['{"a"', { fin: false }], ['{}', {}]], [1002, 1006]],
    ['invalid UTF-8', [[Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), {}]], [1007]],
    ['overlong UTF-8', [[Buffer.from([0x22, 0xc0, 0xaf, 0x22]), {}]], [1007]],
    ['a surrogate in UTF-8', [[Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), {}]], [1007]],
    ['UTF-8 cut at the end', [[Buffer.from([0x22, 0xe2, 0x82]), {}]], [1007]],
    ['a frame that claims 10 MB', [['{', { claim: 10 * 1024 * 1024 }]], [1009]],
    ['a frame that claims 2^63', [['{', { claim: 2 ** 62 }]], [1009, 1002, 1006]],
    ['a message over the limit', [['x'.repeat(100001), {}]], [1009]],
    ['fragments over the limit', [['x'.repeat(60000), { fin: false }], ['x'.repeat(60000), { opcode: 0 }]], [1009]],
    ['a close frame of one byte', [['x', { opcode: 8 }]], [1002, 1005, 1006]],
    ['a close code of 999', [[Buffer.from([0x03, 0xe7]), { opcode: 8 }]], [1002, 1005, 1006]],
  ];
  for (const [what, frames, codes] of protocolErrors) {
    watched(`/ws: ${what} closes with ${codes.join(' or ')}`, async () => {
      const connection = await session('/ws');
      for (const [payload, options] of frames) connection.send(payload, options);
      const { code } = await connection.close();
      assert.ok(codes.includes(code), `closed with ${code}`);
    });
    watched(`Socket.IO: ${what} ends the connection`, async () => {
      const connection = await session('/socket.io/');
      for (const [payload, options] of frames) connection.send(payload, options);
      await connection.close();
    });
  }

  // The packaged WebSocket library takes unmasked frames and does not tell. What must hold: such a frame is
  // read as any other or ends its connection, and the witness never notices.
  watched('/ws: an unmasked frame is read as it stands or closes with 1002', async () => {
    const connection = await session('/ws');
    connection.send('{"id":"unmasked","event":"value.get"}', { masked: false });
    await until('an answer or an end', () => connection.ended
      || connection.texts().some((text) => text.includes('"unmasked"'))
      || connection.frames.some((frame) => frame.opcode === 8));
    const close = connection.frames.find((frame) => frame.opcode === 8);
    if (close) assert.equal(close.payload.readUInt16BE(0), 1002);
    connection.socket.destroy();
  });

  async function session(path) {
    const token = ring.token('bo');
    if (path === '/ws') {
      const connection = await rawWebSocket(ring.gateway.port, { headers: { Authorization: `Bearer ${token}` } });
      await connection.text(/network\.update/);
      return connection;
    }
    const connection = await rawWebSocket(ring.gateway.port, { path: '/socket.io/?EIO=4&transport=websocket' });
    const open = JSON.parse((await connection.text(/^0/)).slice(1));
    assert.deepEqual(Object.keys(open), ['sid', 'upgrades', 'pingInterval', 'pingTimeout', 'maxPayload']);
    assert.deepEqual([open.upgrades, open.pingInterval, open.pingTimeout, open.maxPayload], [[], 5000, 5000, 100000]);
    connection.send(`40${JSON.stringify({ token })}`);
    await connection.text(/^40\{"sid":"[^"]+"/);
    await connection.text(/^42\["network\.update"/);
    return connection;
  }

  // JSON frames that are refused while the session stays.
  for (const [what, text] of [
    ['no JSON', 'hello'], ['half an object', '{"id":1,"event":"value.get"'], ['an array', '[]'], ['a number', '7'],
    ['no event', '{"id":1}'], ['a number as event', '{"id":1,"event":7}'], ['an empty event', '{"id":1,"event":""}'],
    ['an event with a space', '{"id":1,"event":"a b"}'], ['an event with *', '{"id":1,"event":"a.*"}'],
    ['an event with >', '{"id":1,"event":"a.>"}'], ['an event with an empty part', '{"id":1,"event":"a..b"}'],
    ['an event of 65 bytes', `{"id":1,"event":"${'a'.repeat(65)}"}`], ['an event of a script', '{"id":1,"event":"é"}'],
    ['an unknown member', '{"id":1,"event":"value.get","data":{},"more":1}'],
    ['a duplicate member', '{"id":1,"event":"value.get","event":"value.get"}'],
    ['an id that is an object', '{"id":{},"event":"value.get"}'],
    ['text after the object', '{"id":1,"event":"value.get"} x'],
    ['NaN', '{"id":1,"event":"value.get","data":NaN}'], ['single quotes', "{'id':1}"],
    ['deep nesting', `{"id":1,"event":"value.get","data":${'['.repeat(20000)}${']'.repeat(20000)}}`],
  ]) {
    watched(`/ws: ${what} is INVALID_PAYLOAD and the session goes on`, async () => {
      const ws = await ring.ws('bo');
      ws.socket.send(text);
      const reply = await ws.orphan();
      assert.equal(reply.ok, false);
      assert.equal(reply.error.code, 'INVALID_PAYLOAD', JSON.stringify(reply));
      assert.equal((await ws.request('value.get')).ok, true);
    });
  }

  watched('/ws: a binary message on the JSON subprotocol, text on the protobuf one: closed or refused', async () => {
    const json = await ring.ws('bo');
    json.socket.send(Buffer.from('{"id":"b","event":"value.get"}'), { binary: true });
    const proto = await ring.protobuf('bo');
    proto.socket.send('{"id":"b","event":"value.get"}');
    for (const client of [json, proto]) {
      await until('a refusal or a close', () => client.orphans.length || client.closed);
      if (client.orphans.length) assert.equal(client.orphans[0].error.code, 'INVALID_PAYLOAD');
      else assert.ok([1003, 1002, 1007].includes(client.closed.code), `${client.closed.code}`);
    }
  });

  watched('/ws: bytes that are no protobuf are INVALID_PAYLOAD or closed', async () => {
    for (const bytes of [[0xff, 0xff, 0xff], [0x0a, 0x7f, 0x01], [0x12, 0x02, 0xff, 0xfe], []]) {
      const client = await ring.protobuf('bo');
      client.socket.send(Buffer.from(bytes));
      await until('a refusal or a close', () => client.orphans.length || client.closed);
      if (client.orphans.length) assert.equal(client.orphans[0].error.code, 'INVALID_PAYLOAD');
    }
  });

  // Engine.IO and Socket.IO packets that break the protocol: the connection ends.
  for (const packet of ['', '9', 'x', '7', '4', '4x', '4{"a":1}', '43', '43x', '42', '42{}', '42[', '42[]', '42[7]',
    '42["connect"]', '42["disconnect"]', '42["a"', '451-["a"]', '451-["a",{"_placeholder":true,"num":7}]', '45-["a"]',
    '49["a"]', '42["a",1]x', '40', '42/other,["value.get"]', '4299999999999999999999999999["value.get"]']) {
    watched(`Socket.IO: ${JSON.stringify(packet)} after CONNECT ends the connection or is refused`, async () => {
      const connection = await session('/socket.io/');
      connection.send(packet);
      connection.send('427["value.get"]');
      // Broken: ended. Ignored or refused: the next request has its answer.
      await until('an end or an answer', () => connection.ended || connection.frames.some((frame) => frame.opcode === 8)
        || connection.texts().some((text) => text.startsWith('437[')));
      connection.socket.destroy();
    });
  }

  watched('Socket.IO: packets before CONNECT end the connection', async () => {
    for (const packet of ['42["value.get"]', '427["connection.new",{}]', '41', '43[]', '3']) {
      const connection = await rawWebSocket(ring.gateway.port, { path: '/socket.io/?EIO=4&transport=websocket' });
      await connection.text(/^0/);
      connection.send(packet);
      if (packet === '3') {
        connection.send(`40${JSON.stringify({ token: ring.token('bo') })}`);
        await until('an end or CONNECT', () => connection.ended || connection.texts().some((text) => text.startsWith('40')));
      } else {
        await connection.close();
        assert.equal(connection.texts().some((text) => text.startsWith('43')), false);
      }
      connection.socket.destroy();
    }
  });

  watched('Socket.IO: an auth that is no object is AUTH_INVALID or ends the connection', async () => {
    for (const auth of ['[]', '"token"', '7', '{"token":7}', '{"token":{}}', '{"token":"a","token":"b"}', '{"token":null}', '{']) {
      const connection = await rawWebSocket(ring.gateway.port, { path: '/socket.io/?EIO=4&transport=websocket' });
      await connection.text(/^0/);
      connection.send(`40${auth}`);
      await until('an end or CONNECT_ERROR', () => connection.ended
        || connection.frames.some((frame) => frame.opcode === 8)
        || connection.texts().some((text) => /^44\{.*"AUTH_(INVALID|REQUIRED)"/.test(text)));
      assert.equal(connection.texts().some((text) => text.startsWith('40')), false, auth);
      connection.socket.destroy();
    }
  });

  watched('Socket.IO: heartbeats come, and a client that does not answer them is gone', async () => {
    const silent = await session('/socket.io/');
    const lively = await ring.sio('bo');
    await silent.text(/^2$/);
    await until('the end of the silent one', () => silent.ended || silent.frames.some((frame) => frame.opcode === 8));
    assert.equal(lively.connected, true);
    assert.equal(lively.connects, 1);
  });

  watched('an event in ten thousand fragments of one byte each arrives', async () => {
    const connection = await session('/ws');
    const text = `{"id":"slow","event":"value.get"${' '.repeat(3000)}}`;
    [...text].forEach((letter, i) => connection.send(letter,
      { opcode: i ? 0 : 1, fin: i === text.length - 1 }));
    assert.match(await connection.text(/"slow"/), /"ok":true/);
    connection.socket.destroy();
  });

  watched('a ping is answered with its payload', async () => {
    const connection = await session('/ws');
    connection.send('hello', { opcode: 9 });
    await until('the pong', () => connection.frames.some((frame) => frame.opcode === 10 && frame.payload.toString() === 'hello'));
    connection.socket.destroy();
  });

  watched('10 MB from a stock client closes that client only', async () => {
    const sio = await ring.sio('bo');
    sio.send('value.get', { blob: 'x'.repeat(10 * 1024 * 1024) });
    await sio.disconnected();
    await sio.reconnected(2);
    const ws = await ring.ws('bo');
    ws.socket.send('x'.repeat(10 * 1024 * 1024));
    assert.ok([1009, 1006].includes((await ws.disconnected()).code));
  });

  watched('subscribe and unsubscribe check what they are given', async () => {
    const ws = await ring.ws('bo');
    for (const event of ['subscribe', 'unsubscribe']) {
      for (const data of [{}, { industries: 'technology' }, { industries: [7] }, { industries: [''] }, [], null, 'x',
        { industries: ['x'.repeat(65)] }, { industries: ['technology'], more: 1 },
        { industries: Array.from({ length: 33 }, (_, i) => `i${i}`) }]) {
        const reply = await ws.request(event, data);
        assert.equal(reply.error && reply.error.code, 'INVALID_PAYLOAD', `${event} ${JSON.stringify(data)} ${JSON.stringify(reply)}`);
      }
    }
    await ring.connectionNew('still', ['technology']);
    await ws.wait('connection.new', (list) => list.some((data) => data.userId === 'still'));
  });
});

withRing('rates', { env: { gateway: { EVENT_RATE: '60', EVENT_BURST: '5' } } }, (ring, it) => {
  for (const kind of kinds) {
    it(`${kind}: past the burst RATE_LIMITED with retryAfterMs, which keeps its word`, async () => {
      const bo = await ring[kind]('bo');
      const replies = await Promise.all(Array.from({ length: 20 }, () => bo.request('value.get')));
      const refused = replies.filter((reply) => !reply.ok);
      assert.ok(replies.length - refused.length >= 5, 'the burst passes');
      assert.ok(refused.length >= 5, JSON.stringify(replies));
      for (const reply of refused) {
        assert.equal(reply.error.code, 'RATE_LIMITED');
        assert.ok(reply.error.retryAfterMs > 0 && reply.error.retryAfterMs <= 1000, JSON.stringify(reply));
      }
      // This wait is the thing itself: the server said how long.
      await new Promise((resolve) => setTimeout(resolve, refused.at(-1).error.retryAfterMs));
      assert.equal((await bo.request('value.get')).ok, true);
    });
  }

  it('a service has no rate', async () => {
    const backend = await ring.ws(undefined, { token: ring.service() });
    for (let round = 0; round < 4; round++) {
      const replies = await Promise.all(Array.from({ length: 25 }, () => backend.request('value.get')));
      assert.equal(replies.every((reply) => reply.ok), true);
    }
  });

  it('an admin has one', async () => {
    const admin = await ring.ws('root');
    const replies = await Promise.all(Array.from({ length: 20 }, () => admin.request('value.get')));
    assert.ok(replies.some((reply) => reply.error && reply.error.code === 'RATE_LIMITED'));
  });
});

withRing('slow readers', {
  users: [...USERS, ...Array.from({ length: 4 }, (_, i) => ({ _id: `slow${i}`, industries: ['flood'] }))],
  env: { gateway: { SESSION_QUEUE_BYTES: '64KB', SOCKET_SEND_BUFFER: '16384', WRITE_TIMEOUT: '2s' } },
}, (ring, it) => {
  it('one that reads nothing is closed past the write deadline, and the others never notice', async () => {
    const lively = [await ring.sio('slow0'), await ring.ws('slow1')];
    const slow = [await ring.ws('slow2'), await ring.sio('slow3')];
    // The stock clients stop reading: their kernel buffers fill, then the gateway's queue.
    slow[0].socket.pause();
    slow[1].socket.io.engine.transport.ws.pause();
    const filler = Array.from({ length: 31 }, (_, i) => `${i}`.padEnd(60, 'f'));
    const closed = async () => (await ring.metrics(ring.gateway)).value('pollen8_gateway_closes_total', { reason: 'stuck' }) || 0;
    let sent = 0;
    // 20 frames of 2 KB are well below the bound of a queue; those who read get each before the next come.
    while ((await closed()) < 2) {
      await Promise.all(Array.from({ length: 20 }, () => ring.connectionNew('flooder', [...filler, 'flood'])));
      sent += 20;
      await Promise.all(lively.map((client) => client.wait('connection.new', sent)));
      assert.ok(sent < 20000, 'the slow ones were never closed');
    }
    await ring.settle(...lively);
    for (const client of lively) {
      assert.equal(client.all('connection.new').length, sent, client.label);
      assert.equal(client.connected, true);
    }
    assert.equal(lively[0].connects, 1);
  });
});
