// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Clients of a gateway with one face: the stock socket.io-client, a plain WebSocket with the JSON and one with
// the protobuf subprotocol. Each records every event in order, so that a test can say "exactly these".

const { EventEmitter, once } = require('node:events');
const path = require('node:path');
const { io } = require('socket.io-client');
const WebSocket = require('ws');
const protobuf = require('protobufjs');
const { until, within } = require('./part');

const root = path.join(__dirname, '../../..');

const clientProto = protobuf.loadSync(path.join(root, 'proto/client.proto'));
const ClientFrame = clientProto.lookupType('pollen8.client.v1.ClientFrame');
const ServerFrame = clientProto.lookupType('pollen8.client.v1.ServerFrame');

class Recorder extends EventEmitter {
  constructor(label) {
    super();
    this.label = label;
    this.events = []; // { event, data } in the order of arrival
    this.setMaxListeners(0);
  }

  record(event, data) {
    this.events.push({ event, data });
    this.emit('recorded');
  }

  /** The payloads of one event so far. */
  all(event) {
    return this.events.filter((entry) => entry.event === event).map((entry) => entry.data);
  }

  /** Resolves with the payloads of `event` once `enough(payloads)` holds (a number: that many). */
  async wait(event, enough = 1) {
    const satisfied = typeof enough === 'number' ? (list) => list.length >= enough : enough;
    const look = new Promise((resolve) => {
      const check = () => {
        const list = this.all(event);
        if (!satisfied(list)) return;
        this.off('recorded', check);
        resolve(list);
      };
      this.on('recorded', check);
      check();
    });
    return within(`${this.label}: ${event} (${enough})`, look).catch((error) => {
      error.message += `; had ${JSON.stringify(this.events)}`.slice(0, 2000);
      throw error;
    });
  }

  /** The newValue of each network.update so far. */
  values() {
    return this.all('network.update').map((data) => data.newValue);
  }

  forget() {
    this.events = [];
  }
}

class SioClient extends Recorder {
  constructor(url, { token, options = {}, label = 'socket.io', namespace = '/' }) {
    super(label);
    this.closes = [];
    this.connects = 0;
    this.errors = [];
    const auth = token === undefined ? {} : { auth: { token } };
    this.socket = io(url + (namespace === '/' ? '' : namespace), {
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 300,
      ...auth,
      ...options,
    });
    this.socket.onAny((event, data) => this.record(event, data));
    this.socket.on('connect', () => {
      this.connects++;
      this.emit('connect');
    });
    this.socket.on('disconnect', (reason, details) => {
      this.closes.push({ reason, details });
      this.emit('disconnect', reason);
    });
    this.socket.on('connect_error', (error) => {
      this.errors.push(error);
      this.emit('connect_error', error);
    });
  }

  /** Connected and in its rooms: the snapshot comes after that. Rejects at once on a final refusal. */
  async ready() {
    const refused = new Promise((_, reject) => {
      this.on('connect_error', (error) => {
        if (error.data) reject(Object.assign(new Error(`${this.label} refused: ${error.data.code}`), error.data));
      });
    });
    refused.catch(() => {});
    await Promise.race([this.wait('network.update'), refused]);
    return this;
  }

  /** The CONNECT_ERROR's { message, code } or the transport's failure. */
  async refused() {
    if (!this.errors.length) await within(`${this.label} refused`, once(this, 'connect_error'));
    const error = this.errors[0];
    return { message: error.message, code: error.data && error.data.code, type: error.type };
  }

  request(event, data = {}) {
    return within(`${this.label}: ack of ${event}`, this.socket.emitWithAck(event, data));
  }

  send(event, data) {
    this.socket.emit(event, data);
  }

  get connected() {
    return this.socket.connected;
  }

  async disconnected() {
    if (!this.closes.length) await within(`${this.label} disconnected`, once(this, 'disconnect'));
    return this.closes[this.closes.length - 1];
  }

  async reconnected(count = 2) {
    await until(`${this.label} connected ${count} times`, () => this.connects >= count && this.socket.connected);
    return this;
  }

  close() {
    this.socket.disconnect();
    this.socket.io.engine && this.socket.io.engine.close();
  }
}

class WsClient extends Recorder {
  /** `token` goes into the Authorization header; `query` and `headers` are for the other places. */
  constructor(url, { token, protocol, query = '', headers = {}, label = 'ws', options = {} }) {
    super(label);
    this.nextId = 1;
    this.acks = new Map();
    this.frames = []; // events with all their members
    this.offset = undefined; // of the last event that had one
    this.orphans = []; // acks nobody asked for (ids of malformed frames)
    this.closed = null;
    this.upgradeStatus = null;
    const all = { ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }), ...headers };
    const protocols = protocol ? [].concat(protocol) : [];
    this.socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws${query}`, protocols, { headers: all, ...options });
    this.binary = false;
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', () => {
        this.binary = this.socket.protocol === 'pollen8.v1.protobuf';
        resolve(this);
      });
      this.socket.once('close', () => reject(new Error(`${this.label} closed before it was open`)));
      this.socket.once('unexpected-response', (_, response) => {
        this.upgradeStatus = response.statusCode;
        reject(new Error(`${this.label}: upgrade answered ${response.statusCode}`));
        response.resume();
        this.socket.terminate();
      });
    });
    this.opened.catch(() => {});
    this.socket.on('error', () => {});
    this.end = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        this.closed = { code, reason: reason.toString() };
        for (const waiter of this.acks.values()) waiter.reject(new Error(`${this.label} closed with ${code}`));
        this.acks.clear();
        this.emit('recorded');
        resolve(this.closed);
      });
    });
    this.socket.on('message', (bytes) => this.receive(bytes));
  }

  receive(bytes) {
    const message = this.binary ? decodeServerFrame(bytes) : JSON.parse(bytes.toString());
    if (message.event !== undefined) {
      this.frames.push(message);
      this.offset = message.offset || this.offset;
      this.record(message.event, message.data);
      return;
    }
    const waiter = this.acks.get(String(message.id));
    if (!waiter) {
      this.orphans.push(message);
      this.emit('recorded');
      return;
    }
    this.acks.delete(String(message.id));
    const { ok, data, error, attachments } = message;
    waiter.resolve(ok ? { ok: true, data, ...(attachments ? { attachments } : {}) } : { ok: false, error });
  }

  async ready() {
    await within(`${this.label} open`, this.opened);
    const closed = this.end.then((end) => {
      throw new Error(`${this.label} closed: ${JSON.stringify(end)}`);
    });
    closed.catch(() => {});
    await Promise.race([this.wait('network.update'), closed]);
    return this;
  }

  /** `more`: further members of the ClientFrame, protobuf only. */
  request(event, data = {}, more = {}) {
    const id = String(this.nextId++);
    const reply = new Promise((resolve, reject) => this.acks.set(id, { resolve, reject }));
    this.socket.send(this.encode(event, data, id, more));
    return within(`${this.label}: ack of ${event}`, reply);
  }

  send(event, data) {
    this.socket.send(this.encode(event, data));
  }

  encode(event, data, id, more = {}) {
    if (!this.binary) return JSON.stringify(id === undefined ? { event, data } : { id, event, data });
    return ClientFrame.encode({ id: id || '', event, data: Buffer.from(JSON.stringify(data)), ...more }).finish();
  }

  /** To an event that came with `ask`. */
  answer(ask, data) {
    const text = data === undefined ? '' : JSON.stringify(data);
    this.socket.send(this.binary ? ClientFrame.encode({ answer: ask, data: Buffer.from(text) }).finish()
      : JSON.stringify({ answer: ask, data }));
  }

  /** The next ack that answers no request of ours. */
  async orphan() {
    await until(`${this.label}: an ack`, () => this.orphans.length || this.closed);
    if (!this.orphans.length) throw new Error(`${this.label} closed: ${JSON.stringify(this.closed)}`);
    return this.orphans.shift();
  }

  get connected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  disconnected() {
    return within(`${this.label} closed`, this.end);
  }

  close() {
    this.socket.terminate();
  }
}

function decodeServerFrame(bytes) {
  const frame = ServerFrame.decode(bytes);
  const binary = (list) => (list.length ? { attachments: list.map((one) => Buffer.from(one)) } : {});
  if (frame.event) {
    const { event, data, ask, attachments, offset } = frame.event;
    return { event, data: JSON.parse(Buffer.from(data).toString()), ...(Number(ask) ? { ask: Number(ask) } : {}),
      ...(offset ? { offset } : {}),
      ...binary(attachments) };
  }
  const ack = frame.ack;
  if (ack.ok) {
    return { id: ack.id, ok: true, data: JSON.parse(Buffer.from(ack.data).toString() || '{}'), ...binary(ack.attachments) };
  }
  const { code, message, retryAfterMs } = ack.error;
  return { id: ack.id, ok: false, error: { code, message, ...(retryAfterMs ? { retryAfterMs } : {}) } };
}

module.exports = { SioClient, WsClient, Recorder, ClientFrame, ServerFrame };
