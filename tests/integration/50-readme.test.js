// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What the README tells a new user to type works: its snippets are cut out and run, with this ring's addresses in
// place of the default ones.

const assert = require('node:assert/strict');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { until } = require('./helpers/part');
const { withRing } = require('./helpers/ring');

const readme = fs.readFileSync(path.join(__dirname, '../../README.md'), 'utf8');

function snippet(name) {
  const found = readme.match(new RegExp(`<!-- snippet: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``));
  assert.ok(found, `the README has a snippet ${name}`);
  return found[1];
}

function write(ring, name) {
  const text = snippet(name)
    .replaceAll('localhost:3001', `127.0.0.1:${ring.gateway.port}`)
    .replaceAll('localhost:4222', `127.0.0.1:${ring.nats.port}`);
  const modules = path.join(ring.folder, 'node_modules');
  if (!fs.existsSync(modules)) fs.symlinkSync(path.join(__dirname, 'node_modules'), modules);
  const file = path.join(ring.folder, name);
  fs.writeFileSync(file, text);
  return file;
}

/** Runs a client snippet; `output` grows. */
function start(ring, name, token) {
  const child = spawn(process.execPath, [write(ring, name)], { env: { ...process.env, TOKEN: token } });
  const client = { child, output: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { client.output += data; });
  client.shows = (text) => until(`${name} to print ${text}`, () => client.output.includes(text));
  return client;
}

/** A Python that has nats-py: the system's, else one of a virtual environment kept below build/; null for none. */
function pythonWithNats() {
  const folder = path.join(__dirname, '../../build/python');
  const own = path.join(folder, 'bin/python');
  const has = (python) => spawnSync(python, ['-c', 'import nats']).status === 0;
  if (has('python3')) return 'python3';
  if (!has(own)) {
    spawnSync('python3', ['-m', 'venv', folder]);
    spawnSync(own, ['-m', 'pip', 'install', '--quiet', 'nats-py'], { timeout: 60000 });
  }
  return has(own) ? own : null;
}

const clients = { 'socketio.js': 'connected', 'websocket.js': 'ready' };

withRing('the README', {}, (ring, it) => {
  for (const [name, first] of Object.entries(clients)) {
    it(`${name} shows what the backend snippets publish`, async () => {
      const client = start(ring, name, ring.token('ada'));
      try {
        await client.shows(first);
        await client.shows(name === 'socketio.js' ? 'worth' : 'network.update');
        execFileSync(process.execPath, [write(ring, 'publish.mjs')]);
        await client.shows("industries: [ 'technology', 'finance' ]");
        await client.shows('3.14');
        await ring.publish('connection.removed', { userId: 'ada', industries: [] });
      } finally {
        client.child.kill();
      }
    });

    it(`${name} says why it is refused`, async () => {
      const client = start(ring, name, 'not-a-token');
      try {
        await client.shows('AUTH_INVALID');
        if (name === 'websocket.js') await client.shows('closed 4001');
      } finally {
        client.child.kill();
      }
    });
  }

  it('publish.py publishes', async (test) => {
    const python = pythonWithNats();
    if (!python) {
      test.skip('the Python package nats-py is missing and cannot be installed');
      return;
    }
    const before = (await ring.manager.streams.info('POLLEN8_EVENTS')).state.messages;
    execFileSync(python, [write(ring, 'publish.py')]);
    assert.equal((await ring.manager.streams.info('POLLEN8_EVENTS')).state.messages, before + 1);
  });
});
