// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Who gets in, who does not, and what each is told: on Socket.IO a CONNECT_ERROR with data.code where the
// refusal is final, a closed transport where it can pass; on /ws a close code.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const tls = require('node:tls');
const { USERS, withRing, until, get } = require('./helpers/ring');
const { authority, certificate, tlsEnvironment } = require('./helpers/certificate');
const { httpBytes, rawOpen, rawWebSocket, upgradeRequest } = require('./helpers/raw');

const now = () => Math.floor(Date.now() / 1000);
const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });

// What is wrong, a token that shows it, the code, the close code on /ws.
const refusals = [
  ['no token', () => undefined, 'AUTH_REQUIRED', 4001],
  ['an empty token', () => '', 'AUTH_INVALID', 4001],
  ['no JWT', () => 'not-a-token', 'AUTH_INVALID', 4001],
  ['wrong signature', (ring) => ring.token('ada', {}, { secret: 'x'.repeat(32) }), 'AUTH_INVALID', 4001],
  ['no signature', (ring) => ring.craft({ alg: 'HS256', typ: 'JWT' }, claims(), ''), 'AUTH_INVALID', 4001],
  ['alg none', (ring) => ring.craft({ alg: 'none', typ: 'JWT' }, claims(), ''), 'AUTH_INVALID', 4001],
  ['alg none with our signature', (ring) => ring.craft({ alg: 'none', typ: 'JWT' }, claims()), 'AUTH_INVALID', 4001],
  ['alg NONE', (ring) => ring.craft({ alg: 'NoNe', typ: 'JWT' }, claims(), ''), 'AUTH_INVALID', 4001],
  ['another algorithm of the family', (ring) => ring.token('ada', {}, { algorithm: 'HS512' }), 'AUTH_INVALID', 4001],
  ['RS256 with a key of its own', (ring) => ring.token('ada', {}, { algorithm: 'RS256', secret: rsa.privateKey }),
    'AUTH_INVALID', 4001],
  ['expired', (ring) => ring.token('ada', { exp: now() - 120 }), 'AUTH_EXPIRED', 4001],
  ['not yet valid', (ring) => ring.token('ada', { nbf: now() + 120 }), 'AUTH_INVALID', 4001],
  ['issued in the future', (ring) => ring.token('ada', { iat: now() + 120 }), 'AUTH_INVALID', 4001],
  ['exp that is no number', (ring) => ring.craft({ alg: 'HS256' }, { sub: 'ada', exp: 'tomorrow' }), 'AUTH_INVALID', 4001],
  ['no sub', (ring) => ring.craft({ alg: 'HS256' }, { exp: now() + 60 }), 'AUTH_INVALID', 4001],
  ['an empty sub', (ring) => ring.craft({ alg: 'HS256' }, { sub: '', exp: now() + 60 }), 'AUTH_INVALID', 4001],
  ['a sub that is no string', (ring) => ring.craft({ alg: 'HS256' }, { sub: 7, exp: now() + 60 }), 'AUTH_INVALID', 4001],
  ['a sub over 128 bytes', (ring) => ring.token('a'.repeat(129)), 'AUTH_INVALID', 4001],
  ['a sub with a control character', (ring) => ring.token('a\u0000b'), 'AUTH_INVALID', 4001],
  ['claims that are no object', (ring) => ring.craft({ alg: 'HS256' }, '[]'), 'AUTH_INVALID', 4001],
  ['claims that are no JSON', (ring) => ring.craft({ alg: 'HS256' }, '{"sub":"ada"'), 'AUTH_INVALID', 4001],
  ['a duplicate sub', (ring) => ring.craft({ alg: 'HS256' }, '{"sub":"ada","sub":"bo"}'), 'AUTH_INVALID', 4001],
  ['four parts', (ring) => ring.hide(`${ring.token('ada')}.x`), 'AUTH_INVALID', 4001],
  ['an unknown user', (ring) => ring.token('nobody'), 'AUTH_USER_UNKNOWN', 4003],
  ['a disabled user', (ring) => ring.token('dis'), 'AUTH_USER_DISABLED', 4003],
  ['issued before tokensValidAfter', (ring) => ring.token('fresh', { iat: now() - 3600 }), 'AUTH_EXPIRED', 4001],
];

function claims() {
  return { sub: 'ada', exp: now() + 3600 };
}

const users = [...USERS, { _id: 'plain', industries: [], role: 'user' },
  { _id: 'fresh', industries: [], tokensValidAfter: (now() - 1800) * 1000 }];

withRing('refusals', { users, env: { gateway: { HANDSHAKE_TIMEOUT: '1s' } } }, (ring, it) => {
  for (const [what, make, code, close] of refusals) {
    it(`${what}: ${code}`, async () => {
      const token = make(ring);
      const sio = ring.openSio(undefined, { token, label: what });
      const refused = await sio.refused();
      assert.equal(refused.code, code, JSON.stringify(refused));
      assert.ok(refused.message, 'a sentence for the developer');
      assert.equal(sio.socket.active, false, 'the stock client does not try again');
      const places = [{ headers: token === undefined ? {} : { Authorization: `Bearer ${token}` } }];
      if (token) places.push({ query: `?token=${token}` });
      for (const place of places) {
        const end = await ring.openWs(undefined, { ...place, label: what }).disconnected();
        assert.deepEqual({ code: end.code, word: end.reason.split(/[: ]/)[0] }, { code: close, word: code },
          JSON.stringify([place.query ? 'query' : 'header', end]));
      }
      if (token !== undefined) {
        const first = ring.openWs(undefined, { token: undefined, label: what });
        await first.opened;
        first.send('auth', { token });
        assert.equal((await first.disconnected()).code, close, 'token in the first message');
      }
    });
  }

  it('a token issued after tokensValidAfter is good', async () => {
    await ring.sio('fresh');
  });

  it('30 s of clock difference are forgiven', async () => {
    await ring.ws(undefined, { token: ring.token('ada', { nbf: now() + 15, iat: now() + 15 }) });
    await ring.sio(undefined, { token: ring.token('ada', { exp: now() - 10 }) }).catch((error) => {
      throw new Error(`exp 10 s ago: ${error.message}`);
    });
  });

  it('a first message that is not auth is refused', async () => {
    const client = ring.openWs(undefined, {});
    await client.opened;
    client.send('value.get', {});
    assert.equal((await client.disconnected()).code, 4001);
  });

  it('the role claim makes a service without a user record', async () => {
    await ring.sio(undefined, { token: ring.service() });
  });

  it('a user record\'s role wins over the claim, the claim holds where the record says none', async () => {
    const plain = await ring.ws(undefined, { token: ring.token('plain', { role: 'admin' }) });
    const refused = await plain.request('connection.import', { userId: 'plain', connections: 9 });
    assert.equal(refused.error && refused.error.code, 'FORBIDDEN');
    const ada = await ring.ws(undefined, { token: ring.token('ada', { role: 'admin' }) });
    assert.equal((await ada.request('connection.import', { userId: 'ada', connections: 9 })).ok, true);
  });

  it('an unknown namespace is refused with exactly "Invalid namespace"', async () => {
    const client = ring.openSio('ada', { namespace: '/other' });
    const refused = await client.refused();
    assert.equal(refused.message, 'Invalid namespace');
    assert.equal(refused.code, undefined);
  });

  it('no log, metric or error repeats a token', async () => {
    const { text } = await get(ring.gateway.opsPort, '/metrics');
    for (const part of [ring.gateway, ring.auth]) assert.deepEqual(ring.leaks(part), []);
    assert.deepEqual(ring.leaks({ name: 'metrics' }, text), []);
  });
});

withRing('where a token may stand', {}, (ring, it) => {
  const bad = () => ring.token('ada', {}, { secret: 'y'.repeat(40) });

  it('Socket.IO: auth token, x-auth-token, Authorization, query', async () => {
    const token = ring.token('ada');
    await ring.sio(undefined, { token });
    await ring.sio(undefined, { options: { auth: { 'x-auth-token': token } } });
    await ring.sio(undefined, { options: { extraHeaders: { Authorization: `Bearer ${token}` } } });
    await ring.sio(undefined, { options: { query: { token } } });
    await ring.sio(undefined, { options: { auth: (done) => done({ token }) } });
  });

  it('Socket.IO: the first found wins', async () => {
    const good = ring.token('ada');
    await ring.sio(undefined, { options: { auth: { token: good, 'x-auth-token': bad() } } });
    await ring.sio(undefined, { options: { auth: { 'x-auth-token': good }, extraHeaders: { Authorization: `Bearer ${bad()}` } } });
    await ring.sio(undefined, { options: { extraHeaders: { Authorization: `Bearer ${good}` }, query: { token: bad() } } });
    for (const options of [
      { auth: { token: bad(), 'x-auth-token': good } },
      { auth: { token: bad() }, extraHeaders: { Authorization: `Bearer ${good}` } },
      { extraHeaders: { Authorization: `Bearer ${bad()}` }, query: { token: good } },
    ]) {
      const refused = await ring.openSio(undefined, { options }).refused();
      assert.equal(refused.code, 'AUTH_INVALID', Object.keys(options).join());
    }
  });

  it('/ws: Authorization, query, first message; both subprotocols', async () => {
    const token = ring.token('ada');
    for (const protocol of [undefined, 'pollen8.v1.json', 'pollen8.v1.protobuf']) {
      await ring.ws(undefined, { token, protocol });
      await ring.ws(undefined, { query: `?token=${token}`, protocol });
      const client = ring.openWs(undefined, { protocol });
      await client.opened;
      client.send('auth', { token });
      await client.ready();
      assert.deepEqual(client.values().length, 1);
    }
  });

  it('/ws: the first found wins', async () => {
    await ring.ws(undefined, { token: ring.token('ada'), query: `?token=${bad()}` });
    const refused = ring.openWs(undefined, { token: bad(), query: `?token=${ring.token('ada')}` });
    assert.equal((await refused.disconnected()).code, 4001);
  });

  it('/ws: no token within the handshake timeout closes with 4001', async () => {
    const connection = await rawWebSocket(ring.gateway.port, {});
    const end = await connection.close();
    assert.equal(end.code, 4001);
    assert.match(end.reason, /AUTH_REQUIRED/);
  });
});

withRing('subprotocols and paths', {}, (ring, it) => {
  it('the subprotocol chosen is named, and JSON is the default', async () => {
    const port = ring.gateway.port;
    for (const [offered, chosen] of [
      [undefined, undefined],
      ['pollen8.v1.json', 'pollen8.v1.json'],
      ['pollen8.v1.protobuf', 'pollen8.v1.protobuf'],
      ['pollen8.v1.protobuf, pollen8.v1.json', 'pollen8.v1.protobuf'],
      ['something.else, pollen8.v1.json', 'pollen8.v1.json'],
    ]) {
      const connection = await rawOpen(port);
      connection.socket.write(upgradeRequest(port, { headers: { 'Sec-WebSocket-Protocol': offered || null } }));
      const head = await until('the answer', () => connection.head());
      assert.equal(head.status, 101, offered);
      assert.equal(head.headers['sec-websocket-protocol'], chosen, offered);
      assert.equal(head.headers['sec-websocket-extensions'], undefined, 'no extension is agreed to');
      connection.socket.destroy();
    }
  });

  it('only unknown subprotocols are refused', async () => {
    const answer = await httpBytes(ring.gateway.port,
      upgradeRequest(ring.gateway.port, { headers: { 'Sec-WebSocket-Protocol': 'graphql-ws' } }));
    assert.notEqual(answer.status, 101);
  });

  it('compression offered is not agreed to', async () => {
    const connection = await rawWebSocket(ring.gateway.port,
      { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' } });
    connection.socket.destroy();
  });

  for (const upgrade of ['h2c', 'HTTP/2.0', 'tcp', 'websocket2', 'TLS/1.0']) {
    it(`Upgrade: ${upgrade} is refused`, async () => {
      const { port } = ring.gateway;
      const headers = { Upgrade: upgrade, 'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA', Connection: 'Upgrade, HTTP2-Settings' };
      for (const target of ['/ws', '/socket.io/?EIO=4&transport=websocket', '/']) {
        const answer = await httpBytes(port, upgradeRequest(port, { path: target, headers }));
        assert.notEqual(answer.status, 101, target);
      }
      await ring.sio('ada');
    });
  }

  it('an odd Upgrade on a connection kept alive ends that connection only', async () => {
    const { port } = ring.gateway;
    const connection = await rawOpen(port);
    connection.socket.write(`GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    await until('the first answer', () => connection.head() || connection.ended);
    connection.socket.write(upgradeRequest(port, { headers: { Upgrade: 'nonsense' } }));
    connection.socket.write(upgradeRequest(port, { headers: { Upgrade: 'h2c' } }));
    await until('the end of the connection', () => connection.ended);
    await ring.sio('ada');
  });

  for (const version of ['12', '8', '0', '', 'abc', null]) {
    it(`Sec-WebSocket-Version ${version} is refused`, async () => {
      const { port } = ring.gateway;
      const answer = await httpBytes(port, upgradeRequest(port, { headers: { 'Sec-WebSocket-Version': version } }));
      assert.notEqual(answer.status, 101);
      if (answer.status === 426) assert.equal(answer.headers['sec-websocket-version'], '13');
    });
  }

  for (const [what, target] of [
    ['an unknown path', '/other'], ['below /ws', '/ws/more'], ['beside /ws', '/wsx'],
    ['the ops routes', '/metrics'], ['Engine.IO 3', '/socket.io/?EIO=3&transport=websocket'],
    ['no EIO', '/socket.io/?transport=websocket'],
    ['an unknown transport', '/socket.io/?EIO=4&transport=carrier-pigeon'],
    ['an unknown sid', '/socket.io/?EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA'],
  ]) {
    it(`an upgrade on ${what} is refused`, async () => {
      const { port } = ring.gateway;
      const answer = await httpBytes(port, upgradeRequest(port, { path: target }));
      assert.notEqual(answer.status, 101);
      assert.ok(answer.status === 0 || (answer.status >= 400 && answer.status < 500), `${answer.status}`);
    });
  }

  it('plain HTTP finds no ops route on the public port', async () => {
    const { port } = ring.gateway;
    for (const target of ['/metrics', '/healthz', '/readyz', '/../metrics', '//metrics', '/%6detrics']) {
      const answer = await httpBytes(port, `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
      assert.notEqual(answer.status, 200, target);
      assert.doesNotMatch(answer.text, /pollen8_/);
    }
  });

  it('broken HTTP is hung up on, and others never notice', async () => {
    const { port } = ring.gateway;
    const watcher = await ring.ws('ada');
    for (const bytes of [
      'NONSENSE\r\n\r\n', '\x00\x01\x02\x03\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', 'GET\r\n\r\n',
      `GET /ws HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(70000)}\r\n\r\n`,
      `GET /${'a'.repeat(70000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /ws HTTP/1.1\r\n${'A: b\r\n'.repeat(5000)}\r\n`,
      'POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
      'POST /ws HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    ]) {
      const connection = await rawOpen(port);
      connection.socket.write(Buffer.from(bytes, 'latin1'));
      connection.socket.end();
      await until(`an end of ${JSON.stringify(bytes.slice(0, 20))}`, () => connection.head() || connection.ended);
      const head = connection.head();
      if (head) assert.ok(head.status >= 400, `${bytes.slice(0, 20)} → ${head.status}`);
      connection.socket.destroy();
    }
    await ring.connectionNew('x', ['technology']);
    await watcher.wait('connection.new');
  });
});

withRing('origins', { env: { gateway: { ALLOWED_ORIGINS: 'https://app.pollen8.example,https://*.pollen8.test' } } }, (ring, it) => {
  const upgrade = (target, headers) => httpBytes(ring.gateway.port, upgradeRequest(ring.gateway.port, { path: target, headers }));

  for (const target of ['/ws', '/socket.io/?EIO=4&transport=websocket']) {
    it(`${target.slice(0, 11)}: only allowed origins upgrade`, async () => {
      assert.equal((await upgrade(target, { Origin: 'https://app.pollen8.example' })).status, 101);
      assert.equal((await upgrade(target, {})).status, 101, 'no browser, no origin');
      for (const origin of ['https://evil.example', 'http://app.pollen8.example', 'https://app.pollen8.example.evil.example',
        'null', 'https://evilpollen8.test']) {
        const answer = await upgrade(target, { Origin: origin });
        assert.equal(answer.status, 403, origin);
      }
    });
  }

  it('the stock client of a refused origin gets in nowhere, that of an allowed one does', async () => {
    const refused = await ring.openSio('ada', { options: { extraHeaders: { Origin: 'https://evil.example' } } }).refused();
    assert.equal(refused.type, 'TransportError');
    await ring.sio('ada', { options: { extraHeaders: { Origin: 'https://app.pollen8.example' } } });
    const ws = ring.openWs('ada', { headers: { Origin: 'https://evil.example' } });
    await assert.rejects(ws.opened);
    assert.equal(ws.upgradeStatus, 403);
  });
});

withRing('same origin is the default', {}, (ring, it) => {
  it('the page of this host may, others may not', async () => {
    const { port } = ring.gateway;
    const upgrade = (headers) => httpBytes(port, upgradeRequest(port, { headers }));
    assert.equal((await upgrade({ Origin: `http://127.0.0.1:${port}` })).status, 101);
    assert.equal((await upgrade({ Origin: 'http://127.0.0.1:1' })).status, 403);
    assert.equal((await upgrade({ Origin: 'https://pollen8.example' })).status, 403);
  });
});

withRing('the handshake rate', { env: { gateway: { HANDSHAKE_RATE: '1', HANDSHAKE_BURST: '5' } } }, (ring, it) => {
  it('past the burst an address waits, and the stock client comes back by itself', async () => {
    const { port } = ring.gateway;
    const statuses = [];
    for (let i = 0; i < 12; i++) statuses.push((await httpBytes(port, upgradeRequest(port))).status);
    assert.equal(statuses.slice(0, 5).every((status) => status === 101), true, statuses.join());
    assert.ok(statuses.slice(5).some((status) => status === 429), statuses.join());
    const client = ring.openSio('ada');
    await client.ready();
    assert.ok(client.errors.every((error) => !error.data), 'never a CONNECT_ERROR: it can pass');
  });
});

withRing('expiry on live connections', { env: { auth: { JWT_LEEWAY: '0' } } }, (ring, it) => {
  it('a session ends with its token: /ws with 4001, Socket.IO with a closed transport', async () => {
    const token = ring.token('ada', { exp: now() + 4 });
    const bo = await ring.ws('bo');
    const ws = await ring.ws(undefined, { token });
    const sio = await ring.sio(undefined, { token });
    const end = await ws.disconnected();
    assert.equal(end.code, 4001);
    assert.match(end.reason, /AUTH_EXPIRED/);
    assert.equal((await sio.disconnected()).reason, 'transport close');
    // Coming back with the same token is refused for good.
    await until('the refusal', () => sio.errors.some((error) => error.data && error.data.code === 'AUTH_EXPIRED'));
    assert.equal(bo.connected, true);
  });
});

withRing('auth-svc away', { env: { gateway: { AUTH_TIMEOUT: '1s' } } }, (ring, it) => {
  it('closes the transport, throws nobody out, and the stock client comes back by itself', async () => {
    const inside = await ring.sio('bo');
    const insideWs = await ring.ws('bo');
    await ring.auth.stop();
    const sio = ring.openSio('ada');
    const ws = ring.openWs('ada');
    const end = await ws.disconnected();
    assert.equal(end.code, 1012);
    assert.match(end.reason, /AUTH_UNAVAILABLE/);
    await until('an attempt', () => sio.errors.length + sio.closes.length >= 1 || sio.socket.io._reconnecting);
    assert.ok(sio.errors.every((error) => !error.data), 'no CONNECT_ERROR');
    await ring.connectionNew('x', ['technology']);
    await ring.settle(inside, insideWs);
    assert.equal(inside.all('connection.new').length, 1);
    assert.equal(insideWs.all('connection.new').length, 1);
    await ring.auth.start();
    await sio.ready();
    assert.equal(inside.connected && insideWs.connected, true);
  });

  it('frozen is like away: the deadline passes', async () => {
    ring.auth.freeze();
    try {
      const end = await ring.openWs('ada').disconnected();
      assert.equal(end.code, 1012);
    } finally {
      ring.auth.thaw();
    }
    await ring.sio('ada');
  });
});

withRing('TLS', {
  env: { gateway: tlsEnvironment },
}, (ring, it) => {
  const ca = () => authority(ring);
  const handshake = (options) => new Promise((resolve) => {
    const socket = tls.connect({ host: '127.0.0.1', port: ring.gateway.port, ca: ca(), ...options });
    socket.once('secureConnect', () => {
      const result = { protocol: socket.getProtocol(), alpn: socket.alpnProtocol };
      socket.destroy();
      resolve(result);
    });
    socket.once('error', (error) => resolve({ error: error.code || error.message }));
  });

  it('stock clients connect over WSS', async () => {
    const sio = await ring.sio('ada', { options: { ca: ca() } });
    const ws = await ring.ws('ada', { options: { ca: ca() } });
    const proto = await ring.protobuf('bo', { options: { ca: ca() } });
    await ring.connectionNew('z', ['technology']);
    await ring.settle(sio, ws, proto);
    for (const client of [sio, ws, proto]) assert.equal(client.all('connection.new').length, 1, client.label);
  });

  it('TLS 1.2 and 1.3 are spoken, 1.1 and plain text are not, h2 is never chosen', async () => {
    assert.equal((await handshake({ maxVersion: 'TLSv1.2' })).protocol, 'TLSv1.2');
    assert.equal((await handshake({ minVersion: 'TLSv1.3' })).protocol, 'TLSv1.3');
    const old = await handshake({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    assert.ok(old.error, JSON.stringify(old));
    const alpn = await handshake({ ALPNProtocols: ['h2', 'http/1.1'] });
    assert.notEqual(alpn.alpn, 'h2');
    const plain = await httpBytes(ring.gateway.port, upgradeRequest(ring.gateway.port));
    assert.notEqual(plain.status, 101);
  });

  it('a large message passes over TLS in both directions', async () => {
    const backend = await ring.ws(undefined, { token: ring.service(), options: { ca: ca() } });
    const reply = await backend.request('connection.new', { userId: 'ada', industries: ['x'.repeat(70000)] });
    assert.equal(reply.error.code, 'INVALID_PAYLOAD');
    await backend.request('value.get');
  });

  it('SIGHUP takes a new certificate without dropping anybody', async () => {
    const ws = await ring.ws('ada', { options: { ca: ca() } });
    const old = ca();
    certificate(ring.folder);
    ring.gateway.signal('SIGHUP');
    const fingerprint = () => new Promise((resolve) => {
      const socket = tls.connect({ host: '127.0.0.1', port: ring.gateway.port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().raw.toString('base64'));
        socket.destroy();
      });
      socket.once('error', () => resolve(null));
    });
    const fresh = new crypto.X509Certificate(ca()).raw.toString('base64');
    assert.notEqual(fresh, new crypto.X509Certificate(old).raw.toString('base64'));
    await until('the new certificate', async () => (await fingerprint()) === fresh);
    assert.equal((await ws.request('value.get')).ok, true);
  });
});
