-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Everything that is kept of one user for good, as of one moment.
--
-- KEYS  the user's keys: net, seen, seen order, kept
-- ARGV  1 "1": gives nothing if net exists (it is dumped by its own name)    2 maximum items to read at once
-- Returns {{index of the key, type, ms until it expires or -1, {items}}, ...}
--       items  hash: name, value, ...; list: elements; stream: id, count, that many texts, ...; string: itself
--         or {number of fields of net, of seen, number of entries of the order}: it has more items, and is read in parts
--         (dump_part.lua)
if ARGV[1] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then
  return {}
end
local kinds = {}
for index, key in ipairs(KEYS) do
  kinds[index] = redis.call('TYPE', key).ok
end
-- A key of a wrong type counts as small.
if (kinds[1] == 'hash' or kinds[1] == 'none') and (kinds[2] == 'hash' or kinds[2] == 'none') and
  (kinds[3] == 'list' or kinds[3] == 'none') then
  local net, seen, order = redis.call('HLEN', KEYS[1]), redis.call('HLEN', KEYS[2]), redis.call('LLEN', KEYS[3])
  if net + seen + order > tonumber(ARGV[2]) then
    return {net, seen, order}
  end
end
local result = {}
for index, key in ipairs(KEYS) do
  local kind = kinds[index]
  local items
  if kind == 'hash' then
    items = redis.call('HGETALL', key)
  elseif kind == 'list' then
    items = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'string' then
    items = {redis.call('GET', key)}
  elseif kind == 'stream' then
    items = {}
    for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
      items[#items + 1] = entry[1]
      items[#items + 1] = tostring(#entry[2])
      for _, text in ipairs(entry[2]) do
        items[#items + 1] = text
      end
    end
  end
  if items then
    result[#result + 1] = {index, kind, redis.call('PTTL', key), items}
  end
end
return result
