// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// What value-svc is to a gateway, made by hand: a publishing lane with a history, so that a test decides what is
// lost on the way and what the history can still tell. Use it in a ring with `value: 0`.

const crypto = require('node:crypto');
const { proto } = require('./ring');

const EPOCH = 7;
let events = 0; // ids of events, of all platforms of a file

class Platform {
  constructor(ring) {
    this.ring = ring;
    this.frame = proto.lookupType('OutboundFrame');
    this.history = []; // { lane, sequence, room, frame }
    this.lanes = [];
    this.reads = []; // what was asked, as plain objects
    this.claims = new Map(); // pid -> user
    this.kept = new Map(); // user -> frames that come with a snapshot
    this.answer = () => ({}); // overrides of a HistoryFrames, by what was asked
    this.delay = () => undefined; // a promise: the answer to the question waits for it
    this.told = EPOCH; // with the answer to a session that opens; 0: as a value-svc of before
  }

  async start() {
    this.subscriptions = [
      this.serve('pollen8.session.open', 'SessionOpen', 'SessionOpenReply', (question) => this.open(question)),
      this.serve('pollen8.history.read', 'HistoryRead', 'HistoryReply', (question) => this.read(question)),
    ];
    this.timer = setInterval(() => this.lanes.forEach((lane) => lane.idle()), 100);
    await this.ring.broker.flush();
    return this;
  }

  stop() {
    clearInterval(this.timer);
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  serve(subject, requestName, replyName, handle) {
    const request = proto.lookupType(requestName);
    const reply = proto.lookupType(replyName);
    return this.ring.broker.subscribe(subject, {
      queue: 'value-svc',
      callback: async (error, message) => {
        if (error) return;
        const question = request.toObject(request.decode(message.data), { longs: Number, defaults: true, enums: String });
        const answer = handle(question);
        const delay = this.delay(question);
        if (delay) await delay;
        if (message.reply && answer) message.respond(reply.encode(reply.fromObject(answer)).finish());
      },
    });
  }

  open(question) {
    if (question.purpose === 'RECOVER') {
      return { opened: { known: this.claims.get(question.pid) === question.userId } };
    }
    if (question.pid) this.claims.set(question.pid, question.userId);
    const data = JSON.stringify({ userId: question.userId, newValue: 0 });
    return { opened: { snapshot: { event: 'network.update', data: Buffer.from(data) }, kept: this.kept.get(question.userId) || [], historyEpoch: this.told } };
  }

  read(question) {
    this.reads.push(question);
    const after = new Map(question.after.lanes.map((lane, i) => [lane, question.after.sequences[i]]));
    const rooms = new Set([...question.industries.map((name) => `i.${name}`), ...question.userIds.map((id) => `u.${id}`)]);
    const frames = this.history
      .filter((entry) => rooms.has(entry.room) && entry.sequence > (after.get(entry.lane) || 0))
      .map((entry) => entry.frame);
    return { frames: { frames, complete: true, ...this.answer(question) } };
  }

  lane() {
    const lane = new Lane(this);
    this.lanes.push(lane);
    return lane;
  }
}

class Lane {
  constructor(platform) {
    this.platform = platform;
    this.id = crypto.randomBytes(4).readUInt32BE() || 1;
    this.sequence = 0;
    this.heard = 0;
    this.published = 0;
    this.users = new Map();
  }

  /** { lost: true } puts the frame into the history alone. */
  publish(subject, room, event, data, more, { lost = false, late = false } = {}) {
    const frame = {
      event,
      data: Buffer.from(JSON.stringify(data)),
      eventId: ++events,
      lane: this.id,
      laneSequence: ++this.sequence,
      publishedAtUs: Date.now() * 1000,
      historyEpoch: EPOCH,
      ...more,
    };
    if (!room.startsWith('u.')) {
      frame.lanePrevious = this.heard;
      this.heard = this.sequence;
    }
    this.platform.history.push({ lane: this.id, sequence: this.sequence, room, frame });
    const send = () => this.send(subject, frame);
    if (!lost && !late) send();
    return send;
  }

  send(subject, frame) {
    this.published = Date.now();
    this.platform.ring.broker.publish(subject, this.platform.frame.encode(this.platform.frame.fromObject(frame)).finish());
  }

  industry(name, event, data, options) {
    return this.publish('pollen8.out.industry', `i.${name}`, event, data, { industries: [name] }, options);
  }

  user(id, event, data, options) {
    const number = (this.users.get(id) || 0) + 1;
    this.users.set(id, number);
    return this.publish(`pollen8.out.user.${Buffer.from(id).toString('base64url')}`, `u.${id}`, event, data,
      { userId: id, userSequence: number, ...(options && options.more) }, options);
  }

  /** Says how far the lane has come. */
  mark() {
    const lanePrevious = this.heard;
    this.heard = ++this.sequence;
    this.send('pollen8.out.lane', { lane: this.id, laneSequence: this.sequence, lanePrevious, historyEpoch: EPOCH });
  }

  /** To the user, and kept by value-svc, which brings it with each snapshot. */
  keep(id, event, data, options) {
    this.user(id, event, data, { ...options, more: { policy: 'DELIVERY_KEEP' } });
    this.platform.kept.set(id, [this.platform.history[this.platform.history.length - 1].frame]);
  }

  idle() {
    if (this.sequence && Date.now() - this.published >= 900) this.mark();
  }
}

/** Whether a gateway has heard long enough to know every lane. */
const SETTLE_MS = 1600;

module.exports = { EPOCH, Platform, SETTLE_MS };
