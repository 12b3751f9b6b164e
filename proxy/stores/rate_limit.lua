-- Takes from counters that all edges share, and tells how far ahead each is now.
--
-- KEYS: counters. ARGV: for each of them how many were taken, what one adds, and how
-- much it may come to; microseconds. A counter is the time when all that was taken
-- would have been due, by Redis' clock, and goes by itself when that is over.
-- More than may be is not remembered: edges that did not know of each other for a
-- moment have let it through, and must not be punished for as long as they like.

-- What is no number, or of another type, counts for nothing and is written over.
local function due_of(key)
  local found = redis.pcall('GET', key)
  return type(found) == 'string' and tonumber(found) or 0
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local debts = {}
for number, key in ipairs(KEYS) do
  local taken = tonumber(ARGV[3 * number - 2])
  local interval = tonumber(ARGV[3 * number - 1])
  local most = tonumber(ARGV[3 * number])
  local due = math.max(due_of(key), now)
  due = math.min(due + taken * interval, now + 2 * most)
  if due > now then
    redis.call('SET', key, string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000))
  end
  debts[number] = string.format('%.0f', due - now)
end
return debts
