// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// No sticky sessions, request by request: polls, bodies and upgrades of a session at another gateway than its own.

const assert = require('node:assert/strict');
const http = require('node:http');
const { withRing, until, within } = require('./helpers/ring');
const { authority, tlsEnvironment } = require('./helpers/certificate');
const { Polling, SEPARATOR, request } = require('./helpers/engineio');

const UNKNOWN = '{"code":1,"message":"Session ID unknown"}';
const BAD = '{"code":3,"message":"Bad request"}';

/** A session by hand at gateway 0 that is asked for at gateway 1 from then on. */
async function away(ring, user, options) {
  const session = await new Polling(ring.url(0), options).open();
  session.home = ring.url(0);
  session.url = ring.url(1);
  if (user) {
    await session.post(`40${JSON.stringify({ token: ring.token(user) })}`);
    await session.pollFor(/^40/);
    await session.pollFor(/^42\["network.update"/);
  }
  return session;
}

/** A poll that the session's gateway is known to hold: the gauge of the other one counts it. */
async function heldAway(ring, session, options) {
  const gauge = async () => (await ring.metrics(ring.gateways[1])).value('pollen8_gateway_relayed_requests') || 0;
  const before = await gauge();
  const answer = session.get({ agent: false, ...options });
  answer.catch(() => {});
  await until('the poll to be relayed', async () => await gauge() === before + 1);
  await request(`${session.url}/`, { agent: false });
  return { answer };
}

withRing('polls that reach another gateway', { gateways: 2, env: { gateway: (i) => ({ GATEWAY_NAME: `gw_${i}-x` }) } }, (ring, it) => {
  it('the session id names its gateway', async () => {
    const session = await away(ring);
    assert.match(session.sid, /^[A-Za-z0-9_-]{20}\.gw_0-x$/);
    session.close();
  });

  it('a poll and a body are answered from where the session is', async () => {
    const session = await away(ring, 'ada');
    const posted = await session.post(['420["value.get",{}]', '421["value.get",{}]'].join(SEPARATOR));
    assert.equal(posted.status, 200);
    assert.equal(posted.text, 'ok');
    assert.match(posted.headers['content-type'], /^text\/html/);
    const packets = await session.pollFor(/^431/);
    assert.ok(packets.some((packet) => packet.startsWith('430[{"ok":true')));
    session.close();
  });

  it('a poll is held, and answered when something comes', async () => {
    const session = await away(ring, 'ada');
    const { answer } = await heldAway(ring, session);
    await ring.connectionNew('held', ['technology']);
    assert.match((await answer).text, /42\["connection.new",\{"userId":"held"/);
    session.close();
  });

  it('CORS is judged where the request arrives', async () => {
    const session = await away(ring, 'ada');
    const refused = await session.post('3', { headers: { Origin: 'https://elsewhere.example' } });
    assert.equal(refused.status, 403);
    const allowed = await session.post('3', { headers: { Origin: session.url } });
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers['access-control-allow-origin'], session.url);
    session.close();
  });

  it('a second poll beside one that is held ends the session', async () => {
    for (const second of [1, 0]) {
      const session = await away(ring, 'ada');
      const { answer } = await heldAway(ring, session);
      session.url = ring.url(second);
      const refused = await session.get();
      assert.equal(refused.status, 400);
      assert.equal(refused.text, BAD);
      assert.equal((await answer).text, '1');
      assert.equal((await session.get()).text, UNKNOWN);
      session.close();
    }
  });

  it('a second body beside one that is on its way ends the session', async () => {
    for (const second of [1, 0]) {
      const session = await away(ring, 'ada');
      const slow = startBody(session, 100);
      await slow.sent;
      await until('the first body to be known', async () => {
        session.url = ring.url(second);
        const answer = await session.post('3');
        return answer.status === 400;
      });
      slow.finish('3'.repeat(1) + 'x'.repeat(99));
      assert.equal((await slow.answer).status, 400);
      session.close();
    }
  });

  it('a body that breaks off ends the session', async () => {
    const session = await away(ring, 'ada');
    const slow = startBody(session, 100);
    await slow.sent;
    slow.destroy();
    await until('the end of the session', async () => (await session.post('3')).status === 400);
    session.close();
  });

  it('a poll that hangs up ends the session', async () => {
    const session = await away(ring, 'ada');
    let connection;
    await heldAway(ring, session, { onSocket: (socket) => { connection = socket; } });
    connection.destroy();
    await until('the end of the session', async () => (await session.post('3')).text === UNKNOWN);
    session.close();
  });

  it('a body that does not decode ends the session; so does one of another type', async () => {
    for (const options of [{ body: 'x' }, { body: '4a', headers: { 'Content-Type': 'application/octet-stream' } }]) {
      const session = await away(ring, 'ada');
      const answer = await session.post(options.body, options);
      assert.equal(answer.status, 400);
      assert.equal(answer.text, BAD);
      assert.equal((await session.get()).text, UNKNOWN);
      session.close();
    }
  });

  it('a body past the bound is refused and the session goes on', async () => {
    const session = await away(ring, 'ada');
    assert.equal((await session.post(`4${'x'.repeat(1000000)}`)).status, 413);
    assert.equal((await session.post('420["value.get",{}]')).text, 'ok');
    await session.pollFor(/^430/);
    session.close();
  });

  it('a close packet ends the session, and the poll that is held says so', async () => {
    const session = await away(ring, 'ada');
    const { answer } = await heldAway(ring, session);
    assert.equal((await session.post('1')).text, 'ok');
    assert.equal((await answer).text, '6');
    assert.equal((await session.get()).text, UNKNOWN);
    session.close();
  });

  it('a close packet without a poll ends the session too, whether its body is whole at once or not', async () => {
    for (const slowly of [false, true]) {
      const session = await away(ring, 'ada');
      if (slowly) {
        const slow = startBody(session, 1);
        await slow.sent;
        await until('the body to be known', async () => (await ring.metrics(ring.gateways[0]))
          .value('pollen8_gateway_hosted_requests') === 1);
        slow.finish('1');
        assert.equal((await slow.answer).status, 200);
      } else {
        assert.equal((await session.post('1')).text, 'ok');
      }
      assert.equal((await session.get()).text, UNKNOWN);
      session.close();
    }
  });

  for (const size of [100000, 900000, 999900]) {
    it(`a body of ${size} bytes arrives, and so does an answer to it`, async () => {
      const session = await away(ring, 'ada');
      const posted = await session.post(`427["value.get",{"padding":"${'x'.repeat(size)}"}]`);
      assert.equal(posted.text, 'ok');
      await session.pollFor(/^437\[\{"ok":false/);
      session.close();
    });
  }

  for (const size of [100000, 900000, 1400000]) {
    it(`a frame of ${size} bytes is polled from elsewhere`, async () => {
      const session = await away(ring, 'ada');
      const { answer } = await heldAway(ring, session);
      ring.toUser('ada', 'test.large', { text: 'y'.repeat(size) });
      assert.ok((await answer).text.length > size);
      session.close();
    });
  }

  it('a gateway that nobody has heard of is no session', async () => {
    const session = await away(ring);
    for (const sid of [session.sid.replace(/\..*/, '.nobody'), session.sid.replace(/\..*/, ''), 'x', `${'A'.repeat(20)}.a>b`,
      session.sid.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')), `${session.sid}${'x'.repeat(60)}`]) {
      for (const method of ['GET', 'POST']) {
        const answer = await session.request({ sid, method, body: method === 'POST' ? '3' : undefined });
        assert.equal(answer.status, 400, sid);
        assert.equal(answer.text, UNKNOWN);
      }
    }
    session.close();
  });

  it('a gateway that ends lets go of the polls of others', async () => {
    const session = await away(ring, 'ada');
    const { answer } = await heldAway(ring, session);
    await ring.gateways[1].stop();
    assert.equal((await answer).text, '6');
    session.url = ring.url(0);
    await session.post('420["value.get",{}]');
    await session.pollFor(/^430/);
    await ring.gateways[1].start();
    session.close();
  });
});

withRing('gateways that die', { gateways: 2 }, (ring, it) => {
  const metric = async (part, name, labels) => (await ring.metrics(part)).value(name, labels) || 0;

  it('a poll that is held by one that dies is answered at once', async () => {
    const session = await away(ring, 'ada');
    const { answer } = await heldAway(ring, session);
    await ring.gateways[0].kill();
    const start = Date.now();
    assert.equal((await answer).text, UNKNOWN);
    assert.ok(Date.now() - start < 5000, `after ${Date.now() - start} ms`);
    const again = Date.now();
    assert.equal((await session.post('3')).text, UNKNOWN);
    assert.equal((await session.get()).text, UNKNOWN);
    assert.ok(Date.now() - again < 2000, `after ${Date.now() - again} ms`);
    await ring.gateways[0].start();
    session.close();
  });

  it('a poll of one that was started anew under its name meanwhile is answered', async () => {
    const session = await away(ring, 'ada');
    const { answer } = await heldAway(ring, session);
    await ring.gateways[0].kill();
    await ring.gateways[0].start();
    assert.equal((await answer).text, UNKNOWN);
    session.close();
  });

  it('a poll of one that has stopped to live is answered, if later', async () => {
    const session = await away(ring, 'ada');
    const { answer } = await heldAway(ring, session);
    ring.gateways[0].freeze();
    try {
      assert.equal((await answer).text, UNKNOWN);
    } finally {
      ring.gateways[0].thaw();
    }
    session.url = ring.url(0);
    await until('the end of the session', async () => (await session.get()).text === UNKNOWN);
    session.close();
  });

  it('where the one dies that the client is at, its session ends', async () => {
    const polling = () => metric(ring.gateways[0], 'pollen8_gateway_sessions', { transport: 'socketio_polling' });
    const session = await away(ring, 'ada');
    await heldAway(ring, session);
    assert.ok(await polling() >= 1);
    await ring.gateways[1].kill();
    await until('the end of the session', async () => await polling() === 0);
    await ring.gateways[1].start();
    session.close();
  });

  it('without the broker a poll for another gateway is refused at once, and held ones end', async () => {
    const session = await away(ring, 'ada');
    const { answer } = await heldAway(ring, session);
    await ring.nats.kill();
    assert.equal((await answer).status, 400);
    const start = Date.now();
    assert.ok((await session.post('3')).status >= 400);
    assert.ok(Date.now() - start < 4000);
    await ring.nats.start();
    await until('the gateways to be ready', async () => (await Promise.all(ring.gateways.map((one) =>
      ring.get(one, '/readyz')))).every((one) => one.status === 200));
    session.close();
  });
});

/** The WebSocket of a session, at another gateway, that has been told `3probe`. */
async function probedAway(session) {
  const socket = session.socket();
  await socket.opened;
  socket.send('2probe');
  await socket.message(/^3probe$/);
  return socket;
}

/** Whether a WebSocket of the session is let in; it is closed again. */
async function letIn(session) {
  const socket = await session.socket().opened;
  socket.send('2probe');
  const answer = await until('an answer to the probe', () => (socket.messages.includes('3probe') && 'in') || (socket.closed && 'out'));
  socket.close();
  return answer === 'in';
}

/** How often something has become of moves, over all gateways. */
const moves = async (ring, result) => (await Promise.all(ring.gateways.map(async (one) =>
  (await ring.metrics(one)).value('pollen8_gateway_moves_total', { result }) || 0))).reduce((sum, one) => sum + one, 0);

withRing('upgrades that reach another gateway', { gateways: 2, env: { gateway: (i) => ({ GATEWAY_NAME: `gw-${i}`, UPGRADE_TIMEOUT: '2s' }) } }, (ring, it) => {
  const sessionsOf = async (gateway, label) =>
    (await ring.metrics(ring.gateways[gateway])).value('pollen8_gateway_sessions', { transport: label }) || 0;

  it('the session moves to where the WebSocket is', async () => {
    const session = await away(ring, 'ada');
    const socket = await probedAway(session);
    socket.send('5');
    socket.send('420["value.get",{}]');
    await socket.message(/^430\[\{"ok":true/);
    assert.equal(await sessionsOf(0, 'socketio_polling'), 0);
    assert.equal(await sessionsOf(1, 'socketio_websocket'), 1);
    await ring.connectionNew('moved', ['technology']);
    await socket.message(/"connection.new",\{"userId":"moved"/);
    for (const gateway of [0, 1]) {
      session.url = ring.url(gateway);
      assert.equal((await session.get()).text, BAD);
      assert.equal((await session.post('3')).text, BAD);
      const late = await session.socket().opened; // as after an upgrade at one gateway
      late.send('2probe');
      assert.ok(await late.end());
    }
    socket.send('421["value.get",{}]');
    await socket.message(/^431/);
    socket.close();
    session.close();
  });

  it('polls are ended while it makes way, wherever they are held', async () => {
    for (const gateway of [0, 1]) {
      const session = await away(ring, 'ada');
      session.url = ring.url(gateway);
      const { answer } = gateway ? await heldAway(ring, session) : await session.held();
      session.url = ring.url(1);
      const socket = await probedAway(session);
      assert.equal((await answer).text, '6');
      socket.send('5');
      socket.send('420["value.get",{}]');
      await socket.message(/^430/);
      socket.close();
      session.close();
    }
  });

  it('one that has not joined yet moves as well', async () => {
    const session = await away(ring);
    const socket = await probedAway(session);
    socket.send('5');
    socket.send(`40${JSON.stringify({ token: ring.token('ada') })}`);
    await socket.message(/^40\{"sid"/);
    await socket.message(/^42\["network.update"/);
    socket.close();
    session.close();
  });

  it('one that joins while it is probed is in its rooms', async () => {
    const session = await away(ring);
    const socket = await probedAway(session);
    session.url = session.home;
    await session.post(`40${JSON.stringify({ token: ring.token('ada') })}`);
    socket.send('5');
    await socket.message(/^40\{"sid"/);
    await socket.message(/^42\["network.update"/);
    await ring.connectionNew('late', ['technology']);
    await socket.message(/"connection.new",\{"userId":"late"/);
    socket.close();
    session.close();
  });

  it('what has been narrowed while it was probed stays so, and what waits goes along', async () => {
    const session = await away(ring, 'ada');
    const socket = await probedAway(session);
    await session.post('420["unsubscribe",{"industries":["technology"]}]');
    await session.pollFor(/^430/);
    ring.toUser('ada', 'test.one', { n: 1 });
    ring.toUser('ada', 'test.one', { n: 2 });
    await ring.applied();
    socket.send('5');
    await socket.message(/"test.one",\{"n":2/);
    await ring.connectionNew('not', ['technology']);
    await ring.connectionNew('but', ['finance']);
    await socket.message(/"connection.new",\{"userId":"but"/);
    assert.ok(!socket.messages.some((one) => one.includes('"userId":"not"')));
    const ones = socket.messages.filter((one) => one.includes('"test.one"'));
    assert.deepEqual(ones.map((one) => JSON.parse(one.slice(2))[1].n), [1, 2]);
    socket.close();
    session.close();
  });

  it('what is published meanwhile comes once and in order', async () => {
    for (let round = 0; round < 5; round++) {
      const session = await away(ring, 'ada');
      let published = 0;
      let going = true;
      const storm = (async () => {
        while (going) {
          await Promise.all(Array.from({ length: 10 }, () => ring.connectionNew(`r${round}-${published++}`, ['technology'])));
        }
      })();
      const socket = await probedAway(session);
      const before = await session.get();
      socket.send('5');
      socket.send('420["value.get",{}]');
      await socket.message(/^430/);
      going = false;
      await storm;
      await ring.connectionNew(`r${round}-end`, ['technology']);
      await socket.message(new RegExp(`"r${round}-end"`));
      await ring.applied();
      const texts = [...session.packets, ...before.text.split(SEPARATOR), ...socket.messages];
      const users = texts.filter((one) => one.startsWith(`42["connection.new",{"userId":"r${round}-`))
        .map((one) => JSON.parse(one.slice(2))[1].userId);
      assert.deepEqual([...users].sort(), [...Array(published).keys(), 'end'].map((n) => `r${round}-${n}`).sort());
      socket.close();
      session.close();
    }
  });

  it('an answer that comes back to where it was follows it', async () => {
    const session = await away(ring, 'root');
    const socket = await probedAway(session);
    const gate = await ring.handle('test.slow');
    await session.post('427["test.slow",{}]');
    const message = await gate.next();
    socket.send('5');
    await until('the move', async () => await sessionsOf(1, 'socketio_websocket') === 1);
    message.answer({ late: true });
    assert.match(await socket.message(/^437/), /^437\[\{"ok":true,"data":\{"late":true\}\}\]/);
    gate.stop();
    socket.close();
    session.close();
  });

  it('one that is revoked while it moves ends', async () => {
    const session = await away(ring, 'ada');
    const socket = await probedAway(session);
    ring.control('ada', { action: 2 });
    assert.ok(await socket.end());
    assert.equal((await session.get()).text, UNKNOWN);
    session.close();
  });

  it('an upgrade that is not finished goes back to polling', async () => {
    const session = await away(ring, 'ada');
    const socket = await probedAway(session);
    socket.close();
    await until('another probe to be let in', () => letIn(session));
    await session.post('420["value.get",{}]');
    await session.pollFor(/^430/);
    session.close();
  });

  it('a second WebSocket is refused, a session that nobody knows too', async () => {
    const session = await away(ring, 'ada');
    const socket = await probedAway(session);
    for (const sid of [session.sid, session.sid.replace(/\..*/, '.nobody'), session.sid.replace(/^.{20}/, 'A'.repeat(20))]) {
      const other = await new Polling(ring.url(1)).socketOf(sid).opened;
      other.send('2probe');
      assert.ok(await other.end());
      assert.deepEqual(other.messages, []);
    }
    socket.send('5');
    socket.send('420["value.get",{}]');
    await socket.message(/^430/);
    socket.close();
    session.close();
  });

  it('nonsense on the WebSocket ends it alone', async () => {
    for (const nonsense of [['5'], ['x'], ['2'], ['2probe', '2probe'], ['2probe', '4hello']]) {
      const session = await away(ring, 'ada');
      const socket = await session.socket().opened;
      for (const one of nonsense) socket.send(one);
      assert.ok(await socket.end());
      await session.post('420["value.get",{}]');
      await session.pollFor(/^430/);
      session.close();
    }
  });

  it('where its gateway has died the WebSocket ends at once', async () => {
    const session = await away(ring, 'ada');
    const socket = await probedAway(session);
    await ring.gateways[0].kill();
    await until('the broker to know', () => ring.broker.request('pollen8.gw.gw-0', new Uint8Array(), { timeout: 500 })
      .then(() => false, (error) => error.code === '503')); // no responders
    socket.send('5');
    const start = Date.now();
    assert.ok(await socket.end());
    assert.ok(Date.now() - start < 1500, `after ${Date.now() - start} ms`);
    const late = await session.socket().opened;
    late.send('2probe');
    assert.ok(await late.end());
    await ring.gateways[0].start();
    session.close();
  });
});

withRing('all that a session carries moves with it', {
  gateways: 2, env: { gateway: (i) => ({ GATEWAY_NAME: `gw-${i}`, NAMESPACES: '/chat' }) },
}, (ring, it) => {
  it('further namespaces, their rooms and what waits for them', async () => {
    const session = await away(ring, 'ada');
    session.url = session.home;
    await session.post(`40/chat,${JSON.stringify({ token: ring.token('bo') })}`);
    await session.pollFor(/^40\/chat,/);
    session.url = ring.url(1);
    const socket = await probedAway(session);
    ring.toUser('bo', 'test.one', { n: 1 });
    await ring.applied();
    socket.send('5');
    await socket.message(/^42\/chat,\["test.one",\{"n":1/);
    await ring.connectionNew('both', ['technology']);
    await socket.message(/^42\["connection.new",\{"userId":"both"/);
    await socket.message(/^42\/chat,\["connection.new",\{"userId":"both"/);
    socket.send('42/chat,5["value.get",{}]');
    await socket.message(/^43\/chat,5\[\{"ok":true,"data":\{"userId":"bo"/);
    ring.control('bo', { action: 2 });
    assert.ok(await socket.end());
    session.close();
  });

  it('an event whose binary part comes after the switch', async () => {
    const session = await away(ring, 'root');
    const gate = await ring.handle('test.binary');
    const socket = await probedAway(session);
    await session.post('451-3["test.binary",{"_placeholder":true,"num":0}]');
    socket.send('5');
    socket.send(Buffer.from([1, 2, 3]));
    (await gate.next()).answer({ got: true });
    await socket.message(/^433\[\{"ok":true/);
    gate.stop();
    socket.close();
    session.close();
  });

  it('a question that the client has not answered yet', async () => {
    const session = await away(ring, 'ada');
    const answers = ring.question('ada', 'test.question', { n: 1 }, 15000);
    await session.pollFor(/^421\["test.question"/);
    const socket = await probedAway(session);
    socket.send('5');
    socket.send('431["fine"]');
    assert.deepEqual(await answers.next(), ['fine']);
    answers.stop();
    socket.close();
    session.close();
  });
});

withRing('heartbeats of sessions that move', {
  gateways: 2, env: { gateway: { PING_INTERVAL: '600ms', PING_TIMEOUT: '500ms' } },
}, (ring, it) => {
  it('a ping sent before the move may be answered after it; without an answer the session ends', async () => {
    const session = await away(ring, 'ada');
    await session.post('3'); // of no ping: nothing
    while (!(await session.get()).text.split(SEPARATOR).includes('2'));
    const socket = await probedAway(session);
    socket.send('5');
    socket.send('3');
    await socket.message(/^2$/); // the next
    socket.send('3');
    await until('a third', () => socket.messages.filter((one) => one === '2').length === 2);
    assert.equal((await socket.end()).code, 1001);
    session.close();
  });

  it('the session that polls through another gateway is overdue there too', async () => {
    const session = await away(ring, 'ada');
    while (!(await session.get()).text.split(SEPARATOR).includes('2'));
    await until('the end of the session', async () => (await session.get()).text === UNKNOWN);
    session.close();
  });
});

withRing('bounds of what gateways do for each other', {
  gateways: 2, env: { gateway: { RELAYED_REQUESTS: '2', RELAYED_BYTES: '1MB', SESSION_QUEUE_BYTES: '8MB' } },
}, (ring, it) => {
  it('a request past RELAYED_REQUESTS is refused with 503; its session goes on', async () => {
    const sessions = [];
    for (let i = 0; i < 3; i++) sessions.push(await away(ring));
    for (const session of sessions) session.url = session.home;
    for (const session of sessions) {
      await session.post(`40${JSON.stringify({ token: ring.token('ada') })}`);
      await session.pollFor(/^42\["network.update"/);
      session.url = ring.url(1);
    }
    const held = [await heldAway(ring, sessions[0]), await heldAway(ring, sessions[1])];
    const refused = await sessions[2].get();
    assert.equal(refused.status, 503);
    assert.equal(refused.headers['retry-after'], '1');
    ring.toUser('ada', 'test.one', { n: 1 });
    for (const { answer } of held) assert.match((await answer).text, /test.one/);
    await sessions[2].pollFor(/test.one/);
    for (const session of sessions) session.close();
  });

  const large = (n) => ring.toUser('ada', 'test.large', { n, text: 'y'.repeat(700000) });
  it('a session with too much waiting is not upgraded elsewhere, and goes on polling', async () => {
    const session = await away(ring, 'ada');
    large(1);
    large(2);
    await until('both to wait', async () => !await letIn(session));
    assert.equal(await letIn(session), false); // not because the one before was not over
    await session.pollFor(/"n":1/);
    await session.pollFor(/"n":2/);
    session.close();
  });

  it('one that grows past a message before it moves ends at once', async () => {
    const session = await away(ring, 'ada');
    const socket = await probedAway(session);
    for (let i = 0; i < 4; i++) large(i);
    await ring.connectionNew('after', ['technology']);
    await ring.applied();
    socket.send('5');
    assert.ok(await socket.end());
    assert.equal((await session.get()).text, UNKNOWN);
    session.close();
  });
});

withRing('polls that reach another gateway over TLS', {
  gateways: 2,
  env: { gateway: tlsEnvironment },
}, (ring, it) => {
  const ca = () => authority(ring);

  it('bodies and answers of any size, then an upgrade', async () => {
    const session = await away(ring, 'ada', { ca: ca() });
    for (const [i, size] of [10, 9000, 60000, 900000].entries()) {
      assert.equal((await session.post(`42${i}["value.get",{"padding":"${'x'.repeat(size)}"}]`)).text, 'ok');
      await session.pollFor(new RegExp(`^43${i}\\[\\{"ok":false`));
      ring.toUser('ada', 'test.large', { i, text: 'y'.repeat(size) });
      await session.pollFor(new RegExp(`^42\\["test.large",\\{"i":${i},`));
    }
    const socket = await probedAway(session);
    socket.send('5');
    socket.send('429["value.get",{}]');
    await socket.message(/^439/);
    socket.close();
    session.close();
  });
});

/** A body of `length` bytes of which none but the first comes until it is finished. */
function startBody(session, length) {
  let told;
  const sent = new Promise((resolve) => { told = resolve; });
  const message = http.request(session.target(), { method: 'POST', agent: false, headers: { 'Content-Length': length } });
  const answer = within('the answer to a slow body', new Promise((resolve, reject) => {
    message.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode }));
    });
    message.on('error', reject);
  }));
  answer.catch(() => {});
  message.on('socket', (socket) => socket.on('connect', () => message.write('', told)));
  message.flushHeaders();
  return { sent, answer, finish: (text) => message.end(text), destroy: () => message.destroy() };
}
