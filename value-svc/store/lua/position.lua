-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Notes how far the stream is acknowledged. Of several instances' positions the furthest is kept.
--
-- KEYS  1 p8:epoch
-- ARGV  1 sequence    2 its time, Unix ms    3 when the stream was created    4 the epoch known to the caller
--       5 minimum age of the anchor, ms: a position that was noted that long before, by the stream's own times.
--         If the broker loses its tail, the anchor is from before that. Two are kept, because one has to age.
-- Returns 1 if it was noted, or one as far was noted already; 0: the epoch or the stream has changed.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'stream', 'at', 'anchor_next', 'anchor_next_time')
if hash[1] ~= ARGV[4] or hash[2] ~= ARGV[3] then
  return 0
end
if tonumber(ARGV[1]) <= tonumber(hash[3] or '0') then
  return 1
end
redis.call('HSET', KEYS[1], 'at', ARGV[1], 'at_time', ARGV[2], 'sequence', ARGV[1], 'time', ARGV[2])
if not hash[4] then
  redis.call('HSET', KEYS[1], 'anchor_next', ARGV[1], 'anchor_next_time', ARGV[2])
elseif tonumber(ARGV[2]) - tonumber(hash[5]) >= tonumber(ARGV[5]) then
  redis.call('HSET', KEYS[1], 'anchor', hash[4], 'anchor_time', hash[5], 'anchor_next', ARGV[1], 'anchor_next_time', ARGV[2])
end
return 1
