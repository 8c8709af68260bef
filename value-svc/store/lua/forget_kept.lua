-- SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
-- Forgets kept frames of a user.
--
-- KEYS  1 kept: stream
-- ARGV  1 the field that names them: i (event id) or k (name)    2.. its values
-- Returns how many were forgotten.
local wanted, forgotten = {}, 0
for index = 2, #ARGV do
  wanted[ARGV[index]] = true
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  local fields = entry[2]
  for index = 1, #fields, 2 do
    if fields[index] == ARGV[1] and wanted[fields[index + 1]] then
      forgotten = forgotten + redis.call('XDEL', KEYS[1], entry[1])
      break
    end
  end
end
return forgotten
