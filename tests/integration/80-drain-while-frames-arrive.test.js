// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// A gateway once aborted when a frame from the broker came between the end of its loop and the end of its
// connection to the broker (about one stop in ten while events flow).

const assert = require('node:assert/strict');
const { withRing, proto } = require('./helpers/ring');

withRing('a gateway that stops while frames arrive', {}, (ring, it) => {
  it('exits 0 every time', async () => {
    const frame = Buffer.from(proto.lookupType('OutboundFrame').encode({ event: 'x.y', data: Buffer.from('{}') }).finish());
    for (let round = 0; round < 30; round++) {
      await ring.ws('ada');
      let stopped = false;
      const exit = ring.gateway.stop().finally(() => { stopped = true; });
      while (!stopped) {
        for (let i = 0; i < 20; i++) ring.broker.publish('pollen8.out.all', frame);
        await ring.broker.flush();
      }
      assert.deepEqual(await exit, { code: 0, signal: null }, `round ${round}`);
      ring.closeClients();
      await ring.gateway.start();
    }
  });
});
