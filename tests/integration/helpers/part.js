// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// One process of a ring: started, watched, killed and started again with the same arguments. Its output is
// kept whole, for what a log must never hold is checked at the end.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');

// How much longer everything may take than on an idle machine: instrumented builds set it.
const SLOW = Number(process.env.POLLEN8_SLOW || 1);

// A generous bound for one step; only failures ever wait this long.
const STEP_MS = 20000 * SLOW;

const taken = new Set();

/** The first of `count` free TCP ports in a row, outside the ephemeral range, so that no outgoing connection
 * takes one while the part that owns it is down. */
async function freePort(count = 1) {
  for (;;) {
    const first = 10000 + Math.floor(Math.random() * 22000);
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if (ports.some((port) => taken.has(port))) continue;
    const free = await Promise.all(ports.map(portIsFree));
    if (!free.every(Boolean)) continue;
    for (const port of ports) taken.add(port);
    return first;
  }
}

function portIsFree(port) {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Calls `probe` until it answers with something true; for conditions that nothing announces. An error with
 * `final` set ends the wait. */
async function until(what, probe, timeoutMs = STEP_MS, pauseMs = 25) {
  const end = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
    } catch (error) {
      if (error.final) throw error;
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}${last ? ` (${last.message})` : ''}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** `promise`, or an error that says what was waited for. */
function within(what, promise, timeoutMs = STEP_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for: ${what}`)), timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class Part {
  /** `ready`: called until it answers true, each time the part was started. */
  constructor({ name, command, args = [], env = {}, ready, service = false, port, opsPort }) {
    Object.assign(this, { name, command, args, env, ready, service, port, opsPort });
    this.output = '';
    this.exits = [];
    this.child = null;
    this.expectingExit = false;
  }

  get running() {
    return this.child !== null;
  }

  get pid() {
    return this.child ? this.child.pid : null;
  }

  /** Starts the process; with wait false it need not become ready. */
  async start({ wait = true } = {}) {
    if (this.child) throw new Error(`${this.name} runs already`);
    this.expectingExit = false;
    const child = spawn(this.command, this.args, {
      env: { PATH: process.env.PATH, ...baseEnvironment(), ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        this.output += text;
        if (process.env.POLLEN8_TEST_LOGS) process.stderr.write(text.replace(/^(?=.)/gm, `[${this.name}] `));
      });
    }
    // 'close' comes when the output is read to its end; 'error' when there was nothing to start.
    this.gone = new Promise((resolve) => {
      child.once('error', (error) => {
        this.output += `${error.message}\n`;
        resolve({ code: 127, signal: null });
      });
      child.once('close', (code, signal) => resolve({ code, signal }));
    }).then((exit) => {
      this.exits.push({ ...exit, expected: this.expectingExit });
      this.child = null;
      return exit;
    });
    if (wait) await this.waitReady();
    return this;
  }

  async waitReady() {
    await until(`${this.name} ready`, async () => {
      if (!this.child) throw Object.assign(new Error(`${this.name} ended`), { final: true });
      return this.ready ? this.ready(this) : true;
    }, 2 * STEP_MS).catch((error) => {
      throw new Error(`${error.message}\n${this.tail()}`);
    });
  }

  /** Sends the signal, without waiting for anything. */
  signal(name) {
    if (!this.child) throw new Error(`${this.name} does not run`);
    process.kill(this.child.pid, name);
  }

  /** Ends the process and returns { code, signal }. */
  async stop(signal = 'SIGTERM') {
    if (!this.child) return this.exits[this.exits.length - 1];
    this.expectingExit = true;
    this.signal(signal);
    try {
      return await within(`${this.name} to end after ${signal}`, this.gone);
    } catch (error) {
      if (this.child) this.signal('SIGKILL');
      await this.gone;
      throw error;
    }
  }

  kill() {
    return this.stop('SIGKILL');
  }

  /** Returns when every thread stands still: one that runs on a busy machine may go on for a moment. */
  freeze() {
    this.signal('SIGSTOP');
    const tasks = `/proc/${this.child.pid}/task`;
    const still = (id) => / [TtZX] /.test(fs.readFileSync(`${tasks}/${id}/stat`, 'latin1').replace(/^.*\)/, ''));
    for (const end = Date.now() + 5000; Date.now() < end && !fs.readdirSync(tasks).every(still);) /* look again */;
  }

  thaw() {
    this.signal('SIGCONT');
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  tail(lines = 30) {
    const all = this.output.trimEnd().split('\n');
    return all.slice(-lines).map((line) => `    [${this.name}] ${line}`).join('\n');
  }

  /** Waits for a line of the log; `from` is a mark taken with `mark()`. */
  waitLog(pattern, from = 0) {
    return until(`${this.name} to log ${pattern}`, () => pattern.exec(this.output.slice(from)));
  }

  mark() {
    return this.output.length;
  }

  /** What is wrong with how the process behaved, as lines. */
  complaints() {
    const lines = [];
    for (const exit of this.exits) {
      const asked = exit.expected && (exit.signal === 'SIGKILL' || exit.code === 0);
      if (this.service && !asked && !this.exitAllowed) {
        lines.push(`${this.name} ended with ${exit.signal || exit.code}${exit.expected ? '' : ' unasked'}`);
      }
    }
    const report = /ERROR: AddressSanitizer|runtime error:|LeakSanitizer|WARNING: ThreadSanitizer/.exec(this.output);
    if (report) {
      lines.push(`${this.name}: sanitizer report\n${this.output.slice(report.index, report.index + 4000)}`);
    }
    return lines;
  }
}

// Sanitizer settings of the caller pass through; everything else of the caller's environment stays out. The
// MongoDB library's shared memory would outlive a kill -9, and a later process of the same id would then warn
// about it on standard error before main, in a form of the library's own.
function baseEnvironment() {
  const kept = { MONGOC_DISABLE_SHM: '1' };
  for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS', 'TSAN_OPTIONS', 'HOME', 'TMPDIR']) {
    if (process.env[name]) kept[name] = process.env[name];
  }
  return kept;
}

module.exports = { Part, baseEnvironment, SLOW, STEP_MS, freePort, until, within, once };
