-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Notes how far the stream is acknowledged. Of several instances the furthest holds; by time, for a stream
-- that was made anew counts from 1 again.
--
-- KEYS  1 p8:epoch    ARGV  1 sequence    2 its time, Unix ms    3 the epoch the asker knows
-- Returns 1 where it was noted or one as far stands there; 0: the epoch is another one.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'time')
if hash[1] ~= ARGV[3] then
  return 0
end
if tonumber(ARGV[2]) >= tonumber(hash[2] or '0') then
  redis.call('HSET', KEYS[1], 'sequence', ARGV[1], 'time', ARGV[2])
end
return 1
