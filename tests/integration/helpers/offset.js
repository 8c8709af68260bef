// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Offsets, taken apart and put together as gateway/frame/position.c describes them, for tests that forge one.

function varint(bytes, at) {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[at.index++];
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

function putVarint(value) {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}

function readOffset(text) {
  const bytes = Buffer.from(text, 'base64url');
  const at = { index: 1 };
  const offset = { version: bytes[0], epoch: varint(bytes, at), timeMs: Number(varint(bytes, at)), lanes: [] };
  offset.sinceMs = offset.timeMs - Number(varint(bytes, at));
  while (at.index < bytes.length) {
    const lane = bytes.readUInt32BE(at.index);
    at.index += 4;
    offset.lanes.push([lane, varint(bytes, at)]);
  }
  return offset;
}

function writeOffset(offset) {
  const bytes = [offset.version, ...putVarint(offset.epoch), ...putVarint(offset.timeMs), ...putVarint(offset.timeMs - offset.sinceMs)];
  for (const [lane, sequence] of offset.lanes) {
    const four = Buffer.alloc(4);
    four.writeUInt32BE(lane);
    bytes.push(...four, ...putVarint(sequence));
  }
  return Buffer.from(bytes).toString('base64url');
}

/** The text with something in it changed. */
function changeOffset(text, change) {
  const offset = readOffset(text);
  Object.assign(offset, change(offset));
  return writeOffset(offset);
}

module.exports = { changeOffset, readOffset, writeOffset };
