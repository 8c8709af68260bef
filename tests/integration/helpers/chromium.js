// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// A headless Chromium of the system with a profile of its own, and a page with the client's bundle on an origin of
// its own. CHROMIUM names another executable.

const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const FILES = {
  '/': ['text/html', Buffer.from('<!doctype html><title>client</title><script src="/client.js"></script><script src="/scenario.js"></script>')],
  '/client.js': ['text/javascript', path.join(__dirname, '../node_modules/socket.io-client/dist/socket.io.min.js')],
  '/scenario.js': ['text/javascript', path.join(__dirname, 'scenario.js')],
};

function executable() {
  const folders = (process.env.PATH || '').split(':');
  return [process.env.CHROMIUM, ...folders.map((folder) => path.join(folder, 'chromium'))]
    .find((file) => file && fs.existsSync(file));
}

/** Serves the page on a free port; resolves with { origin, close }. */
function servePage() {
  const server = http.createServer((request, response) => {
    const [type, content] = FILES[request.url] || [];
    if (!type) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': type }).end(Buffer.isBuffer(content) ? content : fs.readFileSync(content));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({
      origin: `http://127.0.0.1:${server.address().port}`,
      close: () => new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
    }));
  });
}

/** Resolves with { open(origin), close }: open gives a page of which call(name, ...args) runs a function of the
 * scenario. */
async function startChromium() {
  const { chromium } = require('playwright-core');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'pollen8-chromium-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: executable(), headless: true, args: FLAGS });
  return {
    async open(origin) {
      const page = await context.newPage();
      await page.goto(origin);
      return {
        call: (name, ...args) => page.evaluate(([one, list]) => globalThis.scenario[one](...list), [name, args]),
        close: () => page.close(),
      };
    },
    async close() {
      await context.close();
      fs.rmSync(profile, { recursive: true, force: true });
    },
  };
}

module.exports = { executable, servePage, startChromium };
