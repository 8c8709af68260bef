-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Applies one event to one user: seen? -> sum -> version -> record. Atomic; sending it again is harmless.
--
-- KEYS  1 net         hash: connections (signed sum of changes), n (version); "i:<event key>" for each import
--                     that had an eventId: "sequence time" of the one that counted
--       2 seen        hash: event key -> "sum n sequence time"
--       3 seen order  list: "event-key sequence time", oldest first: what pruning walks along
-- ARGV  1 event key
--       2 change of the sum, an integer; empty: nothing is counted (the event is only remembered)
--       3 stream sequence    4 time the stream stored it, Unix ms
--       5 window, ms         6 retention, ms (> window)
--       7 ack floor: every event up to this stream sequence is acknowledged
--       8 "1": the key counts once for ever, not only within the window
-- Returns {outcome, sum, n}
--       0 applied
--       1 repeated: this very event was applied before; sum and n as they are now: those it gave then were told
--         in an epoch that may have ended, and would be taken for newer than later ones told in it
--       2 duplicate: another event with this key came within the window; sum and n as that gave
--       3 the sum would leave what doubles hold exactly (2^53 - 1); nothing was changed
-- Numbers that matter stay integers below 2^53; the sum is kept as a text without exponent.
local key, sequence, time = ARGV[1], ARGV[3], tonumber(ARGV[4])
local record = redis.call('HGET', KEYS[2], key)
if record then
  local sum, n, seen_sequence, seen_time = string.match(record, '^(%S+) (%S+) (%S+) (%S+)$')
  if seen_sequence == sequence and tonumber(seen_time) == time then
    if ARGV[2] ~= '' then
      local now = redis.call('HMGET', KEYS[1], 'connections', 'n')
      return {1, tonumber(now[1] or sum), tonumber(now[2] or n)}
    end
    return {1, tonumber(sum), tonumber(n)}
  end
  -- Compared in the stream's own time, so that a backlog worked off late is judged as it was sent.
  if time <= tonumber(seen_time) + tonumber(ARGV[5]) then
    return {2, tonumber(sum), tonumber(n)}
  end
end

local sum, n = 0, 0
local stamp = sequence .. ' ' .. ARGV[4]
local mark = ARGV[8] == '1' and 'i:' .. key
if mark then
  local marked = redis.call('HMGET', KEYS[1], mark, 'connections', 'n')
  if marked[1] then
    return {marked[1] == stamp and 1 or 2, tonumber(marked[2] or '0'), tonumber(marked[3] or '0')}
  end
end
if ARGV[2] ~= '' then
  sum = tonumber(redis.call('HGET', KEYS[1], 'connections') or '0') + tonumber(ARGV[2])
  if sum > 9007199254740991 or sum < -9007199254740991 then
    return {3, 0, 0}
  end
  n = redis.call('HINCRBY', KEYS[1], 'n', 1)
  redis.call('HSET', KEYS[1], 'connections', string.format('%.0f', sum))
end
if mark then
  redis.call('HSET', KEYS[1], mark, stamp)
end
redis.call('HSET', KEYS[2], key, string.format('%.0f %.0f ', sum, n) .. stamp)
redis.call('RPUSH', KEYS[3], key .. ' ' .. stamp)

-- At most four leave for one that enters: bounded work, and the list still shrinks.
local oldest = time - tonumber(ARGV[6])
local floor = tonumber(ARGV[7])
for _ = 1, 4 do
  local entry = redis.call('LINDEX', KEYS[3], 0)
  local old_key, old_sequence, old_time = string.match(entry, '^(%S+) (%S+) (%S+)$')
  if tonumber(old_time) >= oldest or tonumber(old_sequence) > floor then
    break
  end
  redis.call('LPOP', KEYS[3])
  -- The key may have come again after the window: then its record belongs to the later entry.
  local old_record = redis.call('HGET', KEYS[2], old_key)
  if old_record and string.sub(old_record, -(#old_sequence + #old_time + 2)) == ' ' .. old_sequence .. ' ' .. old_time then
    redis.call('HDEL', KEYS[2], old_key)
  end
end
return {0, sum, n}
