// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// The stock socket.io-client through a whole ring, in Node and in a real Chromium (its page on another origin): the
// transports as they come, polling alone and WebSocket alone. What they do is in helpers/scenario.js.

const assert = require('node:assert/strict');
const { after, before, describe } = require('node:test');
const { STEP_MS, USERS, withRing, within, until, proto } = require('./helpers/ring');
const { executable, servePage, startChromium } = require('./helpers/chromium');
const { serveEcho, subjectOf } = require('../conformance/application');

const TRANSPORTS = [
  ['as it comes', {}, 'websocket'],
  ['polling alone', { transports: ['polling'] }, 'polling'],
  ['WebSocket alone', { transports: ['websocket'] }, 'websocket'],
];

const users = [...USERS, { _id: 'eve', industries: ['technology'], role: 'admin' }];
const bytes = (...list) => ({ bytes: list });

/** The tests of one environment. `open()` resolves with { call(name, ...args), close }. */
function clientTests(ring, it, open) {
  let echo;
  const client = (title, test) => it(title, async () => {
    const call = (one) => (name, ...args) => within(name, one.call(name, ...args), 2 * STEP_MS);
    if (!echo) {
      echo = serveEcho(ring.broker, proto);
      ring.broker.subscribe('pollen8.in.never'); // takes, and never answers
      await ring.broker.flush();
    }
    const one = await open();
    try {
      await test({ call: call(one) });
    } finally {
      await one.call('close');
      await one.close();
    }
  });

  for (const [what, options, end] of TRANSPORTS) {
    client(`${what}: events, several arguments, binary and acks, both ways`, async (one) => {
      const { connects, recovered } = await one.call('open', ring.url(), ring.token('eve'), options);
      assert.deepEqual([connects, recovered], [1, [false]]);
      for (let round = 0; round < 2; round++) { // perhaps before the upgrade, and after it
        assert.deepEqual(await one.call('talk'), {
          ack: [1, '2', { three: [true] }, bytes(1, 2, 3), { deep: [bytes(4)] }],
          back: ['x', bytes(5, 6), null],
        });
        await one.call('carried', end);
      }
      assert.equal(await one.call('large', end === 'polling' ? 700000 : 900000), true); // there it is base64
      const answers = echo.ask(subjectOf('eve'), {
        event: 'question', arguments: true, data: Buffer.from('[{"n":1},{"_placeholder":true,"num":0}]'),
        attachments: [Buffer.from([9])], answerTimeoutMs: 20000,
      });
      const answer = await until('the answer', () => answers[0]);
      assert.deepEqual(JSON.parse(answer.data), [{ got: { n: 1 }, part: bytes(9) }, { _placeholder: true, num: 0 }]);
      assert.deepEqual(answer.attachments, [[7, 8]]);
    });

    client(`${what}: acks in time, too late, and refusing`, async (one) => {
      await one.call('open', ring.url(), ring.token('eve'), options);
      const { value, late, refused } = await one.call('acks');
      assert.equal(value.ok, true);
      assert.equal(value.data.userId, 'eve');
      assert.deepEqual([late, refused], ['operation has timed out', 'UNKNOWN_EVENT']);
    });

    client(`${what}: final refusals come with their code, and it does not come back by itself`, async (one) => {
      const seconds = Math.floor(Date.now() / 1000);
      for (const [token, code] of [[null, 'AUTH_REQUIRED'], ['no-token', 'AUTH_INVALID'],
        [ring.token('bo', { iat: seconds - 7200, exp: seconds - 3600 }), 'AUTH_EXPIRED'],
        [ring.token('dis'), 'AUTH_USER_DISABLED'], [ring.token('nobody'), 'AUTH_USER_UNKNOWN']]) {
        const { errors, connects } = await one.call('open', ring.url(), token, options);
        assert.deepEqual([errors.map((error) => error.code), connects], [[code], 0]);
        await one.call('close');
      }
    });

    client(`${what}: comes back when the gateway is killed, and knows whether it has missed anything`, async (one) => {
      await one.call('open', ring.url(), ring.token('bo'), options);
      await one.call('carried', end);
      const names = ['before', 'while', 'after'].map((name) => `${name}-${Math.random()}`);
      await ring.connectionNew(names[0], ['technology']);
      await one.call('event', 'connection.new', 'userId', names[0]);
      await ring.gateway.kill();
      await ring.connectionNew(names[1], ['technology']);
      await ring.gateway.start();
      await one.call('connects', 2);
      await ring.connectionNew(names[2], ['technology']);
      await one.call('event', 'connection.new', 'userId', names[2]);
      const { events, recovered } = await one.call('log');
      const had = events.filter(([event, data]) => event === 'connection.new' && names.includes(data.userId))
        .map(([, data]) => data.userId);
      assert.deepEqual(had, names);
      assert.equal(recovered[1], true);
    });
  }
}

withRing('Node', { users }, (ring, it) => {
  const environment = {};
  before(() => {
    const { io } = require('socket.io-client');
    Object.assign(environment, require('./helpers/scenario'));
    require('./helpers/scenario').io = io;
  });
  clientTests(ring, it, async () => ({
    call: async (name, ...args) => environment.scenario[name](...args),
    close: async () => {},
  }));
});

withRing('what the platform takes', { users }, (ring, it) => {
  it('one argument of JSON: several of them, or binary, are refused and count nothing', async () => {
    const eve = await ring.sio('eve');
    const event = { userId: 'eve', industries: ['technology'] };
    for (const list of [[event, 2], [event, event], [[event]], [{ ...event, eventId: Buffer.from('x') }], [Buffer.from('x')]]) {
      const answer = await eve.socket.emitWithAck('connection.new', ...list);
      assert.equal(answer.error && answer.error.code, 'INVALID_PAYLOAD', JSON.stringify(list));
    }
    for (const list of [[{ industries: ['technology'] }, 2], [Buffer.from('x')]]) {
      assert.equal((await eve.socket.emitWithAck('unsubscribe', ...list)).error.code, 'INVALID_PAYLOAD');
    }
    assert.equal((await eve.request('value.get')).data.connections, 0);
  });
});

describe('Chromium', { skip: executable() ? false : 'no chromium' }, () => {
  let page;
  let stranger;
  let browser;
  before(async () => {
    [page, stranger, browser] = await Promise.all([servePage(), servePage(), startChromium()]);
  });
  after(async () => {
    if (browser) await browser.close();
    await Promise.all([page, stranger].map((one) => one && one.close()));
  });
  withRing('on an allowed origin', { users, env: { gateway: () => ({ ALLOWED_ORIGINS: page.origin }) } }, (ring, it) => {
    clientTests(ring, it, () => browser.open(page.origin));

    for (const [what, options] of TRANSPORTS) {
      it(`${what}: a page of another origin does not get in`, async () => {
        const one = await browser.open(stranger.origin);
        try {
          const { connects, errors } = await one.call('open', ring.url(), ring.token('eve'), options);
          assert.equal(connects, 0);
          assert.deepEqual([errors[0].code, errors[0].type], [null, 'TransportError']);
        } finally {
          await one.call('close');
          await one.close();
        }
      });
    }
  });
});
