-- Remembers what a pool's timeline is told, and has it told.
--
-- KEYS  panic, alarms
-- ARGV  pool, what is remembered ("" if nothing), what will be ("" forgets it), alarm ("": none)
-- Returns 1; 0 if something else is remembered.

local panic, alarms = unpack(KEYS)
local pool, before, after, alarm = unpack(ARGV)

if (redis.call('HGET', panic, pool) or '') ~= before then return 0 end
if alarm ~= '' then  -- first: what cannot be told must not be remembered as told
  redis.call('RPUSH', alarms, alarm)
  redis.call('LTRIM', alarms, -10000, -1)  -- while the database is away
end
if after == '' then redis.call('HDEL', panic, pool) else redis.call('HSET', panic, pool, after) end
return 1
