-- Moves aside, for a week, what is of another type than belongs there.
--
-- KEYS  any
-- ARGV  what the name is to end in of what is moved, then the type that belongs to each key
-- Returns the keys that were moved, each with the type that it had.

local moved = {}
for number, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= ARGV[number + 1] then
    redis.call('RENAME', key, key .. ARGV[1])
    redis.call('EXPIRE', key .. ARGV[1], 604800)
    moved[#moved + 1] = {key, kind}
  end
end
return moved
