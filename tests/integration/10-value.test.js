// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// value-svc at its subjects, with no gateway around: what is submitted, what it makes of it, and in which form.

const assert = require('node:assert/strict');
const { withRing, until, proto } = require('./helpers/ring');

const service = { userId: 'backend', role: 'service', permissions: ['emit:*', 'rate:none'] };
const own = (userId, industries) => ({ userId, role: 'user', industries,
  permissions: ['emit:connection.new@own', 'emit:connection.removed@own', 'emit:invite.created@own', 'emit:value.get'] });

withRing('value-svc', { gateways: 0, auth: 0 }, (ring, it) => {
  const count = async (userId) => (await ring.submit('value.get', {}, { userId, permissions: ['emit:value.get'] })).data;

  it('an event goes to its industries, and the value to its user', async () => {
    const out = await ring.listen('pollen8.out.>');
    assert.deepEqual(await ring.submit('connection.new', { userId: 'u.*>', industries: [' Technology', 'TECHNOLOGY', 'Finance'] }, service), { data: {} });
    await until('two frames', () => out.frames.length >= 2);
    await ring.applied();
    await ring.broker.flush();
    out.stop();
    assert.equal(out.frames.length, 2);
    const industry = out.frames.find((frame) => frame.subject === 'pollen8.out.industry');
    assert.equal(industry.event, 'connection.new');
    assert.deepEqual(industry.data, { userId: 'u.*>', industries: [' Technology', 'TECHNOLOGY', 'Finance'] }, 'as written');
    assert.deepEqual(industry.industries, ['technology', 'finance'], 'normalised, each once');
    assert.notEqual(industry.eventId, '0');
    const user = out.frames.find((frame) => frame.subject !== 'pollen8.out.industry');
    assert.equal(user.subject, `pollen8.out.user.${Buffer.from('u.*>').toString('base64url')}`);
    assert.equal(user.event, 'network.update');
    assert.deepEqual(user.data, { userId: 'u.*>', newValue: 3.14 });
    assert.equal(user.userId, 'u.*>');
    assert.equal(user.coalesceKey, 'network.update');
    assert.equal(user.policy, 1, 'latest');
    assert.ok(BigInt(user.epoch) > 0n && BigInt(user.version) > 0n);
  });

  it('values are exact decimals in their shortest form', async () => {
    for (const [connections, text] of [[1, '3.14'], [2, '6.28'], [3, '9.42'], [5, '15.7'], [100, '314'], [7, '21.98'],
      [50, '157'], [1000000, '3140000'], [29, '91.06'], [2147483, '6743096.62']]) {
      const userId = `exact-${connections}`;
      const out = await ring.listen(`pollen8.out.user.${Buffer.from(userId).toString('base64url')}`);
      assert.deepEqual(await ring.submit('connection.import', { userId, connections }, service), { data: {} });
      await until('the update', () => out.frames.length);
      out.stop();
      assert.equal(out.frames[0].text, `{"userId":"${userId}","newValue":${text}}`);
    }
  });

  it('the subject user’s versions rise, whatever is counted', async () => {
    const out = await ring.listen('pollen8.out.user.>');
    for (const event of ['connection.new', 'connection.removed', 'connection.removed', 'connection.new', 'connection.new']) {
      await ring.submit(event, { userId: 'versions', industries: [] }, service);
      await ring.applied();
    }
    await until('five frames', () => out.frames.length === 5);
    out.stop();
    const versions = out.frames.map((frame) => BigInt(frame.version));
    for (let i = 1; i < versions.length; i++) assert.ok(versions[i] > versions[i - 1], versions.join());
    assert.deepEqual(out.frames.map((frame) => frame.data.newValue), [3.14, 0, 0, 0, 3.14]);
    assert.equal((await count('versions')).connections, 1);
  });

  it('who may submit what: @own is about oneself and one’s own industries', async () => {
    const ada = own('ada', ['technology', 'finance']);
    const code = async (event, data, identity) => (await ring.submit(event, data, identity)).error?.code;
    assert.equal(await code('connection.new', { userId: 'ada', industries: ['  FINANCE '] }, ada), undefined);
    assert.equal(await code('connection.new', { userId: 'ada', industries: [] }, ada), undefined);
    assert.equal(await code('connection.new', { userId: 'ada', industries: ['technology', 'x'] }, ada), 'FORBIDDEN');
    assert.equal(await code('connection.new', { userId: 'Ada', industries: ['technology'] }, ada), 'FORBIDDEN');
    assert.equal(await code('connection.removed', { userId: 'bo', industries: ['technology'] }, ada), 'FORBIDDEN');
    assert.equal(await code('invite.created', { inviteId: 'i', creatorId: 'bo' }, ada), 'FORBIDDEN');
    assert.equal(await code('invite.created', { inviteId: 'i', creatorId: 'ada' }, ada), undefined);
    assert.equal(await code('connection.import', { userId: 'ada', connections: 1 }, ada), 'FORBIDDEN');
    for (const permissions of [[], ['emit:value.get'], ['emit:connection.removed'], ['subscribe:*'], ['emit'], ['emit:'],
      ['*'], ['emit:connection.ne'], ['emit:connection.new.x'], ['EMIT:*']]) {
      assert.equal(await code('connection.new', { userId: 'ada', industries: [] }, { userId: 'ada', permissions }),
        'FORBIDDEN', permissions.join());
    }
    for (const permissions of [['emit:*'], ['emit:connection.*'], ['emit:connection.new'], ['x', 'emit:connection.new']]) {
      assert.equal(await code('connection.new', { userId: 'y', industries: [] }, { userId: 'ada', permissions }), undefined);
    }
  });

  it('counts connections only for events that took effect', async () => {
    for (const eventId of ['a', 'b', 'a', 'a']) {
      const { data } = await ring.submit('connection.new', { userId: 'effect', industries: [], eventId }, service);
      assert.equal(typeof data, 'object', 'a resend is as well as the first');
    }
    await ring.submit('connection.new', { userId: 'effect', industries: [''] }, service);
    await ring.applied();
    assert.deepEqual(await count('effect'), { userId: 'effect', newValue: 6.28, connections: 2 });
  });

  it('bounds of an import', async () => {
    const code = async (connections) => (await ring.submit('connection.import',
      `{"userId":"import","connections":${connections}}`, service)).error?.code;
    assert.equal(await code('0'), undefined);
    assert.equal(await code('1000000'), undefined);
    for (const bad of ['-1', '1.0', '1e3', '9007199254740993', '1e999', 'null', 'true', '"1"', '[]', '99999999999999999999']) {
      assert.equal(await code(bad), 'INVALID_PAYLOAD', bad);
    }
    await ring.applied();
    assert.equal((await count('import')).connections, 1000000);
  });

  it('an envelope and a JSON payload of the same event are the same event', async () => {
    const type = proto.lookupType('Event');
    const bytes = type.encode({
      name: 'connection.new', submitter: 'someone', eventId: '', submittedAtMs: Date.now(),
      connectionChange: { userId: 'envelope', industries: ['technology'] },
    }).finish();
    await ring.publish('connection.new', bytes);
    await ring.publish('connection.new', { userId: 'envelope', industries: ['technology'] });
    await ring.applied();
    assert.equal((await count('envelope')).connections, 2);
    assert.deepEqual(await ring.deadLetters(), []);
  });

  it('JSON with white space in front is JSON, and an empty body is called empty', async () => {
    const text = '{"userId":"spaced","industries":[]}';
    for (const front of [' ', '\n', '\r\n\t ', '\n\n']) await ring.publish('connection.new', Buffer.from(front + text));
    for (const blank of ['', ' ', '\n']) await ring.publish('connection.new', Buffer.from(blank));
    await ring.applied();
    assert.equal((await count('spaced')).connections, 4);
    const dead = await ring.deadLetters();
    assert.deepEqual(dead.map(({ headers }) => headers['Pollen8-Reason']), Array(3).fill('the body is empty'));
    for (const blank of ['', ' \n']) {
      const { error } = await ring.submit('connection.new', blank, service);
      assert.equal(error.code, 'INVALID_PAYLOAD');
      assert.equal(error.message, 'the payload is empty');
    }
    assert.equal((await ring.submit('value.get', ' \n', { userId: 'spaced', permissions: ['emit:value.get'] })).data.connections, 4);
  });

  it('fields that a later version adds are ignored, both ways', async () => {
    const unknown = Buffer.from([0xfa, 0x3f, 0x03, 0x61, 0x62, 0x63]); // field 1023, bytes "abc"
    const event = proto.lookupType('Event').encode({
      name: 'connection.new', submitter: 's', connectionChange: { userId: 'later', industries: [] },
    }).finish();
    await ring.publish('connection.new', Buffer.concat([event, unknown]));
    const frame = proto.lookupType('InboundFrame').encode({
      event: 'connection.new', data: Buffer.from('{"userId":"later","industries":[]}'), identity: service, deadlineMs: 5000,
    }).finish();
    const reply = await ring.broker.request('pollen8.in.connection.new', Buffer.concat([frame, unknown]), { timeout: 10000 });
    assert.equal(proto.lookupType('FrameReply').decode(reply.data).error, null);
    const open = proto.lookupType('SessionOpen').encode({ gateway: 'g', session: 's', userId: 'later', industries: [] }).finish();
    await ring.applied();
    const opened = await ring.broker.request('pollen8.session.open', Buffer.concat([open, unknown]), { timeout: 10000 });
    const snapshot = proto.lookupType('SessionOpenReply').decode(opened.data).opened.snapshot;
    assert.deepEqual(JSON.parse(Buffer.from(snapshot.data)), { userId: 'later', newValue: 6.28 });
  });

  it('several openings in one message: each is answered under its id, and a pid is known from then on', async () => {
    const Batch = proto.lookupType('Batch');
    const SessionOpen = proto.lookupType('SessionOpen');
    const SessionOpenReply = proto.lookupType('SessionOpenReply');
    const ask = async (opens) => {
      const items = opens.map((open, i) => ({ id: i + 1, body: SessionOpen.encode({ gateway: 'g', session: 's', industries: [], ...open }).finish() }));
      const answers = [];
      const inbox = `_INBOX.test.${Math.random()}`.replace('0.', '');
      const subscription = ring.broker.subscribe(inbox, { callback: (_, message) => answers.push(...Batch.decode(message.data).items) });
      ring.broker.publish('pollen8.session.open.batch', Batch.encode({ items }).finish(), { reply: inbox });
      await until('all answers', () => answers.length === items.length);
      subscription.unsubscribe();
      return answers.sort((a, b) => Number(a.id) - Number(b.id)).map(({ body }) => SessionOpenReply.decode(body));
    };
    const [one, bad, two] = await ask([{ userId: 'many-1', pid: 'pidofmany1', fresh: true }, { userId: '' }, { userId: 'many-2' }]);
    assert.equal(JSON.parse(Buffer.from(one.opened.snapshot.data)).userId, 'many-1');
    assert.equal(bad.error.code, 'INVALID_PAYLOAD');
    assert.equal(JSON.parse(Buffer.from(two.opened.snapshot.data)).userId, 'many-2');
    assert.ok(Number((await ring.redisCommand('PTTL', 'p8:{p.pidofmany1}'))) > 3600000);
    const claim = { userId: 'many-1', purpose: 1, pid: 'pidofmany1', session: 'other' };
    const [mine, theirs] = await ask([claim, { ...claim, userId: 'many-2' }]);
    assert.equal(mine.opened.known, true);
    assert.equal(theirs.opened.known, false);
  });

  it('requests that are no protobuf or carry no user are refused or ignored, and the service goes on', async () => {
    for (const subject of ['pollen8.in.connection.new', 'pollen8.in.value.get', 'pollen8.session.open']) {
      for (const bytes of [Buffer.alloc(0), Buffer.from([0xff, 0xff]), Buffer.from('{"userId":"ada"}'), Buffer.alloc(300000, 1)]) {
        await ring.broker.request(subject, bytes, { timeout: 300 }).catch((error) => {
          assert.equal(error.code, 'TIMEOUT', 'a responder was there');
        });
      }
    }
    const event = await ring.submit('connection.new', { userId: 'goes-on', industries: [] }, service);
    assert.deepEqual(event, { data: {} });
  });

  it('the streams are files, and the duplicate window of events is DEDUPE_WINDOW', async () => {
    for (const name of ['POLLEN8_EVENTS', 'POLLEN8_DEAD']) {
      const { config } = await ring.manager.streams.info(name);
      assert.equal(config.storage, 'file');
    }
    const { config } = await ring.manager.streams.info('POLLEN8_EVENTS');
    assert.equal(config.duplicate_window, 600 * 1e9);
    assert.deepEqual(config.subjects, ['pollen8.events.>']);
    const [consumer] = await ring.manager.consumers.list('POLLEN8_EVENTS').next();
    assert.equal(consumer.config.max_deliver, -1);
    assert.equal(consumer.config.ack_policy, 'explicit');
  });

  it('keys in Redis are those of the design, one user each', async () => {
    await ring.submit('connection.new', { userId: 'a}b', industries: [], eventId: 'k' }, service);
    await ring.applied();
    const token = Buffer.from('a}b').toString('base64url');
    const net = await ring.redisCommand('HGETALL', `p8:{u.${token}}:net`);
    const fields = Object.fromEntries(net.map((value, i) => [value, net[i + 1]]).filter((_, i) => i % 2 === 0));
    assert.equal(fields.connections, '1');
    assert.ok(Number(await ring.redisCommand('EXISTS', `p8:{u.${token}}:seen`)) === 1);
    const keys = await ring.redisCommand('KEYS', '*');
    for (const key of keys) assert.match(key, /^p8:/);
  });
});
