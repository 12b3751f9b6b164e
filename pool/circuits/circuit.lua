-- One step of a circuit: `proxy.core.circuit.machine` in Redis, atomically for all workers.
--
-- KEYS  circuits (hash: backend id → circuit), the pool's ids that are out (set), events (stream),
--       the pool's changes that were made without Redis (list)
-- ARGV  id, now, operation, terms, channel; operation and terms as JSON, see records.py
-- Returns the circuit after the step, and each thing that was told of it, as JSON.

local circuits, out, events, alone = unpack(KEYS)
local id, now, channel = ARGV[1], tonumber(ARGV[2]), ARGV[5]
local operation, terms = cjson.decode(ARGV[3]), cjson.decode(ARGV[4])
local policy = terms.policy

local BUCKETS, PERMIT_EXPIRY, LOOKED_AT = 10, 30, 10

local TABLE = {
  closed = {trip = 'open', open = 'forced_open', reset = 'closed'},
  open = {waited = 'half_open', probed = 'half_open', open = 'forced_open', reset = 'closed'},
  half_open = {trip = 'open', recovered = 'closed', open = 'forced_open', reset = 'closed'},
  forced_open = {release = 'half_open', reset = 'closed'},
}

local KINDS = {
  closed = 'circuit_closed',
  open = 'circuit_opened',
  half_open = 'circuit_half_opened',
  forced_open = 'circuit_opened',
}

local function new()
  return {
    state = 'closed', generation = 0, since = 0, ['until'] = 0, wait = 0, cause = '', failures = 0,
    successes = 0, watched = 0, held = 0, window = {}, permits = {},
  }
end

-- What cannot be read is lost, as in a Redis that was emptied: workers bring back what they know.
local function read(id)
  local readable, found = pcall(cjson.decode, redis.call('HGET', circuits, id) or '')
  if not readable or type(found) ~= 'table' or not TABLE[found.state] then return nil end
  for name, value in pairs(new()) do
    if found[name] == nil then found[name] = value end
    if type(found[name]) ~= type(value) then return nil end
  end
  return found
end

local circuit = read(id) or new()
circuit.until_ = circuit['until']  -- `until` is a word of Lua's

local announce = false

local function size(map)
  local count = 0
  for _ in pairs(map) do count = count + 1 end
  return count
end

local function tell(kind, before, cause, failures, calls, until_)
  return {
    kind = kind, at = now, before = before, after = circuit.state, generation = circuit.generation,
    cause = cause, ['until'] = until_, failures = failures, calls = calls,
  }
end

local function move(event, cause, failures, calls)
  local before = circuit.state
  circuit.state = TABLE[before][event]
  circuit.generation = circuit.generation + 1
  circuit.since = now
  circuit.until_ = circuit.state == 'open' and now + circuit.wait or 0
  circuit.cause = cause
  circuit.failures, circuit.successes, circuit.watched, circuit.held = 0, 0, 0, 0
  circuit.window, circuit.permits = {}, {}
  announce = true
  if circuit.state == before then return nil end
  return tell(KINDS[circuit.state], before, cause, failures or 0, calls or 0, circuit.until_)
end

local function open(cause, failures, calls)
  local wait = math.max(policy.open_time, 2 * circuit.wait)
  if circuit.state == 'closed' and now - circuit.since >= circuit.wait then
    wait = policy.open_time
  end
  circuit.wait = math.min(wait, policy.max_open_time)
  return move('trip', cause, failures, calls)
end

-- A member whose circuit is gone, because its backend is, does not count. While the limit is
-- reached each failure asks: some are looked at each time, since all of a large pool take long.
local function room()
  if redis.call('SCARD', out) < terms.limit then return true end
  for _, member in ipairs(redis.call('SRANDMEMBER', out, LOOKED_AT)) do
    local other = read(member)
    if not other or other.state == 'closed' then redis.call('SREM', out, member) end
  end
  return redis.call('SCARD', out) < terms.limit
end

local function hold(cause, failures, calls)
  circuit.held = now + policy.open_time
  cause = string.format('%s, but no more than %d of the pool may be open', cause, terms.limit)
  return tell('circuit_held', circuit.state, cause, failures, calls, 0)
end

local function trip(cause, failures, calls)
  if room() then return open(cause, failures, calls) end
  if now < circuit.held and circuit.held <= now + policy.open_time then return nil end
  return hold(cause, failures, calls)
end

local function try(report)
  if report.failures > 0 or report.slow > 0 then
    return open('a call that tried it failed', 1, 0)
  end
  circuit.successes = circuit.successes + report.successes
  if circuit.successes < policy.successes then return nil end
  return move('recovered', string.format('%d calls in a row succeeded', circuit.successes))
end

local function count_in_a_row(report)
  local most = math.max(circuit.failures + report.leading, report.longest)
  local before = report.successes > 0 and 0 or circuit.failures
  -- The others have to know that their next success ends a row.
  announce = circuit.failures == 0 and report.trailing > 0
  circuit.failures = before + report.trailing
  if most < policy.threshold then return nil end
  return trip(string.format('%d failures in a row', most), most, 0)
end

local function count_in_window(report)
  local window = circuit.window
  for bucket, more in pairs(report.window) do
    local had = window[bucket] or {0, 0, 0}
    window[bucket] = {had[1] + more[1], had[2] + more[2], had[3] + more[3]}
  end
  local newest = math.floor(now / policy.window * BUCKETS)
  local calls, bad, old = 0, 0, {}
  for bucket, counts in pairs(window) do
    if math.abs(bucket - newest) >= BUCKETS then
      old[#old + 1] = bucket
    else
      calls, bad = calls + counts[1], bad + counts[2] + counts[3]
    end
  end
  for _, bucket in ipairs(old) do window[bucket] = nil end
  if report.failures > 0 or report.slow > 0 then
    -- The others have to tell of their calls too.
    announce = circuit.watched <= now
    circuit.watched = now + policy.window
  end
  if calls < policy.minimum_calls or 100 * bad < policy.ratio * calls then return nil end
  local what = policy.mode == 'failure_ratio' and 'failed' or 'were slow or failed'
  local cause = string.format('%d of %d calls %s in %g s', bad, calls, what, policy.window)
  return trip(cause, bad, calls)
end

local step = {}

function step.report(report)
  for _, permit in ipairs(report.returned) do circuit.permits[permit] = nil end
  if report.generation ~= circuit.generation then return nil end
  if circuit.state == 'half_open' then return try(report) end
  if circuit.state ~= 'closed' then return nil end
  if policy.mode == 'consecutive' then return count_in_a_row(report) end
  return count_in_window(report)
end

function step.lease(lease)
  local told = nil
  local waited = now >= circuit.until_ or circuit.since - now >= circuit.wait
  if circuit.state == 'open' and waited then
    told = move('waited', string.format('it was open for %g s', circuit.wait))
  end
  if circuit.state == 'half_open' then
    local permits = {}
    for permit, expiry in pairs(circuit.permits) do
      if now < expiry and expiry < now + 2 * PERMIT_EXPIRY then permits[permit] = expiry end
    end
    for _, permit in ipairs(lease.permits) do
      if permits[permit] or size(permits) < policy.permits then
        permits[permit] = now + PERMIT_EXPIRY
      end
    end
    circuit.permits = permits
  end
  return told
end

function step.order(order)
  if not TABLE[circuit.state][order.event] then return nil end
  if order.event == 'reset' then circuit.wait = 0 end
  return move(order.event, order.cause)
end

function step.merge(merge)
  local other = merge.circuit
  if other.generation < circuit.generation then return nil end
  if other.generation == circuit.generation and other.since <= circuit.since then return nil end
  announce = true
  local news = {}
  for _, one in ipairs(merge.untold) do
    if one.generation > circuit.generation then news[#news + 1] = one end
  end
  if circuit.state == 'forced_open' then
    circuit.generation = other.generation + 1
    return nil, news
  end
  local tripped = other.state == 'open' or other.state == 'half_open'
  if tripped and circuit.state == 'closed' and not room() then
    circuit.generation, circuit.since = other.generation + 1, now
    news[#news + 1] = hold('a worker has opened it by itself', 0, 0)
    circuit.cause = news[#news].cause
    return nil, news
  end
  if other.state ~= circuit.state and #news == 0 then news = {merge.untold[#merge.untold]} end
  circuit = other
  circuit.until_ = other['until']
  circuit.window, circuit.permits = {}, {}
  return nil, news
end

local told, news = step[operation.type](operation)
news = news or {told}

circuit['until'], circuit.until_ = circuit.until_, nil
local encoded = cjson.encode(circuit)
redis.call('HSET', circuits, id, encoded)
redis.call(circuit.state == 'closed' and 'SREM' or 'SADD', out, id)
if announce then
  redis.call('PUBLISH', channel, string.format('{"backend_id":%s,"circuit":%s}', id, encoded))
end
local reply = {encoded}
for _, one in ipairs(news) do
  local change = one.before .. ' → ' .. one.after
  if one.before == one.after then change = 'stays ' .. one.after end
  redis.pcall(  -- its key may have been made another type: what is told decides nothing
    'XADD', events, 'MAXLEN', '~', 10000, '*',
    'e', cjson.encode({
      kind = one.kind, at = one.at, backend_id = tonumber(id), data = one,
      message = string.format('circuit %s (%s)', (change:gsub('_', ' ')), one.cause),
      actor = operation.actor or '',
      severity = one.kind == 'circuit_opened' and 'warning' or 'info',
    })
  )
  if operation.type == 'merge' then
    redis.pcall('RPUSH', alone, cjson.encode({backend_id = tonumber(id), told = one}))
    redis.pcall('LTRIM', alone, -1000, -1)
    redis.call('EXPIRE', alone, 3600)  -- nobody asks for those of a pool with one tier
  end
  reply[#reply + 1] = cjson.encode(one)
end
return reply
