// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Requests that follow each other on one connection: without waiting for answers and in pieces of any size, where each
// is answered or the connection ends, and whatever they are the gateway goes on; and with waiting, at once or later, for
// answers that are taken at once, or later, or never.

const assert = require('node:assert/strict');
const net = require('node:net');
const { setTimeout: pause } = require('node:timers/promises');
const tls = require('node:tls');
const { SLOW, until, within, withRing } = require('./helpers/ring');
const { authority, tlsEnvironment } = require('./helpers/certificate');
const { Polling } = require('./helpers/engineio');
const { upgradeRequest } = require('./helpers/raw');

const LATER_MS = 50 * SLOW; // turns of the gateway's loop later
const WRITE_TIMEOUT_S = 1;
const LARGE = 900000; // more than the buffers of two sockets hold

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';

const get = (target) => `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`;
const post = (target, body, length = body.length) =>
  `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n${body}`;

class Connection {
  constructor(ring, secure) {
    const options = { host: '127.0.0.1', port: ring.gateway.port };
    this.text = '';
    this.ended = false;
    this.socket = secure ? tls.connect({ ...options, ca: authority(ring) }) : net.connect(options);
    this.open = within('a connection', new Promise((resolve, reject) => {
      this.socket.once(secure ? 'secureConnect' : 'connect', () => resolve(this));
      this.socket.once('error', reject);
    }));
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text) => { this.text += text; });
    this.socket.on('close', () => { this.ended = true; });
    this.socket.on('error', () => {});
  }

  statuses() {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]));
  }

  /** The statuses, once there are as many or the connection has ended. */
  answers(count) {
    return until(`${count} answers`, () => (this.ended || this.statuses().length >= count) && this.statuses());
  }

  end() {
    return until('the end of the connection', () => this.ended);
  }
}

/** Numbers below `n` that are the same in every run. */
function sequence(seed) {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

for (const secure of [false, true]) {
  withRing(`requests that come together${secure ? ', over TLS' : ''}`, {
    env: { gateway: (...which) => ({ HANDSHAKE_RATE: '0', SOCKET_SEND_BUFFER: '16KB', WRITE_TIMEOUT: `${WRITE_TIMEOUT_S}s`, ...(secure ? tlsEnvironment(...which) : {}) }) },
  }, (ring, it) => {
    const connect = () => new Connection(ring, secure).open;
    const alive = async () => {
      const connection = await connect();
      connection.socket.write(get('/'));
      assert.deepEqual(await connection.answers(1), [200]);
      connection.socket.destroy();
    };
    const session = async () => {
      const one = await new Polling(secure ? ring.url(0).replace('http:', 'https:') : ring.url(0),
        secure ? { ca: authority(ring) } : {}).open();
      await one.post(`40${JSON.stringify({ token: ring.token('ada') })}`);
      await one.pollFor(/^42\["network.update"/);
      return one;
    };

    it('those without a body are answered in order', async () => {
      const connection = await connect();
      connection.socket.write(get('/') + get('/none') + get(`${HANDSHAKE}&sid=none`) + get('/'));
      assert.deepEqual(await connection.answers(4), [200, 404, 400, 200]);
      connection.socket.destroy();
    });

    it('a second one with a body is refused, and the connection ends', async () => {
      const connection = await connect();
      connection.socket.write(get('/') + post(HANDSHAKE, 'hello'));
      assert.deepEqual(await connection.answers(3), [200, 400]);
      await connection.end();
      await alive();
    });

    it('two with bodies end the connection; nobody else notices', async () => {
      const connection = await connect();
      connection.socket.write(post(HANDSHAKE, 'hello') + post(HANDSHAKE, 'hello again'));
      await connection.end();
      assert.equal(connection.statuses()[0], 400);
      await alive();
    });

    it('what came first is taken, the second body is not, and the session goes on', async () => {
      const one = await session();
      const connection = await connect();
      const target = `${HANDSHAKE}&sid=${one.sid}`;
      connection.socket.write(post(target, '420["value.get",{}]') + post(target, '421["value.get",{}]'));
      await connection.end();
      const [first, ...rest] = connection.statuses(); // where the library has lost the second head, nothing more is said
      assert.equal(first, 200);
      assert.ok(rest.length === 0 || (rest.length === 1 && rest[0] === 400), String(rest));
      await one.post('422["value.get",{}]');
      const packets = await one.pollFor(/^432/);
      assert.ok(packets.some((packet) => packet.startsWith('430')));
      assert.ok(!packets.some((packet) => packet.startsWith('431')));
      one.close();
    });

    it('a refused body is read to its end, and the client is told to go elsewhere', async () => {
      const connection = await connect();
      connection.socket.write(post(HANDSHAKE, 'x'.repeat(100), 5000));
      assert.deepEqual(await connection.answers(1), [400]);
      assert.match(connection.text, /\r\nconnection: close\r\n/);
      connection.socket.write('x'.repeat(4900) + post(HANDSHAKE, 'hello'));
      await connection.end();
      await alive();
    });

    /** A connection with a poll that is held: sent before two requests that are answered. */
    const held = async (one) => {
      const connection = await connect();
      connection.socket.write(get(`${HANDSHAKE}&sid=${one.sid}`));
      await alive();
      await alive();
      return connection;
    };

    it('a connection whose poll was answered takes the next request, at once or later', async () => {
      const one = await session();
      const connection = await held(one);
      const expected = [];
      for (const wait of [0, LATER_MS, 0, LATER_MS]) {
        ring.toUser('ada', 'test.turn', { turn: expected.length });
        expected.push(200);
        assert.deepEqual(await connection.answers(expected.length), expected);
        await pause(wait);
        connection.socket.write(get('/none'));
        expected.push(404);
        assert.deepEqual(await connection.answers(expected.length), expected);
        await pause(wait);
        connection.socket.write(get(`${HANDSHAKE}&sid=${one.sid}`));
        await alive();
      }
      assert.deepEqual([...connection.text.matchAll(/"turn":(\d+)/g)].map((match) => Number(match[1])), [0, 2, 4, 6]);
      connection.socket.destroy();
      one.close();
    });

    it('of a request in pieces nothing is lost, wherever it is cut, together with the one before or behind its answer', async () => {
      const first = get(`${HANDSHAKE}&sid=none`); // what Engine.IO answers, and keeps the connection after
      const second = get('/none');
      for (let cut = 1; cut < second.length; cut += 3) {
        const together = await connect();
        const behind = await connect();
        together.socket.write(first + second.slice(0, cut));
        behind.socket.write(first);
        assert.deepEqual(await together.answers(1), [400]);
        assert.deepEqual(await behind.answers(1), [400]);
        behind.socket.write(second.slice(0, cut));
        await pause(LATER_MS);
        together.socket.write(second.slice(cut) + first.slice(0, cut));
        behind.socket.write(second.slice(cut) + first.slice(0, cut));
        await pause(LATER_MS);
        together.socket.write(first.slice(cut));
        behind.socket.write(first.slice(cut));
        assert.deepEqual(await together.answers(3), [400, 404, 400], `together, cut at ${cut}`);
        assert.deepEqual(await behind.answers(3), [400, 404, 400], `behind, cut at ${cut}`);
        together.socket.destroy();
        behind.socket.destroy();
      }
    });

    it('an answer that its client takes late arrives whole, and the connection stays', async () => {
      const one = await session();
      const connection = await held(one);
      const partial = async () => (await ring.metrics(ring.gateway)).value('pollen8_gateway_partial_writes_total');
      const before = await partial();
      connection.socket.pause();
      ring.toUser('ada', 'test.large', { text: 'y'.repeat(LARGE) });
      await until('a write that is not taken whole', async () => await partial() > before);
      connection.socket.resume();
      await until('the whole answer', () => connection.text.length > LARGE);
      await pause(LATER_MS);
      connection.socket.write(get('/'));
      assert.deepEqual(await connection.answers(2), [200, 200]);
      assert.equal(/content-length: (\d+)/.exec(connection.text)[1], String(connection.text.indexOf('HTTP/1.1', 1)
        - connection.text.indexOf('\r\n\r\n') - 4));
      connection.socket.destroy();
      one.close();
    });

    it('an answer that its client never takes ends the connection past WRITE_TIMEOUT', async () => {
      const one = await session();
      const connection = await held(one);
      connection.socket.pause();
      ring.toUser('ada', 'test.large', { text: 'y'.repeat(LARGE) });
      await pause(WRITE_TIMEOUT_S * 1500 * SLOW);
      connection.socket.resume();
      await connection.end();
      assert.ok(connection.text.length < LARGE, `${connection.text.length}`);
      one.close();
    });

    it('anything in any pieces', async () => {
      const random = sequence(secure ? 7 : 3);
      const one = await session();
      const target = () => ['/', '/ws', '/none', HANDSHAKE, `${HANDSHAKE}&sid=none`, `${HANDSHAKE}&sid=${one.sid}`][random(6)];
      const requests = [
        () => get(target()),
        () => get(target()).replace('1.1', '1.0'),
        () => post(target(), '3'.repeat([0, 1, 100, 40000][random(4)])),
        () => post(target(), '3'.repeat(10), [9, 11, 500, 1000001][random(4)]),
        () => get(target()).replace('GET', 'OPTIONS'),
        () => post(target(), 'abc').replace('POST', 'GET'),
        () => post(target(), '5\r\nhello\r\n0\r\n\r\n').replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked'),
        () => upgradeRequest(ring.gateway.port) + 'hello',
        () => upgradeRequest(ring.gateway.port, { path: HANDSHAKE.replace('polling', 'websocket'), headers: { 'Content-Length': 4 } }),
        () => '\r\n',
        () => '\0\x01garbage\r\n\r\n',
      ];
      for (let i = 0; i < 300 / SLOW; i++) {
        const connection = await connect();
        let bytes = '';
        for (let count = 1 + random(4); count; count--) bytes += requests[random(requests.length)]();
        while (bytes) {
          const size = [bytes.length, bytes.length, 1, 7, 100, 4000][random(6)];
          connection.socket.write(bytes.slice(0, size), 'latin1');
          bytes = bytes.slice(size);
          if (!random(3)) await new Promise(setImmediate);
        }
        if (random(2)) connection.socket.end();
        else await alive();
        connection.socket.destroy();
      }
      await alive();
      one.close();
    });
  });
}
