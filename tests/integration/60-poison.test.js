// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// One bad thing stops no good thing: bodies that nobody can read, one user's broken record, an event that ends
// the process, a Redis that answers with errors. What cannot be applied becomes a dead letter, and only that.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { withRing, until, get, bin } = require('./helpers/ring');

const key = (user, suffix) => `p8:{u.${Buffer.from(user).toString('base64url')}}:${suffix}`;
const event = (userId, more) => ({ userId, industries: ['x'], ...more });
const readyz = (ring) => get(ring.value.opsPort, '/readyz');
const consumers = (ring) => ring.manager.consumers.list('POLLEN8_EVENTS').next();
const sum = async (ring, user) => Number(await ring.redisCommand('HGET', key(user, 'net'), 'connections') || 0);
const counted = (ring, user, count) => until(`${count} of ${user}`, async () => await sum(ring, user) === count, 60000);
const letters = (ring, count) => until(`${count} dead letters`,
  async () => (await ring.manager.streams.info('POLLEN8_DEAD')).state.messages === count, 60000);

const series = async (ring, name) => (await get(ring.value.opsPort, '/metrics')).text.split('\n')
  .filter((line) => line.startsWith(name)).reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);

function replayAll(ring) {
  return new Promise((resolve) => {
    execFile(path.join(bin, 'pollen8ctl'), ['dead', 'replay', '--all'], { env: { NATS_URL: ring.natsUrl } },
      (error, stdout, stderr) => resolve({ status: error ? error.code : 0, stdout, stderr }));
  });
}

withRing('bodies that nobody can read', { gateways: 0 }, (ring, it) => {
  it('what is more than can be unpacked is wrong content, and holds nothing up', async () => {
    // As Event messages these are thousands of fields, or of empty messages: bytes in, many times as many in memory.
    const bodies = ['0'.repeat(20000), '2\0'.repeat(20000), 'x\x01'.repeat(30000), 'B\0'.repeat(50000)];
    for (const body of bodies) await ring.publish('connection.new', Buffer.from(body, 'latin1'));
    await ring.publish('connection.new', event('ada'));
    await counted(ring, 'ada', 1);
    await letters(ring, bodies.length);
    await ring.applied();
    for (const letter of await ring.deadLetters())
      assert.equal(letter.headers['Pollen8-Reason'], 'neither a JSON object nor an Event message');
    assert.equal((await readyz(ring)).status, 200);
  });
});

withRing('one user\'s broken record', { gateways: 0 }, (ring, it) => {
  // What is put there, and what is counted once it is mended.
  const broken = {
    'the sum is no number': ['HSET', 'net', 'connections', 'abc'],
    'the version is no number': ['HSET', 'net', 'n', 'abc'],
    'the number in the history is no number': ['HSET', 'net', 'h', '1.5e'],
    'net is a text': ['SET', 'net', 'abc'],
    'seen is a text': ['SET', 'seen', 'abc'],
    'the order is a text': ['SET', 'seen.order', 'abc'],
    'the order is a set': ['SADD', 'seen.order', 'abc'],
  };
  const users = Object.keys(broken);

  it('is that user\'s alone, ends as dead letters, and counts once when it is mended', async () => {
    for (const [user, [command, suffix, ...rest]] of Object.entries(broken))
      await ring.redisCommand(command, key(user, suffix), ...rest);
    for (const user of users) {
      await ring.publish('connection.new', event(user));
      await ring.publish('connection.new', event(user, { eventId: 'once' }));
      await ring.publish('connection.new', event('ada'));
    }
    await counted(ring, 'ada', users.length);
    assert.equal((await readyz(ring)).status, 200, 'what could be applied was');
    await letters(ring, 2 * users.length);
    await ring.applied();
    const all = await ring.deadLetters();
    for (const letter of all) {
      assert.match(letter.headers['Pollen8-Reason'], /^failed 8 times: .*(BROKEN|WRONGTYPE)/);
      assert.match(letter.headers['Pollen8-Event'], /^\d+-\d{13}$/);
    }
    assert.equal(await series(ring, 'pollen8_value_events_dead_total'), all.length);
    await until('nothing is unacknowledged', async () => await series(ring, 'pollen8_value_stream_unacknowledged') === 0);
    for (const user of users) await ring.redisCommand('DEL', key(user, 'net'), key(user, 'seen'), key(user, 'seen.order'));
    const replayed = await replayAll(ring);
    assert.equal(replayed.stdout, `${all.length} replayed, 0 failed\n`, replayed.stderr);
    for (const user of users) await counted(ring, user, 2);
    await ring.applied();
    for (const user of users) assert.equal(await sum(ring, user), 2, user);
    await letters(ring, 0);
  });

  it('a letter whose event a replay of the stream applied meanwhile counts once all the same', async () => {
    await ring.redisCommand('HSET', key('both', 'net'), 'connections', 'abc');
    await ring.publish('connection.new', event('both'));
    await letters(ring, 1);
    await ring.applied();
    // Redis comes back empty: the whole stream is replayed, and finds nothing broken.
    await ring.redisCommand('FLUSHALL');
    await ring.redis.restart();
    await counted(ring, 'both', 1);
    await ring.value.waitReady();
    assert.equal((await replayAll(ring)).stdout, '1 replayed, 0 failed\n');
    await ring.applied();
    assert.equal(await sum(ring, 'both'), 1);
    await ring.publish('connection.new', event('both'));
    await counted(ring, 'both', 2);
  });

  it('a broken history fails nothing', async () => {
    await ring.redisCommand('SET', key('past', 'history'), 'abc');
    await ring.redisCommand('SET', 'p8:{i.eA}:history', 'abc');
    await ring.publish('connection.new', event('past'));
    await ring.publish('connection.new', event('past'));
    await counted(ring, 'past', 2);
    await ring.applied();
    await letters(ring, 0);
  });

  it('an invite whose place to be kept is broken is a dead letter, kept when that is mended', async () => {
    await ring.redisCommand('SET', key('invited', 'kept'), 'abc');
    await ring.publish('invite.created', { inviteId: 'i1', creatorId: 'invited' });
    await letters(ring, 1);
    await ring.redisCommand('DEL', key('invited', 'kept'));
    assert.equal((await replayAll(ring)).stdout, '1 replayed, 0 failed\n');
    await until('it is kept', async () => await ring.redisCommand('XLEN', key('invited', 'kept')) === 1);
  });

  it('thousands of them never use up what may be unacknowledged', async () => {
    await ring.redisCommand('HSET', key('hot', 'net'), 'connections', 'abc');
    let most = 0;
    let looking = true;
    const look = (async () => {
      while (looking) most = Math.max(most, ...(await consumers(ring)).map((one) => one.num_ack_pending));
    })();
    for (let round = 0; round < 30; round++) {
      const sent = [];
      for (let i = 0; i < 100; i++) sent.push(ring.publish('connection.new', event('hot')));
      await Promise.all(sent);
      await ring.publish('connection.new', event('good'));
    }
    await counted(ring, 'good', 30);
    await letters(ring, 3000);
    looking = false;
    await look;
    assert.ok(most < 2048, `${most} unacknowledged at once`);
    await ring.applied();
  });
});

withRing('what a user whose record is broken is told', {}, (ring, it) => {
  it('the value is not known, and others are told theirs', async () => {
    await ring.redisCommand('SET', key('bo', 'net'), 'abc');
    await ring.redisCommand('HSET', key('cy', 'net'), 'connections', 'abc');
    const clients = ['ada', 'bo', 'cy', 'ada'].map((user) => ring.openWs(user));
    await Promise.all(clients.map((client) => client.opened));
    const words = await Promise.all(clients.map((client) => client.request('value.get')));
    assert.deepEqual(words.map((reply) => (reply.ok ? reply.data.newValue : reply.error.code)), [0, 'UNAVAILABLE', 'UNAVAILABLE', 0]);
  });

  const told = (kind, of) => until(`the broken history of ${of}`, async () => {
    await ring.publish('connection.new', { userId: 'ada', industries: ['Ore'] }); // a line a second at most
    return ring.value.output.split('\n').some((line) => /a history in Redis is broken/.test(line) &&
      line.includes(`"history":"${kind}"`) && line.includes(`"of":"${of}"`));
  }, 20000);

  // Leaves, and comes back with what it had last.
  async function comeBack(client) {
    await until('an offset', () => client.offset !== undefined);
    client.close();
    const next = ring.openWs('ada');
    await next.opened;
    return [next, await next.request('resume', { offset: client.offset })];
  }

  it('a history that somebody broke is named by the log and counted by who reads it, until its key is deleted', async () => {
    const broken = () => series(ring, 'pollen8_value_history_reads_total{result="broken"}');
    const industry = `p8:{i.${Buffer.from('ore').toString('base64url')}}:history`;
    await ring.redisCommand('SET', industry, 'garbage');
    await told('industry', 'ore');
    await ring.redisCommand('DEL', industry, key('ada', 'history'));
    const first = await ring.ws('ada');
    await ring.redisCommand('HSET', key('ada', 'history'), 'garbage', 'payload');
    await told('user', 'ada');
    assert.equal(await broken(), 0);
    const [second, reply] = await comeBack(first);
    assert.deepEqual(reply, { ok: true, data: { recovered: false } });
    assert.equal(await broken(), 1);
    assert.doesNotMatch(ring.value.output, /garbage|payload/);
    await ring.redisCommand('DEL', key('ada', 'history'));
    await ring.publish('connection.new', event('ada'));
    await until('it is written anew', async () => await ring.redisCommand('XLEN', key('ada', 'history')) > 0);
    const [third, better] = await comeBack(second);
    assert.deepEqual(better, { ok: true, data: { recovered: true } });
    third.close();
  });
});

withRing('an event that ends the process', { gateways: 0, env: { value: { ACK_WAIT: '1s' } } }, (ring, it) => {
  it('what was being worked on at three crashes is tried alone', async () => {
    await ring.publish('connection.new', event('ada'));
    await counted(ring, 'ada', 1);
    await ring.applied();
    const [{ name }] = await consumers(ring);
    await ring.value.stop();
    for (let i = 0; i < 3; i++) await ring.publish('connection.new', event('ada'));
    // A process that takes the events and is never heard of again.
    const durable = await ring.jetstream.consumers.get('POLLEN8_EVENTS', name);
    for (let crash = 0; crash < 3; crash++) {
      const taken = await durable.fetch({ max_messages: 3, expires: 10000 });
      for await (const message of taken) assert.equal(message.info.redeliveryCount, crash + 1);
    }
    await ring.publish('connection.new', event('bo'));
    await ring.value.start();
    await counted(ring, 'ada', 4);
    await counted(ring, 'bo', 1);
    await ring.applied();
    const alone = ring.value.output.split('\n').filter((line) => /tried alone/.test(line));
    assert.equal(alone.length, 3, ring.value.output);
    await letters(ring, 0);
  });
});

withRing('a Redis that answers with errors', { gateways: 0, env: { value: { ACK_WAIT: '1s' } } }, (ring, it) => {
  const refusals = {
    NOREPLICAS: [['CONFIG', 'SET', 'min-replicas-to-write', '1'], ['CONFIG', 'SET', 'min-replicas-to-write', '0']],
    OOM: [['CONFIG', 'SET', 'maxmemory', '100kb'], ['CONFIG', 'SET', 'maxmemory', '0']],
  };
  const connects = async () => Number(/total_connections_received:(\d+)/.exec(await ring.redisCommand('INFO', 'stats'))[1]);

  for (const [error, [refuse, allow]] of Object.entries(refusals)) {
    it(`${error}: not ready, no storm of connections, no event lost or put aside`, async () => {
      await ring.value.waitReady();
      await ring.redisCommand(...refuse);
      await ring.applied();
      assert.equal((await readyz(ring)).status, 200, 'nothing waits');
      for (let i = 0; i < 20; i++) await ring.publish('connection.new', event(error));
      await until('not ready', async () => {
        const page = await readyz(ring);
        return page.status === 503 && /redis/i.test(page.text);
      });
      assert.equal(await series(ring, 'pollen8_value_blocked'), 1);
      const before = await connects();
      const began = Date.now();
      // Longer than all tries of an event take.
      await until('the ack floor has stood for 15 s', async () => {
        assert.equal((await readyz(ring)).status, 503);
        return await series(ring, 'pollen8_value_ack_floor_stands_seconds') >= 15;
      }, 60000);
      const rate = (await connects() - before) / ((Date.now() - began) / 1000);
      assert.ok(rate < 20, `${rate} connections a second`);
      await ring.redisCommand(...allow);
      await counted(ring, error, 20);
      await ring.applied();
      await ring.value.waitReady();
      await until('the floor moves', async () => await series(ring, 'pollen8_value_ack_floor_stands_seconds') === 0);
      assert.equal(await series(ring, 'pollen8_value_blocked'), 0);
      assert.equal(await sum(ring, error), 20);
      await letters(ring, 0);
    });
  }
});
