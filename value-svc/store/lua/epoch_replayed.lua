-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Notes that everything that the stream held when an epoch began is counted in it.
--
-- KEYS  1 p8:epoch    ARGV  1 the epoch
-- Returns 1 if this call noted it; 0: it was already noted, or the epoch has changed.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'replayed')
if hash[1] ~= ARGV[1] or hash[2] == ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'replayed', ARGV[1])
return 1
