// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Engine.IO v4 by hand, over HTTP and WebSocket: requests one by one, on connections the test chooses, so that
// rules about requests can be tested. And the echo server of the conformance suite as a part.

const http = require('node:http');
const https = require('node:https');
const path = require('node:path');
const WebSocket = require('ws');
const { Part, bin, freePort, until, within } = require('./ring');

const SEPARATOR = '\x1e';

/** One request; resolves with { status, headers, text, port } (`port`: of our end), rejects where it was cut off. */
function request(url, { method = 'GET', body, headers = {}, agent, ca, signal, onSocket } = {}) {
  return new Promise((resolve, reject) => {
    const options = { method, headers: { ...headers }, agent, ca, signal };
    if (body !== undefined && options.headers['Content-Length'] === undefined
      && options.headers['Transfer-Encoding'] === undefined) {
      options.headers['Content-Length'] = Buffer.byteLength(body);
    }
    const sent = (url.startsWith('https') ? https : http).request(url, options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({
        status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString(), port,
      }));
    });
    let port;
    sent.on('socket', (socket) => {
      const ready = () => {
        port = socket.localPort;
        if (onSocket) onSocket(socket);
      };
      if (socket.connecting) socket.once('connect', ready);
      else ready();
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A client of one session. */
class Polling {
  constructor(url, { route = '/socket.io/', query = '', headers = {}, ca, agent } = {}) {
    Object.assign(this, { url, route, query, headers, ca });
    this.ownAgent = agent ? null : new (url.startsWith('https') ? https : http).Agent({ keepAlive: true });
    this.agent = agent || this.ownAgent;
    this.packets = [];
  }

  target(sid = this.sid) {
    return `${this.url}${this.route}?EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}${this.query}`;
  }

  request(options = {}) {
    return within(`${options.method || 'GET'} of ${this.sid}`, request(this.target(options.sid), {
      agent: this.agent, ca: this.ca, ...options, headers: { ...this.headers, ...options.headers },
    }));
  }

  async open() {
    const answer = await this.request();
    if (answer.status !== 200) throw Object.assign(new Error(`refused: ${answer.status}`), { answer });
    this.opened = JSON.parse(answer.text.slice(1));
    this.sid = this.opened.sid;
    this.answer = answer;
    return this;
  }

  get(options) {
    return this.request(options);
  }

  post(body, options = {}) {
    return this.request({ method: 'POST', body, ...options });
  }

  /** A poll that is known to be held: it has been sent, and a request sent after it on another connection was
   * answered. */
  async held(options = {}) {
    let told;
    const written = new Promise((resolve) => { told = resolve; });
    const answer = this.get({ agent: false, ...options, onSocket: (socket) => {
      if (options.onSocket) options.onSocket(socket);
      told();
    } });
    answer.catch(() => {});
    await written;
    await request(`${this.url}/`, { agent: false, ca: this.ca });
    await request(`${this.url}/`, { agent: false, ca: this.ca });
    return { answer };
  }

  /** Polls until a packet matches; answers pings. Resolves with the packets so far. */
  async pollFor(match) {
    while (!this.packets.some((packet) => match.test(packet))) {
      const answer = await this.get();
      if (answer.status !== 200) throw new Error(`a poll was answered ${answer.status} ${answer.text}`);
      const packets = answer.text.split(SEPARATOR);
      this.packets.push(...packets);
      if (packets.includes('2')) await this.post('3');
    }
    return this.packets;
  }

  /** A WebSocket that names this session. */
  socket(options = {}) {
    return this.socketOf(this.sid, options);
  }

  /** One that names another. */
  socketOf(sid, options = {}) {
    return new Socket(this.target(sid).replace(/^http/, 'ws').replace('polling', 'websocket'), { ca: this.ca, ...options });
  }

  close() {
    if (this.ownAgent) this.ownAgent.destroy();
  }
}

class Socket {
  constructor(url, options = {}) {
    this.messages = [];
    this.closed = null;
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.socket.on('message', (data, binary) => this.messages.push(binary ? data : data.toString()));
    this.socket.on('close', (code, reason) => { this.closed = { code, reason: `${reason}` }; });
    this.socket.on('error', (error) => {
      this.error = error;
      const match = /Unexpected server response: (\d+)/.exec(error.message);
      if (match) this.status = Number(match[1]);
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', () => resolve(this));
      this.socket.once('error', reject);
    });
    this.opened.catch(() => {});
  }

  send(data) {
    this.socket.send(data);
  }

  message(match) {
    return until(`a message ${match}`, () => {
      const found = this.messages.find((one) => (typeof one === 'string' ? match.test(one) : match.test('<binary>')));
      if (found === undefined && this.closed) throw new Error(`closed with ${this.closed.code}`);
      return found;
    });
  }

  async end() {
    await until('the close', () => this.closed || this.error);
    return this.closed || { code: 1006, reason: '' };
  }

  close() {
    this.socket.terminate();
  }
}

/** The conformance suite's server with settings of the test's. */
async function echoServer(env = {}) {
  const port = await freePort();
  const part = new Part({
    name: 'engineio_server', command: path.join(bin, 'engineio_server'), port, service: true,
    env: { PORT: `${port}`, LISTEN_ADDRESS: '127.0.0.1', PING_INTERVAL: '25s', PING_TIMEOUT: '20s', ...env },
    ready: () => /^Engine.IO echo on/m.test(part.output),
  });
  part.url = `${env.TLS_CERT_FILE ? 'https' : 'http'}://127.0.0.1:${port}`;
  await part.start();
  return part;
}

module.exports = { Polling, Socket, SEPARATOR, request, echoServer };
