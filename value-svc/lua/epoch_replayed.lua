-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Notes that the replay of an epoch is done and what is known then, unless the epoch was raised again or a
-- rebuild began meanwhile.
--
-- KEYS  1 p8:epoch    ARGV  1 the epoch that was replayed    2 the state it is in: whole or lost
-- Returns 1 where it was noted, else 0.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'state')
if hash[1] ~= ARGV[1] or hash[2] == 'rebuild' then
  return 0
end
redis.call('HSET', KEYS[1], 'replayed', ARGV[1], 'state', ARGV[2])
return 1
