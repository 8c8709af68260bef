-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Takes, keeps or releases a lock that expires if its holder dies.
--
-- KEYS  1 the lock
-- ARGV  1 the holder's random name    2 how long it is held, ms; 0: release it
-- Returns 1 if the holder has (or had) the lock, else 0.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
