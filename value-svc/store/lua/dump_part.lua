-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- A part of what dump_user.lua found to be too much at once. Events enter the order at its end and are never changed
-- there, so it is walked along from the front while more come. The last part has all that is left of it and the sum:
-- what was read is the user at that moment. A key that came again meanwhile is in the order again, behind, and the
-- later record replaces the earlier; a key that was forgotten meanwhile is only remembered longer.
--
-- KEYS  the user's keys: net, seen, seen order, kept
-- ARGV  1 how many entries of the order were read    2 the last of them    3 how many to read now
--       4 "1": net is large: its marks of imports were read before this, here come those of the entries and, at
--         the end, the fields 5..
-- Returns {1 at the end else 0, how many entries were read, the last of them, as dump_user.lua: keys with items}
local at, last, most = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

-- Entries leave the order at its front: where is the last one that was read now?
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
    found = (redis.call('LPOS', KEYS[3], last) or -1) + 1 -- 0: it has left too, and so has all before it
  end
  at = found
end

local result = {}
local function add(index, kind, items)
  if #items > 0 then
    result[#result + 1] = {index, kind, redis.call('PTTL', KEYS[index]), items}
  end
end

-- The values there are, as name, value, ...
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
