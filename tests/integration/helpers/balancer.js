// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// A TCP balancer without affinity: each connection goes to the next target that takes one, whoever it comes
// from. `statuses` counts every HTTP answer by its status, as the gateways write them: head and body at once.

const net = require('node:net');
const { freePort } = require('./part');

class Balancer {
  /** `targets`: ports on 127.0.0.1. */
  constructor(targets) {
    Object.assign(this, { targets, next: 0, pairs: new Set(), connections: targets.map(() => 0), statuses: {} });
  }

  async start() {
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    this.server = net.createServer({ allowHalfOpen: false, noDelay: true }, (client) => this.carry(client));
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port, '127.0.0.1', 4096, resolve);
    });
    return this;
  }

  /** A target that refuses the connection is passed over. */
  carry(client, number = this.next++ % this.targets.length, tries = this.targets.length) {
    const upstream = net.connect({ port: this.targets[number], host: '127.0.0.1', noDelay: true });
    let connected = false;
    client.on('error', () => {});
    upstream.on('error', () => {});
    upstream.once('connect', () => {
      connected = true;
      this.connections[number]++;
      client.pipe(upstream);
      upstream.pipe(client);
      upstream.on('data', (chunk) => {
        const match = /^HTTP\/1\.1 (\d+) /.exec(chunk.toString('latin1', 0, 16));
        if (match) this.statuses[match[1]] = (this.statuses[match[1]] || 0) + 1;
      });
    });
    const pair = { client, upstream, number };
    this.pairs.add(pair);
    client.once('close', () => {
      this.pairs.delete(pair);
      upstream.destroy();
    });
    upstream.once('close', () => {
      this.pairs.delete(pair);
      if (connected || tries <= 1 || client.destroyed) client.destroy();
      else this.carry(client, (number + 1) % this.targets.length, tries - 1);
    });
  }

  stop() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const { client, upstream } of this.pairs) {
      client.destroy();
      upstream.destroy();
    }
    return closed;
  }
}

module.exports = { Balancer };
