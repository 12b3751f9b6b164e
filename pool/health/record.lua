-- Puts what a probe made of a backend's standing in place, and announces a new verdict.
--
-- KEYS  claims, standing, health
-- ARGV  claim, id, standing before ("" if none), standing after, status, channel,
--       change ("" if the state is the same)
-- Returns 1; 0 if the claim is gone: another worker has run this probe, or nobody
-- wants it any more; or the standing as it is now, if it is not the one before.

local claims, standing, health = unpack(KEYS)
local claim, id, before, after, status, channel, change = unpack(ARGV)

if not redis.call('ZSCORE', claims, claim) then return 0 end
local current = redis.call('HGET', standing, id) or ''
if current ~= before then return current end

redis.call('ZREM', claims, claim)
redis.call('HSET', standing, id, after)
redis.call('HSET', health, id, status)
if change ~= '' then redis.call('PUBLISH', channel, change) end
return 1
