-- Puts a pool's ejections in place, and tells edges and the timeline.
--
-- KEYS  ejections, events
-- ARGV  pool, record before ("" if none), record after ("" removes it), channel, change,
--       then any number of happenings
-- Returns 1; the record as it is now, if that is not the one before.

local ejections, events = unpack(KEYS)
local pool, before, after, channel, change = unpack(ARGV)

local current = redis.call('HGET', ejections, pool) or ''
if current ~= before then return current end
if after == '' then redis.call('HDEL', ejections, pool) else redis.call('HSET', ejections, pool, after) end
redis.call('PUBLISH', channel, change)
-- pcall: who is out is out, even if the events' key has been made another type.
for i = 6, #ARGV do redis.pcall('XADD', events, 'MAXLEN', '~', 10000, '*', 'e', ARGV[i]) end
return 1
