// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// A TCP relay in front of a store that is not ours to stop: `down()` is what a dead server looks like.

const net = require('node:net');
const { freePort } = require('./part');

class Proxy {
  constructor(host, port) {
    Object.assign(this, { host, target: port, sockets: new Set() });
  }

  async start() {
    this.port = await freePort();
    await this.up();
    return this;
  }

  up() {
    this.server = net.createServer((client) => {
      const upstream = net.connect(this.target, this.host);
      for (const [from, to] of [[client, upstream], [upstream, client]]) {
        this.sockets.add(from);
        from.on('close', () => {
          this.sockets.delete(from);
          to.destroy();
        });
        from.on('error', () => {});
        from.pipe(to);
      }
    });
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port, '127.0.0.1', resolve);
    });
  }

  down() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    return closed;
  }
}

module.exports = { Proxy };
