-- Puts what a probe made of a backend's standing in place, and announces a new verdict;
-- in the same step, what that makes of the next probe and of the pool's failover;
-- what was unhealthy has its circuit tried.
--
-- KEYS  claims, standing, health, failover, moves, due, pace
-- ARGV  claim, id, standing before ("" if none), standing after, status, channel,
--       change ("" if the state is the same), its pace ("" for the plan's), the next probe,
--       1 if it hurries (whatever was due is too late), pool ("" if its failover stays as it is),
--       and as in failover/move.lua: its state before, after, channel, change, move;
--       beyond these, if there is a circuit to be tried, the keys and arguments of
--       `step_circuit`, which is circuits/circuit.lua
-- Returns 1; 0 if the claim is gone: another worker has run this probe, or nobody
-- wants it any more; or the standing as it is now, if it or the pool's state is not the
-- one before.

local claims, standing, health, failover, moves, due, pace = unpack(KEYS)
local claim, id, before, after, status, channel, change, wanted, next_, hurry = unpack(ARGV)
local pool, state_before, state_after, floor_channel, floor_change, move = unpack(ARGV, 11)

if not redis.call('ZSCORE', claims, claim) then return 0 end
local current = redis.call('HGET', standing, id) or ''
if current ~= before then return current end
if pool ~= '' and (redis.call('HGET', failover, pool) or '') ~= state_before then return current end

redis.call('ZREM', claims, claim)
redis.call('HSET', standing, id, after)
redis.call('HSET', health, id, status)
if hurry == '1' or (redis.call('HGET', pace, id) or '') ~= wanted then
  redis.call('ZADD', due, 'XX', next_, id)
  if wanted == '' then redis.call('HDEL', pace, id) else redis.call('HSET', pace, id, wanted) end
end
if pool ~= '' then
  redis.call('HSET', failover, pool, state_after)
  if move ~= '' then
    redis.pcall('RPUSH', moves, move)  -- as in failover/move.lua
    redis.pcall('LTRIM', moves, -10000, -1)
  end
  if floor_change ~= '' then redis.call('PUBLISH', floor_channel, floor_change) end
end
if change ~= '' then redis.call('PUBLISH', channel, change) end
-- The verdict stands, whatever the circuits' key holds.
if #KEYS >= 8 then pcall(step_circuit, {unpack(KEYS, 8)}, {unpack(ARGV, 17)}) end
return 1
