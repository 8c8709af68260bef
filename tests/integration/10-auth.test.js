// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// auth-svc at its subject: keys, roles and users from files, read again while it runs.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { withRing, until, proto, USERS } = require('./helpers/ring');

const keys = {
  rsa: crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ec: crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  other: crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
const pem = (pair) => pair.publicKey.export({ type: 'spki', format: 'pem' });

function writeKeys(folder, entries) {
  fs.mkdirSync(folder, { recursive: true });
  for (const name of fs.readdirSync(folder)) fs.rmSync(path.join(folder, name));
  for (const [kid, pair] of Object.entries(entries)) fs.writeFileSync(path.join(folder, `${kid}.pem`), pem(pair));
}

/** A token signed with a private key; jsonwebtoken refuses some of what must be tried. */
function signed(ring, algorithm, key, kid, claims = {}) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const text = `${encode({ alg: algorithm, typ: 'JWT', ...(kid === undefined ? {} : { kid }) })}.${encode({ sub: 'ada', exp: now + 600, ...claims })}`;
  const signature = algorithm.startsWith('HS')
    ? crypto.createHmac('sha256', key).update(text).digest('base64url')
    : crypto.sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  return ring.hide(`${text}.${signature}`);
}

withRing('public keys', {
  gateways: 0, value: 0,
  env: {
    auth: (_, ring) => {
      const folder = path.join(ring.folder, 'keys');
      writeKeys(folder, { rsa: keys.rsa, ec: keys.ec });
      return { JWT_PUBLIC_KEYS: folder };
    },
  },
}, (ring, it) => {
  const code = async (token) => (await ring.verify(token)).error?.code;

  it('RS256 and ES256 by kid, and HS256 with the secret beside them', async () => {
    assert.equal(await code(signed(ring, 'RS256', keys.rsa.privateKey, 'rsa')), undefined);
    assert.equal(await code(signed(ring, 'ES256', keys.ec.privateKey, 'ec')), undefined);
    assert.equal(await code(ring.token('ada')), undefined);
  });

  it('another key, another algorithm, no or a strange kid: AUTH_INVALID', async () => {
    for (const token of [
      signed(ring, 'RS256', keys.other.privateKey, 'rsa'),
      signed(ring, 'RS256', keys.rsa.privateKey, 'ec'),
      signed(ring, 'ES256', keys.ec.privateKey, 'rsa'),
      signed(ring, 'RS256', keys.rsa.privateKey, 'nobody'),
      signed(ring, 'RS256', keys.rsa.privateKey, '../keys/rsa'),
      signed(ring, 'RS256', keys.rsa.privateKey, ''),
      signed(ring, 'RS256', keys.rsa.privateKey, 7),
      // The public key as an HMAC secret: the classic confusion.
      signed(ring, 'HS256', pem(keys.rsa), 'rsa'),
      signed(ring, 'HS256', pem(keys.rsa), undefined),
      signed(ring, 'HS256', '', undefined),
    ]) assert.equal(await code(token), 'AUTH_INVALID', Buffer.from(token.split('.')[0], 'base64url').toString());
  });

  it('SIGHUP reads the folder again: a removed key lets nobody in, not even from the cache', async () => {
    const token = signed(ring, 'RS256', keys.rsa.privateKey, 'rsa');
    assert.equal(await code(token), undefined);
    writeKeys(path.join(ring.folder, 'keys'), { ec: keys.ec, fresh: keys.other });
    ring.auth.signal('SIGHUP');
    await until('the removed key to be refused', async () => (await code(token)) === 'AUTH_INVALID');
    assert.equal(await code(signed(ring, 'RS256', keys.other.privateKey, 'fresh')), undefined);
  });

  it('a folder that became bad changes nothing', async () => {
    const from = ring.auth.mark();
    fs.writeFileSync(path.join(ring.folder, 'keys', 'bad.pem'), 'no key');
    ring.auth.signal('SIGHUP');
    await ring.auth.waitLog(/"level":"(warn|error)"/, from);
    assert.equal(await code(signed(ring, 'ES256', keys.ec.privateKey, 'ec')), undefined);
  });
});

withRing('roles, issuer and audience', {
  gateways: 0, value: 0, users: [...USERS, { _id: 'boss', industries: ['Board'], role: 'boss' }, { _id: 'odd', role: 'unheard' }],
  env: {
    auth: (_, ring) => {
      ring.rolesFile = path.join(ring.folder, 'roles.json');
      fs.writeFileSync(ring.rolesFile, JSON.stringify({ roles: { user: ['emit:value.get'], boss: ['emit:party.*', 'subscribe:board'] } }));
      return { ROLES_FILE: ring.rolesFile, JWT_ISSUER: 'pollen8', JWT_AUDIENCE: 'realtime' };
    },
  },
}, (ring, it) => {
  const token = (user, claims) => ring.token(user, { iss: 'pollen8', aud: 'realtime', ...claims });

  it('the file says what a role may', async () => {
    const { identity } = await ring.verify(token('boss'));
    assert.deepEqual(identity.permissions, ['emit:party.*', 'subscribe:board']);
    assert.deepEqual(identity.industries, ['board']);
    assert.ok(identity.expiresAtMs > Date.now());
    assert.deepEqual((await ring.verify(token('odd'))).identity.permissions, [], 'an unheard-of role may nothing');
  });

  it('iss and aud must be right, aud also within a list', async () => {
    const code = async (claims) => (await ring.verify(ring.token('ada', claims))).error?.code;
    assert.equal(await code({ iss: 'pollen8', aud: ['other', 'realtime'] }), undefined);
    for (const claims of [{}, { iss: 'pollen8' }, { aud: 'realtime' }, { iss: 'evil', aud: 'realtime' }, { iss: 'pollen8', aud: 'other' },
      { iss: 'pollen8', aud: [] }, { iss: 'pollen8', aud: 7 }, { iss: 'pollen8', aud: [7] }, { iss: ['pollen8'], aud: 'realtime' }]) {
      assert.equal(await code(claims), 'AUTH_INVALID', JSON.stringify(claims));
    }
  });

  it('SIGHUP reads the roles again; a bad file leaves them as they are', async () => {
    fs.writeFileSync(ring.rolesFile, JSON.stringify({ roles: { boss: ['emit:other'] } }));
    ring.auth.signal('SIGHUP');
    await until('the new table', async () => (await ring.verify(token('boss'))).identity.permissions.includes('emit:other'));
    const from = ring.auth.mark();
    fs.writeFileSync(ring.rolesFile, '{"roles":{"boss":["not a permission"]}}');
    ring.auth.signal('SIGHUP');
    await ring.auth.waitLog(/"level":"(warn|error)"/, from);
    assert.deepEqual((await ring.verify(token('boss'))).identity.permissions, ['emit:other']);
  });

  it('the users file is read again when it changes', async () => {
    assert.equal((await ring.verify(token('newcomer'))).error.code, 'AUTH_USER_UNKNOWN');
    ring.writeUsers([{ _id: 'newcomer', industries: ['x'] }]);
    await until('the newcomer', async () => (await ring.verify(token('newcomer'))).identity);
    assert.equal((await ring.verify(token('boss'))).error.code, 'AUTH_USER_UNKNOWN');
    fs.writeFileSync(ring.usersFile, '{"users":[');
    const from = ring.auth.mark();
    await ring.auth.waitLog(/"level":"(warn|error)"/, from);
    assert.ok((await ring.verify(token('newcomer'))).identity, 'the table in use stays');
  });
});

withRing('two auth-svc under load', { gateways: 0, value: 0, auth: 2 }, (ring, it) => {
  it('a thousand requests at once, each with its own right answer', async () => {
    const asked = Array.from({ length: 1000 }, (_, i) => ['ada', 'bo', 'cy', 'dis', 'nobody'][i % 5]);
    const tokens = new Map(['ada', 'bo', 'cy', 'dis', 'nobody'].map((user) => [user, ring.token(user)]));
    const answers = await Promise.all(asked.map((user) => ring.verify(tokens.get(user))));
    answers.forEach((answer, i) => {
      const user = asked[i];
      if (user === 'dis') assert.equal(answer.error.code, 'AUTH_USER_DISABLED');
      else if (user === 'nobody') assert.equal(answer.error.code, 'AUTH_USER_UNKNOWN');
      else assert.equal(answer.identity.userId, user);
    });
  });

  it('several in one message: each is answered under its id, and nobody else', async () => {
    const Batch = proto.lookupType('Batch');
    const VerifyRequest = proto.lookupType('VerifyRequest');
    const VerifyReply = proto.lookupType('VerifyReply');
    const asked = ['ada', 'nobody', 'dis', 'bo'];
    const items = asked.map((user, i) => ({ id: i + 7, body: VerifyRequest.encode({ token: ring.token(user) }).finish() }));
    items.push({ id: 99, body: Buffer.from([0xff]) }, { id: 0, body: items[0].body });
    const ask = async (batch) => Batch.decode((await ring.broker.request('pollen8.auth.verify.batch', Batch.encode(batch).finish(), { timeout: 10000 })).data);
    const answers = new Map((await ask({ items })).items.map(({ id, body }) => [Number(id), VerifyReply.decode(body)]));
    assert.deepEqual([...answers.keys()].sort((a, b) => a - b), [7, 8, 9, 10, 99]);
    assert.equal(answers.get(7).identity.userId, 'ada');
    assert.equal(answers.get(8).error.code, 'AUTH_USER_UNKNOWN');
    assert.equal(answers.get(9).error.code, 'AUTH_USER_DISABLED');
    assert.equal(answers.get(10).identity.userId, 'bo');
    assert.equal(answers.get(99).error.code, 'AUTH_INVALID');
    assert.equal((await ask({ items: [] })).items.length, 0, 'somebody is there');
  });

  it('requests that are no protobuf are left or refused, and the service goes on', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from([0xff, 0xff]), Buffer.from('token'), Buffer.alloc(300000, 10)]) {
      await ring.broker.request('pollen8.auth.verify', bytes, { timeout: 300 }).catch((error) => {
        assert.equal(error.code, 'TIMEOUT', 'a responder was there');
      });
    }
    assert.ok((await ring.verify(ring.token('ada'))).identity);
  });
});
