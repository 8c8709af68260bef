-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- A part of a user that dump_user.lua found too large. Events are appended to the order and never changed in it, so it
-- can be read from the front while more arrive. The last part has the rest of it and the sum: together the parts are
-- the user as of that moment. If a key is repeated in the meantime, it is in the order again, later, and the later
-- record replaces the earlier one. If a key is forgotten in the meantime, it is only remembered longer.
--
-- KEYS  the user's keys: net, seen, seen order, kept
-- ARGV  1 how many entries of the order were read    2 the last of them    3 how many to read now
--       4 "1": net is large, and its marks of imports were already read: gives the marks of these entries and, at
--         the end, the fields 5..
-- Returns {1 at the end else 0, how many entries were read, the last of them, as dump_user.lua: keys with items}
local at, last, most = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

-- Entries are removed from the front of the order: finds the last one that was read.
if at > 0 and redis.call('LINDEX', KEYS[3], at - 1) ~= last then
  local from = math.max(0, at - 1024)
  local near = redis.call('LRANGE', KEYS[3], from, at - 1)
  local found
  for index = #near, 1, -1 do
    if near[index] == last then
      found = from + index
      break
    end
  end
  if not found then
    found = (redis.call('LPOS', KEYS[3], last) or -1) + 1 -- 0: it was removed too, and so was everything before it
  end
  at = found
end

local result = {}
local function add(index, kind, items)
  if #items > 0 then
    result[#result + 1] = {index, kind, redis.call('PTTL', KEYS[index]), items}
  end
end

-- The existing values, as name, value, ...
local function pairs_of(key, names)
  local items = {}
  local values = #names > 0 and redis.call('HMGET', key, unpack(names)) or {}
  for index, name in ipairs(names) do
    if values[index] then
      items[#items + 1] = name
      items[#items + 1] = values[index]
    end
  end
  return items
end

local entries = redis.call('LRANGE', KEYS[3], at, at + most - 1)
local keys, marks = {}, {}
for index, entry in ipairs(entries) do
  keys[index] = string.match(entry, '^%S+') or entry
  marks[index] = 'i:' .. keys[index]
end
add(3, 'list', entries)
add(2, 'hash', pairs_of(KEYS[2], keys))
if ARGV[4] == '1' then
  add(1, 'hash', pairs_of(KEYS[1], marks))
end
local done = #entries < most
if done then
  local kept = {}
  if redis.call('TYPE', KEYS[4]).ok == 'stream' then
    for _, entry in ipairs(redis.call('XRANGE', KEYS[4], '-', '+')) do
      kept[#kept + 1] = entry[1]
      kept[#kept + 1] = tostring(#entry[2])
      for _, text in ipairs(entry[2]) do
        kept[#kept + 1] = text
      end
    end
  end
  add(4, 'stream', kept)
  if ARGV[4] == '1' then
    add(1, 'hash', pairs_of(KEYS[1], {unpack(ARGV, 5)}))
  else
    add(1, 'hash', redis.call('HGETALL', KEYS[1]))
  end
end
return {done and 1 or 0, at + #entries, entries[#entries] or last, result}
