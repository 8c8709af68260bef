-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- The steps of a rebuild, for all instances to see; epoch_raise.lua ends it.
--
-- KEYS  1 p8:epoch
-- ARGV  1 "begin"  2 who   3 now, Unix ms
--         raises the epoch without the broker, so that nobody counts in it, and sets the state "rebuild". If that
--         was already the state, only the owner changes
--       1 "note"   2 who   3 how far it is
-- Returns {1, epoch, how far it was ("" at the beginning)}; {0, 0, ''}: no rebuild of this owner is running here.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'rebuild', 'who')
local epoch = tonumber(hash[1] or '0')
if ARGV[1] == 'begin' then
  redis.call('HSET', KEYS[1], 'who', ARGV[2])
  if hash[2] == 'rebuild' then
    return {1, epoch, hash[3] or ''}
  end
elseif hash[2] ~= 'rebuild' or hash[4] ~= ARGV[2] then
  return {0, 0, ''}
else
  redis.call('HSET', KEYS[1], 'rebuild', ARGV[3])
  return {1, epoch, ARGV[3]}
end
epoch = math.max(epoch + 1, tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch), 'state', 'rebuild', 'rebuild', '')
redis.call('HDEL', KEYS[1], 'sequence', 'time', 'at', 'at_time', 'quiet', 'behind', 'anchor', 'anchor_time', 'anchor_next',
  'anchor_next_time')
return {1, epoch, ''}
