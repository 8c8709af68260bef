-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- A session has ended: its pid is forgotten soon, unless another session, or the same one on another gateway, has it.
--
-- KEYS  1 p8:{p.<pid>}: hash
-- ARGV  1 gateway    2 session    3 expiry, ms
-- Returns 1 if it was the session's, else 0.
local held = redis.call('HMGET', KEYS[1], 'g', 's')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
