// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// auth-svc with users in MongoDB: ids and industries in every form the platform has, and a database that goes
// away, which never lets anybody in.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { ObjectId, Double, Int32, Long } = require('mongodb');
const { Ring, STEP_MS, until, get } = require('./helpers/ring');
const { Mongo, find } = require('./helpers/mongo');

const found = find();
if (found.missing) console.log(`10-mongo skipped: ${found.missing}`);

describe('auth-svc with MongoDB', { skip: found.missing }, () => {
  const mongo = new Mongo(found);
  const ids = { ada: new ObjectId(), technology: new ObjectId(), finance: new ObjectId(), gone: new ObjectId() };
  const now = Math.floor(Date.now() / 1000);
  let folder;
  let ring;

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pollen8-mongo-'));
    await mongo.start(folder);
    await mongo.db.collection('industries').insertMany([
      { _id: ids.technology, name: 'Technology' }, { _id: ids.finance, name: ' Finance ' }, { _id: 'health', name: 'Healthcare' },
    ]);
    await mongo.db.collection('users').insertMany([
      { _id: ids.ada, industries: [ids.technology, ids.finance], name: 'Ada', password: 'never read' },
      { _id: 'bo', industries: ['Technology', ' TECHNOLOGY ', 'Finance'] },
      { _id: 'mixed', industries: ['healthcare', ids.technology, 'health'] },
      { _id: 'dangling', industries: [ids.gone, ids.finance] },
      { _id: 'none' },
      { _id: 'odd', industries: ['ok', 7, null, '', { nothing: 'x' }, 'x'.repeat(65)] },
      { _id: 'dis', industries: [], disabled: true },
      { _id: 'dis-false', industries: [], disabled: false },
      { _id: 'dis-string', industries: [], disabled: 'yes' },
      { _id: 'dis-number', industries: [], disabled: 1 },
      { _id: 'after-date', industries: [], tokensValidAfter: new Date((now - 60) * 1000) },
      { _id: 'after-number', industries: [], tokensValidAfter: new Double((now - 60) * 1000) },
      { _id: 'after-seconds', industries: [], tokensValidAfter: new Int32(now - 60) },
      { _id: 'after-long', industries: [], tokensValidAfter: Long.fromNumber((now - 60) * 1000) },
      { _id: 'admin', industries: [], role: 'admin' },
      { _id: 'x.y*>}', industries: ['odd'] },
      { _id: '$where', industries: ['dollar'] },
    ]);
    ring = new Ring({
      gateways: 1, value: 1,
      env: { auth: { USER_STORE: 'mongodb', MONGODB_URI: mongo.uri, MONGODB_TIMEOUT: '1s', USER_CACHE_TTL: '0' } },
    });
    await ring.start();
  }, { timeout: 4 * STEP_MS });

  after(async () => {
    await mongo.stop();
    if (ring) await ring.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }, { timeout: 4 * STEP_MS });

  const test = (title, body) => it(title, { timeout: 6 * STEP_MS }, async () => {
    try {
      await body();
    } catch (error) {
      ring.failed = true;
      throw error;
    }
  });

  const industries = async (user) => {
    const { identity, error } = await ring.verify(ring.token(user));
    assert.ok(identity, JSON.stringify(error));
    assert.equal(identity.userId, user);
    return [...identity.industries].sort();
  };
  const refusal = async (token) => (await ring.verify(token)).error?.code;

  test('users by ObjectId and by string, industries as references and as strings', async () => {
    assert.deepEqual(await industries(ids.ada.toHexString()), ['finance', 'technology']);
    assert.deepEqual(await industries('bo'), ['finance', 'technology']);
    assert.deepEqual(await industries('x.y*>}'), ['odd']);
    assert.deepEqual(await industries('$where'), ['dollar']);
  });

  test('strings and references mixed, references that lead nowhere, none at all', async () => {
    const mixed = await industries('mixed');
    assert.ok(mixed.includes('healthcare') && mixed.includes('technology'), mixed.join());
    assert.deepEqual(await industries('dangling'), ['finance']);
    assert.deepEqual(await industries('none'), []);
    assert.deepEqual(await industries('odd'), ['ok']);
  });

  test('who is not there, in either form of id', async () => {
    assert.equal(await refusal(ring.token('nobody')), 'AUTH_USER_UNKNOWN');
    assert.equal(await refusal(ring.token(new ObjectId().toHexString())), 'AUTH_USER_UNKNOWN');
    assert.equal(await refusal(ring.token('{"$ne":null}')), 'AUTH_USER_UNKNOWN');
  });

  test('disabled is respected; what is neither true nor false lets nobody in by mistake', async () => {
    assert.equal(await refusal(ring.token('dis')), 'AUTH_USER_DISABLED');
    assert.equal(await refusal(ring.token('dis-false')), undefined);
    assert.equal(await refusal(ring.token('dis-string')), 'AUTH_USER_DISABLED');
    assert.equal(await refusal(ring.token('dis-number')), 'AUTH_USER_DISABLED');
  });

  test('tokensValidAfter as a date or a number', async () => {
    for (const user of ['after-date', 'after-number', 'after-seconds', 'after-long']) {
      assert.equal(await refusal(ring.token(user, { iat: now - 3600 })), 'AUTH_EXPIRED', user);
      assert.equal(await refusal(ring.token(user)), undefined, user);
    }
  });

  test('the role of the record', async () => {
    const { identity } = await ring.verify(ring.token('admin'));
    assert.equal(identity.role, 'admin');
    assert.ok(identity.permissions.includes('emit:*'));
    const bo = (await ring.verify(ring.token('bo'))).identity;
    assert.equal(bo.role, 'user');
    assert.deepEqual(bo.permissions, ['emit:value.get', 'emit:invite.seen']);
  });

  test('a change in the database is seen', async () => {
    await mongo.db.collection('users').insertOne({ _id: 'changing', industries: ['a'] });
    assert.deepEqual(await industries('changing'), ['a']);
    await mongo.db.collection('users').updateOne({ _id: 'changing' }, { $set: { disabled: true } });
    await until('the change', async () => (await refusal(ring.token('changing'))) === 'AUTH_USER_DISABLED');
  });

  test('the whole way: a stock client by ObjectId', async () => {
    const id = ids.ada.toHexString();
    const client = await ring.sio(id);
    await ring.connectionNew(id, ['FINANCE']);
    await ring.settle(client);
    assert.deepEqual(client.all('connection.new'), [{ userId: id, industries: ['FINANCE'] }]);
    assert.equal(client.values().at(-1), 3.14);
  });

  test('the database down: AUTH_UNAVAILABLE and not ready, sessions stay, and all comes back by itself', async () => {
    const inside = await ring.sio('bo');
    await mongo.down();
    assert.equal(await refusal(ring.token('bo')), 'AUTH_UNAVAILABLE');
    assert.equal(await refusal(ring.token('nobody')), 'AUTH_UNAVAILABLE', 'nor is anybody unknown now');
    assert.equal(await refusal(ring.token('bo', {}, { secret: 'z'.repeat(32) })), 'AUTH_INVALID', 'that much is known');
    await until('not ready', async () => (await get(ring.auth.opsPort, '/readyz')).status === 503);
    assert.equal((await get(ring.auth.opsPort, '/healthz')).status, 200, 'alive all the same');
    const outside = ring.openSio('none');
    await until('an attempt', () => outside.errors.length + outside.closes.length > 0 || outside.socket.io._reconnecting);
    assert.equal(outside.errors.filter((error) => error.data).length, 0, 'no final refusal');
    assert.equal(inside.connected, true);
    await mongo.up();
    await outside.ready();
    await until('ready again', async () => (await get(ring.auth.opsPort, '/readyz')).status === 200);
    assert.equal(inside.connected, true);
    assert.equal(inside.connects, 1);
  });

  test('started while the database is absent: waits, then ready by itself', async () => {
    await mongo.down();
    await ring.auth.stop();
    await ring.auth.start({ wait: false });
    await until('503', async () => (await get(ring.auth.opsPort, '/readyz')).status === 503);
    assert.equal(await refusal(ring.token('bo')), 'AUTH_UNAVAILABLE');
    await mongo.up();
    await ring.auth.waitReady();
    assert.deepEqual(await industries('bo'), ['finance', 'technology']);
  });

  test('no log shows the connection string', async () => {
    assert.ok(!ring.auth.output.includes('never read'));
  });
});
