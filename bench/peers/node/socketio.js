// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Peer: Socket.IO 4 with its Redis adapter. A middleware checks the token; a session is in its industry's room
// and in its user's. node socketio.js PORT REDIS_PORT
const { Server } = require('socket.io');
const { createAdapter } = require('@socket.io/redis-adapter');
const { createClient } = require('redis');
const jwt = require('jsonwebtoken');
const { createServer } = require('./listen');

async function main() {
  const [port, redisPort] = process.argv.slice(2).map(Number);
  const publisher = createClient({ url: `redis://127.0.0.1:${redisPort}` });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const server = createServer();
  const io = new Server(server, { transports: ['websocket'], serveClient: false, perMessageDeflate: false });
  io.adapter(createAdapter(publisher, subscriber));
  io.use((socket, next) => {
    try {
      socket.data.user = jwt.verify(socket.handshake.auth.token, process.env.BENCH_SECRET, { algorithms: ['HS256'] }).sub;
      next();
    } catch (error) {
      next(error);
    }
  });
  io.on('connection', (socket) => {
    socket.join(['industry:steel', `user:${socket.data.user}`]);
    socket.conn.request = null; // its documentation's way to save memory
  });
  server.listen(port, '127.0.0.1', 4096);
}

main();
