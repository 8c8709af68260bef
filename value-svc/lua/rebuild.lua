-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- The steps of a rebuild, for all instances to see.
--
-- KEYS  1 p8:epoch
-- ARGV  1 "begin"  2 who   3 now, Unix ms   4 the epoch the asker knows   5 quiet: events up to it were delivered
--         the epoch rises, the state is "rebuild"; where it was already, nothing changes but quiet and who
--       1 "note"   2 who   3 how far it is
--       1 "end"    2 who   3 now   4 the epoch the asker knows   5 sequence that all up to is counted   6 its time
--         the epoch rises, the state is "whole"
-- Returns {1, epoch, how far it was ("" at the beginning)}; {0, 0, ''}: no rebuild of this one is at work here.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'rebuild', 'quiet', 'who')
local epoch = tonumber(hash[1] or '0')
if ARGV[1] == 'begin' then
  local quiet = math.max(tonumber(hash[4] or '0'), tonumber(ARGV[5]))
  redis.call('HSET', KEYS[1], 'quiet', string.format('%.0f', quiet), 'who', ARGV[2])
  if hash[2] == 'rebuild' then
    return {1, epoch, hash[3] or ''}
  end
elseif hash[2] ~= 'rebuild' or hash[5] ~= ARGV[2] then
  return {0, 0, ''}
elseif ARGV[1] == 'note' then
  redis.call('HSET', KEYS[1], 'rebuild', ARGV[3])
  return {1, epoch, ARGV[3]}
end
epoch = math.max(epoch + 1, tonumber(ARGV[3]), tonumber(ARGV[4]) + 1)
local text = string.format('%.0f', epoch)
if ARGV[1] == 'begin' then
  redis.call('HSET', KEYS[1], 'epoch', text, 'state', 'rebuild', 'rebuild', '')
  redis.call('HDEL', KEYS[1], 'sequence', 'time', 'behind')
else
  redis.call('HSET', KEYS[1], 'epoch', text, 'state', 'whole', 'replayed', text, 'sequence', ARGV[5], 'time', ARGV[6],
    'behind', ARGV[5])
  redis.call('HDEL', KEYS[1], 'rebuild', 'who')
end
return {1, epoch, ''}
