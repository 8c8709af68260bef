// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What is kept for users who are away: invites come on connecting until they were written to a session, or, where
// the platform wants that, until one of the user's sessions has said that it saw them.

const assert = require('node:assert/strict');
const { withRing, until } = require('./helpers/ring');

const invited = (client) => client.all('invite.created').map((data) => data.inviteId);

/** Published and kept, whether or not anybody is there to get it; one after the other, for workers overtake each other. */
async function invite(ring, creatorId, ...ids) {
  for (const inviteId of ids) {
    const { seq } = await ring.publish('invite.created', { inviteId, creatorId });
    await ring.applied(seq);
  }
}

const kept = (ring, userId) => ring.redisCommand('XLEN', `p8:{u.${Buffer.from(userId).toString('base64url')}}:kept`);

withRing('invites kept until written', {}, (ring, it) => {
  for (const kind of ['sio', 'ws', 'protobuf']) {
    it(`${kind}: come on connecting, in order, and not again`, async () => {
      await invite(ring, 'ada', `${kind}1`, `${kind}2`);
      const first = await ring[kind]('ada');
      await first.wait('invite.created', 2);
      assert.deepEqual(invited(first), [`${kind}1`, `${kind}2`]);
      await until('value-svc to hear that they were written', async () => Number(await kept(ring, 'ada')) === 0);
      await invite(ring, 'ada', `${kind}3`);
      await first.wait('invite.created', 3);
      await until('value-svc to hear that it was written', async () => Number(await kept(ring, 'ada')) === 0);
      first.close();
      const second = await ring[kind]('ada');
      await second.wait('network.update', 1);
      assert.deepEqual(invited(second), []);
      second.close();
    });
  }
});

withRing('invites kept until seen', { env: { value: { INVITE_KEEP: 'seen' } } }, (ring, it) => {
  it('come on each connecting until a session has seen them', async () => {
    await invite(ring, 'bo', 'one', 'two');
    const first = await ring.sio('bo');
    await first.wait('invite.created', 2);
    first.close();
    const second = await ring.ws('bo');
    await second.wait('invite.created', 2);
    assert.deepEqual(invited(second), ['one', 'two']);
    assert.deepEqual(await second.request('invite.seen', { inviteId: 'one' }), { ok: true, data: {} });
    const refused = await second.request('invite.seen', { inviteId: 5 });
    assert.equal(refused.error.code, 'INVALID_PAYLOAD');
    const other = await ring.ws('ada');
    assert.equal((await other.request('invite.seen', { inviteId: 'two' })).ok, true); // none of hers
    const third = await ring.sio('bo');
    await third.wait('invite.created', 1);
    await third.wait('network.update', 1);
    assert.deepEqual(invited(third), ['two']);
  });
});
