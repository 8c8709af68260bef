// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What the platform is for: an event published by a backend reaches exactly those it concerns, once each, on
// whatever transport and whichever gateway they are.

const assert = require('node:assert/strict');
const { USERS, withRing } = require('./helpers/ring');

const kinds = ['sio', 'ws', 'protobuf'];

// Users whose value only one test changes.
const own = ['dedupe', 'twice', 'busy', 'many'].map((_id) => ({ _id, industries: _id === 'many' ? ['counting'] : [] }));
for (const kind of kinds) {
  own.push({ _id: `removed-${kind}`, industries: ['technology'] });
  for (const name of ['snapshot', 'value', 'served']) own.push({ _id: `${name}-${kind}`, industries: [] });
}
const users = [...USERS, ...own];

function delivered(client) {
  return client.events.filter((entry) => !['ready', 'offset', 'network.update', 'test.barrier'].includes(entry.event));
}

withRing('one of each service', { users }, (ring, it) => {
  it('tells the industry once and the user its value: 3.14, 6.28, 9.42', async () => {
    const ada = await ring.sio('ada');
    const bo = await ring.sio('bo');
    const cy = await ring.ws('cy');
    for (const expected of [3.14, 6.28, 9.42]) {
      const before = bo.all('connection.new').length;
      await ring.connectionNew('ada', ['technology']);
      await ada.wait('network.update', (list) => list.some((data) => data.newValue === expected));
      await bo.wait('connection.new', before + 1);
    }
    await ring.settle(ada, bo, cy);
    assert.deepEqual(ada.all('network.update'),
      [0, 3.14, 6.28, 9.42].map((newValue) => ({ userId: 'ada', newValue })));
    const payload = { userId: 'ada', industries: ['technology'] };
    assert.deepEqual(ada.all('connection.new'), [payload, payload, payload]);
    assert.deepEqual(bo.all('connection.new'), [payload, payload, payload]);
    assert.deepEqual(delivered(cy), [], 'another industry hears nothing');
    assert.deepEqual(bo.values(), [0], "bo's own value stays");
  });

  for (const kind of kinds) {
    it(`${kind}: a session in two matching industries gets one copy`, async () => {
      const ada = await ring[kind]('ada');
      await ring.connectionNew('someone', ['finance', 'technology']);
      await ring.settle(ada);
      assert.deepEqual(delivered(ada),
        [{ event: 'connection.new', data: { userId: 'someone', industries: ['finance', 'technology'] } }]);
    });

    it(`${kind}: the payload arrives as written, whatever case and space its industries have`, async () => {
      const bo = await ring[kind]('bo');
      const payload = { userId: 'x', industries: ['  TECHnology ', 'Straße'] };
      await ring.publish('connection.new', payload);
      await ring.settle(bo);
      assert.deepEqual(delivered(bo), [{ event: 'connection.new', data: payload }]);
    });

    it(`${kind}: connection.removed is told and takes 3.14 away, never below 0`, async () => {
      const user = `removed-${kind}`;
      const client = await ring[kind](user);
      await ring.connectionNew(user, ['x']);
      await client.wait('network.update', 2);
      await ring.publish('connection.removed', { userId: user, industries: ['technology'] });
      await client.wait('network.update', 3);
      await ring.publish('connection.removed', { userId: user, industries: ['technology'] });
      await ring.settle(client);
      // Below 0 the sum goes on (changes commute), while what is shown stays at 0.
      assert.equal(client.values().at(-1), 0);
      assert.equal(client.all('connection.removed').length, 2);
      await ring.connectionNew(user, ['x']);
      await ring.connectionNew(user, ['x']);
      await ring.settle(client);
      assert.equal(client.values().at(-1), 3.14);
    });

    it(`${kind}: invite.created reaches the creator's sessions only`, async () => {
      const first = await ring[kind]('ada');
      const second = await ring.ws('ada');
      const bo = await ring[kind]('bo');
      const payload = { inviteId: `i-${kind}`, creatorId: 'ada' };
      await ring.publish('invite.created', payload);
      await ring.settle(first, second, bo);
      assert.deepEqual(delivered(first), [{ event: 'invite.created', data: payload }]);
      assert.deepEqual(delivered(second), [{ event: 'invite.created', data: payload }]);
      assert.deepEqual(delivered(bo), []);
    });

    it(`${kind}: the current value comes with the connection, also after a reconnect`, async () => {
      const user = `snapshot-${kind}`;
      await ring.publish('connection.import', { userId: user, connections: 100 });
      await ring.applied();
      const client = await ring[kind](user);
      assert.deepEqual(client.values(), [314]);
      client.close();
      await ring.connectionNew(user, ['technology']);
      await ring.applied();
      const again = await ring[kind](user);
      assert.deepEqual(again.values(), [317.14]);
    });

    it(`${kind}: unsubscribe and subscribe narrow and restore`, async () => {
      const ada = await ring[kind]('ada');
      assert.equal((await ada.request('unsubscribe', { industries: [' Technology'] })).ok, true);
      await ring.connectionNew('p', ['technology']);
      await ring.connectionNew('q', ['finance']);
      await ring.settle(ada);
      assert.deepEqual(ada.all('connection.new').map((data) => data.userId), ['q']);
      assert.equal((await ada.request('subscribe', { industries: ['technology'] })).ok, true);
      await ring.connectionNew('r', ['technology']);
      await ring.settle(ada);
      assert.deepEqual(ada.all('connection.new').map((data) => data.userId), ['q', 'r']);
      const refused = await ada.request('subscribe', { industries: ['healthcare'] });
      assert.equal(refused.error && refused.error.code, 'FORBIDDEN');
      await ring.connectionNew('s', ['healthcare']);
      await ring.settle(ada);
      assert.equal(ada.all('connection.new').length, 2, 'not subscribed after the refusal');
    });

    it(`${kind}: value.get answers with the value and the count`, async () => {
      const user = `value-${kind}`;
      const client = await ring[kind](user);
      assert.deepEqual(await client.request('value.get', {}),
        { ok: true, data: { userId: user, newValue: 0, connections: 0 } });
      await ring.publish('connection.import', { userId: user, connections: 5 });
      await client.wait('network.update', 2);
      assert.deepEqual(await client.request('value.get', {}),
        { ok: true, data: { userId: user, newValue: 15.7, connections: 5 } });
    });

    it(`${kind}: the role user submits nothing of the platform's`, async () => {
      const ada = await ring[kind]('ada');
      for (const [event, data] of [
        ['connection.new', { userId: 'ada', industries: ['technology'] }],
        ['connection.removed', { userId: 'ada', industries: ['technology'] }],
        ['connection.import', { userId: 'ada', connections: 7 }],
        ['invite.created', { inviteId: 'i', creatorId: 'ada' }],
        ['network.update', { userId: 'ada', newValue: 1e6 }],
        ['test.anything', {}],
      ]) {
        const reply = await ada.request(event, data);
        assert.equal(reply.ok, false, event);
        assert.equal(reply.error.code, 'FORBIDDEN', event);
      }
    });

    it(`${kind}: role service submits for anyone, with an ack, and eventId counts once`, async () => {
      const user = `served-${kind}`;
      const client = await ring[kind](user);
      const backend = await ring[kind](undefined, { token: ring.service() });
      const payload = { userId: user, industries: ['technology'], eventId: `e-${kind}` };
      const first = await backend.request('connection.new', payload);
      assert.equal(first.ok, true, JSON.stringify(first));
      assert.deepEqual(Object.keys(first).sort(), ['data', 'ok']);
      assert.equal((await backend.request('connection.new', payload)).ok, true, 'a resend is well');
      assert.equal((await backend.request('connection.new', { ...payload, eventId: 'other' })).ok, true);
      assert.equal((await backend.request('connection.import', { userId: user, connections: 3 })).ok, true);
      assert.equal((await backend.request('invite.created', { inviteId: 'i', creatorId: user })).ok, true);
      await ring.settle(client);
      assert.equal(client.values().at(-1), 15.7);
      assert.equal(client.all('invite.created').length, 1);
    });
  }

  it('admin submits for anyone and subscribes to any industry', async () => {
    const admin = await ring.sio('root');
    const cy = await ring.ws('cy');
    assert.equal((await admin.request('subscribe', { industries: ['Healthcare'] })).ok, true);
    const payload = { userId: 'cy', industries: ['healthcare'] };
    assert.equal((await admin.request('connection.new', payload)).ok, true);
    await ring.settle(admin, cy);
    assert.deepEqual(delivered(admin), [{ event: 'connection.new', data: payload }]);
    assert.deepEqual(delivered(cy), [{ event: 'connection.new', data: payload }]);
    const unknown = await admin.request('no.such.event', {});
    assert.equal(unknown.error.code, 'UNKNOWN_EVENT');
  });

  it('a platform publish with an eventId counts once, with another or for another user again', async () => {
    const client = await ring.sio('dedupe');
    for (let i = 0; i < 3; i++) await ring.connectionNew('dedupe', ['x'], { eventId: 'same' });
    await ring.connectionNew('dedupe', ['x'], { eventId: 'other' });
    await ring.connectionNew('not-dedupe', ['x'], { eventId: 'same' });
    await ring.publish('connection.removed', { userId: 'dedupe', industries: ['x'], eventId: 'same' });
    await ring.settle(client);
    const { data } = await client.request('value.get');
    assert.equal(data.connections, 1, 'two new, one removed: the event is part of the key');
  });

  it('the same eventId from another submitter counts again', async () => {
    const client = await ring.sio('twice');
    const admin = await ring.ws('root');
    const payload = { userId: 'twice', industries: ['x'], eventId: 'one-id' };
    assert.equal((await admin.request('connection.new', payload)).ok, true);
    await ring.publish('connection.new', payload);
    await ring.settle(client);
    assert.equal((await client.request('value.get')).data.connections, 2);
  });

  it('a hundred events of one user are one hundred, and updates never go back', async () => {
    const clients = [await ring.sio('busy'), await ring.ws('busy')];
    await Promise.all(Array.from({ length: 100 }, () => ring.connectionNew('busy', ['technology'])));
    await ring.settle(...clients);
    for (const client of clients) {
      assert.equal(client.values().at(-1), 314);
      const values = client.values();
      assert.deepEqual(values, [...values].sort((a, b) => a - b), client.label);
      assert.equal(new Set(values).size, values.length, 'no value comes twice');
    }
  });
});

withRing('with CLIENT_SUBMIT on', { env: { auth: { CLIENT_SUBMIT: 'on' } } }, (ring, it) => {
  for (const kind of kinds) {
    it(`${kind}: a user submits about itself and its own industries only`, async () => {
      const ada = await ring[kind]('ada');
      const bo = await ring[kind]('bo');
      const before = (await ada.request('value.get')).data.connections;
      const own = { userId: 'ada', industries: ['Technology'] };
      assert.equal((await ada.request('connection.new', own)).ok, true);
      assert.equal((await ada.request('invite.created', { inviteId: 'mine', creatorId: 'ada' })).ok, true);
      for (const [event, data] of [
        ['connection.new', { userId: 'bo', industries: ['technology'] }],
        ['connection.new', { userId: 'ada', industries: ['technology', 'healthcare'] }],
        ['invite.created', { inviteId: 'not-mine', creatorId: 'bo' }],
        ['connection.import', { userId: 'ada', connections: 1000 }],
      ]) {
        const reply = await ada.request(event, data);
        assert.equal(reply.error && reply.error.code, 'FORBIDDEN', JSON.stringify([event, data, reply]));
      }
      await ring.settle(ada, bo);
      assert.equal((await ada.request('value.get')).data.connections, before + 1);
      assert.deepEqual(bo.all('connection.new'), [own]);
      assert.deepEqual(bo.all('invite.created'), []);
      assert.deepEqual(ada.all('invite.created'), [{ inviteId: 'mine', creatorId: 'ada' }]);
    });
  }

  it('auth-svc warns about it', async () => {
    assert.match(ring.auth.output, /CLIENT_SUBMIT/);
  });
});

withRing('two of each service', { users, gateways: 2, auth: 2, value: 2 }, (ring, it) => {
  it('the same holds, whoever is connected where', async () => {
    const places = [0, 1].flatMap((gateway) => kinds.map((kind) => ({ gateway, kind })));
    const clients = [];
    for (const { gateway, kind } of places) {
      for (const user of ['ada', 'bo', 'cy']) clients.push({ user, client: await ring[kind](user, { gateway }) });
    }
    const all = clients.map((one) => one.client);
    for (let i = 0; i < 3; i++) await ring.connectionNew('ada', ['technology', 'finance']);
    await ring.publish('invite.created', { inviteId: 'i', creatorId: 'bo' });
    await ring.settle(...all);
    for (const { user, client } of clients) {
      const expected = { ada: [3, 0], bo: [3, 1], cy: [0, 0] }[user];
      assert.deepEqual([client.all('connection.new').length, client.all('invite.created').length], expected,
        client.label);
      assert.equal(client.values().at(-1), user === 'ada' ? 9.42 : 0, client.label);
    }
  });

  it('five hundred events through two gateways and two value-svc are counted exactly', async () => {
    const clients = [
      await ring.sio('many', { gateway: 0 }),
      await ring.ws('many', { gateway: 1 }),
    ];
    const backends = [
      await ring.sio(undefined, { token: ring.service(), gateway: 0 }),
      await ring.ws(undefined, { token: ring.service(), gateway: 1 }),
    ];
    const payload = { userId: 'many', industries: ['counting'] };
    // 25 requests of each backend at a time: a session's requests in flight are bounded.
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 100 }, async (_, i) => {
        if (i % 2) return ring.publish('connection.new', payload);
        const reply = await backends[(i / 2) % 2].request('connection.new', payload);
        return assert.equal(reply.ok, true, JSON.stringify(reply));
      }));
    }
    await ring.settle(...clients);
    for (const client of clients) {
      assert.equal(client.values().at(-1), 1570);
      assert.equal(client.all('connection.new').length, 500, client.label);
    }
  });
});
