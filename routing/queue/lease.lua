-- lease hands due members of a sorted set to one gateway for a while, so that
-- several gateways can serve it. A lease is not history: when its holder dies,
-- the member becomes due again by itself.
--
-- KEYS[1]  sorted set; scores are Unix ms
-- ARGV[1]  now, ARGV[2] until when the lease lasts (Unix ms), ARGV[3] how many
-- Returns the members.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(due) do
  redis.call('ZADD', KEYS[1], ARGV[2], member)
end
return due
