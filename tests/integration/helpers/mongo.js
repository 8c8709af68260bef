// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// A MongoDB for tests: the one MONGODB_URI names, else mongod from the PATH, else FerretDB built with Go. Where
// none can be had, `find()` says in one line what is missing.

const { spawnSync } = require('node:child_process');
const crypto = require('node:crypto');
const path = require('node:path');
const { Part, SLOW, freePort, until } = require('./part');
const { Proxy } = require('./proxy');

const root = path.join(__dirname, '../../..');

/** { kind, ... } or { missing: 'one line' }; looks without starting anything but a build. */
function find() {
  if (process.env.MONGODB_URI) return { kind: 'given', uri: process.env.MONGODB_URI };
  if (spawnSync('mongod', ['--version']).status === 0) return { kind: 'mongod' };
  const program = process.env.POLLEN8_FERRETDB || path.join(root, 'build/ferretdb');
  const built = spawnSync(path.join(root, 'tests/ferretdb/build'), [program], { encoding: 'utf8', timeout: 600000 });
  if (built.status === 0) return { kind: 'ferretdb', program };
  const why = (built.stderr || String(built.error || '')).trim().split('\n').pop();
  return { missing: `no MONGODB_URI, no mongod on the PATH, and ${why}` };
}

class Mongo {
  constructor(found) {
    this.found = found;
    this.database = `pollen8_test_${crypto.randomBytes(6).toString('hex')}`;
  }

  async start(folder) {
    if (this.found.kind === 'given') {
      const url = new URL(this.found.uri);
      this.proxy = await new Proxy(url.hostname, Number(url.port || 27017)).start();
      url.host = `127.0.0.1:${this.proxy.port}`;
      url.pathname = `/${this.database}`;
      url.searchParams.set('directConnection', 'true');
      this.uri = url.toString();
    } else {
      const port = await freePort();
      const data = path.join(folder, 'mongo');
      this.part = this.found.kind === 'mongod'
        ? new Part({ name: 'mongod', command: 'sh', args: ['-c', 'mkdir -p "$0" && exec mongod --dbpath "$0" --port "$1" --bind_ip 127.0.0.1', data, `${port}`] })
        : new Part({ name: 'ferretdb', command: this.found.program, args: ['--listen', `127.0.0.1:${port}`, '--data', data] });
      this.uri = `mongodb://127.0.0.1:${port}/${this.database}?directConnection=true`;
      await this.part.start();
    }
    const { MongoClient } = require('mongodb');
    this.client = new MongoClient(this.uri, { serverSelectionTimeoutMS: 5000 * SLOW });
    await until('MongoDB to answer', () => this.client.db('admin').command({ ping: 1 }));
    this.db = this.client.db(this.database);
  }

  /** As seen by auth-svc: gone. */
  down() {
    return this.proxy ? this.proxy.down() : this.part.kill();
  }

  up() {
    return this.proxy ? this.proxy.up() : this.part.start();
  }

  async stop() {
    if (!this.client) return;
    if (this.found.kind === 'given') await this.db.dropDatabase().catch(() => {});
    await this.client.close(true);
    if (this.proxy) await this.proxy.down();
    if (this.part && this.part.running) await this.part.stop();
  }
}

module.exports = { Mongo, find };
