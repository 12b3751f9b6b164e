-- Puts a pool's new failover state in place, and tells edges and the timeline.
--
-- KEYS  failover, moves
-- ARGV  pool, state before ("" if none), state after ("" removes it), channel,
--       change ("" if edges need not know), move ("" if there is none)
-- Returns 1; 0 if the state is not the one before.

local failover, moves = unpack(KEYS)
local pool, before, after, channel, change, move = unpack(ARGV)

if (redis.call('HGET', failover, pool) or '') ~= before then return 0 end
if after == '' then redis.call('HDEL', failover, pool) else redis.call('HSET', failover, pool, after) end
if move ~= '' then redis.call('RPUSH', moves, move) end
if change ~= '' then redis.call('PUBLISH', channel, change) end
return 1
