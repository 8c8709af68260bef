// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Many stock clients in processes of their own. A fleet is told what to do and answers with what its clients have
// seen; what goes wrong anywhere (a refused request, a lost connection, an upgrade that failed) is counted.
//
// Connections over polling: a stock client in Node asks for one a request; with `keepAlive` it keeps them, as browsers
// do.
//
//   const fleet = await Fleet.start(4, (i) => ({ url, token, transports, keepAlive }), 1000);
//   await fleet.connect();  ...  const report = await fleet.report();  fleet.stop();

const { fork } = require('node:child_process');
const http = require('node:http');
const { SLOW, within } = require('./part');

const PATIENCE_MS = 30000 * SLOW;

class Fleet {
  static async start(processes, client, count) {
    const fleet = new Fleet();
    fleet.children = Array.from({ length: processes }, () => fork(__filename, [], { stdio: 'inherit' }));
    fleet.number = 0;
    fleet.waiting = new Map();
    for (const child of fleet.children) {
      child.on('message', ({ number, result, error }) => {
        const { resolve, reject } = fleet.waiting.get(number);
        fleet.waiting.delete(number);
        if (error) reject(new Error(error));
        else resolve(result);
      });
    }
    const lists = fleet.children.map(() => []);
    for (let i = 0; i < count; i++) lists[i % processes].push({ ...client(i), index: i });
    await fleet.each('make', (_, at) => lists[at]);
    return fleet;
  }

  ask(child, verb, body) {
    const number = ++this.number;
    const answer = new Promise((resolve, reject) => this.waiting.set(number, { resolve, reject }));
    child.send({ number, verb, body });
    return within(`a fleet to ${verb}`, answer, PATIENCE_MS + 5000); // its clients say more
  }

  async each(verb, body = () => undefined) {
    return Promise.all(this.children.map((child, at) => this.ask(child, verb, body(child, at))));
  }

  /** All connected, with their first network.update, upgraded where they are to; `atOnce` a process. */
  connect(atOnce = 25) {
    return this.each('connect', () => atOnce);
  }

  /** The same, while each client emits `event` every few milliseconds from its first moment on; until all `count` of
   * them are answered. */
  connectEmitting(event, count, atOnce = 25) {
    return this.each('connectEmitting', () => ({ event, count, atOnce }));
  }

  /** Every client emits `event` with each of the payloads, one after the other, and awaits the acks. */
  request(event, payloads) {
    return this.each('request', () => ({ event, payloads }));
  }

  /** Until every client has `count` of the event. */
  wait(event, count) {
    return this.each('wait', () => ({ event, count }));
  }

  /** Until every client has one of the event whose data has this member. */
  has(event, member, value) {
    return this.each('has', () => ({ event, member, value }));
  }

  /** Until every client has had an answer to a question of now: what it is connected to lives. */
  answered() {
    return this.each('answered');
  }

  /** Until every client is connected, in its rooms and where it belongs, as often as it had to come back. */
  settled() {
    return this.each('settled');
  }

  /** One entry a client: { index, events: { name: [payload] }, faults, connects, recovered, transport }. */
  async report(event) {
    const parts = await this.each('report', () => event);
    return parts.flat().sort((a, b) => a.index - b.index);
  }

  stop() {
    for (const child of this.children) child.kill('SIGKILL');
  }
}

module.exports = { Fleet };

// --- the process of a part of a fleet ----------------------------------------------------------------------

/** Keeps connections, and does not say so to the client: where a kept one breaks under a request, the client's XMLHttpRequest
 * (xmlhttprequest-ssl 2.1) makes another that it never sends, and waits for it until its heartbeat is overdue. */
class KeepingAgent extends http.Agent {
  reuseSocket(socket, request) {
    super.reuseSocket(socket, request);
    request.once('socket', () => { request.reusedSocket = false; });
  }
}

class Ship {
  constructor({ io, url, token, transports, keepAlive, index }) {
    Object.assign(this, { index, events: new Map(), faults: [], connects: 0, recovered: 0, waiters: new Set() });
    const agent = keepAlive ? new KeepingAgent({ keepAlive, maxSockets: Infinity }) : undefined;
    this.socket = io(url, { transports, agent, auth: { token }, forceNew: true, autoConnect: false, reconnectionDelay: 50,
      reconnectionDelayMax: 500, timeout: PATIENCE_MS });
    this.upgrades = !transports;
    this.socket.onAny((event, data) => {
      if (!this.events.has(event)) this.events.set(event, []);
      this.events.get(event).push(data);
      for (const look of this.waiters) look();
    });
    this.socket.on('connect', () => {
      this.connects++;
      if (this.socket.recovered) this.recovered++;
      for (const look of this.waiters) look();
    });
    this.socket.on('disconnect', (reason) => this.faults.push(`disconnect: ${reason}`));
    this.socket.on('connect_error', (error) => this.faults.push(`connect_error: ${error.message}`));
    this.socket.io.on('open', () => {
      const { engine } = this.socket.io;
      engine.on('upgradeError', (error) => this.faults.push(`upgradeError: ${error.message}`));
      engine.on('upgrade', () => { for (const look of this.waiters) look(); });
    });
  }

  got(event) {
    return this.events.get(event) || [];
  }

  until(what, condition) {
    return within('it', new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.waiters.delete(look);
        resolve();
      };
      this.waiters.add(look);
      look();
    }), PATIENCE_MS).catch(() => {
      const had = [...this.events].map(([event, list]) => `${event} ${list.length}`);
      throw new Error(`client ${this.index} waited in vain for ${what}: ${had}; ${this.faults}; connected ${this.connects} times, `
        + `recovered ${this.recovered}, ${this.transport}`);
    });
  }

  /** A value for each connection: a snapshot comes once the session is in its rooms. */
  get settled() {
    return this.socket.connected && this.got('network.update').length >= this.connects
      && (!this.upgrades || this.transport === 'websocket');
  }

  async answered() {
    for (let tries = 0; tries < 20; tries++) {
      const answer = await this.socket.timeout(2000).emitWithAck('value.get', {}).catch(() => null);
      if (answer && answer.ok) return;
    }
    throw new Error(`client ${this.index} has no answer; ${this.faults}`);
  }

  get transport() {
    return this.socket.io.engine && this.socket.io.engine.transport.name;
  }

  async connect() {
    this.socket.connect();
    await this.until('connected', () => this.settled && this.connects > 0);
  }

  async connectEmitting(event, count) {
    const answers = [];
    const emitting = new Promise((resolve) => this.socket.once('connect', async () => {
      for (let i = 0; i < count; i++) {
        answers.push(this.request(event, [{}]));
        await new Promise((later) => setTimeout(later, 3));
      }
      resolve();
    }));
    await this.connect();
    await emitting;
    await Promise.all(answers);
  }

  async request(event, payloads) {
    for (const payload of payloads) {
      const answer = await within(`client ${this.index}: ack; ${this.faults}`, this.socket.emitWithAck(event, payload), PATIENCE_MS);
      if (!answer.ok && event !== 'test.refused') this.faults.push(`ack: ${JSON.stringify(answer)}`);
    }
  }
}

async function inTurn(ships, atOnce, work) {
  const rest = [...ships];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let ship; (ship = rest.shift());) await work(ship);
  }));
}

function serve() {
  const { io } = require('socket.io-client');
  let ships = [];
  const verbs = {
    make: (list) => { ships = list.map((one) => new Ship({ io, ...one })); },
    connect: (atOnce) => inTurn(ships, atOnce, (ship) => ship.connect()),
    connectEmitting: ({ event, count, atOnce }) => inTurn(ships, atOnce, (ship) => ship.connectEmitting(event, count)),
    request: ({ event, payloads }) => inTurn(ships, ships.length, (ship) => ship.request(event, payloads)),
    wait: ({ event, count }) => inTurn(ships, ships.length,
      (ship) => ship.until(`${count} ${event}`, () => ship.got(event).length >= count)),
    has: ({ event, member, value }) => inTurn(ships, ships.length,
      (ship) => ship.until(`${event} of ${value}`, () => ship.got(event).some((data) => data[member] === value))),
    answered: () => inTurn(ships, ships.length, (ship) => ship.answered()),
    settled: () => inTurn(ships, ships.length, (ship) => ship.until('connected', () => ship.settled)),
    report: (event) => ships.map((ship) => ({
      index: ship.index, events: ship.got(event), faults: ship.faults, connects: ship.connects,
      recovered: ship.recovered, transport: ship.transport,
    })),
  };
  process.on('message', async ({ number, verb, body }) => {
    try {
      process.send({ number, result: await verbs[verb](body) });
    } catch (error) {
      process.send({ number, error: error.message });
    }
  });
  process.on('disconnect', () => process.exit());
}

if (require.main === module) serve();
