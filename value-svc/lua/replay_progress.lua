-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Notes how far the replay of an epoch has come: all of the stream up to there is counted, so that the next
-- one, should this be cut off, need not begin before it. Only where nothing but the tail was forgotten.
--
-- KEYS  1 p8:epoch    ARGV  1 the epoch that is replayed    2 stream sequence
-- Returns 1 where it was noted, else 0.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'replayed', 'state', 'behind')
if hash[1] ~= ARGV[1] or hash[2] == hash[1] or hash[3] ~= 'whole' or
  tonumber(ARGV[2]) <= tonumber(hash[4] or '0') then
  return 0
end
redis.call('HSET', KEYS[1], 'behind', ARGV[2])
return 1
