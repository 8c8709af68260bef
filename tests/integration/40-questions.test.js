// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// How a gateway asks services: one at a time where nobody waits, many in one message under load, and one by one
// where nobody takes several. The auth-svc of these tests is made by hand, so that a test decides when it answers.

const assert = require('node:assert/strict');
const { withRing, until, proto } = require('./helpers/ring');

const Batch = proto.lookupType('Batch');
const VerifyRequest = proto.lookupType('VerifyRequest');
const VerifyReply = proto.lookupType('VerifyReply');

const subject = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sub;
const identity = (userId) => VerifyReply.encode({ identity: { userId, role: 'user', industries: [], permissions: ['emit:value.get'] } }).finish();
const answerTo = (request) => identity(subject(VerifyRequest.decode(request).token));

/** Answers single requests only once it is let go, so that what is asked meanwhile is gathered. */
class Auth {
  constructor(broker) {
    this.broker = broker;
    this.singles = 0;
    this.batches = []; // numbers of items
    this.held = [];
    this.holding = false;
    this.onBatch = (message, items) => message.respond(Batch.encode({ items: items.map(({ id, body }) => ({ id, body: answerTo(body) })) }).finish());
    broker.subscribe('pollen8.auth.verify', { queue: 'auth-svc', callback: (_, message) => this.single(message) });
  }

  single(message) {
    this.singles++;
    const answer = () => message.respond(answerTo(message.data));
    if (this.holding) this.held.push(answer);
    else answer();
  }

  takeBatches() {
    this.subscription = this.broker.subscribe('pollen8.auth.verify.batch', { queue: 'auth-svc',
      callback: (_, message) => {
        const { items } = Batch.decode(message.data);
        if (!items.length) {
          this.probed = true;
          message.respond(Buffer.alloc(0));
          return;
        }
        this.batches.push(items.length);
        this.onBatch(message, items);
      } });
    return until('a gateway to ask whether somebody takes several', () => this.probed);
  }

  release() {
    this.holding = false;
    for (const answer of this.held.splice(0)) answer();
  }
}

withRing('questions of a gateway', { auth: 0, env: { gateway: { AUTH_TIMEOUT: '5s' } } }, (ring, it) => {
  const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);
  const auth = () => (ring.handmade ||= new Auth(ring.broker));
  const check = (clients) => Promise.all(clients.map(async (client, i) => {
    await client.ready();
    assert.equal((await client.request('value.get')).data.userId, users[i], 'its own answer');
  }));

  it('where nobody takes several each is asked by itself', async () => {
    const { singles } = auth();
    await check(users.map((user) => ring.openWs(user)));
    assert.equal(auth().singles - singles, users.length);
  });

  it('what is asked while others are on their way goes out together, and is answered in parts', async () => {
    await auth().takeBatches();
    auth().holding = true;
    const { singles } = auth();
    auth().onBatch = (message, items) => {
      const part = (list) => message.respond(Batch.encode({ items: list.map(({ id, body }) => ({ id, body: answerTo(body) })) }).finish());
      message.respond(Buffer.from([0xff, 0xff])); // what is no answer is none
      part([...items.filter((_, i) => i % 2), { id: 4711, body: items[0].body }]);
      part(items.filter((_, i) => i % 2 === 0));
    };
    const clients = users.map((user) => ring.openWs(user));
    await until('all to have been asked', () => auth().singles - singles + auth().batches.reduce((a, b) => a + b, 0) === users.length);
    assert.ok(auth().singles - singles <= 2, `${auth().singles - singles} by themselves`);
    assert.ok(Math.max(...auth().batches) > 1, `batches of ${auth().batches}`);
    auth().release();
    await check(clients);
  });

  it('those who took several are gone: clients are sent away to come again, and are asked for one by one', async () => {
    auth().subscription.unsubscribe();
    await ring.broker.flush();
    auth().holding = true;
    const before = auth().singles;
    const clients = users.map((user) => ring.openWs(user));
    await until('the first to be sent away', () => clients.some((client) => client.closed));
    auth().release();
    const away = clients.filter((client) => client.closed);
    for (const client of away) assert.equal(client.closed.code, 1012);
    assert.ok(auth().singles > before);
    await check(users.map((user) => ring.openWs(user)));
  });

  it('one that comes is found', async () => {
    auth().probed = false;
    auth().onBatch = (message, items) => message.respond(Batch.encode({ items: items.map(({ id, body }) => ({ id, body: answerTo(body) })) }).finish());
    await auth().takeBatches();
    await check(users.map((user) => ring.openWs(user)));
  });
});

// A token is about 200 bytes: forty of them are more than it takes at once.
withRing('a broker that takes little', { auth: 0, maxPayload: 4096, env: { gateway: { AUTH_TIMEOUT: '5s' } } }, (ring, it) => {
  it('what is asked together is what fits', async () => {
    const auth = new Auth(ring.broker);
    await auth.takeBatches();
    auth.holding = true;
    const clients = Array.from({ length: 40 }, () => ring.openWs('ada'));
    await until('all to have been asked', () => auth.singles + auth.batches.reduce((a, b) => a + b, 0) === clients.length);
    auth.release();
    await Promise.all(clients.map((client) => client.ready()));
    assert.ok(auth.batches.length > 1, `batches of ${auth.batches}`);
  });
});
