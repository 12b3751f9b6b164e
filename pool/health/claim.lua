-- Hands out the probes that are due until a time, each to one caller only.
--
-- KEYS  due, plan, claims, standing, pace
-- ARGV  now, until, version, limit
-- Returns nil if the schedule is not that of `version`, else a list of
-- {claim, id, due, expiry, standing or ""}.

local due, plan, claims, standing, pace = unpack(KEYS)
local now, until_, version, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

if redis.call('HGET', plan, 'version') ~= version then return nil end

-- A claim that expired belongs to a worker that died: its probe is due again.
for _, claim in ipairs(redis.call('ZRANGEBYSCORE', claims, '-inf', now)) do
  redis.call('ZREM', claims, claim)
  local id = string.match(claim, '^%d+')
  local score = redis.call('ZSCORE', due, id)
  if score and tonumber(score) > until_ then redis.call('ZADD', due, now, id) end
end

-- From 0 to 1, another one each time, and the same for whoever asks.
local function chance(id, turn)
  local value = math.sin(id * 12.9898 + turn % 1000000 * 78.233) * 43758.5453
  return value - math.floor(value)
end

-- The time after `at` that is on the grid; times that were missed are not caught up with.
local function following(id, at, entry)
  local period, phase, lease, jitter = string.match(entry, '(%S+) (%S+) (%S+) (%S+)')
  period, phase, jitter = tonumber(period), tonumber(phase), tonumber(jitter)
  local now_period, hurry = string.match(redis.call('HGET', pace, id) or '', '(%S+) (%d)')
  if now_period then
    phase, period = phase / period * tonumber(now_period), tonumber(now_period)
  end
  if hurry == '1' then return math.max(at, now) + period, lease end
  -- The epsilon: `at` is on the grid, or a jitter after it, but for rounding.
  local turn = math.floor((math.max(at, now) - phase) / period + 0.001) + 1
  return (turn + jitter * chance(id, turn)) * period + phase, lease
end

local claimed = {}

local function take(id, at, lease)
  local claim = string.format('%s:%.6f', id, at)
  local expiry = math.max(at, now) + lease
  redis.call('ZADD', claims, expiry, claim)
  local known = redis.call('HGET', standing, id) or ''
  claimed[#claimed + 1] = {
    claim, id, string.format('%.6f', at), string.format('%.6f', expiry), known
  }
end

local ready = redis.call('ZRANGEBYSCORE', due, '-inf', until_, 'WITHSCORES', 'LIMIT', 0, limit)
for i = 1, #ready, 2 do
  local id, at = ready[i], tonumber(ready[i + 1])
  local entry = redis.call('HGET', plan, id)
  if not entry then
    redis.call('ZREM', due, id)
  else
    repeat
      local next_, lease = following(id, at, entry)
      take(id, at, tonumber(lease))
      at = next_
    until at > until_
    redis.call('ZADD', due, at, id)
  end
end
return claimed
