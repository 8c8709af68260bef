// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Who is there, as value-svc's metrics tell it for the whole cluster, and when somebody is said to have left.

const assert = require('node:assert/strict');
const { SLOW, withRing, until, proto } = require('./helpers/ring');

/** Cluster-wide totals as { sessions, gateways, technology }. */
async function totals(ring) {
  const metrics = await ring.metrics(ring.value);
  return {
    sessions: metrics.value('pollen8_cluster_sessions'),
    gateways: metrics.value('pollen8_cluster_gateways'),
    technology: metrics.value('pollen8_cluster_sessions_by_industry', { industry: 'technology' }) || 0,
  };
}

async function becomes(ring, wanted) {
  let last;
  await until(`totals of ${JSON.stringify(wanted)}`, async () => {
    last = await totals(ring);
    return Object.keys(wanted).every((key) => last[key] === wanted[key]);
  }).catch((error) => {
    throw new Error(`${error.message}, they are ${JSON.stringify(last)}`);
  });
}

/** Everything gateways say about users who left, from now on, as user ids. */
async function leaves(ring) {
  const users = [];
  const type = proto.lookupType('SessionClosed');
  ring.broker.subscribe('pollen8.session.*', {
    callback: (_, message) => {
      if (message.headers && message.headers.get('Pollen8-Type') === 'SessionClosed') {
        users.push(type.decode(message.data).userId);
      }
    },
  });
  await ring.broker.flush();
  return users;
}

withRing('two gateways', { gateways: 2 }, (ring, it) => {
  it('the totals are those of what has not expired: a killed gateway is in none after 15 s', async () => {
    await ring.sio('ada', { gateway: 0 });
    await ring.ws('bo', { gateway: 0 });
    await ring.ws('bo', { gateway: 1 });
    await ring.ws('cy', { gateway: 1 });
    await becomes(ring, { sessions: 4, gateways: 2, technology: 3 });
    const killed = Date.now();
    await ring.gateways[0].kill();
    await becomes(ring, { sessions: 2, gateways: 1, technology: 1 });
    const seconds = (Date.now() - killed) / 1000;
    assert.ok(seconds <= 15 * SLOW, `${seconds} s`);
    const keys = await ring.redisCommand('KEYS', 'p8:gw:*');
    for (const key of keys) assert.ok(await ring.redisCommand('PTTL', key) > 0, `${key} expires`);
    await ring.gateways[0].start();
  });

  it('a gateway that ends in order is gone at once', async () => {
    await ring.ws('ada', { gateway: 0 });
    await ring.ws('cy', { gateway: 1 });
    await becomes(ring, { sessions: 2, gateways: 2 });
    await ring.gateways[0].stop();
    await becomes(ring, { sessions: 1, gateways: 1, technology: 0 });
    await ring.gateways[0].start();
  });
});

withRing('who leaves', { gateways: 2, env: { gateway: (i) => ({ HEARTBEAT_INTERVAL: '500ms', USER_LINGER: '0', GATEWAY_NAME: `g${i}` }) } }, (ring, it) => {
  it('a reconnect is no leave; the end of the last session is one, after 3 s', async () => {
    const left = await leaves(ring);
    const first = await ring.ws('ada');
    const other = await ring.ws('bo');
    const second = await ring.ws('bo');
    first.close();
    await first.disconnected();
    const again = await ring.ws('ada'); // within 3 s
    second.close();
    await second.disconnected(); // bo has another
    const began = Date.now();
    other.close();
    await until('bo has left', () => left.length > 0);
    assert.deepEqual(left, ['bo'], 'ada was back in time');
    assert.ok(Date.now() - began >= 2900, `${Date.now() - began} ms`);
    again.close();
    await until('ada has left', () => left.length > 1);
    assert.deepEqual(left, ['bo', 'ada']);
  });

  it('who went to another gateway has left the first, not the platform', async () => {
    const count = async () => (await ring.metrics(ring.value)).value('pollen8_value_users_left_total');
    const [first, second] = ring.gateways.map((part) => part.env.GATEWAY_NAME);
    const sessions = (gateway, user) => ring.redisCommand('HGET', `p8:gw:${gateway}:users`, user);
    await until('earlier ones are counted', async () => (await count()) === 2);
    const left = await leaves(ring);
    const cy = await ring.ws('cy', { gateway: 0 });
    await until('a heartbeat tells cy', async () => (await sessions(first, 'cy')) === '1');
    cy.close();
    const moved = await ring.ws('cy', { gateway: 1 });
    await until('cy has left the first', () => left.length > 0);
    await until('and is on the second alone', async () => (await sessions(first, 'cy')) === null
      && (await sessions(second, 'cy')) === '1');
    assert.equal(await count(), 2);
    moved.close();
    await until('cy has left', async () => (await count()) === 3);
    assert.deepEqual(left, ['cy', 'cy']);
  });
});

withRing('what a session leaves', { gateways: 2, env: { value: { HISTORY_WINDOW: '5s' } } }, (ring, it) => {
  const MINUTE = 60000;
  const left = (pid) => ring.redisCommand('PTTL', `p8:{p.${pid}}`).then(Number);

  it('its pid can be claimed as long as it lives, and HISTORY_WINDOW after it ended, not longer', async () => {
    const [stays, goes] = [await ring.sio('ada'), await ring.sio('bo', { gateway: 1 })];
    const [kept, lost] = [stays.socket._pid, goes.socket._pid];
    await until('both to be leased', async () => await left(kept) > 30 * MINUTE && await left(lost) > 30 * MINUTE);
    goes.close();
    await until('the end to be noted', async () => await left(lost) <= 5000);
    await until('the pid to be gone', async () => await left(lost) === -2);
    assert.ok(await left(kept) > 30 * MINUTE && await left(kept) <= 61 * MINUTE);
    stays.close();
    await until('its end to be noted too', async () => await left(kept) <= 5000);
  });

  it('sessions of a moment leave nothing for long, in whatever order their words come', async () => {
    for (let round = 0; round < 3; round++) {
      const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => ring.sio('ada', { gateway: i % 2 })));
      clients.forEach((client) => client.close());
    }
    for (const key of await ring.redisCommand('KEYS', 'p8:{p.*')) {
      const ms = Number(await ring.redisCommand('PTTL', key));
      assert.ok(ms <= MINUTE + 5000, `${key} for ${ms} ms`);
    }
    await until('all pids to be gone', async () => (await ring.redisCommand('KEYS', 'p8:{p.*')).length === 0);
  });

  it('of a gateway that died without a word they stay, and end with their lease', async () => {
    const ada = await ring.sio('ada', { gateway: 1, options: { reconnection: false } });
    const pid = ada.socket._pid;
    await until('it to be leased', async () => await left(pid) > 30 * MINUTE);
    await ring.gateways[1].kill();
    await ada.disconnected();
    assert.ok(await left(pid) > 30 * MINUTE, 'nobody knows whether it lives');
    assert.ok(await left(pid) <= 61 * MINUTE);
    await ring.gateways[1].start();
  });

  it('a gateway that ends in order takes its sessions along', async () => {
    const ada = await ring.sio('ada', { gateway: 1, options: { reconnection: false } });
    const pid = ada.socket._pid;
    await until('it to be leased', async () => await left(pid) > 30 * MINUTE);
    await ring.gateways[1].stop();
    await until('the end to be noted', async () => await left(pid) <= 5000);
    await ring.gateways[1].start();
  });
});
