// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What a stock socket.io-client is put through, the same in Node and in a browser, where this file is a script of the
// page. Everything goes in and out as JSON; binary comes back as { bytes: [...] }.

(function define(root) {
  let socket;
  let log;

  const isBinary = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

  function plain(value) {
    if (isBinary(value)) return { bytes: Array.from(new Uint8Array(value)) };
    if (Array.isArray(value)) return value.map(plain);
    if (value && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
    }
    return value;
  }

  function until(what, probe) {
    return new Promise((resolve, reject) => {
      const end = Date.now() + 20000;
      (function look() {
        const value = probe();
        if (value) resolve(value);
        else if (Date.now() > end) reject(new Error(`waited in vain for ${what}; had ${JSON.stringify(log)}`));
        else setTimeout(look, 20);
      }());
    });
  }

  const scenario = {
    /** Connects; resolves when it is in, or with what it was refused. */
    open(url, token, options) {
      log = { connects: 0, recovered: [], disconnects: [], events: [], errors: [] };
      socket = root.io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 300,
        auth: token === null ? {} : { token }, ...options });
      socket.onAny((event, ...list) => log.events.push([event, plain(list[0])]));
      socket.on('connect', () => {
        log.connects++;
        log.recovered.push(socket.recovered);
      });
      socket.on('disconnect', (reason) => log.disconnects.push(reason));
      socket.on('connect_error', (error) => log.errors.push({ code: error.data ? error.data.code : null, type: error.type || null }));
      socket.on('question', (data, part, answer) => answer({ got: plain(data), part: plain(part) }, new Uint8Array([7, 8])));
      return until('a connection or a refusal', () => (log.connects || log.errors.length) && plain(log));
    },

    transport: () => socket.io.engine && socket.io.engine.transport && socket.io.engine.transport.name,

    /** Until the transport is that one. */
    carried: (name) => until(name, () => scenario.transport() === name),

    /** Events, several arguments, binary and acks. */
    async talk() {
      const back = new Promise((resolve) => { socket.once('message-back', (...list) => resolve(list)); });
      const ack = await new Promise((resolve) => {
        socket.emit('message-with-ack', 1, '2', { three: [true] }, new Uint8Array([1, 2, 3]),
          { deep: [new Uint8Array([4]).buffer] }, (...list) => resolve(list));
      });
      socket.emit('message', 'x', new Uint8Array([5, 6]), null);
      return plain({ ack, back: await back });
    },

    /** An ack in time, one that is too late, and one that is a refusal. */
    async acks() {
      const value = await socket.timeout(20000).emitWithAck('value.get', {});
      const late = await socket.timeout(300).emitWithAck('never', {}).then(() => 'answered', (error) => error.message);
      const refused = await socket.emitWithAck('unheard.of', {});
      return plain({ value, late, refused: refused.error.code });
    },

    /** A large binary there and back. */
    async large(size) {
      const bytes = new Uint8Array(size);
      for (let i = 0; i < size; i++) bytes[i] = i % 251;
      const [back] = await new Promise((resolve) => { socket.emit('message-with-ack', bytes, (...list) => resolve(list)); });
      const got = new Uint8Array(back);
      return got.length === size && got.every((one, i) => one === i % 251);
    },

    /** Until an event with this member has come `count` times. */
    event: (name, key, value, count = 1) => until(`${name} ${value}`,
      () => log.events.filter(([event, data]) => event === name && data[key] === value).length >= count),

    connects: (count) => until(`connection ${count}`, () => log.connects >= count && socket.connected),

    log: () => plain(log),

    close() {
      if (socket) socket.disconnect();
      socket = undefined;
    },
  };

  root.scenario = scenario;
}(typeof module === 'undefined' ? globalThis : module.exports));
