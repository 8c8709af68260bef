// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Python with the packages of ../python/requirements.txt, in a virtual environment under build/ that is made where it
// is not there or the list has changed.

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { until } = require('./part');

const root = path.join(__dirname, '../../..');
const requirements = path.join(__dirname, '../python/requirements.txt');

/** The interpreter, or null with a line that says why. */
function python() {
  const folder = path.join(root, 'build/python-client');
  const mark = path.join(folder, 'requirements.txt');
  const interpreter = path.join(folder, 'bin/python');
  const wanted = fs.readFileSync(requirements, 'utf8');
  if (fs.existsSync(mark) && fs.readFileSync(mark, 'utf8') === wanted) return interpreter;
  try {
    const quietly = { stdio: ['ignore', 'ignore', 'pipe'], timeout: 120000 };
    execFileSync('python3', ['-m', 'venv', '--clear', folder], quietly);
    execFileSync(interpreter, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements], quietly);
    fs.writeFileSync(mark, wanted);
    return interpreter;
  } catch (error) {
    console.log(`skipped: no python-socketio: ${`${error.stderr || error.message}`.trim().split('\n').at(-1)}`);
    return null;
  }
}

/** A script that writes a JSON object a line. line(key) resolves with the value of the first that has it. */
class Script {
  constructor(interpreter, name, ...args) {
    this.lines = [];
    this.errors = '';
    this.child = spawn(interpreter, [path.join(__dirname, '../python', name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    this.child.stdout.on('data', (chunk) => {
      text += chunk;
      const whole = text.split('\n');
      text = whole.pop();
      this.lines.push(...whole.map((line) => JSON.parse(line)));
    });
    this.child.stderr.on('data', (chunk) => { this.errors += chunk; });
    this.ended = new Promise((resolve) => { this.child.once('close', (code) => { this.code = code; resolve(code); }); });
  }

  async line(key) {
    const found = await until(`${key} of the script`, () => {
      const line = this.lines.find((one) => key in one);
      if (!line && this.code !== undefined) throw Object.assign(new Error(`it ended: ${this.errors.slice(-2000)}`), { final: true });
      return line;
    });
    return found[key];
  }

  close() {
    if (this.code === undefined) this.child.kill('SIGKILL');
  }
}

module.exports = { python, Script };
