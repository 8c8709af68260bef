// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// The application that the public suite of the Socket.IO protocol expects behind the server, as services on NATS:
//   - everybody gets in, each as a user of its own, and is sent the event `auth` with what it gave as auth
//     (the gateway passes that on with AUTH_PAYLOAD=whole);
//   - `message` comes back as `message-back`, `message-with-ack` as the ack, with the same arguments.
// Our own tests send and ask through what serveApplication returns.

const crypto = require('node:crypto');

const subjectOf = (userId) => `pollen8.out.user.${Buffer.from(userId).toString('base64url')}`;

/** What answers requests on a subject. */
function serving(broker, proto) {
  return function serve(subject, requestName, replyName, handle) {
    const [Request, Reply] = [proto.lookupType(requestName), proto.lookupType(replyName)];
    broker.subscribe(subject, {
      queue: 'application',
      callback: async (error, message) => {
        if (error) return;
        const reply = await handle(Request.decode(message.data));
        message.respond(Reply.encode(Reply.fromObject(reply)).finish());
      },
    });
  };
}

/** The echo alone, until the broker's connection ends. `proto`: the package of proto/. Returns { send, ask }: what
 * sends a user a frame; what asks and collects the answers. */
function serveEcho(broker, proto) {
  const serve = serving(broker, proto);
  const OutboundFrame = proto.lookupType('OutboundFrame');

  const send = (userId, frame, options) => broker.publish(subjectOf(userId),
    OutboundFrame.encode(OutboundFrame.fromObject(frame)).finish(), options);

  /** The data as an array of arguments, whether there were several or one. */
  const argumentsOf = (frame) => (frame.arguments ? frame.data
    : Buffer.concat([Buffer.from('['), frame.data, Buffer.from(']')]));

  serve('pollen8.in.message', 'InboundFrame', 'FrameReply', (frame) => {
    const { userId } = frame.identity;
    send(userId, {
      event: 'message-back', data: argumentsOf(frame), arguments: true, attachments: frame.attachments, userId,
      nameSpace: frame.nameSpace || '/',
    });
    return { data: Buffer.from('{}') };
  });
  serve('pollen8.in.message-with-ack', 'InboundFrame', 'FrameReply', (frame) => (
    { data: argumentsOf(frame), arguments: true, attachments: frame.attachments }));
  /** Publishes a frame that asks; `answers` grows as they come. */
  function ask(subject, frame) {
    const ClientAnswer = proto.lookupType('ClientAnswer');
    const answers = [];
    const reply = `_INBOX.${crypto.randomBytes(12).toString('hex')}`;
    broker.subscribe(reply, { callback: (error, message) => {
      const answer = ClientAnswer.decode(message.data);
      answers.push({
        userId: answer.userId, session: answer.session, code: answer.error ? answer.error.code : undefined,
        data: answer.error ? undefined : Buffer.from(answer.data).toString(),
        attachments: answer.attachments.map((one) => [...one]),
      });
    } });
    broker.publish(subject, OutboundFrame.encode(OutboundFrame.fromObject(frame)).finish(), { reply });
    return answers;
  }

  return { send, ask };
}

/** The whole. Returns { users, send, ask }: `users` are the ids of those who got in, in order. */
function serveApplication(broker, proto) {
  const serve = serving(broker, proto);
  const auths = new Map();
  const users = [];

  serve('pollen8.auth.verify', 'VerifyRequest', 'VerifyReply', (request) => {
    const userId = `guest-${crypto.randomBytes(9).toString('base64url')}`;
    users.push(userId);
    auths.set(userId, request.auth.length ? request.auth : Buffer.from('{}'));
    return { identity: { userId, role: 'guest', permissions: ['emit:*'] } };
  });
  serve('pollen8.session.open', 'SessionOpen', 'SessionOpenReply', (request) => ({
    opened: {
      snapshot: {
        event: 'auth', data: auths.get(request.userId) || Buffer.from('{}'),
        policy: 'DELIVERY_LATEST', coalesceKey: 'auth', epoch: 1, version: 1, userId: request.userId,
      },
    },
  }));
  return { users, ...serveEcho(broker, proto) };
}

module.exports = { serveApplication, serveEcho, subjectOf };
