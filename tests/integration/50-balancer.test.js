// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// No sticky sessions: stock clients, and gateways behind a balancer that gives every connection to the next one.

const assert = require('node:assert/strict');
const { withRing } = require('./helpers/ring');
const { Balancer } = require('./helpers/balancer');
const { Fleet } = require('./helpers/fleet');

/** How often something has become of moves, over all gateways. */
const moves = async (ring, result) => (await Promise.all(ring.gateways.map(async (one) =>
  (await ring.metrics(one)).value('pollen8_gateway_moves_total', { result }) || 0))).reduce((sum, one) => sum + one, 0);

const CLIENTS = 1000;
const TRANSPORTS = [undefined, ['polling'], ['websocket']];
const users = (count) => Array.from({ length: count }, (_, i) => ({ _id: `user-${i}`, industries: ['technology'] }));

for (const gateways of [2, 3]) {
  withRing(`${gateways} gateways behind a balancer without affinity`, { gateways, users: users(CLIENTS) }, (ring, it) => {
    const behind = async (count, options, body) => {
      const balancer = await new Balancer(ring.gateways.map((one) => one.port)).start();
      const fleet = await Fleet.start(count > 100 ? 3 : 1, (i) => ({
        url: balancer.url, token: ring.token(`user-${i}`), transports: TRANSPORTS[i % 3], keepAlive: true, ...options(i),
      }), count);
      try {
        await body(fleet, balancer);
      } finally {
        fleet.stop();
        await balancer.stop();
      }
    };
    const faultless = async (fleet, balancer, event, expected) => {
      const report = await fleet.report(event);
      for (const { index, faults, events, connects } of report) {
        assert.deepEqual(faults, [], `client ${index}`);
        assert.equal(connects, 1);
        assert.deepEqual(events.map((data) => data.userId).sort(), expected, `client ${index}`);
      }
      assert.deepEqual(Object.keys(balancer.statuses).sort(), ['101', '200'], JSON.stringify(balancer.statuses));
      return report;
    };

    for (const keepAlive of [true, false]) {
      it(`${CLIENTS} clients, mixed transports, ${keepAlive ? 'connections kept' : 'a connection a request'}: no request fails, each event comes once`, async (t) => {
        await behind(CLIENTS, () => ({ keepAlive }), async (fleet, balancer) => {
          const start = Date.now();
          await fleet.connect();
          const connected = Date.now();
          const names = Array.from({ length: 20 }, (_, i) => `event-${String(i).padStart(2, '0')}`);
          const [acked] = [fleet.request('value.get', Array.from({ length: 5 }, () => ({})))];
          for (const name of names) await ring.connectionNew(name, ['technology']);
          await acked;
          await fleet.wait('connection.new', names.length);
          await ring.applied();
          const report = await faultless(fleet, balancer, 'connection.new', names);
          for (const { index, transport } of report) {
            assert.equal(transport, (TRANSPORTS[index % 3] || ['websocket'])[0]);
          }
          t.diagnostic(`connected in ${connected - start} ms, all in ${Date.now() - start} ms, answers ${JSON.stringify(balancer.statuses)}, `
            + `moves ${await moves(ring, 'in')}`);
        });
      });
    }

    it('while the transport changes every event is answered, and everything published comes once', async (t) => {
      await behind(60, (i) => ({ keepAlive: i % 2 === 0, transports: undefined }), async (fleet, balancer) => {
        const names = [];
        let going = true;
        const storm = (async () => {
          while (going) {
            names.push(`event-${names.length}`);
            await ring.connectionNew(names[names.length - 1], ['technology']);
            await new Promise((later) => setTimeout(later, 3)); // a rate, not a wait
          }
        })();
        await fleet.connectEmitting('value.get', 40, 10);
        going = false;
        await storm;
        const settled = names.length;
        for (let i = 0; i < 10; i++) {
          names.push(`event-${names.length}`);
          await ring.connectionNew(names[names.length - 1], ['technology']);
        }
        await Promise.all(names.slice(settled).map((name) => fleet.has('connection.new', 'userId', name)));
        const report = await fleet.report('connection.new');
        for (const { index, events, faults } of report) {
          assert.deepEqual(faults, [], `client ${index}`);
          const got = events.map((data) => Number(data.userId.slice(6)));
          assert.equal(new Set(got).size, got.length, `client ${index} has something twice`);
        }
        assert.deepEqual(Object.keys(balancer.statuses).sort(), ['101', '200'], JSON.stringify(balancer.statuses));
        t.diagnostic(`${await moves(ring, 'in')} moves, ${names.length} events`);
      });
    });

    it('long payloads go through in both directions', async () => {
      await behind(6, (i) => ({ keepAlive: i % 2 === 0 }), async (fleet, balancer) => {
        await fleet.connect();
        for (const size of [100000, 900000]) {
          await fleet.request('test.refused', [{ padding: 'x'.repeat(size) }]);
          for (let i = 0; i < 6; i++) ring.toUser(`user-${i}`, 'test.large', { userId: `${size}`, text: 'y'.repeat(size) });
        }
        await fleet.wait('test.large', 2);
        await faultless(fleet, balancer, 'test.large', ['100000', '900000']);
      });
    });

    it('a gateway is killed: its clients notice at once, and come back by themselves', async (t) => {
      await behind(90, (i) => ({ keepAlive: i % 2 === 0 }), async (fleet) => {
        await fleet.connect();
        const names = [];
        const publish = async (count) => {
          for (let i = 0; i < count; i++) {
            names.push(`event-${String(names.length).padStart(2, '0')}`);
            await ring.connectionNew(names[names.length - 1], ['technology']);
          }
        };
        await publish(5);
        await fleet.wait('connection.new', names.length); // with an offset to come back with
        await ring.gateways[0].kill();
        const killed = Date.now();
        const during = names.length;
        await publish(10);
        await fleet.answered();
        await fleet.settled();
        const back = Date.now() - killed;
        assert.ok(back < 10000, `after ${back} ms`);
        const after = names.length;
        await publish(5);
        await fleet.has('connection.new', 'userId', names[names.length - 1]);
        await ring.applied();
        const report = await fleet.report('connection.new');
        for (const { index, events, faults, connects, recovered } of report) {
          const all = connects === recovered + 1;
          const must = all ? names : [...names.slice(0, during), ...names.slice(after)];
          const got = events.map((data) => data.userId).filter((name) => all || must.includes(name)).sort();
          assert.deepEqual(got, must, `client ${index}, ${recovered}/${connects}, ${faults}`);
        }
        const hit = report.filter((one) => one.connects > 1);
        assert.ok(hit.length > 0);
        t.diagnostic(`${hit.length} of 90 came back, ${hit.filter((one) => one.recovered).length} recovered, the last after ${back} ms`);
        await ring.gateways[0].start();
      });
    });
  });
}
