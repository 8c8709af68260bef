// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What a client says it has had is its own business: whatever others claim, a user's offsets, frames and recoveries
// are to the byte what they are without. Every number published here is the test's.

const assert = require('node:assert/strict');
const { USERS, withRing, until, proto } = require('./helpers/ring');
const { Platform, SETTLE_MS } = require('./helpers/lanes');
const { Polling } = require('./helpers/engineio');
const { readOffset, writeOffset } = require('./helpers/offset');

const MOST = 2n ** 64n - 1n;
const EPOCH = 7n;
const CLAIM_MS = 7000; // a gateway has long done with a claim what it does
const LIVED = 16; // frames of a lane before it falls silent
const USUAL = 'x'.repeat(200);

const users = [...USERS, { _id: 'eve', industries: ['technology'] }, { _id: 'mallory', industries: ['technology'] }];
const options = {
  gateways: 2, users, value: 0,
  env: { gateway: (i) => ({ GATEWAY_NAME: `gw-${i}`, NAMESPACES: '/news', SESSION_QUEUE_BYTES: '4096', UPGRADE_TIMEOUT: '20s' }) },
};

/** Offsets nobody was ever given: lanes there never were, numbers that were never published. */
function madeUp(lanes) {
  const now = Date.now();
  const claim = (list, more) => writeOffset({
    version: 1, epoch: EPOCH, timeMs: now, sinceMs: now - 1000, lanes: [...list].sort(([a], [b]) => a - b), ...more,
  });
  const unknown = (count, number) => Array.from({ length: count }, (_, i) => [i + 1, number]);
  return [
    claim(unknown(26, MOST)),
    claim(unknown(38, 1n)),
    claim(lanes.map((lane) => [lane.id, MOST])),
    claim([...lanes.map((lane) => [lane.id, BigInt(lane.sequence) + 3n]), ...unknown(5, 77n)]),
    claim(unknown(3, MOST), { epoch: MOST }),
  ];
}

withRing('claims of clients', options, (ring, it) => {
  let platform;
  let pids = 0;

  /** A pid that is mallory's. */
  function pid() {
    const made = `made-up-${++pids}`;
    platform.claims.set(made, 'mallory');
    return made;
  }

  async function claimSio(offset, { gateway, namespace }) {
    const client = ring.openSio('mallory', { gateway, namespace, options: { autoConnect: false, reconnection: false } });
    client.socket._pid = pid();
    client.socket._lastOffset = offset;
    client.socket.connect();
    await until('it to be connected', () => client.socket.connected);
    return client;
  }

  async function claimWs(offset, { gateway }) {
    const client = ring.openWs('mallory', { gateway });
    await client.opened;
    await client.request('resume', { offset });
    return client;
  }

  /** By polling at one gateway, then upgraded at the other: what it claims, and what waits for it, goes along. `slow`:
   * it stops reading before. */
  async function claimAndMove(offset, { gateway, slow }) {
    const session = await new Polling(ring.url(gateway)).open();
    await session.post(`40${JSON.stringify({ token: ring.token('mallory'), pid: pid(), offset })}`);
    await session.pollFor(/^40/);
    return async (filled) => {
      if (slow) await filled;
      session.url = ring.url(1 - gateway);
      const socket = await session.socket().opened;
      socket.send('2probe');
      await socket.message(/^3probe$/);
      if (!slow) await session.get();
      socket.send('5');
      return { close: () => { socket.close(); session.close(); } };
    };
  }

  /** A user whose offsets are looked at: of each event that came, its data and offset. */
  async function honest(kind, gateway) {
    const client = ring[kind === 'ws' ? 'openWs' : 'openSio']('bo', { gateway });
    const had = [];
    if (kind === 'ws') {
      await client.opened;
      await client.request('resume');
      client.had = () => client.frames.filter((frame) => frame.event === 'test.number');
    } else {
      await client.wait('network.update');
      client.socket.onAny((event, data, offset) => { if (event === 'test.number') had.push({ data, offset }); });
      client.had = () => had;
    }
    return client;
  }

  it('are nobody else\'s: offsets, frames and recoveries stay to the byte what they are', async () => {
    platform = await new Platform(ring).start();
    const [living, silent] = [platform.lane(), platform.lane()];
    const started = Date.now();
    let n = 0;
    const sent = []; // what is told by an offset of event n: [living, silent]
    const publish = (lane, how = {}, more = {}) => {
      const send = lane.publish('pollen8.out.industry', 'i.technology', 'test.number', { n: n++, USUAL }, { industries: ['technology'], ...more }, how);
      sent.push([BigInt(living.sequence), BigInt(silent.sequence)]);
      return send;
    };
    const lanes = ([a, b]) => [[living.id, a], [silent.id, b]].sort(([one], [other]) => one - other);
    /** Each event once and in order, with an offset of the lanes there are and nothing in it that was not published. */
    const check = (client, from, to) => {
      const had = client.had();
      assert.deepEqual(had.map(({ data }) => data.n), Array.from({ length: to - from }, (_, i) => from + i), client.label);
      for (const { data, offset } of had) {
        const told = readOffset(offset);
        const numbers = new Map(told.lanes);
        assert.deepEqual([...numbers.keys()], lanes(sent[data.n]).map(([lane]) => lane), `${client.label}: event ${data.n}`);
        assert.equal(told.epoch, EPOCH);
        assert.ok(numbers.get(living.id) <= sent[data.n][0] && numbers.get(silent.id) === sent[data.n][1], `${client.label}: event ${data.n}`);
        assert.equal(writeOffset({ ...told, lanes: [...numbers] }), offset);
      }
    };

    while (n < LIVED) publish(silent);
    platform.lanes = [living]; // the other says nothing from now on
    publish(living);
    await until('every lane to be heard', () => Date.now() - started > SETTLE_MS);
    const kinds = [['sio', 0], ['sio', 1], ['ws', 0], ['ws', 1]];
    const watched = await Promise.all(kinds.map(([kind, gateway]) => honest(kind, gateway)));
    const from = n;

    const attackers = [];
    const moves = [];
    const made = madeUp([living, silent]);
    for (const gateway of [0, 1]) {
      for (const offset of made) {
        attackers.push(await claimSio(offset, { gateway }), await claimSio(offset, { gateway, namespace: '/news' }),
          await claimWs(offset, { gateway }));
        moves.push(await claimAndMove(offset, { gateway }), await claimAndMove(offset, { gateway, slow: true }));
      }
    }
    for (const client of attackers.filter((one) => one.frames)) client.socket.pause(); // these do not read any more
    const end = Date.now() + CLAIM_MS;
    while (n < from + 30) publish(living); // more than what may wait
    const filled = watched[0].wait('test.number', 30);
    await Promise.all(watched.map((client) => client.wait('test.number', 30)));
    attackers.push(...await Promise.all(moves.map((move) => move(filled))));
    for (const client of attackers.filter((one) => one.frames)) client.socket.resume();
    while (Date.now() < end) { // events go on meanwhile, ten a second
      const next = Date.now() + 100;
      publish(living);
      await Promise.all(watched.map((client) => client.wait('test.number', n - from)));
      await until('the next one to be due', () => Date.now() >= next);
    }
    for (const client of watched) check(client, from, n);
    assert.ok(attackers.every((one) => !one.socket || one.socket.recovered !== false), 'the platform by hand believes every claim');
    for (const gateway of ring.gateways) {
      const metrics = await ring.metrics(gateway);
      assert.ok(metrics.value('pollen8_gateway_recoveries_total', { result: 'slow_repaired' }) > 0, 'some were slow');
      assert.equal(metrics.value('pollen8_gateway_moves_total', { result: 'in' }), 2 * made.length);
    }

    // One is away, and comes back to the other gateway.
    const ends = watched.map((client) => ({ offset: client.had().at(-1).offset, pid: client.socket._pid }));
    for (const client of watched) client.close();
    const last = n;
    platform.lanes.push(silent);
    publish(silent); // it lives after all
    publish(living, {}, { firstLane: 1, firstLaneSequence: 1 }); // published before, in a lane that was claimed
    publish(silent, { lost: true }); // and a gap
    publish(silent);
    await ring.broker.flush();
    for (const [i, [kind, gateway]] of kinds.entries()) {
      if (kind === 'ws') {
        const back = ring.openWs('bo', { gateway: 1 - gateway });
        await back.opened;
        assert.deepEqual(await back.request('resume', { offset: ends[i].offset }), { ok: true, data: { recovered: true } });
        assert.deepEqual(back.all('test.number').map((data) => data.n), [last, last + 1, last + 2, last + 3]);
      } else {
        const back = ring.openSio('bo', { gateway: 1 - gateway, options: { autoConnect: false } });
        Object.assign(back.socket, { _pid: ends[i].pid, _lastOffset: ends[i].offset });
        back.socket.connect();
        await back.wait('test.number', 4);
        assert.equal(back.socket.recovered, true);
        assert.deepEqual(back.all('test.number').map((data) => data.n), [last, last + 1, last + 2, last + 3]);
      }
    }

    // Live, with a gap, on the gateway that was lied to.
    const now = await honest('sio', 0);
    const again = n;
    publish(silent, {}, { firstLane: 2, firstLaneSequence: 1 });
    publish(silent, { lost: true });
    publish(silent);
    publish(living);
    await now.wait('test.number', 4);
    check(now, again, n);
    for (const attacker of attackers) attacker.close();
    platform.stop();
  });
});

// A control counts from the moment it comes, also for a user whose identity is being asked about just then.

const { DISCONNECT, REVOKE, IDENTITY } = { DISCONNECT: 1, REVOKE: 2, IDENTITY: 3 };
const BO = { userId: 'bo', role: 'user', industries: ['technology', 'finance'] };

withRing('controls while an identity is in the air', { auth: 0, value: 0, env: { gateway: { NAMESPACES: '/news' } } }, (ring, it) => {
  let platform;
  let lane;
  let watcher;
  let held; // what an identity is asked for with, while the answer waits: [{ go }]
  let holds; // 'verdict', 'claim', 'history'

  /** Nothing to wait for unless the test holds just this. */
  function pause(what, user) {
    if (what !== holds || user !== 'bo') return undefined;
    return new Promise((go) => held.push(go));
  }

  async function start() {
    platform = await new Platform(ring).start();
    holds = undefined;
    held = [];
    platform.delay = (question) => {
      if (question.purpose === 'RECOVER') return pause('claim', question.userId);
      return question.after ? pause('history', question.userIds[0]) : undefined;
    };
    const [request, reply] = ['VerifyRequest', 'VerifyReply'].map((name) => proto.lookupType(name));
    platform.subscriptions.push(ring.broker.subscribe('pollen8.auth.verify', {
      callback: async (error, message) => {
        if (error) return;
        const user = JSON.parse(Buffer.from(request.decode(message.data).token.split('.')[1], 'base64url')).sub;
        await pause('verdict', user);
        message.respond(reply.encode({ identity: user === 'bo' ? BO : { userId: user, role: 'user', industries: ['technology'] } }).finish());
      },
    }));
    await ring.broker.flush();
    lane = platform.lane();
    watcher = await ring.ws('cy');
    lane.industry('technology', 'test.number', { n: 0 });
    ring.startedAt = ring.startedAt || Date.now();
    await until('every lane to be heard', () => Date.now() - ring.startedAt > SETTLE_MS);
  }

  /** After this the gateway has acted on every control published so far. */
  async function heard() {
    const seen = watcher.all('test.barrier').length;
    ring.broker.publish('pollen8.out.all', proto.lookupType('OutboundFrame')
      .encode({ event: 'test.barrier', data: Buffer.from('{}') }).finish());
    await watcher.wait('test.barrier', seen + 1);
  }

  /** Clients of bo that connect, and how to see that one has opened or ended. */
  const kinds = {
    '/ws': () => {
      const client = ring.openWs('bo');
      return { client, ended: () => client.closed, isOpen: () => client.all('ready').length > 0 };
    },
    'Socket.IO': () => sio({}),
    'a further namespace': () => sio({ namespace: '/news' }),
  };

  function sio(more, claim) {
    const client = ring.openSio('bo', { ...more, options: { reconnection: false, autoConnect: false } });
    Object.assign(client.socket, claim);
    client.socket.io.on('close', (reason) => { client.gone = { reason }; });
    client.socket.connect();
    return { client, ended: () => client.gone, isOpen: () => client.connects > 0 };
  }

  /** A claim of bo's, as of now. */
  function claim() {
    platform.claims.set('bo-was-here', 'bo');
    const now = Date.now();
    return { _pid: 'bo-was-here', _lastOffset: writeOffset({ version: 1, epoch: EPOCH, timeMs: now, sinceMs: now - 1000, lanes: [[lane.id, BigInt(lane.sequence)]] }) };
  }

  const test = (title, body) => it(title, async () => {
    await start();
    try {
      await body();
    } finally {
      platform.stop();
    }
  });

  const asked = () => until('the question', () => held.length > 0);
  const answer = () => {
    holds = undefined;
    held.splice(0).forEach((go) => go());
  };

  const ways = [...Object.entries(kinds).map(([kind, connect]) => [`a verdict, ${kind}`, 'verdict', connect]),
    ['a claim, Socket.IO', 'claim', () => sio({}, claim())],
    ['a claim in a further namespace', 'claim', () => sio({ namespace: '/news' }, claim())]];
  for (const [what, hold, connect] of ways) {
    for (const [name, action] of Object.entries({ REVOKE, DISCONNECT })) {
      test(`${what}: ${name} ends it, and nothing opens`, async () => {
        holds = hold;
        const { client, ended, isOpen } = connect();
        await asked();
        ring.control('cy-else', { action });
        ring.control('bo', { action });
        await heard();
        answer();
        await until('the end', ended);
        assert.equal(isOpen(), false);
        assert.deepEqual(client.all('network.update'), []);
        if (what.endsWith('/ws')) assert.equal(ended().code, action === REVOKE ? 4003 : 1012);
      });
    }

    test(`${what}: another identity is the one that opens`, async () => {
      holds = hold;
      const { client, isOpen } = connect();
      await asked();
      ring.control('bo', { action: IDENTITY, identity: { ...BO, industries: ['finance'] } });
      ring.control('bo', { action: IDENTITY, identity: { ...BO, industries: ['technology'] } });
      await heard();
      answer();
      await until('it to be open', isOpen);
      lane.industry('finance', 'test.number', { n: 1 });
      lane.industry('technology', 'test.number', { n: 2 });
      await client.wait('test.number');
      assert.deepEqual(client.all('test.number'), [{ n: 2 }]);
    });
  }

  test('while what was missed is read: an industry that is lost is not replayed', async () => {
    const was = claim();
    lane.industry('finance', 'test.number', { n: 1 });
    lane.industry('technology', 'test.number', { n: 2 });
    holds = 'history';
    const { client, isOpen } = sio({}, was);
    await asked();
    ring.control('bo', { action: IDENTITY, identity: { ...BO, industries: ['technology'] } });
    await heard();
    answer();
    await until('it to be open', isOpen);
    await client.wait('test.number');
    assert.equal(client.socket.recovered, true);
    lane.industry('technology', 'test.number', { n: 3 });
    await client.wait('test.number', 2);
    assert.deepEqual(client.all('test.number'), [{ n: 2 }, { n: 3 }]);
  });

  test('more controls than are remembered: it may try again', async () => {
    holds = 'verdict';
    const { ended, isOpen } = kinds['/ws']();
    await asked();
    for (let i = 0; i < 4097; i++) ring.control(`other-${i}`, { action: REVOKE });
    await heard();
    answer();
    await until('the end', ended);
    assert.equal(isOpen(), false);
    assert.equal(ended().code, 1012);
    const again = kinds['/ws']();
    await until('the next to be open', again.isOpen);
  });
});
