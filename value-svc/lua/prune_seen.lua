-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Forgets old event keys of one user who has no new events (the sweep). The rule is apply_event.lua's.
--
-- KEYS  1 seen        2 seen order
-- ARGV  1 oldest time that stays, Unix ms    2 ack floor    3 most entries to look at
-- Returns how many were forgotten.
local oldest, floor = tonumber(ARGV[1]), tonumber(ARGV[2])
local forgotten = 0
for _ = 1, tonumber(ARGV[3]) do
  local entry = redis.call('LINDEX', KEYS[2], 0)
  if not entry then
    break
  end
  local key, sequence, time = string.match(entry, '^(%S+) (%S+) (%S+)$')
  if tonumber(time) >= oldest or tonumber(sequence) > floor then
    break
  end
  redis.call('LPOP', KEYS[2])
  local record = redis.call('HGET', KEYS[1], key)
  if record and string.sub(record, -(#sequence + #time + 2)) == ' ' .. sequence .. ' ' .. time then
    redis.call('HDEL', KEYS[1], key)
  end
  forgotten = forgotten + 1
end
return forgotten
