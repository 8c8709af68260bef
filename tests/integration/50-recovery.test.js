// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Clients that come back to what they missed: stock Socket.IO clients by themselves, /ws clients with `resume`.
// With value-svc; and with a platform made by hand, where every number is the test's.

const assert = require('node:assert/strict');
const { USERS, proto, withRing, until } = require('./helpers/ring');
const { EPOCH, Platform, SETTLE_MS } = require('./helpers/lanes');
const { Polling } = require('./helpers/engineio');
const { Proxy } = require('./helpers/proxy');
const { changeOffset, readOffset } = require('./helpers/offset');

const TECHNOLOGY = ['technology'];

/** How events of number n come about, and how a client's events are told. */
const sources = {
  'value-svc': {
    options: { env: { value: { WORKERS: '1' } } }, // one lane: one order
    start: async (ring) => ({
      publish: (n, industries = TECHNOLOGY) => ring.connectionNew(`n${n}`, industries),
      done: () => ring.applied(),
      stop: () => {},
    }),
    numbers: (client) => client.all('connection.new').map((data) => Number(data.userId.slice(1))),
    event: 'connection.new',
  },
  'a platform by hand': {
    options: { value: 0 },
    start: async (ring) => {
      const platform = await new Platform(ring).start();
      const lane = platform.lane();
      return {
        platform,
        publish: (n, industries = TECHNOLOGY) => lane.industry(industries[0], 'test.number', { n }),
        done: () => ring.broker.flush(),
        stop: () => platform.stop(),
      };
    },
    numbers: (client) => client.all('test.number').map((data) => data.n),
    event: 'test.number',
  },
};

/** Without its connection until `back()`: what a phone in a tunnel looks like. */
function away(client) {
  const { socket } = client;
  socket.io.reconnection(false);
  socket.io.engine.close();
  return {
    back: async () => {
      socket.io.reconnection(true);
      socket.connect();
      await until(`${client.label} to be back`, () => socket.connected);
    },
  };
}

/** A client that claims what another one has. */
function claimant(ring, user, { pid, offset, gateway = 0, namespace } = {}) {
  const client = ring.openSio(user, { gateway, namespace, options: { autoConnect: false } });
  client.socket._pid = pid;
  client.socket._lastOffset = offset;
  client.socket.connect();
  return client;
}

/** An event of a service that no history has. */
function toAll(ring, { data = '', ...more }) {
  const type = proto.lookupType('OutboundFrame');
  ring.broker.publish('pollen8.out.all', type.encode({ data: Buffer.from(data), ...more }).finish());
}

for (const [name, source] of Object.entries(sources)) {
  const { numbers } = source;
  const users = [...USERS, { _id: 'dee', industries: ['technology', 'finance'] }, { _id: 'eve', industries: ['technology', 'finance'] }];
  const env = { ...source.options.env, gateway: { NAMESPACES: '/news' } };
  withRing(`recovery, ${name}`, { gateways: 2, users, ...source.options, env }, (ring, it) => {
    let events;
    let last = 0;

    const test = (title, body) => it(title, async () => {
      events = await source.start(ring);
      ring.startedAt = ring.startedAt || Date.now();
      try {
        await body();
      } finally {
        events.stop();
      }
    });

    /** `count` new events; their numbers. */
    async function some(count, industries) {
      const all = [];
      for (let i = 0; i < count; i++) {
        all.push(++last);
        await events.publish(last, industries);
      }
      await events.done();
      return all;
    }

    /** auth-svc knows the user as being in these. */
    async function known(user, industries) {
      ring.writeUsers(users.map((one) => (one._id === user ? { ...one, industries } : one)));
      await until('auth-svc to know', async () =>
        (await ring.verify(ring.token(user))).identity.industries.length === industries.length);
    }

    /** A client that has an offset: it has had one event. */
    async function begun(kind, user, options) {
      await until('every lane to be heard', () => Date.now() - ring.startedAt > SETTLE_MS);
      const client = await ring[kind](user, options);
      if (kind !== 'sio') await client.request('resume'); // it has nothing to resume: offsets from the start
      const [first] = await some(1);
      await client.wait(source.event, (list) => list.length >= 1 && numbers(client).includes(first));
      client.forget();
      return client;
    }

    /** The offset of a client that had one event and has gone. */
    async function left(kind) {
      const client = await begun(kind, 'ada');
      client.close();
      return client.offset;
    }

    test('what was missed comes once, in order, and the client reads that it recovered', async () => {
      const ada = await begun('sio', 'ada');
      const pid = ada.socket._pid;
      assert.ok(pid && !ada.socket.recovered);
      for (let round = 0; round < 3; round++) {
        const before = await some(5);
        await ada.wait(source.event, 5);
        const gone = away(ada);
        const missed = await some(20);
        await gone.back();
        const after = await some(5);
        await ada.wait(source.event, 30);
        assert.equal(ada.socket.recovered, true);
        assert.equal(ada.socket._pid, pid);
        assert.deepEqual(numbers(ada), [...before, ...missed, ...after]);
        ada.forget();
      }
    });

    for (const [what, options] of [
      ['polling and its upgrade recover likewise', { options: { transports: ['polling', 'websocket'] } }],
      ['a further namespace recovers by itself', { namespace: '/news' }],
    ]) {
      test(what, async () => {
        const ada = await begun('sio', 'ada', options);
        const gone = away(ada);
        const missed = await some(10);
        await gone.back();
        const after = await some(2);
        await ada.wait(source.event, 12);
        assert.equal(ada.socket.recovered, true);
        assert.deepEqual(numbers(ada), [...missed, ...after]);
      });
    }

    test('events keep coming while it comes back', async () => {
      const ada = await begun('sio', 'ada');
      const all = [];
      let running = true;
      const stream = (async () => {
        while (running) all.push(...await some(3));
      })();
      for (let round = 0; round < 5; round++) {
        const seen = numbers(ada).length;
        await away(ada).back();
        assert.equal(ada.socket.recovered, true);
        await ada.wait(source.event, seen + 10);
      }
      running = false;
      await stream;
      await ada.wait(source.event, all.length);
      assert.deepEqual([...numbers(ada)].sort((a, b) => a - b), all);
    });

    test('it works on another gateway after its own was killed', async () => {
      const proxy = await new Proxy('127.0.0.1', ring.gateways[0].port).start();
      try {
        const ada = await begun('sio', 'ada', { options: { reconnectionDelay: 300, reconnectionDelayMax: 500 } });
        ada.socket.io.uri = `http://127.0.0.1:${proxy.port}`;
        await away(ada).back();
        const before = await some(5);
        await ada.wait(source.event, 5);
        await ring.gateways[0].kill();
        proxy.target = ring.gateways[1].port;
        const missed = await some(10);
        await ada.reconnected(3);
        const after = await some(5);
        await ada.wait(source.event, 20);
        assert.equal(ada.socket.recovered, true);
        assert.deepEqual(numbers(ada), [...before, ...missed, ...after]);
      } finally {
        await proxy.down();
        if (!ring.gateways[0].running) await ring.gateways[0].start();
        ring.startedAt = Date.now();
      }
    });

    test('it is told the truth where it cannot', async () => {
      const dee = await begun('sio', 'dee');
      const { _pid: pid, _lastOffset: offset } = dee.socket;
      dee.close();
      const day = 86400000;
      const rows = [
        ['an unknown pid', 'dee', 'AAAAAAAAAAAAAAAAAAAA', offset],
        ["another user's pid", 'bo', pid, offset],
        ['no offset', 'dee', pid, undefined],
        ['no text of ours', 'dee', pid, 'AQ'],
        ['a long text', 'dee', pid, 'A'.repeat(513)],
        ['a time in the future', 'dee', pid, changeOffset(offset, ({ timeMs, sinceMs }) => ({ timeMs: timeMs + 60000, sinceMs }))],
        ['more lanes than there can be', 'dee', pid, changeOffset(offset, () => ({ lanes: Array.from({ length: 41 }, (_, i) => [i + 1, 1n]) }))],
      ];
      if (name === 'value-svc') {
        rows.push(['too old', 'dee', pid, changeOffset(offset, ({ timeMs, sinceMs }) => ({ timeMs: timeMs - day, sinceMs: sinceMs - day }))],
          ['another epoch', 'dee', pid, changeOffset(offset, ({ epoch }) => ({ epoch: epoch - 1n }))]);
      }
      for (const [what, user, claimed, at] of rows) {
        const client = claimant(ring, user, { pid: claimed, offset: at });
        await client.wait('network.update');
        assert.equal(client.socket.recovered, false, what);
        assert.notEqual(client.socket._pid, claimed, what);
        assert.deepEqual(numbers(client), [], what);
        client.close();
      }
    });

    test('the session that still has the pid is closed, without a word that would keep it away', async () => {
      const dee = await begun('sio', 'dee');
      dee.socket.io.reconnection(false);
      const missed = await some(3);
      await dee.wait(source.event, 3);
      const { _pid: pid, _lastOffset: offset } = dee.socket;
      const heir = claimant(ring, 'dee', { pid, offset, gateway: 1 });
      await until('the heir to be connected', () => heir.socket.connected);
      assert.equal(heir.socket.recovered, true);
      assert.equal(heir.socket._pid, pid);
      if (name === 'value-svc') assert.equal((await dee.disconnected()).reason, 'transport close');
      const after = await some(2);
      await heir.wait(source.event, 2);
      assert.deepEqual(numbers(heir), after);
      assert.deepEqual(numbers(dee).slice(0, 3), missed);
    });

    test('a pid is of one namespace: in another it is unknown, and nobody has to make way', async () => {
      const dee = await begun('sio', 'dee');
      const { _pid: pid, _lastOffset: offset } = dee.socket;
      dee.socket.io._autoConnect = false;
      const news = dee.socket.io.socket('/news', { auth: dee.socket.auth }); // over the same connection
      Object.assign(news, { _pid: pid, _lastOffset: offset });
      dee.socket.on('disconnect', (reason) => reason === 'io client disconnect' && news.disconnect()); // at the end, however it comes
      news.connect();
      await until('the namespace to be connected', () => news.connected);
      assert.equal(news.recovered, false);
      assert.notEqual(news._pid, pid);
      const back = claimant(ring, 'dee', { pid: news._pid, offset }); // and the other way round
      await back.wait('network.update');
      assert.equal(back.socket.recovered, false);
      await some(2);
      await dee.wait(source.event, 2);
      assert.deepEqual([dee.closes, dee.connects], [[], 1]);
      assert.ok(news.connected);
      const gone = away(dee);
      await gone.back();
      await until('both to be back', () => dee.connected && news.connected);
      assert.ok(dee.socket.recovered && news.recovered);
    });

    test('an industry lost meanwhile is not replayed', async () => {
      const eve = await begun('sio', 'eve');
      const gone = away(eve);
      const technology = await some(2);
      await some(2, ['finance']);
      await known('eve', TECHNOLOGY);
      await gone.back();
      await some(1, ['finance']);
      technology.push(...await some(1));
      await eve.wait(source.event, 3);
      assert.equal(eve.socket.recovered, true);
      assert.deepEqual(numbers(eve), technology);
    });

    if (name === 'value-svc') {
      test('a session that left an industry stays out of it', async () => {
        const ada = await begun('sio', 'ada');
        await ada.request('unsubscribe', { industries: ['finance'] });
        await ring.redisCommand('PING');
        const gone = away(ada);
        await some(2, ['finance']);
        const technology = await some(2);
        await gone.back();
        await some(1, ['finance']);
        technology.push(...await some(1));
        await ada.wait(source.event, 3);
        assert.equal(ada.socket.recovered, true);
        assert.deepEqual(numbers(ada), technology);
      });

      test('values and invites of the user are recovered too, and a value is never set back', async () => {
        const dee = await begun('sio', 'dee');
        const gone = away(dee);
        await ring.publish('invite.created', { inviteId: 'i1', creatorId: 'dee' });
        for (let i = 0; i < 3; i++) await ring.connectionNew('dee', []);
        await ring.publish('invite.created', { inviteId: 'i2', creatorId: 'dee' });
        await ring.applied();
        await gone.back();
        await dee.wait('invite.created', 2);
        await dee.wait('network.update', (list) => list.some((data) => data.newValue === 9.42));
        assert.equal(dee.socket.recovered, true);
        assert.deepEqual(dee.all('invite.created').map((data) => data.inviteId), ['i1', 'i2']);
        const values = dee.values();
        assert.deepEqual(values, [...values].sort((a, b) => a - b));
      });
    }

    for (const kind of ['ws', 'protobuf']) {
      test(`${kind}: resume gives what was missed, then says so`, async () => {
        const offset = await left(kind);
        assert.ok(readOffset(offset).lanes.length);
        const missed = await some(10);
        const second = ring.openWs('ada', { gateway: 1, ...(kind === 'protobuf' ? { protocol: 'pollen8.v1.protobuf' } : {}) });
        await second.opened;
        const ack = second.request('resume', { offset });
        await second.wait('resumed');
        assert.deepEqual(second.all('resumed'), [{ recovered: true }]);
        assert.deepEqual(numbers(second), missed);
        assert.deepEqual(await ack, { ok: true, data: { recovered: true } });
        const last = second.events.map((entry) => entry.event).lastIndexOf(source.event);
        assert.ok(second.events.findIndex((entry) => entry.event === 'resumed') > last);
        const after = await some(2);
        await second.wait(source.event, 12);
        assert.deepEqual(numbers(second), [...missed, ...after]);
      });
    }

    test('a text at the end of an event without history does not become the offset', async () => {
      const client = await begun('sio', 'ada');
      const ends = [{ data: '"text"' }, { data: '[1,"text"]', arguments: true }, { data: ' "a\\"" ' }, {}, { data: '[]', arguments: true }];
      for (const more of ends) {
        let gone = away(client);
        await gone.back();
        client.forget();
        toAll(ring, { event: 'test.text', ...more });
        toAll(ring, { event: 'test.end', data: '{}' });
        await client.wait('test.end');
        assert.ok(readOffset(client.socket._lastOffset).lanes.length, JSON.stringify(more));
        gone = away(client);
        const missed = await some(3);
        await gone.back();
        assert.equal(client.socket.recovered, true, JSON.stringify(more));
        await client.wait(source.event, 3);
        assert.deepEqual(numbers(client), missed);
      }
    });

    test('other events without history stay as they were published', async () => {
      const [ws, raw] = [await begun('ws', 'ada'), await new Polling(ring.url()).open()];
      await raw.post(`40{"token":"${ring.token('ada')}"}`);
      await raw.pollFor(/^40/);
      const data = ['{"a":"text"}', '[1,"text"]', '7', 'null', '["text"]', '{"a":["b"]}'];
      for (const one of data) toAll(ring, { event: 'test.other', data: one });
      toAll(ring, { event: 'test.other', data: '["text",7]', arguments: true });
      toAll(ring, { event: 'test.text', data: '"text"' });
      await raw.pollFor(/test\.text/);
      assert.deepEqual(raw.packets.filter((packet) => packet.includes('test.other')),
        [...data.map((one) => `42["test.other",${one}]`), '42["test.other","text",7]']);
      assert.match(raw.packets.find((packet) => packet.includes('test.text')), /^42\["test\.text","text","[\w-]+"\]$/);
      await ws.wait('test.text');
      assert.equal(ws.frames.find((frame) => frame.event === 'test.text').offset, undefined);
      raw.close();
    });

    test('ws: what is given before it resumes moves no offset', async () => {
      const offset = await left('ws');
      const missed = await some(5);
      const second = ring.openWs('ada', { gateway: 1 });
      await second.wait('ready');
      const early = await some(2);
      await second.wait(source.event, 2);
      assert.deepEqual(numbers(second), early);
      assert.equal(second.offset, undefined);
      second.close();
      const third = ring.openWs('ada');
      await third.opened;
      assert.deepEqual(await third.request('resume', { offset }), { ok: true, data: { recovered: true } });
      assert.deepEqual(numbers(third), [...missed, ...early]);
      assert.ok(third.offset);
    });

    test('ws: what comes as it resumes comes once', async () => {
      const offset = await left('ws');
      const all = await some(5);
      const second = ring.openWs('ada', { gateway: 1 });
      await second.wait('ready');
      all.push(...await some(2));
      second.send('resume', { offset });
      all.push(...await some(2));
      await second.wait(source.event, all.length);
      all.push(...await some(1));
      await second.wait(source.event, all.length);
      assert.deepEqual(second.all('resumed'), [{ recovered: true }]);
      assert.deepEqual([...numbers(second)].sort((a, b) => a - b), all);
    });

    test('ws: who says something else does not resume any more, and has offsets', async () => {
      const ws = ring.openWs('ada');
      await ws.wait('ready');
      const held = await some(1);
      await ws.request('subscribe', { industries: TECHNOLOGY });
      await ws.wait(source.event);
      held.push(...await some(1));
      await ws.wait(source.event, 2);
      assert.deepEqual(numbers(ws), held);
      assert.ok(readOffset(ws.offset).lanes.length);
      assert.deepEqual(await ws.request('resume', { offset: ws.offset }), { ok: true, data: { recovered: false } });
    });

    if (name === 'value-svc') {
      test('ws: who says nothing and is given nothing has an offset all the same', async () => {
        const first = await ring.ws('ada');
        assert.equal(first.offset, undefined);
        const [value] = first.values();
        await until('an offset', () => first.offset !== undefined);
        assert.deepEqual(first.values(), [value], 'what has not changed is not said again');
        first.close();
        const missed = await some(3);
        const second = ring.openWs('ada');
        await second.opened;
        assert.deepEqual(await second.request('resume', { offset: first.offset }), { ok: true, data: { recovered: true } });
        assert.deepEqual(numbers(second), missed);
      });
    }

    if (name !== 'value-svc') {
      const asksSnapshot = (question) => question.purpose === 'SNAPSHOT' && question.userId === 'ada';
      const readsHistory = (question) => question.userIds && question.userIds.includes('ada');

      for (const [first, isLater, sign] of [['history', asksSnapshot, 'resumed'], ['the snapshot', readsHistory, 'network.update']]) {
        test(`ws: a kept event that was missed comes once, ${first} first`, async () => {
          const { platform } = events;
          const offset = await left('ws');
          const witness = await ring.ws('bo', { gateway: 1 });
          platform.lanes[0].keep('ada', 'test.kept', { n: 1 }, { lost: true });
          await some(1);
          await witness.wait(source.event);
          let ada;
          platform.delay = (question) => (isLater(question) ? ada.wait(sign) : undefined);
          ada = ring.openWs('ada', { gateway: 1 });
          await ada.opened;
          assert.deepEqual(await ada.request('resume', { offset }), { ok: true, data: { recovered: true } });
          await ada.wait('network.update');
          await some(1);
          await ada.wait(source.event, 2);
          assert.deepEqual(ada.all('test.kept'), [{ n: 1 }]);
        });
      }

      test('ws: a kept event that came live is not given again by a snapshot, however late that is', async () => {
        const { platform } = events;
        await ring.ws('ada'); // its subject is known
        let answer;
        const late = new Promise((resolve) => (answer = resolve));
        platform.delay = (question) => (asksSnapshot(question) ? late : undefined);
        const ada = ring.openWs('ada');
        await ada.wait('ready');
        platform.lanes[0].keep('ada', 'test.kept', { n: 1 });
        await ada.wait('test.kept');
        await until('the end of the time in which it may resume', async () => {
          const given = numbers(ada).length;
          await some(1);
          await ada.wait(source.event, given + 1);
          return ada.offset !== undefined;
        });
        answer();
        await ada.wait('network.update');
        assert.deepEqual(ada.all('test.kept'), [{ n: 1 }]);
      });
    }

    test('ws: resume is told the truth', async () => {
      const early = await left('ws');
      const ahead = changeOffset(early, ({ timeMs, sinceMs }) => ({ timeMs: timeMs + 60000, sinceMs }));
      for (const data of [{}, { offset: 'x' }, { offset: 7 }, { offset: ahead }]) {
        const ws = await ring.ws('ada');
        ws.send('resume', data);
        assert.deepEqual(await ws.wait('resumed'), [{ recovered: false }]);
      }
    });
  });
}

// The quick start: nothing was published yet, or is as somebody goes away for the first time.
withRing('recovery on a new ring', {}, (ring, it) => {
  it('what connects in the first second has an offset, and nothing missed is recovered', async () => {
    const ada = await ring.sio('ada');
    const epoch = BigInt(await ring.redisCommand('HGET', 'p8:epoch', 'epoch'));
    assert.equal(readOffset(ada.socket._lastOffset).epoch, epoch);
    await away(ada).back();
    assert.equal(ada.socket.recovered, true);
    const gone = away(ada);
    await ring.connectionNew('n1', TECHNOLOGY);
    await ring.applied();
    await gone.back();
    await ada.wait('connection.new');
    assert.equal(ada.socket.recovered, true);
    await away(ada).back();
    assert.equal(ada.socket.recovered, true);
    assert.equal(ada.all('connection.new').length, 1);
  });

  it('nothing was ever heard on a gateway that has just been started: the same', async () => {
    await ring.gateway.kill();
    await ring.gateway.start();
    const ws = await ring.ws('bo');
    await until('an offset', () => ws.offset !== undefined);
    ws.close();
    const again = ring.openWs('bo');
    await again.opened;
    assert.deepEqual(await again.request('resume', { offset: ws.offset }), { ok: true, data: { recovered: true } });
  });
});

for (const [told, title] of [[EPOCH, 'the answer to a session tells the epoch'], [0, 'an older value-svc tells none']]) {
  withRing(`no lane heard yet, ${title}`, { value: 0 }, (ring, it) => {
    it(told ? 'there is an offset, and it recovers' : 'there is no offset, as before', async () => {
      const platform = await new Platform(ring).start();
      platform.told = told;
      try {
        const ada = await ring.sio('ada');
        await ada.wait('network.update');
        if (!told) {
          assert.equal(ada.socket._lastOffset, undefined);
          return;
        }
        const offset = readOffset(ada.socket._lastOffset);
        assert.deepEqual([offset.epoch, offset.lanes], [BigInt(EPOCH), []]);
        const gone = away(ada);
        platform.lane().industry('technology', 'test.number', { n: 1 }, { lost: true });
        await gone.back();
        await ada.wait('test.number');
        assert.equal(ada.socket.recovered, true);
        assert.equal(platform.reads[0].after.epoch, EPOCH);
      } finally {
        platform.stop();
      }
    });
  });
}

withRing('recovery switched off', { env: { gateway: { CONNECTION_RECOVERY: 'off' } } }, (ring, it) => {
  it('no pid, no offset', async () => {
    const [ada, ws] = [await ring.sio('ada'), await ring.ws('ada')];
    await ring.connectionNew('n1', TECHNOLOGY);
    await ada.wait('connection.new');
    await ws.wait('connection.new');
    assert.equal(ada.socket._pid, undefined);
    assert.equal(ada.socket._lastOffset, undefined);
    assert.equal(ws.offset, undefined);
    ws.send('resume', { offset: 'AQAAAA' });
    assert.deepEqual(await ws.wait('resumed'), [{ recovered: false }]);
  });
});
