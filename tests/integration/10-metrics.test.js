// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// The ops port of each service: metrics an operator can read, health, readiness, and nothing of it in public.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { withRing, get, parseMetrics } = require('./helpers/ring');
const { tablePath } = require('./helpers/tables');

const platform = {
  'gateway-0': ['pollen8_gateway_connections'],
  'value-svc-0': ['pollen8_event_processing_seconds', 'pollen8_redis_latency_seconds', 'pollen8_network_value_calculations_total'],
  'auth-svc-0': [],
};

withRing('the ops port', {}, (ring, it) => {
  const parts = () => [ring.gateway, ring.auth, ring.value];

  it('every metric declared is there with help and type, and nothing without', async () => {
    const ada = await ring.sio('ada');
    await ring.connectionNew('ada', ['technology']);
    await ring.settle(ada);
    for (const part of parts()) {
      const response = await get(part.opsPort, '/metrics');
      assert.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
      const metrics = parseMetrics(response.text);
      const folder = part.name.replace(/-0$/, '');
      const table = fs.readFileSync(tablePath(folder, 'metrics.def'), 'utf8');
      const names = [...table.matchAll(/"(pollen8_[a-z_]+)"/g)].map((match) => match[1]);
      assert.ok(names.length > 5);
      for (const name of [...names, ...platform[part.name], 'process_resident_memory_bytes', 'pollen8_build_info']) {
        assert.ok(metrics.help.has(name), `${part.name}: ${name} has help`);
        assert.ok(metrics.help.get(name).length > 10, name);
        assert.ok(metrics.type.has(name), `${part.name}: ${name} has a type`);
      }
      for (const { name } of metrics.samples) {
        const base = [name, name.replace(/_(bucket|sum|count)$/, '')].find((one) => metrics.help.has(one));
        assert.ok(base, `${part.name}: ${name} has help`);
      }
      const series = metrics.samples.map((sample) => JSON.stringify([sample.name, sample.labels]));
      assert.equal(new Set(series).size, series.length, 'no series twice');
    }
  });

  it('the four metrics of the platform say what happened', async () => {
    const before = { value: await ring.metrics(ring.value) };
    const ada = await ring.sio('ada');
    const bo = await ring.ws('bo');
    for (let i = 0; i < 10; i++) await ring.connectionNew('ada', ['technology']);
    await ring.settle(ada, bo);
    const gateway = await ring.metrics(ring.gateway);
    assert.equal(gateway.value('pollen8_gateway_connections', { industry: 'technology' }), 2);
    assert.equal(gateway.value('pollen8_gateway_connections', { industry: 'finance' }), 1);
    const value = await ring.metrics(ring.value);
    const grown = (name, labels) => (value.sum(name, labels) || 0) - (before.value.sum(name, labels) || 0);
    assert.equal(grown('pollen8_event_processing_seconds_count', { event: 'connection.new' }), 10);
    assert.ok(grown('pollen8_redis_latency_seconds_count') >= 1);
    assert.ok(grown('pollen8_network_value_calculations_total') >= 10);
    const buckets = value.samples.filter((sample) => sample.name === 'pollen8_event_processing_seconds_bucket'
      && sample.labels.event === 'connection.new');
    assert.equal(buckets.at(-1).labels.le, '+Inf');
    assert.equal(buckets.at(-1).value, value.value('pollen8_event_processing_seconds_count', { event: 'connection.new' }));
    for (let i = 1; i < buckets.length; i++) assert.ok(buckets[i].value >= buckets[i - 1].value, 'buckets add up');
  });

  it('healthz and readyz answer 200, other paths 404, other methods not', async () => {
    for (const part of parts()) {
      assert.equal((await get(part.opsPort, '/healthz')).status, 200);
      assert.equal((await get(part.opsPort, '/readyz')).status, 200);
      for (const target of ['/', '/metrics/', '/nowhere', '/metricsx']) {
        assert.equal((await get(part.opsPort, target)).status, 404, target);
      }
      const posted = await fetch(`http://127.0.0.1:${part.opsPort}/metrics`, { method: 'POST', body: 'x' });
      assert.ok([404, 405].includes(posted.status), `${posted.status}`);
    }
  });

  it('ops routes are not on the public port', async () => {
    for (const target of ['/metrics', '/healthz', '/readyz']) {
      const answer = await get(ring.gateway.port, target).catch(() => ({ status: 0, text: '' }));
      assert.notEqual(answer.status, 200, target);
      assert.doesNotMatch(answer.text, /pollen8_/);
    }
  });

  it('logs are JSON lines with ts, level, service and msg, black and white', async () => {
    for (const part of parts()) {
      const lines = part.output.trimEnd().split('\n');
      assert.ok(lines.length >= 1);
      for (const line of lines) {
        const entry = JSON.parse(line);
        assert.equal(entry.service, part.name.replace(/-0$/, ''));
        assert.match(entry.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        assert.ok(['debug', 'info', 'warn', 'error'].includes(entry.level), line);
        assert.equal(typeof entry.msg, 'string');
        assert.doesNotMatch(line, /\u001b|\\u001b/);
      }
    }
  });
});
