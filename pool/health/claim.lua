-- Hands out the probes that are due until a time, each to one caller only.
--
-- KEYS  due, plan, claims, standing
-- ARGV  now, until, version, limit
-- Returns nil if the schedule is not that of `version`, else a list of
-- {claim, id, due, expiry, standing or ""}.

local due, plan, claims, standing = unpack(KEYS)
local now, until_, version, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

if redis.call('HGET', plan, 'version') ~= version then return nil end

-- A claim that expired belongs to a worker that died: its probe is due again.
for _, claim in ipairs(redis.call('ZRANGEBYSCORE', claims, '-inf', now)) do
  redis.call('ZREM', claims, claim)
  local id = string.match(claim, '^%d+')
  local score = redis.call('ZSCORE', due, id)
  if score and tonumber(score) > until_ then redis.call('ZADD', due, now, id) end
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
    local period, phase, lease = string.match(entry, '(%S+) (%S+) (%S+)')
    period, phase, lease = tonumber(period), tonumber(phase), tonumber(lease)
    repeat
      take(id, at, lease)
      -- Times that were missed are not caught up with. The epsilon: `at` is on the grid
      -- but for rounding.
      at = (math.floor((math.max(at, now) - phase) / period + 0.001) + 1) * period + phase
    until at > until_
    redis.call('ZADD', due, at, id)
  end
end
return claimed
