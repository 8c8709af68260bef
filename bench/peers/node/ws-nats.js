// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Peer: the relay one writes oneself with `ws` and `nats`: a frame is made once and written to every socket of
// its room. A session is in its industry's room and in its user's. node ws-nats.js PORT NATS_PORT
const { WebSocketServer, Sender } = require('ws');
const { connect } = require('nats');
const jwt = require('jsonwebtoken');
const { createServer } = require('./listen');

const rooms = new Map();

function join(socket, names) {
  for (const name of names) {
    if (!rooms.has(name)) rooms.set(name, new Set());
    rooms.get(name).add(socket);
  }
  return () => {
    for (const name of names) {
      const members = rooms.get(name);
      members.delete(socket);
      if (members.size === 0) rooms.delete(name);
    }
  };
}

async function relay(subscription) {
  for await (const message of subscription) {
    const members = rooms.get(message.subject);
    if (!members) continue;
    const frame = Buffer.concat(Sender.frame(Buffer.from(message.data), {
      fin: true, opcode: 1, mask: false, rsv1: false, readOnly: true,
    }));
    for (const socket of members) socket.write(frame);
  }
}

async function main() {
  const [port, natsPort] = process.argv.slice(2).map(Number);
  const broker = await connect({ servers: `127.0.0.1:${natsPort}` });
  const server = createServer();
  const websockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
  server.on('upgrade', (request, socket, head) => {
    let user;
    try {
      const token = new URL(request.url, 'http://x').searchParams.get('token');
      user = jwt.verify(token, process.env.BENCH_SECRET, { algorithms: ['HS256'] }).sub;
    } catch {
      socket.destroy();
      return;
    }
    websockets.handleUpgrade(request, socket, head, (websocket) => {
      websocket.on('close', join(socket, ['industry.steel', `user.${user}`]));
      websocket.on('error', () => {});
    });
  });
  server.listen(port, '127.0.0.1', 4096);
  relay(broker.subscribe('user.*'));
  await relay(broker.subscribe('industry.*'));
}

main();
