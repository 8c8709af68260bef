// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Engine.IO v4 as the gateway's transports speak it, with an echo above them: what the public suite asks, and
// what it leaves out.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { after, before, describe, it: nodeIt } = require('node:test');
const { STEP_MS, until } = require('./helpers/ring');
const { httpBytes, rawOpen } = require('./helpers/raw');
const { Polling, SEPARATOR, Socket, echoServer, request } = require('./helpers/engineio');

const route = '/engine.io/';

/** A suite with an echo server of its own. */
function withEcho(name, env, body) {
  describe(name, () => {
    const echo = {};
    const open = [];
    before(async () => { echo.part = await echoServer(env); });
    after(async () => {
      await echo.part.stop();
      assert.deepEqual(echo.part.complaints(), []);
    });
    echo.polling = (options) => {
      const client = new Polling(echo.part.url, { route, ...options });
      open.push(client);
      return client;
    };
    echo.session = (options) => echo.polling(options).open();
    echo.websocket = (query = '') => {
      const client = new Socket(`${echo.part.url.replace('http', 'ws')}${route}?EIO=4&transport=websocket${query}`);
      open.push(client);
      return client;
    };
    echo.attach = (session) => {
      const client = session.socket();
      open.push(client);
      return client;
    };
    echo.fetch = (query, options) => request(`${echo.part.url}${route}${query}`, options);
    body(echo, (title, test) => nodeIt(title, { timeout: 4 * STEP_MS }, async () => {
      try {
        await test();
      } finally {
        for (const client of open.splice(0)) client.close();
      }
    }));
  });
}

const refusal = (code, message) => JSON.stringify({ code, message });
const UNKNOWN = refusal(1, 'Session ID unknown');

async function gone(session) {
  const answer = await session.get();
  assert.deepEqual([answer.status, answer.text], [400, UNKNOWN]);
}

/** The upgrade up to the client's last word. */
async function probed(echo, session) {
  const socket = echo.attach(session);
  await socket.opened;
  socket.send('2probe');
  await socket.message(/^3probe$/);
  return socket;
}

withEcho('handshake', {}, (echo, it) => {
  it('over polling: exactly these keys, as text', async () => {
    const { answer, opened } = await echo.session();
    assert.deepEqual(Object.keys(opened), ['sid', 'upgrades', 'pingInterval', 'pingTimeout', 'maxPayload']);
    assert.deepEqual({ ...opened, sid: '' },
      { sid: '', upgrades: ['websocket'], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 });
    assert.equal(answer.headers['content-type'], 'text/plain; charset=UTF-8');
    assert.equal(answer.headers['cache-control'], 'no-store');
  });

  it('over WebSocket: nothing to upgrade to', async () => {
    const socket = echo.websocket();
    const open = JSON.parse((await socket.message(/^0/)).slice(1));
    assert.deepEqual(open.upgrades, []);
  });

  it('every sid is another', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => echo.session()));
    assert.equal(new Set(all.map((one) => one.sid)).size, 20);
  });

  for (const [what, query, options, body] of [
    ['no transport', '?EIO=4', {}, refusal(0, 'Transport unknown')],
    ['an unknown transport', '?EIO=4&transport=webtransport', {}, refusal(0, 'Transport unknown')],
    ['no EIO', '?transport=polling', {}, refusal(5, 'Unsupported protocol version')],
    ['EIO=3', '?EIO=3&transport=polling', {}, refusal(5, 'Unsupported protocol version')],
    ['EIO=abc', '?EIO=abc&transport=polling', {}, refusal(5, 'Unsupported protocol version')],
    ['an unknown sid', '?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA', {}, UNKNOWN],
    ['a sid that is none', '?EIO=4&transport=polling&sid=%2e%2e%2f%7e', {}, UNKNOWN],
    ['an empty sid', '?EIO=4&transport=polling&sid=', {}, UNKNOWN],
    ['a sid that is too long', `?EIO=4&transport=polling&sid=${'a'.repeat(300)}`, {}, UNKNOWN],
    ['POST', '?EIO=4&transport=polling', { method: 'POST', body: '4x' }, refusal(2, 'Bad handshake method')],
    ['PUT', '?EIO=4&transport=polling', { method: 'PUT', body: '4x' }, refusal(2, 'Bad handshake method')],
    ['DELETE', '?EIO=4&transport=polling', { method: 'DELETE' }, refusal(2, 'Bad handshake method')],
    ['WebSocket without an upgrade', '?EIO=4&transport=websocket', {}, refusal(3, 'Bad request')],
    ['JSONP', '?EIO=4&transport=polling&j=0', {}, refusal(3, 'Bad request')],
    ['a GET with a body', '?EIO=4&transport=polling', { body: 'x' }, refusal(3, 'Bad request')],
  ]) {
    it(`${what} is refused`, async () => {
      const answer = await echo.fetch(query, options);
      assert.deepEqual([answer.status, answer.text], [400, body]);
      assert.equal(answer.headers['content-type'], 'application/json');
    });
  }

  it('HEAD is refused without a body', async () => {
    const answer = await echo.fetch('?EIO=4&transport=polling', { method: 'HEAD' });
    assert.deepEqual([answer.status, answer.text], [400, '']);
  });

  it('other methods on a session are told which there are', async () => {
    const session = await echo.session();
    for (const method of ['PUT', 'DELETE', 'PATCH']) {
      const answer = await session.request({ method, body: method === 'DELETE' ? undefined : 'x' });
      assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, POST, OPTIONS'], method);
    }
    await session.post('4still here');
    assert.equal((await session.get()).text, '4still here');
  });
});

withEcho('messages over polling', {}, (echo, it) => {
  it('text and binary come back, in order', async () => {
    const session = await echo.session();
    const posted = await session.post(['4a', 'bAQIDBA==', '4ü € 😀', 'b', '4'].join(SEPARATOR));
    assert.deepEqual([posted.status, posted.text, posted.headers['content-type']], [200, 'ok', 'text/html']);
    assert.equal((await session.get()).text, ['4a', 'bAQIDBA==', '4ü € 😀', 'b', '4'].join(SEPARATOR));
  });

  it('a poll waits for something to say', async () => {
    const session = await echo.session();
    const { answer } = await session.held();
    await session.post('4late');
    assert.equal((await answer).text, '4late');
  });

  it('requests share a kept-alive connection', async () => {
    const session = await echo.session();
    const ports = new Set([session.answer.port]);
    for (let i = 0; i < 10; i++) {
      ports.add((await session.post(`4${i}`)).port);
      const answer = await session.get();
      ports.add(answer.port);
      assert.equal(answer.text, `4${i}`);
    }
    assert.equal(ports.size, 1);
  });

  it('Connection: close and HTTP/1.0 are served too, held or not', async () => {
    const { port } = echo.part;
    const session = await echo.session();
    const closing = { agent: false, headers: { Connection: 'close' } };
    const waiting = session.get(closing);
    await session.post('4one', closing);
    const answer = await waiting;
    assert.deepEqual([answer.text, answer.headers.connection], ['4one', 'close']);
    await session.post('4two');
    const target = session.target().slice(echo.part.url.length);
    const old = await httpBytes(port, `GET ${target} HTTP/1.0\r\nHost: x\r\n\r\n`);
    assert.deepEqual([old.status, old.text], [200, '4two']);
  });

  it('answers far larger than a socket takes at once arrive whole', async () => {
    for (const options of [{}, { agent: false, headers: { Connection: 'close' } }]) {
      const session = await echo.session();
      const large = 'x'.repeat(950000);
      const { answer } = await session.held(options);
      await session.post(`4${large}`);
      assert.equal((await answer).text, `4${large}`);
      await session.post(`b${Buffer.from(large.slice(0, 700000)).toString('base64')}`);
      assert.equal((await session.get(options)).text.length, 1 + Math.ceil(700000 / 3) * 4);
    }
  });

  it('a reader that is slow in reading a long answer gets it whole', async () => {
    const session = await echo.session();
    const large = 'y'.repeat(990000);
    const target = session.target().slice(echo.part.url.length);
    const connection = await rawOpen(echo.part.port);
    connection.socket.pause();
    connection.socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await request(`${echo.part.url}/`);
    await session.post(`4${large}`);
    await request(`${echo.part.url}/`);
    connection.socket.resume();
    await until('the whole answer', () => connection.head() && connection.head().text.length === large.length + 1);
    connection.bytes = Buffer.alloc(0);
    await session.post('4again');
    connection.socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`); // the connection is as good as before
    await until('the next answer', () => connection.head() && connection.head().text === '4again');
    connection.socket.destroy();
  });

  it('what waits is more than one answer holds: the next ones take the rest, in order', async () => {
    const session = await echo.session();
    const texts = Array.from({ length: 200 }, (_, i) => `4${i}:${'z'.repeat(1000)}`);
    await session.post(texts.join(SEPARATOR));
    const got = [];
    let polls = 0;
    while (got.length < texts.length) {
      got.push(...(await session.get()).text.split(SEPARATOR));
      polls++;
    }
    assert.deepEqual(got, texts);
    assert.ok(polls > 1);
  });
});

withEcho('bodies', { BODY_TIMEOUT: '1s' }, (echo, it) => {
  for (const [what, body] of [
    ['no packet type', 'abc'], ['an unknown type', '9'], ['an empty body', ''], ['an empty packet', `4a${SEPARATOR}`],
    ['bad base64', 'b====='], ['base64 without padding', 'bAQ'], ['invalid UTF-8', Buffer.from([0x34, 0xff, 0xfe])],
    ['too many packets', Array.from({ length: 16385 }, () => '3').join(SEPARATOR)],
    ['a ping', '2'], ['an open packet', '0{}'],
  ]) {
    it(`${what} ends the session`, async () => {
      const session = await echo.session();
      const answer = await session.post(body);
      if (!['a ping', 'an open packet'].includes(what)) {
        assert.deepEqual([answer.status, answer.text], [400, refusal(3, 'Bad request')]);
      }
      await gone(session);
    });
  }

  it('a body holds as many packets as a client kept while it was away', async () => {
    const session = await echo.session();
    const texts = Array.from({ length: 3000 }, (_, i) => `4${i}`);
    assert.equal((await session.post(texts.join(SEPARATOR))).status, 200);
    const got = [];
    while (got.length < texts.length) got.push(...(await session.get()).text.split(SEPARATOR));
    assert.deepEqual(got, texts);
  });

  it('what stands before the malformed part was taken, what stands behind was not', async () => {
    const session = await echo.session();
    const { answer } = await session.held();
    await session.post(['4before', 'x', '4behind'].join(SEPARATOR));
    assert.deepEqual((await answer).text.split(SEPARATOR), ['4before', '1']);
  });

  it('application/octet-stream ends the session', async () => {
    const session = await echo.session();
    const answer = await session.post('4x', { headers: { 'Content-Type': 'application/octet-stream' } });
    assert.equal(answer.status, 400);
    await gone(session);
  });

  it('maxPayload bytes are taken, one more is 413 and the session goes on', async () => {
    const session = await echo.session();
    assert.equal((await session.post(`4${'x'.repeat(999999)}`)).status, 200);
    assert.equal((await session.get()).text.length, 1000000);
    for (const options of [{}, { agent: false, headers: { Connection: 'close' } }]) {
      assert.equal((await session.post(`4${'x'.repeat(1000000)}`, options)).status, 413);
      assert.equal((await session.post(`4${'x'.repeat(3000000)}`, options)).status, 413);
    }
    await session.post('4small');
    assert.equal((await session.get()).text, '4small');
  });

  it('a refused body is read to its end: its answer is not cut off; the next request goes elsewhere', async () => {
    const session = await echo.session();
    const ports = new Set();
    for (let i = 0; i < 5; i++) {
      const answer = await session.post('4'.repeat(50000), { sid: 'AAAAAAAAAAAAAAAAAAAA' });
      assert.equal(answer.status, 400);
      assert.equal(answer.headers.connection, 'close');
      ports.add(answer.port);
    }
    assert.equal(ports.size, 5);
  });

  it('a body without a length is 411', async () => {
    const session = await echo.session();
    const target = session.target().slice(echo.part.url.length);
    for (const header of ['Transfer-Encoding: chunked', 'X-None: 1', 'Content-Length: -1', 'Content-Length: 1x',
      'Content-Length: 99999999999999999999999']) {
      const answer = await httpBytes(echo.part.port,
        `POST ${target} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n2\r\n4x\r\n0\r\n\r\n`);
      assert.equal(answer.status, 411, header);
    }
    await session.post('4alive');
    assert.equal((await session.get()).text, '4alive');
  });

  it('a body that breaks off ends the session', async () => {
    const session = await echo.session();
    const { answer } = await session.held();
    const connection = await rawOpen(echo.part.port);
    connection.socket.write(`POST ${session.target().slice(echo.part.url.length)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4half`);
    await request(`${echo.part.url}/`);
    connection.socket.destroy();
    assert.equal((await answer).text, '1');
    await gone(session);
  });

  it('a body that trickles has a deadline as a whole', async () => {
    const session = await echo.session();
    const connection = await rawOpen(echo.part.port);
    connection.socket.write(`POST ${session.target().slice(echo.part.url.length)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n4`);
    const trickle = setInterval(() => connection.socket.write('x'), 100);
    await until('the end of the connection', () => connection.ended);
    clearInterval(trickle);
    assert.equal(connection.head().status, 408);
    await gone(session);
  });

  it('a refused body that trickles has one too', async () => {
    const connection = await rawOpen(echo.part.port);
    connection.socket.write(`POST ${route}?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n4`);
    const trickle = setInterval(() => connection.socket.write('x'), 100);
    await until('the end of the connection', () => connection.ended);
    clearInterval(trickle);
    assert.equal(connection.head().status, 400);
  });

  it('a second body beside the first ends the session', async () => {
    const session = await echo.session();
    const connection = await rawOpen(echo.part.port);
    connection.socket.write(`POST ${session.target().slice(echo.part.url.length)} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n4ha`);
    await request(`${echo.part.url}/`);
    assert.equal((await session.post('4other')).status, 400);
    await gone(session);
    connection.socket.write('lf!');
    await until('the answer', () => connection.head());
    assert.deepEqual([connection.head().status, connection.head().text], [400, UNKNOWN]);
    connection.socket.destroy();
  });
});

withEcho('polls', {}, (echo, it) => {
  it('a second poll ends the first with 1, the session, and itself with 400', async () => {
    const session = await echo.session();
    const { answer } = await session.held();
    assert.equal((await session.get()).status, 400);
    const first = await answer;
    assert.deepEqual([first.status, first.text], [200, '1']);
    await gone(session);
  });

  for (const headers of [{}, { Connection: 'close' }]) {
    it(`a poll that hangs up ends the session (${headers.Connection || 'keep-alive'})`, async () => {
      const session = await echo.session();
      let connection;
      await session.held({ headers, onSocket: (socket) => { connection = socket; } });
      connection.destroy();
      await until('the end of the session', async () => {
        const answer = await session.post('4x');
        return answer.status === 400 && answer.text === UNKNOWN;
      });
    });
  }

  it('a request behind a held poll on its connection hangs it up', async () => {
    const session = await echo.session();
    const target = session.target().slice(echo.part.url.length);
    const connection = await rawOpen(echo.part.port);
    connection.socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await request(`${echo.part.url}/`);
    connection.socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until('the end of the connection', () => connection.ended);
    await gone(session);
  });

  it('two requests in one piece likewise', async () => {
    const session = await echo.session();
    const target = session.target().slice(echo.part.url.length);
    const connection = await rawOpen(echo.part.port);
    const one = `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`;
    connection.socket.write(one + one);
    await until('the end of the connection', () => connection.ended);
    await gone(session);
  });

  it('abandoned polls leave the server idle', async () => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => echo.session()));
    const sockets = [];
    await Promise.all(sessions.map((session) => session.held({ onSocket: (socket) => sockets.push(socket) })));
    for (const socket of sockets) socket.destroy();
    await until('the end of the sessions', async () => {
      const answers = await Promise.all(sessions.map((session) => session.post('4x')));
      return answers.every((answer) => answer.status === 400);
    });
    const ticks = () => {
      const fields = fs.readFileSync(`/proc/${echo.part.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      return Number(fields[11]) + Number(fields[12]);
    };
    const start = ticks();
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
    assert.ok(ticks() - start < 30, `${ticks() - start} ticks of processor time in a second`);
  });

  it('the close packet ends a held poll with 6', async () => {
    const session = await echo.session();
    const { answer } = await session.held();
    assert.equal((await session.post('1')).text, 'ok');
    assert.equal((await answer).text, '6');
    await gone(session);
  });

  it('a close packet that overtakes a poll ends it with 6 all the same', async () => {
    let told = 0;
    for (let round = 0; round < 20; round++) {
      const session = await echo.session();
      const [posted, polled] = await Promise.all([session.post('1'), session.get({ agent: false })]);
      assert.equal(posted.text, 'ok');
      if (polled.text === '6') told++;
      else assert.equal(polled.text, UNKNOWN); // it came long after
      await gone(session);
    }
    assert.ok(told > 0);
  });

  it('what stands behind a close packet is left aside', async () => {
    const session = await echo.session();
    assert.equal((await session.post(`1${SEPARATOR}4x`)).text, 'ok');
    await gone(session);
  });
});

withEcho('heartbeat', { PING_INTERVAL: '300ms', PING_TIMEOUT: '200ms' }, (echo, it) => {
  it('pings come and pongs keep the session', async () => {
    const session = await echo.session();
    for (let i = 0; i < 4; i++) {
      assert.equal((await session.get()).text, '2');
      await session.post('3');
    }
  });

  it('without a pong it ends, and a held poll is told', async () => {
    const session = await echo.session();
    assert.equal((await session.get()).text, '2');
    const answer = await session.get();
    assert.deepEqual([answer.status, answer.text], [200, '1']);
    await gone(session);
  });

  it('a session nobody polls is gone after interval and timeout, not later', async () => {
    for (let i = 0; i < 5; i++) {
      const session = await echo.session();
      await new Promise((resolve) => { setTimeout(resolve, 500); });
      await gone(session);
    }
  });

  it('after an upgrade the WebSocket is pinged', async () => {
    const session = await echo.session();
    const socket = await probed(echo, session);
    socket.send('5');
    await socket.message(/^2$/);
    socket.send('3');
    await until('a second ping', () => socket.messages.filter((one) => one === '2').length === 2);
    assert.equal((await socket.end()).code, 1001);
  });
});

withEcho('upgrade', { UPGRADE_TIMEOUT: '1s' }, (echo, it) => {
  it('probe, noop, upgrade: what was sent before, during and after arrives once and in order', async () => {
    const session = await echo.session();
    const texts = Array.from({ length: 30 }, (_, i) => `4${i}`);
    const got = [];
    await session.post(texts.slice(0, 10).join(SEPARATOR));
    got.push(...(await session.get()).text.split(SEPARATOR));
    const { answer } = await session.held();
    const socket = await probed(echo, session);
    assert.equal((await answer).text, '6');
    await session.post(texts.slice(10, 15).join(SEPARATOR));
    got.push(...(await session.get()).text.split(SEPARATOR));
    await session.post(texts.slice(15, 20).join(SEPARATOR)); // these wait for the WebSocket
    socket.send('5');
    for (const text of texts.slice(20)) socket.send(text);
    await socket.message(/^429$/);
    assert.deepEqual([...got, ...socket.messages.filter((one) => one !== '3probe')], texts);
  });

  it('binary messages cross as binary frames', async () => {
    const session = await echo.session();
    const socket = await probed(echo, session);
    await session.post('bAQIDBA==');
    socket.send('5');
    assert.deepEqual(await socket.message(/binary/), Buffer.from([1, 2, 3, 4]));
    socket.send(Buffer.from([5, 6]));
    await until('the echo', () => socket.messages.length === 3);
    assert.deepEqual(socket.messages[2], Buffer.from([5, 6]));
  });

  it('while it lasts polls end with 6', async () => {
    const session = await echo.session();
    await probed(echo, session);
    for (let i = 0; i < 3; i++) assert.equal((await session.get()).text, '6');
  });

  it('afterwards the sid is good for nothing else', async () => {
    const session = await echo.session();
    const socket = await probed(echo, session);
    const { answer } = await session.held();
    socket.send('5');
    assert.ok([200, 400].includes((await answer).status));
    for (const method of ['get', 'post']) assert.equal((await session[method]('4x')).status, 400);
    const second = echo.attach(session);
    assert.equal((await second.end()).code, 1000);
    socket.send('4works');
    await socket.message(/^4works$/);
  });

  it('a second WebSocket during the probe is closed, the first goes on', async () => {
    const session = await echo.session();
    const first = await probed(echo, session);
    const second = echo.attach(session);
    assert.equal((await second.end()).code, 1000);
    first.send('5');
    first.send('4x');
    await first.message(/^4x$/);
  });

  it('an unknown sid does not upgrade', async () => {
    const socket = echo.websocket('&sid=AAAAAAAAAAAAAAAAAAAA');
    await socket.end();
    assert.equal(socket.status, 400);
  });

  it('where the WebSocket goes, says nothing or something else, polling goes on', async () => {
    const session = await echo.session();
    (await probed(echo, session)).close();
    const other = echo.attach(session);
    await until('the other one', async () => {
      if (other.closed) throw new Error(`closed with ${other.closed.code}`);
      return other.socket.readyState === 1;
    }).catch(() => {}); // the first may not have been noticed yet
    other.close();
    await until('room for the next', async () => {
      const socket = echo.attach(session);
      await socket.opened;
      socket.send('4early');
      const { code } = await socket.end();
      return code === 1002;
    });
    const large = echo.attach(session);
    await large.opened;
    large.send('x'.repeat(1000001));
    assert.equal((await large.end()).code, 1009);
    const silent = echo.attach(session);
    await silent.opened;
    assert.deepEqual(await silent.end(), { code: 1002, reason: 'upgrade timeout' });
    await session.post('4polling');
    assert.equal((await session.get()).text, '4polling');
  });

  it('a session that ends takes its probe along', async () => {
    const session = await echo.session();
    const socket = await probed(echo, session);
    await session.post('1');
    assert.equal((await socket.end()).code, 1000);
  });

  it('the upgraded WebSocket ends the session', async () => {
    const session = await echo.session();
    const socket = await probed(echo, session);
    socket.send('5');
    socket.send('1');
    assert.equal((await socket.end()).code, 1000);
    const again = echo.attach(session);
    await again.end();
    assert.equal(again.status, 400);
  });
});

withEcho('origins', { ALLOWED_ORIGINS: 'https://app.pollen8.example' }, (echo, it) => {
  const good = { Origin: 'https://app.pollen8.example' };
  const bad = { Origin: 'https://evil.example' };

  it('an allowed one may read every answer, with credentials', async () => {
    const session = await echo.session({ headers: good });
    const { answer } = await session.held();
    const posted = await session.post('4x');
    for (const one of [session.answer, await answer, posted,
      await echo.fetch('?EIO=4', { headers: good }), await session.get({ sid: 'nope' })]) {
      assert.equal(one.headers['access-control-allow-origin'], good.Origin);
      assert.equal(one.headers['access-control-allow-credentials'], 'true');
      assert.equal(one.headers.vary, 'Origin');
    }
  });

  it('without an Origin there is nothing to allow', async () => {
    const { answer } = await echo.session();
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
    assert.equal(answer.headers.vary, 'Origin');
  });

  it('another one is refused everywhere', async () => {
    const session = await echo.session();
    for (const answer of [
      await echo.fetch('?EIO=4&transport=polling', { headers: bad }),
      await session.get({ headers: bad }),
      await session.post('4x', { headers: bad }),
      await session.request({ method: 'OPTIONS', headers: bad }),
    ]) {
      assert.deepEqual([answer.status, answer.text], [403, refusal(4, 'Forbidden')]);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
    const socket = session.socket({ headers: bad });
    await socket.end();
    assert.equal(socket.status, 403);
    await session.post('4mine');
    assert.equal((await session.get()).text, '4mine');
  });

  it('a preflight says what may be sent', async () => {
    const answer = await echo.fetch('?EIO=4&transport=polling', {
      method: 'OPTIONS',
      headers: { ...good, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,x-mine' },
    });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers['access-control-allow-origin'], good.Origin);
    assert.equal(answer.headers['access-control-allow-credentials'], 'true');
    assert.equal(answer.headers['access-control-allow-methods'], 'GET, POST, OPTIONS');
    assert.equal(answer.headers['access-control-allow-headers'], 'authorization,x-mine');
  });
});
