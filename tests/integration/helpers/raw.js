// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Bytes as no well-behaved client sends them: HTTP requests by hand and WebSocket frames with any header.

const crypto = require('node:crypto');
const net = require('node:net');
const { until, within } = require('./part');

/** One HTTP request as written; resolves with { status, headers, text } or with status 0 where the server hung
 * up without an answer. */
async function httpBytes(port, bytes) {
  const connection = await open(port);
  connection.socket.write(bytes);
  await within('the HTTP answer', until('the HTTP answer', () => connection.head() || connection.ended));
  const head = connection.head();
  connection.socket.destroy();
  return head || { status: 0, headers: {}, text: '' };
}

function upgradeRequest(port, { path = '/ws', headers = {}, method = 'GET', protocol = 'HTTP/1.1' } = {}) {
  const all = {
    Host: `127.0.0.1:${port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'),
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
  return `${method} ${path} ${protocol}\r\n${lines.join('\r\n')}\r\n\r\n`;
}

class RawConnection {
  constructor(socket) {
    this.socket = socket;
    this.bytes = Buffer.alloc(0);
    this.ended = false;
    this.frames = [];
    this.upgraded = false;
    socket.on('data', (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      if (this.upgraded) this.readFrames();
    });
    socket.on('close', () => { this.ended = true; });
    socket.on('error', () => {});
  }

  head() {
    const text = this.bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const [line, ...rest] = text.slice(0, end).split('\r\n');
    const headers = {};
    for (const header of rest) {
      const colon = header.indexOf(':');
      headers[header.slice(0, colon).toLowerCase()] = header.slice(colon + 1).trim();
    }
    return { status: Number(line.split(' ')[1]), headers, text: text.slice(end + 4), length: end + 4 };
  }

  /** Reads server frames; a server's are unmasked and must not be fragmented here. */
  readFrames() {
    for (;;) {
      if (this.bytes.length < 2) return;
      let length = this.bytes[1] & 0x7f;
      let offset = 2;
      if (length === 126) {
        if (this.bytes.length < 4) return;
        length = this.bytes.readUInt16BE(2);
        offset = 4;
      } else if (length === 127) {
        if (this.bytes.length < 10) return;
        length = Number(this.bytes.readBigUInt64BE(2));
        offset = 10;
      }
      if (this.bytes.length < offset + length) return;
      this.frames.push({
        first: this.bytes[0],
        opcode: this.bytes[0] & 0x0f,
        payload: Buffer.from(this.bytes.subarray(offset, offset + length)),
      });
      this.bytes = this.bytes.subarray(offset + length);
    }
  }

  texts() {
    return this.frames.filter((frame) => frame.opcode === 1).map((frame) => frame.payload.toString());
  }

  /** The close frame's { code, reason }, or { code: 1006 } where the connection ended without one. */
  async close() {
    const closing = () => this.frames.find((frame) => frame.opcode === 8);
    await until('the close frame', () => closing() || this.ended);
    const frame = closing();
    if (!frame) return { code: 1006, reason: '' };
    if (frame.payload.length < 2) return { code: 1005, reason: '' };
    return { code: frame.payload.readUInt16BE(0), reason: frame.payload.subarray(2).toString() };
  }

  async text(match) {
    return until(`a text frame ${match}`, () => {
      const found = this.texts().find((text) => match.test(text));
      if (!found && this.ended) throw new Error('the connection ended');
      return found;
    });
  }

  send(payload, options) {
    this.socket.write(frame(payload, options));
  }
}

async function open(port) {
  const socket = net.connect(port, '127.0.0.1');
  await within('the TCP connection', new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  }));
  return new RawConnection(socket);
}

/** A WebSocket connection on bare TCP. */
async function rawWebSocket(port, options) {
  const connection = await open(port);
  connection.socket.write(upgradeRequest(port, options));
  await until('the upgrade answer', () => connection.head() || connection.ended);
  const head = connection.head();
  if (!head || head.status !== 101) {
    connection.socket.destroy();
    throw Object.assign(new Error(`upgrade answered ${head ? head.status : 'nothing'}`), { head });
  }
  connection.bytes = connection.bytes.subarray(head.length);
  connection.upgraded = true;
  connection.readFrames();
  return connection;
}

/** A client frame. `claim`: the payload length the header states where it is not the true one. */
function frame(payload, { opcode = 1, fin = true, rsv = 0, masked = true, claim } = {}) {
  const body = Buffer.isBuffer(payload) ? Buffer.from(payload) : Buffer.from(payload);
  const length = claim === undefined ? body.length : claim;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  let header;
  if (length < 126) {
    header = Buffer.from([first, mask | length]);
  } else if (length < 65536) {
    header = Buffer.alloc(4);
    header[0] = first;
    header[1] = mask | 126;
    header.writeUInt16BE(length, 2);
  } else {
    header = Buffer.alloc(10);
    header[0] = first;
    header[1] = mask | 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  if (!masked) return Buffer.concat([header, body]);
  const key = crypto.randomBytes(4);
  for (let i = 0; i < body.length; i++) body[i] ^= key[i % 4];
  return Buffer.concat([header, key, body]);
}

module.exports = { httpBytes, upgradeRequest, rawWebSocket, rawOpen: open, frame };
