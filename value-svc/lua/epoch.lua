-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- The epoch this Redis is in. Raised, once for all instances, when the server that answers is not the one
-- that the epoch was made on (restart, failover) or when there is none (emptied).
--
-- KEYS  1 p8:epoch  hash: epoch, run_id, replayed (the epoch whose replay is done), state, quiet (events up to
--                   this stream sequence were delivered before they were counted anew), sequence and time (how
--                   far the stream was acknowledged), behind (that sequence when the epoch was raised,
--                   or how far replays have come since),
--                   rebuild and who (how far a rebuild is, and whose it is)
-- ARGV  1 run_id of the server as INFO told it    2 now, Unix ms    3 the epoch the asker knew; 0: none
-- Returns {epoch, 1 where the stream's last window has been replayed in it else 0, state, quiet, behind}
--       state  whole: every acknowledged event is in it, or will be when the replay is done; new: it was empty,
--              what the stream held before is not in it; lost: the same, and no replay brings all of it back;
--              rebuild: value-svc --rebuild is at work
-- A missing epoch starts at the wall clock, so that it is above every one that was forgotten, and above
-- what the asker still knows should that clock have been set back.
local hash = redis.call('HMGET', KEYS[1], 'epoch', 'run_id', 'replayed', 'state', 'quiet', 'behind', 'sequence')
local epoch = tonumber(hash[1] or '0')
local state = hash[4] or 'whole' -- there was none in older versions
local quiet, behind = tonumber(hash[5] or '0'), tonumber(hash[6] or '0')
if epoch == 0 or hash[2] ~= ARGV[1] then
  if epoch == 0 then
    state, quiet, behind = 'new', 0, 0
  elseif hash[3] == hash[1] then -- else the replay that is still due goes back further
    behind = tonumber(hash[7] or '0')
  end
  epoch = math.max(epoch + 1, tonumber(ARGV[2]), tonumber(ARGV[3]) + 1)
  redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch), 'run_id', ARGV[1], 'state', state,
    'behind', string.format('%.0f', behind))
  return {epoch, 0, state, quiet, behind}
end
return {epoch, hash[3] == hash[1] and 1 or 0, state, quiet, behind}
