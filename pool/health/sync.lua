-- Makes the schedule that of a plan, in one step.
--
-- KEYS  due, plan, claims, standing, health, pace
-- ARGV  now, version, targets (MessagePack: {id = {period, phase, lease, jitter}}),
--       idle (MessagePack: {id = true}): they keep their state, but are not probed
-- Returns the ids whose state was forgotten.

local due, plan, claims, standing, health, pace = unpack(KEYS)
local now, version = tonumber(ARGV[1]), ARGV[2]
local targets, idle = cmsgpack.unpack(ARGV[3]), cmsgpack.unpack(ARGV[4])

local function next_on_grid(period, phase)
  return (math.floor((now - phase) / period + 0.001) + 1) * period + phase
end

-- A new backend is probed within two seconds, however long its interval; many of them
-- take longer, so that a start of everything is no burst.
local added = 0
for id in pairs(targets) do
  if not redis.call('ZSCORE', due, id) then added = added + 1 end
end
local first_within = math.max(2, added / 100)

for id, target in pairs(targets) do
  local period, phase, lease, jitter = unpack(target)
  local entry = string.format('%.17g %.17g %.17g %.17g', period, phase, lease, jitter)
  local changed = redis.call('HGET', plan, id) ~= entry
  if changed then
    redis.call('HSET', plan, id, entry)
    redis.call('HDEL', pace, id)  -- the next probe says anew which one holds
  end
  local longest = string.match(redis.call('HGET', pace, id) or '', '%S+')
  longest = (1 + jitter) * math.max(period, 1.5 * (tonumber(longest) or 0))
  local score = tonumber(redis.call('ZSCORE', due, id) or nil)
  if not score then
    redis.call('ZADD', due, now + phase / period * math.min(period, first_within), id)
  elseif changed or score > now + longest + 1 then  -- a new interval, or the clock stepped back
    redis.call('ZADD', due, math.min(score, next_on_grid(period, phase)), id)
  end
end
redis.call('HSET', plan, 'version', version)

for _, id in ipairs(redis.call('HKEYS', plan)) do
  if not targets[id] and id ~= 'version' then
    redis.call('HDEL', plan, id)
    redis.call('HDEL', pace, id)
  end
end
for _, id in ipairs(redis.call('ZRANGE', due, 0, -1)) do
  if not targets[id] then redis.call('ZREM', due, id) end
end
-- Without its claim, a probe that is under way can no longer record a state.
for _, claim in ipairs(redis.call('ZRANGE', claims, 0, -1)) do
  if not targets[string.match(claim, '^%d+')] then redis.call('ZREM', claims, claim) end
end

local forgotten = {}
for _, key in ipairs({standing, health}) do
  for _, id in ipairs(redis.call('HKEYS', key)) do
    if not targets[id] and not idle[id] then
      redis.call('HDEL', key, id)
      if key == health then forgotten[#forgotten + 1] = id end
    end
  end
end
return forgotten
