-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Forgets old event keys of one user who has no new events (the sweep). The rule is apply_event.lua's. Notes when the
-- user is due again.
--
-- KEYS  1 seen        2 seen order    3 due: sorted set, users by the time of their oldest key
-- ARGV  1 oldest time that is kept, Unix ms    2 ack floor    3 maximum entries to look at    4 user, as in the keys
--       5 when the stream was created, Unix ms
-- Returns how many were forgotten.
local oldest, floor = tonumber(ARGV[1]), tonumber(ARGV[2])
local forgotten = 0
local due -- nil: never

for _ = 0, tonumber(ARGV[3]) do
  local entry = redis.pcall('LINDEX', KEYS[2], 0)
  if not entry then
    due = nil
    break
  end
  local key, sequence, time
  if type(entry) == 'string' then
    key, sequence, time = string.match(entry, '^(%S+) (%d+) (%d+)$')
  end
  if not key then -- not written by value-svc: looked at again in an hour
    due = oldest + 3600000
    break
  end
  due = tonumber(time)
  if due >= oldest then
    break
  end
  if tonumber(sequence) > floor and due >= tonumber(ARGV[5]) then -- in a minute
    due = oldest + 60000
    break
  end
  if forgotten == tonumber(ARGV[3]) then
    break
  end
  redis.call('LPOP', KEYS[2])
  local record = redis.pcall('HGET', KEYS[1], key)
  if type(record) == 'string' and string.sub(record, -(#sequence + #time + 2)) == ' ' .. sequence .. ' ' .. time then
    redis.call('HDEL', KEYS[1], key)
  elseif type(record) ~= 'table' then -- the key was repeated: its record is beside
    local left = string.gsub(redis.call('HGET', KEYS[1], key .. '@') or '', '%f[%d]' .. sequence .. ' ' .. time .. ' ', '')
    redis.call('HDEL', KEYS[1], key .. '@' .. sequence, key .. '@')
    if left ~= '' then
      redis.call('HSET', KEYS[1], key .. '@', left)
    end
  end
  forgotten = forgotten + 1
end
if due then
  redis.call('ZADD', KEYS[3], string.format('%.0f', due), ARGV[4])
else
  redis.call('ZREM', KEYS[3], ARGV[4])
end
return forgotten
