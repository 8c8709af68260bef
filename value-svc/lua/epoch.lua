-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- The epoch this Redis is in. Raised, once for all instances, when the server that answers is not the one
-- that the epoch was made on (restart, failover) or when there is none (emptied).
--
-- KEYS  1 p8:epoch  hash: epoch, run_id, replayed (the epoch whose replay is done)
-- ARGV  1 run_id of the server as INFO told it    2 now, Unix ms    3 the epoch the asker knew; 0: none
-- Returns {epoch, 1 where the stream's last window has been replayed in it else 0}
-- A missing epoch starts at the wall clock, so that it is above every one that was forgotten, and above
-- what the asker still knows should that clock have been set back.
local state = redis.call('HMGET', KEYS[1], 'epoch', 'run_id', 'replayed')
local epoch = tonumber(state[1] or '0')
if epoch == 0 or state[2] ~= ARGV[1] then
  epoch = math.max(epoch + 1, tonumber(ARGV[2]), tonumber(ARGV[3]) + 1)
  redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch), 'run_id', ARGV[1])
  return {epoch, 0}
end
return {epoch, state[3] == state[1] and 1 or 0}
