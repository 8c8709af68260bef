#!/usr/bin/env node
// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What polling costs beside WebSocket: the same stock clients over either transport, each on a gateway of its own; over
// polling with connections that are kept, as browsers do, and with one a request, as Node's do where they have no agent;
// and, kept, through two gateways behind a balancer without affinity.
// Not a test: run it by hand, on a machine that does nothing else. One line of JSON: memory of the gateway's own a
// session, and its CPU while every client is given one event a second.
//
//   POLLEN8_BIN=... node polling-cost.js [CLIENTS [SECONDS]]

const fs = require('node:fs');
const { setTimeout: pause } = require('node:timers/promises');
const { Balancer } = require('./helpers/balancer');
const { Fleet } = require('./helpers/fleet');
const { Ring } = require('./helpers/ring');

const clients = Number(process.argv[2] || 1000);
const seconds = Number(process.argv[3] || 10);
const TICKS_A_SECOND = 100; // USER_HZ
const SETTLE_MS = 3000; // every session asks for its value once more
const STEP_MS = 10;

const total = (ring, one) => ring.gateways.reduce((sum, { pid }) => sum + one(pid), 0);

const anonymousBytes = (pid) => Number(/RssAnon:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

function cpuSeconds(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** A new value for each user once a second, evenly over it. */
async function oneEventASecond(ring) {
  const began = Date.now();
  const sent = [];
  while (sent.length < clients * seconds) {
    const due = Math.min(clients * seconds, Math.floor(((Date.now() - began) / 1000) * clients));
    while (sent.length < due) sent.push(ring.connectionNew(`user-${sent.length % clients}`, []));
    await pause(STEP_MS);
  }
  await Promise.all(sent);
}

async function measure(transport, { kept = true, gateways = 1 } = {}) {
  const users = Array.from({ length: clients }, (_, i) => ({ _id: `user-${i}`, industries: ['technology'] }));
  const ring = await new Ring({ users, gateways, env: { gateway: { HANDSHAKE_RATE: '0' } } }).start();
  const balancer = gateways > 1 && await new Balancer(ring.gateways.map((one) => one.port)).start();
  const fleet = await Fleet.start(2, (i) => (
    { url: (balancer || ring.gateway).url, token: ring.token(`user-${i}`), transports: [transport], keepAlive: kept }), clients);
  try {
    const before = total(ring, anonymousBytes);
    await fleet.connect();
    await pause(SETTLE_MS);
    const bytes = (total(ring, anonymousBytes) - before) / clients;
    const busy = total(ring, cpuSeconds);
    const began = Date.now();
    await oneEventASecond(ring);
    await ring.applied();
    return { bytes: Math.round(bytes), cpu: (total(ring, cpuSeconds) - busy) / ((Date.now() - began) / 1000) };
  } finally {
    fleet.stop();
    if (balancer) await balancer.stop();
    await ring.stop();
  }
}

(async () => {
  const websocket = await measure('websocket');
  const polling = await measure('polling');
  const unkept = await measure('polling', { kept: false });
  const relayed = await measure('polling', { gateways: 2 });
  const ratios = (one) => ({ ...one, memoryRatio: one.bytes / websocket.bytes, cpuRatio: one.cpu / websocket.cpu });
  console.log(JSON.stringify({ clients, seconds, websocket, polling: ratios(polling), unkept: ratios(unkept), relayed: ratios(relayed) },
    (_, value) => (Number.isInteger(value) || typeof value !== 'number' ? value : Number(value.toFixed(3)))));
})().catch((error) => {
  console.error(`polling-cost: ${error.message}`);
  process.exitCode = 1;
});
