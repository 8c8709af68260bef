// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Settings of each service: a bad value is exactly one line that names the variable, and exit 2, before
// anything is connected to.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');
const { baseEnvironment } = require('./helpers/part');
const { STEP_MS, bin, root } = require('./helpers/ring');
const { tablePath } = require('./helpers/tables');

const services = ['gateway', 'auth-svc', 'value-svc'];
const secret = 's'.repeat(40);
const enough = { 'auth-svc': { JWT_SECRET: secret }, gateway: {}, 'value-svc': {} };

function run(service, env = {}, args = []) {
  const result = spawnSync(path.join(bin, service), args, {
    env: JSON.parse(JSON.stringify({ PATH: process.env.PATH, ...baseEnvironment(), ...enough[service], ...env })),
    encoding: 'utf8', timeout: STEP_MS, killSignal: 'SIGKILL',
  });
  if (result.error) throw result.error;
  return result;
}

/** The names that a service's tables declare. */
function declared(service) {
  const files = [path.join(root, 'common/ops/config_common.def'), tablePath(service, 'config.def')];
  return files.flatMap((file) => [...fs.readFileSync(file, 'utf8').matchAll(/^SETTING\([a-z0-9_]+,\s*([A-Z]+),\s*"([A-Z0-9_]+)"/gm)]
    .map(([, type, name]) => ({ type, name })));
}

const wrong = {
  INTEGER: ['abc', '-1', '1e3', '99999999999999999999', ' 5', '5 ', '0x10', '1.5'],
  DURATION: ['abc', '-1s', '5 parsecs', '99999999999999999999s', 's', '1.5s'],
  SIZE: ['abc', '-1', '1TBB', 'KB', '99999999999999999999'],
  SWITCH: ['maybe', '2', 'onn'],
  CHOICE: ['purple', 'INFO!'],
};

for (const service of services) {
  describe(service, () => {
    const settings = declared(service);

    it('declares settings at all', () => {
      assert.ok(settings.length > 5);
      assert.ok(settings.some(({ name }) => name === 'NATS_URL'));
      assert.ok(settings.some(({ name }) => name === 'OPS_PORT'));
    });

    for (const { type, name } of settings.filter((one) => wrong[one.type])) {
      it(`${name}: a bad ${type.toLowerCase()} is one line and exit 2`, () => {
        for (const value of wrong[type]) {
          const result = run(service, { [name]: value });
          assert.equal(result.status, 2, `${name}=${value}: ${result.stderr}`);
          const lines = result.stderr.trimEnd().split('\n');
          assert.equal(lines.length, 1, `${name}=${value}: ${result.stderr}`);
          assert.match(lines[0], new RegExp(`\\b${name}\\b`));
          assert.ok(lines[0].includes(value.trim()), `the line says what was found: ${lines[0]}`);
          assert.equal(result.stdout, '');
          assert.doesNotMatch(result.stderr, /\u001b/, 'no colour');
        }
      });
    }

    it('PORT=abc or the like says what was expected', () => {
      const name = service === 'gateway' ? 'PORT' : 'OPS_PORT';
      const { stderr } = run(service, { [name]: 'abc' });
      assert.match(stderr, /abc/);
      assert.match(stderr, /65535/);
      assert.equal(run(service, { [name]: '65536' }).status, 2);
      assert.equal(run(service, { [name]: '-5' }).status, 2);
    });

    it('--help lists every name with its default, on standard output, exit 0', () => {
      const result = run(service, {}, ['--help']);
      assert.equal(result.status, 0, result.stderr);
      for (const { name } of settings) assert.match(result.stdout, new RegExp(`\\b${name}\\b`));
      assert.match(result.stdout, /nats:\/\/localhost:4222/);
      assert.ok(result.stdout.split('\n').every((line) => !line.includes(secret)));
    });

    it('--help works with a bad and without a required setting', () => {
      assert.equal(run(service, { OPS_PORT: 'abc', JWT_SECRET: undefined }, ['--help']).status, 0);
    });

    it('--version is one line', () => {
      const result = run(service, {}, ['--version']);
      assert.equal(result.status, 0);
      assert.match(result.stdout, new RegExp(`^${service} \\d+\\.\\d+\\.\\d+\\S*\\n$`));
    });

    it('an unknown option is one line and exit 2', () => {
      for (const args of [['--nonsense'], ['serve'], ['--port', '3']]) {
        const result = run(service, {}, args);
        assert.equal(result.status, 2);
        assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
        assert.ok(result.stderr.includes(args[0]));
      }
    });

    it('a NATS_URL that is none is one line and exit 2', () => {
      for (const value of ['http://x', 'nats://', 'nats://host:abc', 'nats://host:70000', ',']) {
        const result = run(service, { NATS_URL: value });
        assert.equal(result.status, 2, `${value}: ${result.stderr}`);
        assert.match(result.stderr, /NATS_URL/);
        assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
      }
    });
  });
}

describe('what only one service has', () => {
  const refused = (service, env, pattern) => {
    const result = run(service, env);
    assert.equal(result.status, 2, `${JSON.stringify(env)}: ${result.stderr}`);
    assert.match(result.stderr, pattern);
    assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
    return result.stderr;
  };

  it('auth-svc: JWT_SECRET is required, at least 32 bytes, and never shown', () => {
    refused('auth-svc', { JWT_SECRET: undefined }, /JWT_SECRET/);
    refused('auth-svc', { JWT_SECRET: '' }, /JWT_SECRET/);
    const line = refused('auth-svc', { JWT_SECRET: 'too-short-and-private' }, /JWT_SECRET.*32/);
    assert.ok(!line.includes('too-short-and-private'));
  });

  it('auth-svc: a key folder, a roles file or a users file that cannot be read', () => {
    refused('auth-svc', { JWT_PUBLIC_KEYS: '/nonexistent/keys' }, /JWT_PUBLIC_KEYS/);
    refused('auth-svc', { ROLES_FILE: '/nonexistent/roles.json' }, /ROLES_FILE/);
    refused('auth-svc', { USER_STORE: 'file:/nonexistent/users.json' }, /USER_STORE/);
    refused('auth-svc', { USER_STORE: 'postgres' }, /USER_STORE/);
  });

  it('auth-svc: a bad MONGODB_URI is named without its password', () => {
    const line = refused('auth-svc', { MONGODB_URI: 'nonsense://u:hidden-password@h/db' }, /MONGODB_URI/);
    assert.ok(!line.includes('hidden-password'));
  });

  it('value-svc: a bad REDIS_URL is named without its password, rediss says what to do', () => {
    for (const value of ['http://x', 'redis://u:hidden-password@h:abc', 'redis://h/notanumber', 'nonsense']) {
      assert.ok(!refused('value-svc', { REDIS_URL: value }, /REDIS_URL/).includes('hidden-password'));
    }
  });

  it('gateway: TLS needs both files, and files that can be read', () => {
    refused('gateway', { TLS_CERT_FILE: '/nonexistent.pem' }, /TLS_(KEY|CERT)_FILE/);
    refused('gateway', { TLS_KEY_FILE: '/nonexistent.pem' }, /TLS_(KEY|CERT)_FILE/);
    refused('gateway', { TLS_CERT_FILE: '/nonexistent.pem', TLS_KEY_FILE: '/nonexistent.pem' }, /TLS_(KEY|CERT)_FILE/);
  });

  it('gateway: a name that cannot be part of a subject, origins that are none', () => {
    refused('gateway', { GATEWAY_NAME: 'a.b' }, /GATEWAY_NAME/);
    refused('gateway', { ALLOWED_ORIGINS: 'not an origin' }, /ALLOWED_ORIGINS/);
  });
});

describe('what we deploy', () => {
  const read = (file) => fs.readFileSync(path.join(root, file), 'utf8');
  const gigabytes = (text, pattern) => Number(pattern.exec(text)?.[1]);

  it('Redis has a limit of its own, at which it refuses writes, and room for a rewrite of its file', () => {
    const settings = read('deploy/redis/redis.conf');
    const limit = gigabytes(settings, /^maxmemory (\d+)gb$/m);
    assert.ok(limit >= 1, 'noeviction acts at maxmemory alone');
    assert.match(settings, /^maxmemory-policy noeviction$/m);
    assert.ok(gigabytes(read('docker-compose.yml'), /^ {4}mem_limit: (\d+)g\b/m) >= 2 * limit, 'of the container');
    assert.match(read('tools/ring/up.sh'), /--maxmemory \d+gb --maxmemory-policy noeviction/);
  });
});
