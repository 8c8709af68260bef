// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// pollen8ctl dead and pollen8ctl import against a ring: what they say, what they leave behind, their exit status.

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { withRing, until, bin } = require('./helpers/ring');

const LINES = 50000;

/** Runs pollen8ctl to its end: { status, stdout, stderr }. */
function run(ring, ...args) {
  return new Promise((resolve) => {
    execFile(path.join(bin, 'pollen8ctl'), args, { env: { NATS_URL: ring.natsUrl }, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => resolve({ status: error ? error.code : 0, stdout, stderr }));
  });
}

async function dead(ring, count) {
  await until(`${count} dead letters`, async () => (await ring.deadLetters()).length === count);
}

const connections = async (ring, user) => Number(await ring.redisCommand('HGET',
  `p8:{u.${Buffer.from(user).toString('base64url')}}:net`, 'connections') || 0);

withRing('pollen8ctl dead', {}, (ring, it) => {
  const objects = async (...args) => (await run(ring, 'dead', ...args, '--json')).stdout.trim().split('\n').map(JSON.parse);

  it('list says what, when and why; show says all of it', async () => {
    assert.deepEqual(await run(ring, 'dead', 'list'), { status: 0, stdout: '', stderr: '' });
    await ring.publish('connection.new', { userId: 'ada' });
    await dead(ring, 1);
    await ring.publish('nobody.knows', '{"a":"ü\\n"}');
    await dead(ring, 2);
    await ring.publish('connection.new', Buffer.from([0xff, 0x00, 0x1b]));
    await dead(ring, 3);
    const listed = await run(ring, 'dead', 'list');
    assert.equal(listed.status, 0);
    assert.match(listed.stdout, /^ +1 {2}20\d\d-\S+Z {2}connection\.new +`industries` is missing\n +2 .*nobody\.knows +unknown event\n +3 /);
    assert.equal(listed.stderr, '');
    const some = await run(ring, 'dead', 'list', '--limit', '2');
    assert.equal(some.stdout.split('\n').length, 3);
    assert.equal(some.stderr, '... and 1 more: --limit N, 0 for all\n');
    assert.equal((await run(ring, 'dead', 'list', '--limit', '3')).stderr, '');
    const all = await objects('list', '--limit', '0');
    assert.deepEqual(all.map((one) => [one.sequence, one.event]), [[1, 'connection.new'], [2, 'nobody.knows'], [3, 'connection.new']]);
    assert.equal(all[0].reason, '`industries` is missing');
    const shown = await run(ring, 'dead', 'show', '2');
    assert.match(shown.stdout, /subject: pollen8\.dead\.nobody\.knows\n[^]*Pollen8-Reason: unknown event\n[^]*\n\{"a":"ü\\n"\}\n$/);
    const [bytes] = await objects('show', '3');
    assert.deepEqual(Buffer.from(bytes.bodyBase64url, 'base64url'), Buffer.from([0xff, 0x00, 0x1b]));
    assert.doesNotMatch((await run(ring, 'dead', 'show', '3')).stdout, /\u001b/, 'nothing that a terminal obeys');
    const missing = await run(ring, 'dead', 'show', '99');
    assert.deepEqual([missing.status, missing.stderr], [1, 'pollen8ctl: there is no dead letter 99\n']);
  });

  it('drop wants --yes', async () => {
    const refused = await run(ring, 'dead', 'drop', '--all');
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /--yes/);
    assert.equal((await ring.deadLetters()).length, 3);
    assert.deepEqual(await run(ring, 'dead', 'drop', '3', '--yes'), { status: 0, stdout: '1 dropped\n', stderr: '' });
    assert.deepEqual((await objects('list')).map((one) => one.sequence), [1, 2]);
    assert.equal((await run(ring, 'dead', 'drop', '--all', '--yes')).stdout, '2 dropped\n');
    assert.equal((await run(ring, 'dead', 'list')).stdout, '');
  });

  it('replay publishes the event again, and what counts once still does', async () => {
    // Put aside by hand, as what an older version refused: now it is fine.
    const put = (event, payload) => ring.jetstream.publish(`pollen8.dead.${event}`, Buffer.from(JSON.stringify(payload)));
    const sent = { userId: 'again', industries: ['x'], eventId: 'one' };
    await ring.publish('connection.new', sent);
    const { seq } = await put('connection.new', sent);
    await put('connection.new', { userId: 'again', industries: ['x'], eventId: 'two' });
    await put('connection.new', { userId: 'again', industries: ['x'] });
    await put('unknown', { userId: 'again' });
    assert.equal((await run(ring, 'dead', 'replay', `${seq}`)).stdout, '1 replayed\n');
    assert.equal((await run(ring, 'dead', 'replay', `${seq}`)).status, 1, 'it is gone');
    const all = await run(ring, 'dead', 'replay', '--all');
    assert.deepEqual([all.status, all.stdout], [1, '2 replayed, 1 failed\n']);
    assert.match(all.stderr, /names no event/);
    await ring.applied();
    assert.equal(await connections(ring, 'again'), 3, 'the first one was a duplicate');
    assert.deepEqual((await objects('list')).map((one) => one.event), ['unknown']);
  });

  it('wrong use is one line and exit 2, no broker exit 1', async () => {
    for (const args of [[], ['nonsense'], ['show'], ['show', 'x'], ['show', '0'], ['show', '--all'], ['replay'],
      ['replay', '1', '2'], ['replay', '1', '--all'], ['list', '3'], ['list', '--limit', '-1'], ['list', '--nonsense']]) {
      const result = await run(ring, 'dead', ...args);
      assert.deepEqual([args, result.status, result.stderr.split('\n').length], [args, 2, 2]);
    }
    assert.match((await run(ring, 'dead', '--help')).stdout, /^usage: /);
    const away = await run(ring, 'dead', 'list', '--nats', 'nats://127.0.0.1:1');
    assert.deepEqual([away.status, away.stderr.split('\n').length], [1, 2]);
  });
});

withRing('pollen8ctl import', {}, (ring, it) => {
  const file = (name) => path.join(ring.folder, name);
  const write = (name, lines) => fs.writeFileSync(file(name), lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));

  it('bad lines are named and the others stored; a dry run sends nothing', async () => {
    write('bad.ndjson', [{ userId: 'a', connections: 5 }, 'nonsense', '', { userId: 'b' }, { userId: 'c', connections: 1.5 },
      { userId: 'a', connections: 6 }, { userId: 'd', connections: -1 }, { userId: 'e', connections: 1, more: 1 },
      { userId: '', connections: 1 }, { userId: 'f>.*', connections: 7 }]);
    const before = (await ring.manager.streams.info('POLLEN8_EVENTS')).state.last_seq;
    const dry = await run(ring, 'import', file('bad.ndjson'), '--dry-run', '--name', 'bad');
    assert.deepEqual([dry.status, dry.stdout], [1, '2 would be sent, 0 before, 7 bad\n']);
    assert.deepEqual(dry.stderr.trim().split('\n').map((line) => /:(\d+): /.exec(line)[1]), ['2', '4', '5', '6', '7', '8', '9']);
    assert.equal((await ring.manager.streams.info('POLLEN8_EVENTS')).state.last_seq, before);
    const real = await run(ring, 'import', file('bad.ndjson'), '--name', 'bad');
    assert.deepEqual([real.status, real.stdout], [1, '2 stored, 0 before, 7 bad\n']);
    await ring.applied();
    assert.deepEqual([await connections(ring, 'a'), await connections(ring, 'f>.*')], [5, 7]);
  });

  it('counts once per user and name, whatever is run again', async () => {
    write('once.ndjson', [{ userId: 'once', connections: 10 }, { userId: 'twice', connections: 20 }]);
    const again = async (expected, ...more) => {
      const result = await run(ring, 'import', file('once.ndjson'), ...more);
      assert.deepEqual([result.status, result.stdout], [0, `${expected}\n`]);
      await ring.applied();
    };
    await again('2 stored, 0 before, 0 bad');
    await again('0 stored, 2 before, 0 bad');
    await again('2 stored, 0 before, 0 bad', '--restart');
    fs.appendFileSync(file('once.ndjson'), '{"userId":"later","connections":1}\n');
    await again('1 stored, 2 before, 0 bad');
    fs.writeFileSync(file('once.ndjson'), '{"userId":"other","connections":1}\n{"userId":"once","connections":11}\n');
    await again('2 stored, 0 before, 0 bad');
    assert.deepEqual([await connections(ring, 'once'), await connections(ring, 'twice'), await connections(ring, 'later')], [10, 20, 1]);
    await again('2 stored, 0 before, 0 bad', '--name', 'second');
    assert.equal(await connections(ring, 'once'), 21);
    // Long after every window: what the record of recent events has forgotten, the user's own mark has not.
    for (const user of ['once', 'twice']) {
      const keys = `p8:{u.${Buffer.from(user).toString('base64url')}}:`;
      await ring.redisCommand('DEL', `${keys}seen`, `${keys}seen.order`);
    }
    for (const user of ['once', 'twice', 'once']) {
      await ring.publish('connection.import', { userId: user, connections: 20, eventId: 'import:members' });
    }
    await ring.applied();
    assert.deepEqual([await connections(ring, 'once'), await connections(ring, 'twice')], [21, 20]);
  });

  it(`${LINES} lines, killed and run again: every count exact`, async () => {
    write('many.ndjson', Array.from({ length: LINES }, (_, i) => ({ userId: `m${i}`, connections: i % 97 })));
    const progress = file('many.ndjson.members.progress');
    const noted = () => (fs.existsSync(progress) ? Number(/lines (\d+)/.exec(fs.readFileSync(progress, 'utf8'))[1]) : 0);
    let killed = 0;
    let result;
    for (let round = 0; ; round++) {
      const child = spawn(path.join(bin, 'pollen8ctl'), ['import', file('many.ndjson')], { env: { NATS_URL: ring.natsUrl }, stdio: ['ignore', 'pipe', 'inherit'] });
      let stdout = '';
      child.stdout.on('data', (bytes) => { stdout += bytes; });
      const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stdout })));
      if (round < 3) {
        const from = noted();
        await until('some lines', () => child.exitCode !== null || noted() > from);
        if (child.exitCode === null) process.kill(child.pid, 'SIGKILL');
      }
      result = await ended;
      if (result.signal !== 'SIGKILL') break;
      killed++;
    }
    assert.ok(killed > 0, 'it was interrupted');
    assert.equal(result.code, 0);
    const [, stored, before] = /^(\d+) stored, (\d+) before, 0 bad\n$/.exec(result.stdout);
    assert.equal(Number(stored) + Number(before), LINES);
    assert.ok(Number(before) > 0, 'it went on where it was');
    assert.match(fs.readFileSync(progress, 'utf8'), new RegExp(`lines ${LINES}\\n`));
    await ring.applied();
    for (let i = 0; i < LINES; i += 500) {
      const values = await Promise.all(Array.from({ length: 500 }, (_, j) => connections(ring, `m${i + j}`)));
      values.forEach((value, j) => assert.equal(value, (i + j) % 97, `m${i + j}`));
    }
    assert.deepEqual(await ring.deadLetters(), []);
  });

  it('wrong use is one line and exit 2, what cannot be read exit 1', async () => {
    for (const args of [[], ['a', 'b'], ['a', '--name', 'x y'], ['a', '--name'], ['--nonsense']]) {
      const result = await run(ring, 'import', ...args);
      assert.deepEqual([args, result.status, result.stderr.split('\n').length], [args, 2, 2]);
    }
    assert.equal((await run(ring, 'import', file('missing'), '--progress', file('p'))).status, 1);
    assert.match((await run(ring, 'import', '--help')).stdout, /^usage: /);
  });
});
