// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// ./pollen8 as a new user types it: a ring up, tokens, an event, a client's view, two rings side by side, down.

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { SioClient } = require('./helpers/clients');
const { STEP_MS, freePort, get, root, until } = require('./helpers/ring');

// The command builds what it runs, so it always tests build/dev, whatever POLLEN8_BIN says: once is enough.
const elsewhere = process.env.POLLEN8_SLOW && Number(process.env.POLLEN8_SLOW) !== 1
  ? 'the command line is tested with the ordinary build' : false;
const TIMEOUT_MS = 300000; // a first build is within it

class Cli {
  async prepare() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pollen8-cli-'));
    this.port = await freePort(2); // two gateways
    this.opsBase = await freePort(6); // two of each service
    this.env = {
      PATH: process.env.PATH, HOME: process.env.HOME, RUN_DIR: path.join(this.folder, 'run'), PORT: `${this.port}`,
      OPS_PORT_BASE: `${this.opsBase}`, NATS_PORT: `${await freePort()}`, REDIS_PORT: `${await freePort()}`,
    };
  }

  /** Runs ./pollen8 to its end: { status, stdout, stderr }. */
  run(...args) {
    return new Promise((resolve) => {
      execFile(path.join(root, 'pollen8'), args, { env: this.env, cwd: os.tmpdir(), timeout: TIMEOUT_MS },
        (error, stdout, stderr) => resolve({ status: error ? error.code : 0, stdout, stderr }));
    });
  }

  /** Starts ./pollen8 and leaves it: { child, text(), ended }. In a process group of its own, as a terminal's. */
  open(...args) {
    const child = spawn(path.join(root, 'pollen8'), args, { env: this.env, cwd: os.tmpdir(), detached: true,
      stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { text += bytes; });
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    return { child, ended, text: () => text };
  }

  async token(...args) {
    const result = await this.run('token', ...args);
    assert.equal(result.status, 0, result.stderr);
    assert.match(result.stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/, 'one token alone, to be used in scripts');
    return result.stdout.trim();
  }

  async connect(user, ...args) {
    const client = new SioClient(`http://127.0.0.1:${this.port}`, { token: await this.token(user, ...args), label: user });
    return client;
  }

  async cleanUp() {
    await this.run('down');
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

describe('./pollen8', { skip: elsewhere }, () => {
  const ring = new Cli();
  const other = new Cli();
  const clients = [];

  before(async () => {
    await ring.prepare();
    await other.prepare();
    const up = await ring.run('up', '--detach');
    assert.equal(up.status, 0, up.stdout + up.stderr);
    ring.told = up.stdout;
  }, { timeout: TIMEOUT_MS });

  after(async () => {
    for (const client of clients) client.close();
    await Promise.all([ring.cleanUp(), other.cleanUp()]);
  }, { timeout: TIMEOUT_MS });

  const test = (title, body) => it(title, { timeout: TIMEOUT_MS }, body);
  const connect = async (cli, ...args) => {
    const client = await cli.connect(...args);
    clients.push(client);
    return client;
  };

  test('up tells the URL, and a token of each demo user that works', async () => {
    assert.ok(ring.told.includes(`:${ring.port}`), ring.told);
    for (const user of ['ada', 'bo', 'cy']) assert.match(ring.told, new RegExp(`\\b${user}\\b`));
    const tokens = ring.told.match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g) || [];
    assert.ok(tokens.length >= 3, ring.told);
    assert.doesNotMatch(ring.told, /\u001b/, 'black and white');
    for (const token of tokens.slice(0, 3)) {
      const client = new SioClient(`http://127.0.0.1:${ring.port}`, { token });
      clients.push(client);
      await client.ready();
    }
  });

  test('status says that all runs', async () => {
    const result = await ring.run('status');
    assert.equal(result.status, 0, result.stdout);
    for (const name of ['nats', 'redis', 'auth-svc', 'value-svc', 'gateway']) assert.match(result.stdout, new RegExp(name));
  });

  test('emit reaches watch, and the stock client', async () => {
    const bo = await (await connect(ring, 'bo')).ready();
    const watch = ring.open('watch', 'ada');
    try {
      await until('the first update', () => /network\.update/.test(watch.text()));
      const emitted = await ring.run('emit', 'connection.new', '{"userId":"ada","industries":["technology"]}');
      assert.equal(emitted.status, 0, emitted.stderr);
      await until('3.14', () => /3\.14\b/.test(watch.text()));
      await until('the event', () => /connection\.new/.test(watch.text())); // a snapshot may know the value earlier
      assert.deepEqual((await bo.wait('connection.new'))[0], { userId: 'ada', industries: ['technology'] });
    } finally {
      process.kill(watch.child.pid, 'SIGTERM');
      await watch.ended;
    }
  });

  test('token makes refusals to try', async () => {
    for (const [args, code] of [[['nobody'], 'AUTH_USER_UNKNOWN'], [['ada', '--expires', '-1h'], 'AUTH_EXPIRED']]) {
      const refused = await (await connect(ring, ...args)).refused();
      assert.equal(refused.code, code);
    }
    const service = await (await connect(ring, 'backend', '--role', 'service')).ready();
    assert.equal((await service.request('connection.import', { userId: 'cy', connections: 5 })).ok, true);
    const other2 = await ring.run('token');
    assert.equal(other2.status, 2);
  });

  test('dead shows what can never be processed; import brings counts in', async () => {
    assert.equal((await ring.run('emit', 'connection.new', '{"userId":"ada"}')).status, 0);
    const listed = await until('the dead letter', async () => {
      const result = await ring.run('dead', 'list');
      return result.status === 0 && result.stdout && result.stdout;
    });
    assert.match(listed, /connection\.new\s+`industries` is missing/);
    assert.equal((await ring.run('dead', 'drop', '--all', '--yes')).stdout, '1 dropped\n');
    const file = path.join(ring.folder, 'counts.ndjson');
    fs.writeFileSync(file, '{"userId":"imported","connections":7}\n');
    for (const said of ['1 stored, 0 before, 0 bad\n', '0 stored, 1 before, 0 bad\n']) {
      assert.equal((await ring.run('import', file)).stdout, said);
    }
  });

  test('logs shows each service, and no secret', async () => {
    const result = await ring.run('logs');
    assert.equal(result.status, 0);
    const secrets = ring.told.match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g);
    for (const secret of secrets) assert.ok(!result.stdout.includes(secret));
    assert.equal((await ring.run('logs', 'gateway')).status, 0);
  });

  test('wrong use is one line and exit 2; --help is help', async () => {
    for (const args of [['nonsense'], ['up', '--nonsense'], ['up', '--gateways'], ['up', '--gateways', 'abc'], ['up', '--gateways', '0'], ['emit']]) {
      const result = await ring.run(...args);
      assert.equal(result.status, 2, `${args.join(' ')}: ${result.stderr}`);
      assert.ok(result.stderr.trim().length > 0);
    }
    for (const command of ['up', 'down', 'status', 'logs', 'token', 'emit', 'watch', 'dead', 'import', 'test']) {
      const result = await ring.run(command, '--help');
      assert.equal(result.status, 0, command);
      assert.match(result.stdout, new RegExp(`usage: \\./pollen8 ${command}`), command);
    }
  });

  test('a second ring in the same folder is refused', async () => {
    const result = await ring.run('up', '--detach');
    assert.notEqual(result.status, 0);
    assert.match(result.stderr, /already running/);
    assert.equal((await ring.run('status')).status, 0, 'and the first goes on');
  });

  test('two rings run side by side, the second in the foreground with two of each; Ctrl-C stops it in order', async () => {
    const up = other.open('up', '--gateways', '2', '--auth', '2', '--value', '2');
    await until('the second ring', async () => {
      if (up.child.exitCode !== null) throw Object.assign(new Error(up.text()), { final: true });
      return /eyJ/.test(up.text()); // the tokens are the last it tells
    }, 6 * STEP_MS);
    assert.equal((await other.run('status')).status, 0);
    for (let i = 0; i < 6; i++) assert.equal((await get(other.opsBase + i, '/readyz')).status, 200);
    const here = await (await connect(ring, 'cy')).ready();
    const there = await (await connect(other, 'cy')).ready();
    await other.run('emit', 'connection.new', '{"userId":"x","industries":["healthcare"]}');
    await there.wait('connection.new');
    assert.deepEqual(here.all('connection.new'), [], 'the first ring hears nothing of it');
    process.kill(-up.child.pid, 'SIGINT');
    const end = await up.ended;
    assert.ok(end.code === 0 || end.code === 130, JSON.stringify(end) + up.text());
    assert.equal((await other.run('status')).status, 3);
    for (let i = 0; i < 6; i++) await assert.rejects(get(other.opsBase + i, '/readyz'));
    assert.equal((await ring.run('status')).status, 0, 'the first ring goes on');
  });

  test('down stops all of it, and a second start keeps secret and counts', async () => {
    const token = await ring.token('cy');
    const down = await ring.run('down');
    assert.equal(down.status, 0, down.stderr);
    assert.equal((await ring.run('status')).status, 3);
    await assert.rejects(get(ring.opsBase, '/readyz'));
    const up = await ring.run('up', '--detach');
    assert.equal(up.status, 0, up.stderr);
    const client = new SioClient(`http://127.0.0.1:${ring.port}`, { token, label: 'cy again' });
    clients.push(client);
    await client.ready();
    assert.deepEqual(client.values(), [15.7], 'what was imported before');
  });
});
