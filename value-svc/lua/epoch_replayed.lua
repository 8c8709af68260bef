-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Notes that the replay of an epoch is done, unless the epoch was raised again meanwhile.
--
-- KEYS  1 p8:epoch    ARGV  1 the epoch that was replayed
-- Returns 1 where it was noted, else 0.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'replayed', ARGV[1])
return 1
