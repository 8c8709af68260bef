-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Gives a pid to another session of its user.
--
-- KEYS  1 p8:{p.<pid>}: hash
-- ARGV  1 user    2 gateway    3 session    4 expiry, ms
-- Returns {1, gateway and session that had it, 1 if it was narrowed, rooms by newlines}, or {0} if the pid
-- is unknown or another user's
local held = redis.call('HMGET', KEYS[1], 'u', 'g', 's', 'i')
if held[1] ~= ARGV[1] then
  return {0}
end
redis.call('HSET', KEYS[1], 'g', ARGV[2], 's', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {1, held[2] or '', held[3] or '', held[4] and 1 or 0, held[4] or ''}
