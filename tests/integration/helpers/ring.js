// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// A private ring for one test file: nats-server, redis-server, auth-svc, value-svc and gateways on free ports,
// with data in a folder of its own. Every part can be killed, frozen and started again on the same port.
// At the end everything is stopped, and the file fails where a service ended badly, a sanitizer reported
// something or a log holds a token or the secret.
//
//   withRing('what', { gateways: 2 }, (ring, it) => {
//     it('does', async () => { const ada = await ring.sio('ada'); ... });
//   });

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const jwt = require('jsonwebtoken');
const nats = require('nats');
const protobuf = require('protobufjs');
const { Part, SLOW, STEP_MS, freePort, until, within } = require('./part');
const { SioClient, WsClient } = require('./clients');

const root = path.join(__dirname, '../../..');
const bin = path.resolve(root, process.env.POLLEN8_BIN || 'build/dev/bin');

const proto = loadProto(['error', 'identity', 'frame', 'event', 'presence', 'control', 'batch']);

const USERS = [
  { _id: 'ada', industries: ['technology', 'finance'] },
  { _id: 'bo', industries: ['technology'] },
  { _id: 'cy', industries: ['healthcare'] },
  { _id: 'root', industries: [], role: 'admin' },
  { _id: 'dis', industries: ['technology'], disabled: true },
];

function loadProto(names) {
  const loaded = new protobuf.Root();
  loaded.resolvePath = (_, target) => path.join(root, 'proto', path.basename(target));
  return loaded.loadSync(names.map((name) => `${name}.proto`)).lookup('pollen8');
}

class Ring {
  /** Options: gateways, auth, value (how many of each), users (the file store's), env: { gateway, auth, value }
   * (overrides; a function of the index is called), redis false to leave it out, maxFileStore (the broker's). */
  constructor(options = {}) {
    this.options = { gateways: 1, auth: 1, value: 1, users: USERS, env: {}, ...options };
    this.secret = `secret-${crypto.randomBytes(24).toString('hex')}`;
    this.confidential = new Set([this.secret]);
    this.parts = [];
    this.clients = [];
    this.failed = false;
    this.barriers = 0;
  }

  // --- start and stop ------------------------------------------------------------------------------------

  /** Lays out every part without starting any. */
  async prepare() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pollen8-ring-'));
    this.usersFile = path.join(this.folder, 'users.json');
    this.writeUsers(this.options.users);
    await this.addNats();
    if (this.options.redis !== false) await this.addRedis();
    const { auth, value, gateways } = this.options;
    this.auths = await this.addServices('auth-svc', auth, (i) => this.authEnvironment(i));
    this.values = await this.addServices('value-svc', value, (i) => this.valueEnvironment(i));
    this.gateways = await this.addServices('gateway', gateways, (i) => this.gatewayEnvironment(i));
    [this.auth] = this.auths;
    [this.value] = this.values;
    [this.gateway] = this.gateways;
  }

  async start() {
    await this.prepare();
    await Promise.all([this.nats, this.redis].map((part) => part && part.start()));
    await Promise.all([...this.auths, ...this.values, ...this.gateways].map((part) => part.start()));
    await this.connectNats();
    return this;
  }

  async connectNats() {
    this.broker = await nats.connect({
      servers: `127.0.0.1:${this.nats.port}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      waitOnFirstConnect: true,
      timeout: STEP_MS,
    });
    this.jetstream = this.broker.jetstream({ timeout: STEP_MS });
    this.manager = await this.broker.jetstreamManager({ timeout: STEP_MS, checkAPI: false });
  }

  async stop() {
    for (const client of this.clients) client.close();
    if (this.broker) await this.broker.close();
    const problems = [];
    // Gateways first, stores last: the order in which nobody misses anybody.
    for (const group of [this.gateways, this.values, this.auths, [this.redis, this.nats]]) {
      await Promise.all((group || []).filter((part) => part && part.running).map((part) => {
        try {
          part.thaw();
        } catch { /* it ended by itself, which the complaints say */ }
        return part.stop().catch((error) => problems.push(error.message));
      }));
    }
    for (const part of this.parts) problems.push(...part.complaints(), ...this.leaks(part));
    if (this.failed || problems.length) this.printTails();
    fs.rmSync(this.folder, { recursive: true, force: true });
    assert.deepEqual(problems, [], 'every part ended well and kept its secrets');
  }

  /** Tokens and the secret must never be in any output. */
  leaks(part, text = part.output) {
    return [...this.confidential].filter((secret) => text.includes(secret))
      .map((secret) => `${part.name} shows a token or secret (${secret.slice(0, 8)}…)`);
  }

  printTails() {
    for (const part of this.parts) if (part.output) console.error(`${part.tail()}\n`);
  }

  // --- the parts -----------------------------------------------------------------------------------------

  add(part) {
    this.parts.push(part);
    return part;
  }

  async addNats() {
    const port = await freePort();
    const file = path.join(this.folder, 'nats.conf');
    fs.writeFileSync(file, [
      `listen: "127.0.0.1:${port}"`,
      `max_payload: ${this.options.maxPayload || 2097152}`,
      `jetstream { store_dir: "${path.join(this.folder, 'nats')}"${this.options.maxFileStore ? `, max_file_store: ${this.options.maxFileStore}` : ''} }`,
    ].join('\n'));
    this.nats = this.add(new Part({
      name: 'nats-server', command: 'nats-server', args: ['-c', file], port,
      ready: () => tcpAnswers(port, null, /^INFO /),
    }));
    this.natsUrl = `nats://127.0.0.1:${port}`;
  }

  async addRedis() {
    const port = await freePort();
    const dir = path.join(this.folder, 'redis');
    fs.mkdirSync(dir);
    this.redis = this.add(new Part({
      name: 'redis-server', command: 'redis-server', port,
      args: ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--appendonly', 'yes',
        '--appendfsync', 'always', '--save', ''],
      ready: () => tcpAnswers(port, 'PING\r\n', /^\+PONG/),
    }));
    this.redisUrl = `redis://127.0.0.1:${port}`;
  }

  async addServices(name, count, environment) {
    const made = [];
    for (let i = 0; i < count; i++) made.push(await this.addService(name, i, environment(i)));
    return made;
  }

  async addService(name, index, environment) {
    const opsPort = await freePort();
    const port = name === 'gateway' ? await freePort() : undefined;
    const env = {
      NATS_URL: this.natsUrl, OPS_PORT: `${opsPort}`, OPS_ADDRESS: '127.0.0.1', LOG_LEVEL: 'debug',
      ...(port ? { PORT: `${port}`, LISTEN_ADDRESS: '127.0.0.1' } : {}),
      ...environment,
    };
    for (const key of Object.keys(env)) if (env[key] === undefined) delete env[key];
    const part = this.add(new Part({
      name: `${name}-${index}`, command: path.join(bin, name), env, service: true, port, opsPort,
      ready: async () => (await get(opsPort, '/readyz')).status === 200,
    }));
    part.url = port && `${env.TLS_CERT_FILE ? 'https' : 'http'}://127.0.0.1:${port}`;
    return part;
  }

  overrides(kind, index) {
    const given = this.options.env[kind];
    return typeof given === 'function' ? given(index, this) : given;
  }

  authEnvironment(index) {
    return {
      JWT_SECRET: this.secret, USER_STORE: `file:${this.usersFile}`, USER_CACHE_TTL: '0',
      ...this.overrides('auth', index),
    };
  }

  valueEnvironment(index) {
    return { REDIS_URL: this.redisUrl, ...this.overrides('value', index) };
  }

  // Tests have one address for all their clients and count events by the hundred; the tests of limits set them.
  gatewayEnvironment(index) {
    return { HANDSHAKE_RATE: '0', EVENT_RATE: '0', DRAIN_SECONDS: '0', ...this.overrides('gateway', index) };
  }

  writeUsers(users) {
    const text = JSON.stringify({ users });
    fs.writeFileSync(`${this.usersFile}.new`, text);
    fs.renameSync(`${this.usersFile}.new`, this.usersFile);
  }

  // --- tokens --------------------------------------------------------------------------------------------

  /** A JWT for the user; `claims` are added, `options` are jsonwebtoken's. */
  token(user, claims = {}, options = {}) {
    const seconds = Math.floor(Date.now() / 1000);
    return this.hide(jwt.sign({ sub: user, iat: seconds, exp: seconds + 3600, ...claims },
      options.secret || this.secret, { algorithm: options.algorithm || 'HS256' }));
  }

  /** A token put together by hand: any header, any claims, any signature ('' for none, undefined for ours). */
  craft(header, claims, signature) {
    const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
      .toString('base64url');
    const signed = `${encode(header)}.${encode(claims)}`;
    const mac = signature === undefined
      ? crypto.createHmac('sha256', this.secret).update(signed).digest('base64url') : signature;
    return this.hide(`${signed}.${mac}`);
  }

  service() {
    return this.token('platform-backend', { role: 'service' });
  }

  hide(token) {
    this.confidential.add(token);
    return token;
  }

  // --- clients -------------------------------------------------------------------------------------------

  track(client) {
    this.clients.push(client);
    return client;
  }

  url(gateway = 0) {
    return this.gateways[gateway].url;
  }

  /** Without waiting for the connection. `user` is an id, or give options.token. */
  openSio(user, { gateway = 0, token = user === undefined ? undefined : this.token(user), ...rest } = {}) {
    return this.track(new SioClient(this.url(gateway), { token, label: `socket.io ${user}`, ...rest }));
  }

  openWs(user, { gateway = 0, token = user === undefined ? undefined : this.token(user), ...rest } = {}) {
    return this.track(new WsClient(this.url(gateway), { token, label: `ws ${user}`, ...rest }));
  }

  /** Connected, with the first network.update received. */
  sio(user, options) {
    return this.openSio(user, options).ready();
  }

  ws(user, options) {
    return this.openWs(user, options).ready();
  }

  protobuf(user, options) {
    return this.ws(user, { protocol: 'pollen8.v1.protobuf', ...options, label: `protobuf ${user}` });
  }

  /** Closes every client opened so far; a ring's clients do not see the next test. */
  closeClients() {
    for (const client of this.clients.splice(0)) client.close();
  }

  // --- the platform's side -------------------------------------------------------------------------------

  /** Publishes an event as a backend does: one JSON text (or bytes) to the stream. */
  publish(event, payload) {
    const bytes = typeof payload === 'string' || payload instanceof Uint8Array ? payload : JSON.stringify(payload);
    return this.jetstream.publish(`pollen8.events.${event}`, Buffer.from(bytes), { timeout: STEP_MS });
  }

  connectionNew(userId, industries, more = {}) {
    return this.publish('connection.new', { userId, industries, ...more });
  }

  /** A frame to a user's sessions, as a service publishes it; `more`: further fields of OutboundFrame. */
  toUser(user, event, data, more = {}) {
    this.broker.publish(`pollen8.out.user.${Buffer.from(user).toString('base64url')}`, proto.lookupType('OutboundFrame')
      .encode({ event, data: Buffer.from(JSON.stringify(data)), userId: user, ...more }).finish());
  }

  /** What happens to a user while it is connected: a Control. */
  control(user, body) {
    this.broker.publish(`pollen8.ctl.user.${Buffer.from(user).toString('base64url')}`,
      proto.lookupType('Control').encode({ userId: user, ...body }).finish());
  }

  /** Asks a user's sessions for an answer; `next()` is the next one that came. */
  question(user, event, data, answerTimeoutMs) {
    const inbox = nats.createInbox();
    const waiting = [];
    const subscription = this.broker.subscribe(inbox, {
      callback: (error, message) => {
        if (!error) waiting.push(proto.lookupType('ClientAnswer').decode(message.data));
      },
    });
    this.broker.publish(`pollen8.out.user.${Buffer.from(user).toString('base64url')}`, proto.lookupType('OutboundFrame')
      .encode({ event, data: Buffer.from(JSON.stringify(data)), userId: user, answerTimeoutMs }).finish(), { reply: inbox });
    return {
      next: async () => {
        const answer = await until('an answer of the client', () => waiting.shift());
        if (answer.error) throw new Error(`${answer.error.code} ${answer.error.message}`);
        return JSON.parse(Buffer.from(answer.data).toString());
      },
      stop: () => subscription.unsubscribe(),
    };
  }

  /** Handles an event as a service does; `next()` is the next one that came, with its `answer(data)`. */
  async handle(event) {
    const waiting = [];
    const subscription = this.broker.subscribe(`pollen8.in.${event}`, {
      callback: (error, message) => { if (!error) waiting.push(message); },
    });
    await this.broker.flush();
    return {
      next: async () => {
        const message = await until(`an event ${event}`, () => waiting.shift());
        return {
          answer: (data) => message.respond(proto.lookupType('FrameReply')
            .encode({ data: Buffer.from(JSON.stringify(data)) }).finish()),
        };
      },
      stop: () => subscription.unsubscribe(),
    };
  }

  /** Waits until every event published so far is applied, delivered to the broker and acknowledged. The broker may say
   * so before its consumer has noticed an event just stored: `sequence` is that of one that must be among them. */
  async applied(sequence = 0) {
    await until('the stream to be worked off', async () => {
      const one = await this.durable();
      return one && one.num_pending === 0 && one.num_ack_pending === 0 && one.ack_floor.stream_seq >= sequence;
    });
  }

  /** What the broker says of the durable of the newest epoch, once those of earlier ones have delivered what they had
   * and are gone; null before. */
  async durable() {
    const list = await this.manager.consumers.list('POLLEN8_EVENTS').next().catch(() => []);
    return list.length === 1 ? list[0] : null;
  }

  /** After this, every frame that value-svc has published for the events so far has reached each client: a
   * last frame to all follows them on the same way, and each client has got it. */
  async settle(...clients) {
    await this.applied();
    const number = ++this.barriers;
    const type = proto.lookupType('OutboundFrame');
    const seen = clients.filter((client) => client.connected);
    this.broker.publish('pollen8.out.all', type.encode({
      event: 'test.barrier', data: Buffer.from(JSON.stringify({ number })),
    }).finish());
    await Promise.all(seen.map((client) => client.wait('test.barrier',
      (list) => list.some((data) => data.number === number))));
  }

  /** Messages of the dead-letter stream as { subject, data, headers }. */
  async deadLetters() {
    const info = await this.manager.streams.info('POLLEN8_DEAD');
    const all = [];
    for (let seq = info.state.first_seq; seq <= info.state.last_seq && info.state.messages; seq++) {
      const message = await this.manager.streams.getMessage('POLLEN8_DEAD', { seq });
      const headers = {};
      if (message.header) for (const key of message.header.keys()) headers[key] = message.header.get(key);
      all.push({ subject: message.subject, data: Buffer.from(message.data), headers });
    }
    return all;
  }

  // --- one service at its subject ------------------------------------------------------------------------

  /** One request between services: message types by name, `body` as protobufjs takes it. */
  async ask(subject, requestType, body, replyType) {
    const bytes = proto.lookupType(requestType).encode(body).finish();
    const reply = await this.broker.request(subject, bytes, { timeout: STEP_MS });
    const type = proto.lookupType(replyType);
    return type.toObject(type.decode(reply.data), { longs: Number, arrays: true });
  }

  /** auth-svc's verdict: { identity } or { error }. */
  verify(token) {
    return this.ask('pollen8.auth.verify', 'VerifyRequest', { token, deadlineMs: STEP_MS }, 'VerifyReply');
  }

  /** What value-svc answers a submitted event: { data } (parsed) or { error }. */
  async submit(event, data, identity) {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    const reply = await this.ask(`pollen8.in.${event}`, 'InboundFrame',
      { event, data: Buffer.from(text), identity, session: 'test', deadlineMs: STEP_MS }, 'FrameReply');
    if (reply.error) return { error: reply.error };
    const answer = Buffer.from(reply.data || []).toString();
    return { data: answer === '' ? undefined : JSON.parse(answer) };
  }

  /** Frames published on a subject from now on, decoded; `frames` grows, `stop()` ends it. */
  async listen(subject) {
    const frames = [];
    const type = proto.lookupType('OutboundFrame');
    const subscription = this.broker.subscribe(subject, {
      callback: (error, message) => {
        if (error || message.subject === 'pollen8.out.lane') return; // a mark: it has no data, and comes when it will
        const frame = type.toObject(type.decode(message.data), { longs: String, arrays: true });
        const text = Buffer.from(frame.data).toString();
        frames.push({ ...frame, subject: message.subject, text, data: JSON.parse(text) });
      },
    });
    await this.broker.flush();
    return { frames, stop: () => subscription.unsubscribe() };
  }

  // --- what operators see --------------------------------------------------------------------------------

  get(part, target) {
    return get(part.opsPort, target);
  }

  async metrics(part) {
    const { status, text } = await get(part.opsPort, '/metrics');
    assert.equal(status, 200);
    return parseMetrics(text);
  }

  /** Sends one Redis command and returns the reply (arrays nested). */
  redisCommand(...args) {
    return this.command(this.redis.port, ...args);
  }

  /** The same to another server that speaks Redis' protocol. */
  command(port, ...args) {
    return redisCommand(port, args);
  }
}

/** A suite with a ring of its own. `body(ring, it)`: its `it` closes the clients after each test. */
function withRing(name, options, body) {
  describe(name, () => {
    const ring = new Ring(options);
    before(() => (options.prepareOnly ? ring.prepare() : ring.start()).catch(async (error) => {
      ring.failed = true;
      throw error;
    }), { timeout: 4 * STEP_MS });
    after(() => ring.stop(), { timeout: 4 * STEP_MS });
    body(ring, (title, test) => it(title, { timeout: 6 * STEP_MS }, async (t) => {
      try {
        await test(t);
      } catch (error) {
        ring.failed = true;
        throw error;
      } finally {
        ring.closeClients();
      }
    }));
  });
}

async function get(port, target, headers = {}) {
  const response = await fetch(`http://127.0.0.1:${port}${target}`, { headers, signal: AbortSignal.timeout(STEP_MS) });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Prometheus text as { help, type, value(name, labels), sum(name) }; refuses what the format forbids. */
function parseMetrics(text) {
  const help = new Map();
  const type = new Map();
  const samples = [];
  for (const line of text.split('\n')) {
    let match;
    if (line === '') continue;
    if ((match = /^# HELP ([a-z_0-9]+) (.+)$/.exec(line))) help.set(match[1], match[2]);
    else if ((match = /^# TYPE ([a-z_0-9]+) (counter|gauge|histogram)$/.exec(line))) type.set(match[1], match[2]);
    else if ((match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? ([-+0-9.eEInf]+)$/.exec(line))) {
      const labels = {};
      for (const [, key, value] of (match[2] || '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value;
      samples.push({ name: match[1], labels, value: Number(match[3].replace('+Inf', 'Infinity')) });
    } else throw new Error(`not Prometheus text: ${line}`);
  }
  const matching = (name, labels) => samples.filter((sample) => sample.name === name
    && Object.entries(labels).every(([key, value]) => sample.labels[key] === value));
  return {
    help, type, samples,
    value(name, labels = {}) {
      const [first] = matching(name, labels);
      return first && first.value;
    },
    sum(name, labels = {}) {
      return matching(name, labels).reduce((total, sample) => total + sample.value, 0);
    },
  };
}

/** Whether a TCP server says something that matches, after `question`. */
function tcpAnswers(port, question, pattern) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    if (question) socket.once('connect', () => socket.write(question));
    socket.on('data', (bytes) => {
      text += bytes;
      if (text.includes('\n')) done(pattern.test(text));
    });
  });
}

function redisCommand(port, args) {
  const request = [`*${args.length}`, ...args.map((arg) => `$${Buffer.byteLength(`${arg}`)}\r\n${arg}`)].join('\r\n');
  return within(`redis ${args[0]}`, new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(`${request}\r\n`));
    let bytes = Buffer.alloc(0);
    socket.once('error', reject);
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const parsed = parseReply(bytes, 0);
      if (!parsed) return;
      socket.destroy();
      if (parsed.value instanceof Error) reject(parsed.value);
      else resolve(parsed.value);
    });
  }));
}

function parseReply(bytes, at) {
  const end = bytes.indexOf('\r\n', at);
  if (end < 0) return null;
  const line = bytes.toString('utf8', at + 1, end);
  const next = end + 2;
  switch (String.fromCharCode(bytes[at])) {
    case '+': return { value: line, next };
    case '-': return { value: new Error(line), next };
    case ':': return { value: Number(line), next };
    case '$': {
      const length = Number(line);
      if (length < 0) return { value: null, next };
      if (bytes.length < next + length + 2) return null;
      return { value: bytes.toString('utf8', next, next + length), next: next + length + 2 };
    }
    default: {
      const list = [];
      let position = next;
      for (let i = 0; i < Number(line); i++) {
        const item = parseReply(bytes, position);
        if (!item) return null;
        list.push(item.value);
        position = item.next;
      }
      return { value: list, next: position };
    }
  }
}

module.exports = { Ring, withRing, USERS, Part, SLOW, STEP_MS, bin, root, proto, freePort, until, within, get, parseMetrics };
