-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Begins an epoch that the broker already has in its order, unless this Redis has changed since that was
-- decided, or somebody else's rebuild is running in it.
--
-- KEYS  1 p8:epoch
-- ARGV  1 the epoch it was in; 0: none      2 the new one
--       3 run_id and 4 replication id of the server, as reported by INFO
--       5 identity of the data               6 state: whole or lost
--       7 quiet: events up to it were delivered before     8 target: the stream reached to it
--       9 position: events up to it are in the data       10 its time   11 when the stream was created, Unix ms
--      12 whose rebuild this ends; empty: none
--      13 histories are whole for readers of positions from then on, Unix ms; 0: for all
-- Returns 1 if it was begun, else 0.
-- sequence and time are what versions before 0.2 read in place of at and at_time.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'who', 'at', 'stream')
if (hash[1] or '0') ~= ARGV[1] then
  return 0
end
if hash[2] == 'rebuild' and hash[3] ~= ARGV[12] then
  return 0
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'run_id', ARGV[3], 'replid', ARGV[4], 'identity', ARGV[5], 'state', ARGV[6],
  'quiet', ARGV[7], 'target', ARGV[8], 'at', ARGV[9], 'at_time', ARGV[10], 'stream', ARGV[11], 'sequence', ARGV[9],
  'time', ARGV[10], 'whole_from', ARGV[13])
redis.call('HDEL', KEYS[1], 'rebuild', 'who', 'behind')
if hash[4] ~= ARGV[9] or hash[5] ~= ARGV[11] then -- older anchors may no longer hold
  redis.call('HDEL', KEYS[1], 'anchor', 'anchor_time', 'anchor_next', 'anchor_next_time')
end
if tonumber(ARGV[8]) <= tonumber(ARGV[9]) then
  redis.call('HSET', KEYS[1], 'replayed', ARGV[2])
end
return 1
