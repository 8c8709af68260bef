// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// A gateway that is asked to end: answers in flight come first, clients are told when to come back, a second signal
// waits for nothing. Restarting gateways one after another under load is tests/chaos --rolling.

const assert = require('node:assert/strict');
const { withRing, until, get } = require('./helpers/ring');

const draining = (part) => until(`${part.name} draining`, async () => {
  const page = await get(part.opsPort, '/readyz').catch(() => ({ status: 503 }));
  return page.status === 503;
});

withRing('a gateway drains', { gateways: 2, env: { gateway: { DRAIN_SECONDS: '1s' } } }, (ring, it) => {
  it('what is in flight is answered before the session closes, and nothing new is taken', async () => {
    const clients = [await ring.ws('ada'), await ring.protobuf('ada'), await ring.sio('ada')];
    ring.value.freeze();
    const answers = clients.map((client) => client.request('value.get'));
    await until('the requests are on their way',
      async () => (await ring.metrics(ring.gateway)).value('pollen8_gateway_requests_in_flight') >= 3);
    const stopping = ring.gateway.stop();
    try {
      await draining(ring.gateway);
      await ring.gateway.waitLog(/draining/);
    } finally {
      ring.value.thaw();
    }
    for (const answer of answers) assert.equal((await answer).ok, true);
    for (const client of clients.slice(0, 2)) {
      const { code, reason } = await client.disconnected();
      assert.equal(code, 1012);
      assert.ok(JSON.parse(reason).reconnectAfterMs > 0, reason);
    }
    assert.equal((await clients[2].disconnected()).reason, 'transport close');
    assert.deepEqual(await stopping, { code: 0, signal: null });
    await ring.gateway.start();
  });
});

withRing('a gateway drains for long', { env: { gateway: { DRAIN_SECONDS: '300s' } } }, (ring, it) => {
  it('a second SIGTERM ends it at once', async () => {
    const client = await ring.ws('ada');
    await ring.ws('ada');
    ring.gateway.exitAllowed = true;
    ring.gateway.expectingExit = true;
    ring.gateway.signal('SIGTERM');
    await draining(ring.gateway);
    await ring.gateway.waitLog(/draining/);
    ring.gateway.signal('SIGTERM');
    assert.deepEqual(await ring.gateway.gone, { code: 1, signal: null });
    await client.disconnected();
  });
});
