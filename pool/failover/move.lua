-- Puts a pool's new failover state in place, and tells edges and the timeline.
--
-- KEYS  failover, moves, the pool's changes of circuits that were made without Redis
-- ARGV  pool, state before ("" if none), state after ("" removes it), channel,
--       change ("" if edges need not know), move ("" if there is none),
--       how many of those changes are done with, the last one of them,
--       and the moves before the other one
-- Returns 1; 0 if the state is not the one before, or somebody else is done with the changes.

local failover, moves, alone = unpack(KEYS)
local pool, before, after, channel, change, move, done, last = unpack(ARGV)
done = tonumber(done)

if (redis.call('HGET', failover, pool) or '') ~= before then return 0 end
if done > 0 and redis.call('LINDEX', alone, done - 1) ~= last then return 0 end
redis.call('LTRIM', alone, done, -1)
-- pcall: traffic moves, even if its key has been made another type and nothing can be told.
for i = 9, #ARGV do redis.pcall('RPUSH', moves, ARGV[i]) end
if after == '' then redis.call('HDEL', failover, pool) else redis.call('HSET', failover, pool, after) end
if move ~= '' then redis.pcall('RPUSH', moves, move) end
redis.pcall('LTRIM', moves, -10000, -1)  -- while the database is away
if change ~= '' then redis.call('PUBLISH', channel, change) end
return 1
