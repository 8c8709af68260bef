-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Applies one event to one user: seen? -> sum -> version -> record -> history. Atomic, and safe to repeat.
--
-- KEYS  1 net         hash: connections (signed sum of changes), n (version), h (last number in the history);
--                     "i:<event key>" for each import that had an eventId: "sequence time" of the one that counted
--       2 seen        hash: event key -> "sum n lane user/industry h sequence time"
--       3 seen order  list: "event-key sequence time", oldest first: the order of pruning
--       4 history     stream: e = "lane number id stamp h n sum[ first-lane first-number]", f = a frame's bytes
--       5 kept        stream: i = event id, k = name, f = a frame's bytes; at most 100, for 30 days
--       6 due         sorted set of all users who have event keys, by the time of the oldest
-- ARGV  1 event key
--       2 change of the sum, an integer; empty: nothing is counted (the event is only remembered)
--       3 stream sequence    4 time the stream stored it, Unix ms
--       5 window, ms         6 retention, ms (> window)
--       7 ack floor: every event up to this stream sequence is acknowledged
--       8 "lane user/industry": numbers of its first frame to the user and of that to industries, 0: none;
--         negative lane: a replay, not published under these numbers
--       9 oldest time kept in the history, Unix ms    10 maximum entries in it    11 its expiry, ms
--      12 its network.update: "lane number id stamp"; empty: none
--      13 its frame to the user, in the same form          14 that frame's bytes
--      15 "id name": the frame is kept until written, under that event id and name; empty: it is not kept
--      16 "1": a repeated event goes into the history again, under its new numbers
--      17 "1": the key counts once for good, not only within the window
--      18 when the stream was created, Unix ms: events stored before are of an older stream, and acknowledged
-- Returns {outcome, sum, n, h, lane, user/industry[, 1]}: h of its first frame to the user, ARGV 8 as of the
-- call that applied it; 1: the history is broken and lacks this event
--       0 applied
--       1 repeated: this same event was applied before; sum and n are the current ones. Those of that time belong
--         to an epoch that may have ended, and would appear newer than later values of this epoch
--       2 duplicate: another event with this key arrived within the window; sum and n as after that one
--       3 the sum would exceed the range of exact doubles (2^53 - 1); nothing was changed
-- Numbers that matter stay integers below 2^53; the sum is kept as a text without exponent.
-- If this user's keys have other content than this script writes, it returns the error BROKEN (Redis itself returns
-- WRONGTYPE) and changes nothing: everything that can fail for it is checked before the first write. A broken history
-- is left as it is and fails no event: it is reported to the caller, and its readers learn that it is incomplete.
local key, sequence, time = ARGV[1], ARGV[3], tonumber(ARGV[4])
local stamp = sequence .. ' ' .. ARGV[4]
local record = redis.call('HGET', KEYS[2], key)
local sum, n, h, lane, number = 0, 0, 0, '0', '0'
local gap -- 1: the history is broken

local function broken(what)
  return redis.error_reply('BROKEN ' .. what .. ' of the user is not what it should be')
end

-- An integer as this script writes it, 0 if there is none; nil for anything else.
local function whole(text)
  return tonumber(text and string.match(text, '^%-?%d+$') or not text and '0' or nil)
end

-- The first place of the entry in the history: named by each later one.
local function origin(entry)
  if tonumber(lane) <= 0 then
    return ' 0 0'
  end
  local before, first, mine = string.match(number, '^(%d+)/'), string.match(ARGV[8], ' (%d+)/'), string.match(entry, '^%S+ (%S+)')
  if not before or before == '0' then
    return ' 0 0'
  end
  return string.format(' %s %.0f', lane, tonumber(before) + tonumber(mine) - tonumber(first))
end

-- Returns the error if Redis refuses to write; nil for a history that is not a stream, or whose ids are used up.
local function append(entry, at, again, ...)
  local text = string.format('%s %.0f %.0f %.0f', entry, at, n, sum)
  if again then
    text = text .. origin(entry)
  end
  local reply = redis.pcall('XADD', KEYS[4], 'MINID', '=', ARGV[9], '*', 'e', text, ...)
  if type(reply) == 'table' and reply.err then
    local ours = string.find(reply.err, 'WRONGTYPE', 1, true) or string.find(reply.err, 'last possible ID', 1, true)
    gap = ours and 1 or nil
    return not ours and reply or nil
  end
  if at % 64 == 0 then
    redis.call('XTRIM', KEYS[4], 'MAXLEN', '=', ARGV[10])
  end
end

local function remember(again)
  local at, refusal = h, nil
  if ARGV[12] ~= '' then
    refusal = append(ARGV[12], at, again)
    at = at + 1
  end
  if ARGV[13] ~= '' and not refusal then
    refusal = append(ARGV[13], at, again, 'f', ARGV[14])
  end
  if not refusal then
    redis.call('PEXPIRE', KEYS[4], ARGV[11])
  end
  return refusal
end

-- An event that is repeated more than a window later counts again. The key itself has the record of the latest of
-- them; "key@sequence" has those of the others, and "key@" lists them as "sequence time ...". So a late delivery is
-- judged by its place in the stream, and each is recognised when it is redelivered.
local field, moved, others = key, nil, ''
local latest, latest_time = string.match(record or '', ' (%d+) (%d+)$')
if latest and math.abs(tonumber(latest_time) - time) > tonumber(ARGV[5]) then
  local beside = redis.call('HGET', KEYS[2], key .. '@' .. sequence)
  others = redis.call('HGET', KEYS[2], key .. '@') or ''
  if beside and string.sub(beside, -#stamp - 1) == ' ' .. stamp then
    field, record = key .. '@' .. sequence, beside
  else
    for other_time in string.gmatch(others, '%d+ (%d+)') do
      if math.abs(tonumber(other_time) - time) <= tonumber(ARGV[5]) then
        return {2, 0, 0, 0, lane, number}
      end
    end
    if time < tonumber(latest_time) then
      field = key .. '@' .. sequence
    else
      moved = record
    end
    record = nil
  end
end

if record then
  local text_sum, text_n, text_lane, text_number, text_h, seen_sequence, seen_time =
    string.match(record, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  if not text_sum then -- written by a version without histories
    text_sum, text_n, seen_sequence, seen_time = string.match(record, '^(%S+) (%S+) (%S+) (%S+)$')
    text_lane, text_number, text_h = '0', '0', '0'
  end
  sum, n, h, seen_time = whole(text_sum), whole(text_n), whole(text_h), whole(seen_time)
  if not text_sum or not (sum and n and h and seen_time) then
    return broken('what an event key gave')
  end
  if seen_sequence == sequence and seen_time == time then
    lane, number = text_lane, text_number
    if ARGV[2] ~= '' then
      local now = redis.call('HMGET', KEYS[1], 'connections', 'n')
      sum, n = whole(now[1] or text_sum), whole(now[2] or text_n)
      if not (sum and n) then
        return broken('the count')
      end
    end
    if ARGV[16] == '1' and h > 0 and lane .. ' ' .. number ~= ARGV[8] then
      local refusal = remember(true)
      if refusal then
        return refusal
      end
    end
    if ARGV[16] == '1' and tonumber(lane) < 0 then -- applied by a replay: this is its first publishing
      redis.call('HSET', KEYS[2], field, string.format('%s %s %s %s %s %s', text_sum, text_n, ARGV[8], text_h,
        seen_sequence, ARGV[4]))
    end
    return {1, sum, n, h, lane, number, gap}
  end
  -- In the stream's own time, so that a backlog is judged by when its events were sent.
  return {2, sum, n, 0, lane, number}
end

local mark = ARGV[17] == '1' and 'i:' .. key
if mark then
  local marked = redis.call('HMGET', KEYS[1], mark, 'connections', 'n')
  if marked[1] then
    sum, n = whole(marked[2]), whole(marked[3])
    if not (sum and n) then
      return broken('the count')
    end
    return {marked[1] == stamp and 1 or 2, sum, n, 0, '0', '0'}
  end
end
local gives = (ARGV[12] ~= '' and 1 or 0) + (ARGV[13] ~= '' and 1 or 0)
local net = redis.call('HMGET', KEYS[1], 'connections', 'n', 'h')
local had, version, last = whole(net[1]), whole(net[2]), whole(net[3])
if not (had and version and last) then
  return broken('the count')
end
if gives > 0 then
  h = last + 1
end
if ARGV[2] ~= '' then
  sum = had + tonumber(ARGV[2])
  if sum > 9007199254740991 or sum < -9007199254740991 then
    return {3, 0, 0, 0, lane, number}
  end
  n = version + 1
end
if ARGV[15] ~= '' then
  redis.call('XLEN', KEYS[5]) -- checks only that it is a stream
end
local entries = redis.call('RPUSH', KEYS[3], key .. ' ' .. stamp)
-- From here on nothing can fail because of the content of the keys.
if entries == 1 then
  redis.pcall('ZADD', KEYS[6], ARGV[4], string.match(KEYS[3], '{u%.(.-)}'))
end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], 'connections', string.format('%.0f', sum), 'n', string.format('%.0f', n), 'h',
    string.format('%.0f', last + gives))
elseif gives > 0 then
  redis.call('HSET', KEYS[1], 'h', string.format('%.0f', last + gives))
end
if mark then
  redis.call('HSET', KEYS[1], mark, stamp)
end
if moved then
  redis.call('HSET', KEYS[2], key .. '@' .. latest, moved, key .. '@', others .. latest .. ' ' .. latest_time .. ' ')
elseif field ~= key then
  redis.call('HSET', KEYS[2], key .. '@', others .. stamp .. ' ')
end
redis.call('HSET', KEYS[2], field, string.format('%.0f %.0f %s %.0f ', sum, n, ARGV[8], h) .. stamp)
if gives > 0 then
  remember(false)
end
if ARGV[15] ~= '' then
  local id, name = string.match(ARGV[15], '^(%S+) (.*)$')
  redis.call('XADD', KEYS[5], 'MAXLEN', '=', '100', '*', 'i', id, 'k', name, 'f', ARGV[14])
  redis.call('XTRIM', KEYS[5], 'MINID', '=', string.format('%.0f', time - 2592000000))
  redis.call('PEXPIRE', KEYS[5], '2592000000')
end

-- At most four are removed for one that is added: bounded work, and the list still shrinks.
local oldest = time - tonumber(ARGV[6])
local floor = tonumber(ARGV[7])
for _ = 1, 4 do
  local entry = redis.call('LINDEX', KEYS[3], 0) or ''
  local old_key, old_sequence, old_time = string.match(entry, '^(%S+) (%d+) (%d+)$')
  local open = old_key and tonumber(old_sequence) > floor and tonumber(old_time) >= tonumber(ARGV[18])
  if old_key and (open or tonumber(old_time) >= oldest) then
    break
  end
  redis.call('LPOP', KEYS[3])
  -- An entry that no version of value-svc wrote has no record.
  local old_record = old_key and redis.call('HGET', KEYS[2], old_key)
  if old_record and string.sub(old_record, -(#old_sequence + #old_time + 2)) == ' ' .. old_sequence .. ' ' .. old_time then
    redis.call('HDEL', KEYS[2], old_key)
  elseif old_key then -- the key was repeated: its record is beside
    local left = string.gsub(redis.call('HGET', KEYS[2], old_key .. '@') or '', '%f[%d]' .. old_sequence .. ' ' .. old_time .. ' ', '')
    redis.call('HDEL', KEYS[2], old_key .. '@' .. old_sequence, old_key .. '@')
    if left ~= '' then
      redis.call('HSET', KEYS[2], old_key .. '@', left)
    end
  end
end
lane, number = string.match(ARGV[8], '^(%S+) (%S+)$')
return {0, sum, n, h, lane, number, gap}
