-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- All that is one user's for good, at one moment.
--
-- KEYS  the user's keys, net first    ARGV  1 "1": nothing where net is there (it is dumped by its own name)
-- Returns {{index of the key, type, ms until it expires or -1, {items}}, ...}
--       items  hash: name, value, ...; list: elements; stream: id, count, that many texts, ...; string: itself
if ARGV[1] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then
  return {}
end
local result = {}
for index, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
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
