// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// No sticky sessions: gateways behind a balancer that gives every connection to the next one.

const assert = require('node:assert/strict');
const { withRing, until, within } = require('./helpers/ring');
const { Polling, SEPARATOR, request } = require('./helpers/engineio');
const { Balancer } = require('./helpers/balancer');

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

/** A body of `length` bytes of which none but the first comes until it is finished. */
function startBody(session, length) {
  const http = require('node:http');
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
