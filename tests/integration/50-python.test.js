// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// python-socketio's client through a whole ring: both of its kinds, with every choice of transports. What it does is
// in python/client.py.

const assert = require('node:assert/strict');
const { USERS, withRing, until, proto } = require('./helpers/ring');
const { python, Script } = require('./helpers/python');
const { serveEcho, subjectOf } = require('../conformance/application');

const interpreter = python();
const users = [...USERS, { _id: 'eve', industries: ['technology'], role: 'admin' }];
const bytes = (...list) => ({ bytes: list });

withRing('python-socketio', { users }, (ring, it) => {
  let echo;
  for (const kind of ['sync', 'asyncio']) {
    for (const [what, transports, end] of [['as it comes', null, 'websocket'],
      ['polling alone', ['polling'], 'polling'], ['WebSocket alone', ['websocket'], 'websocket']]) {
      it(`${kind}, ${what}: refusals, events, binary, acks both ways, and back after the gateway was killed`,
        async (t) => {
          if (!interpreter) return t.skip('no python-socketio');
          if (!echo) {
            echo = serveEcho(ring.broker, proto);
            ring.broker.subscribe('pollen8.in.never');
            await ring.broker.flush();
          }
          const client = ring.track(new Script(interpreter, 'client.py', kind, ring.url(), ring.token('eve'), JSON.stringify(transports)));
          assert.equal((await client.line('refused')).data.code, 'AUTH_INVALID');
          const { ack, back, value, late, transport } = await client.line('talked');
          assert.deepEqual(ack, [1, '2', { three: [true] }, bytes(1, 2, 3), { deep: [bytes(4)] }]);
          assert.deepEqual(back, ['x', bytes(5, 6), null]);
          assert.deepEqual([value.ok, value.data.userId, late, transport], [true, 'eve', true, end]);
          const answers = echo.ask(subjectOf('eve'), {
            event: 'question', arguments: true, data: Buffer.from('[{"n":1},{"_placeholder":true,"num":0}]'),
            attachments: [Buffer.from([9])], answerTimeoutMs: 20000,
          });
          const answer = await until('the answer', () => answers[0]);
          assert.deepEqual(JSON.parse(answer.data), [{ got: { n: 1 }, part: bytes(9) }, { _placeholder: true, num: 0 }]);
          assert.deepEqual(answer.attachments, [[7, 8]]);
          await ring.gateway.kill();
          await ring.gateway.start();
          await until('the client to be back', async () => {
            await ring.connectionNew('the-end', ['technology']);
            return client.lines.some((line) => line.back);
          });
          assert.deepEqual(await client.line('back'), { connects: 2, connected: true });
          assert.equal(await client.ended, 0, client.errors);
        });
    }
  }
});
