-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Records the owner of a pid and where its session lives, unless another session has claimed it.
--
-- KEYS  1 p8:{p.<pid>}: hash
-- ARGV  1 user    2 gateway    3 session    4 expiry, ms    5 "1": narrowed to    6 rooms, by newlines
-- Returns 1 if it was recorded, else 0.
local held = redis.call('HMGET', KEYS[1], 'u', 's')
if held[1] and (held[1] ~= ARGV[1] or held[2] ~= ARGV[3]) then
  return 0
end
redis.call('HSET', KEYS[1], 'u', ARGV[1], 'g', ARGV[2], 's', ARGV[3])
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], 'i', ARGV[6])
else
  redis.call('HDEL', KEYS[1], 'i')
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
