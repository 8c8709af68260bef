// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// The publisher for Socket.IO: its Redis emitter, driven as bench-publish is.
// node socketio-publish.js REDIS_PORT ACK_PORT flood|rate|unicast WINDOW|RATE USERS SECONDS
const dgram = require('node:dgram');
const { Emitter } = require('@socket.io/redis-emitter');
const { createClient } = require('redis');

const STALL_MS = 5000;
const now = () => Number(process.hrtime.bigint());

async function main() {
  const [redisPort, ackPort, mode, pace, users, seconds] = process.argv.slice(2)
    .map((value, i) => (i === 2 ? value : Number(value)));
  const redis = createClient({ url: `redis://127.0.0.1:${redisPort}` });
  await redis.connect();
  const emitter = new Emitter(redis);
  let sequence = 0;
  let acknowledged = 0;
  let stalls = 0;
  let lastAck = Date.now();
  const emit = () => {
    const room = mode === 'unicast' ? `user:u${sequence % users}` : 'industry:steel';
    sequence += 1;
    emitter.to(room).emit('connection.new', {
      t: now(), s: sequence, industry: 'steel', kind: 'quote', id: 'a81bc81b-dead-4e5d', price: 1234.56, qty: 10000, src: 'feed-7',
    });
  };
  const start = now();
  const end = start + seconds * 1e9;
  const finish = () => {
    console.log(JSON.stringify({ published: sequence, stalls, seconds: (now() - start) / 1e9 }));
    setTimeout(() => process.exit(0), 200); // what is still on its way to Redis
  };
  if (mode !== 'flood') {
    const timer = setInterval(() => {
      while (sequence < pace * (now() - start) / 1e9) emit();
      if (now() >= end) {
        clearInterval(timer);
        finish();
      }
    }, 1);
    return;
  }
  const fill = () => {
    while (sequence - acknowledged < pace && now() < end) emit();
  };
  const socket = dgram.createSocket('udp4');
  socket.on('message', (message) => {
    lastAck = Date.now();
    acknowledged = Math.max(acknowledged, message.readUInt32LE(0));
    fill();
  });
  socket.bind(ackPort, '127.0.0.1', fill);
  const timer = setInterval(() => {
    if (Date.now() - lastAck > STALL_MS) {
      acknowledged += 1;
      stalls += 1;
      lastAck = Date.now();
      fill();
    }
    if (now() >= end) {
      clearInterval(timer);
      socket.close();
      finish();
    }
  }, 20);
}

main();
