-- apply commits one record of one desk atomically, or changes nothing.
--
-- KEYS[1]  <prefix>head           hash {seq, id} of the last record
-- All other keys are <prefix>NAME; the prefix holds the desk's hash tag, so
-- they lie in the same slot of a Redis Cluster.
-- ARGV[1]  prefix                 such as "relais:{XA-1}:"
-- ARGV[2]  known                  last sequence number that the caller's journal holds
-- ARGV[3]  id                     unique id of the record
-- ARGV[4]  record                 JSON, stored in the stream as it is
-- ARGV[5]  replay                 0, or the sequence number that the record had before Redis lost it
-- ARGV[6]  uids                   with replay: the UIDs it had, comma-separated
-- ARGV[7]  keep                   approximate number of records the stream keeps
-- ARGV[8]  operations, each a name followed by its arguments:
--   once   NAME VALUE EXPIRES       refuse if NAME was seen (EXPIRES: Unix ms)
--   req    REF OLD NEW STATE        store STATE, only over version OLD
--   due    REF AT                   AT: Unix ms, "" removes
--   timer  MEMBER AT                AT: Unix ms, "" removes
--   out    ID AT SINCE PAYLOAD      outgoing mail, tried at AT; "" AT removes
--   held   ID                       refuse if the outgoing mail is no longer in the outbox
--   gone   LOCATION                 "FOLDER/UID" leaves; refuse if it is not there
--   uid    FOLDER                   a new message gets the next UID of FOLDER
--   thread NAME REF                 remembers to which request a message belongs;
--                                   the first one counts, so that nobody can
--                                   claim the Message-ID of another
--   year   YEAR NUMBER              the running number is used up
--   count  FIELD DELTA              adds to a counter
--
-- Returns {"OK", seq, uids}; or without having changed anything:
-- {"BEHIND", seq}  Redis has lost records that the caller's journal holds
-- {"SEEN", value, seq, id}  a once NAME was seen; value is what was stored with it,
--                  seq and id are those of the last record
-- {"CONFLICT", x, seq}  version or location of x is not the expected one
-- {"OLD", seq}     replay: the record is there already
-- {"GAP", seq}     replay: records between seq and this one are missing
local prefix, known, id, record = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local replay, given, keep = tonumber(ARGV[5]), ARGV[6], ARGV[7]
local arity = {once=3, req=4, due=2, timer=2, out=4, held=1, gone=1, uid=1, thread=2, year=2, count=2}
local seq = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0')

if replay > 0 then
  if replay <= seq then return {'OLD', tostring(seq)} end
  if replay > seq + 1 then return {'GAP', tostring(seq)} end
else
  if seq < known then return {'BEHIND', tostring(seq)} end
  local i = 8
  while ARGV[i] do
    local op = ARGV[i]
    if op == 'once' then
      local value = redis.call('GET', prefix .. 'once:' .. ARGV[i+1])
      if value then return {'SEEN', value, tostring(seq), redis.call('HGET', KEYS[1], 'id') or ''} end
    elseif op == 'req' then
      local version = redis.call('HGET', prefix .. 'versions', ARGV[i+1]) or '0'
      if version ~= ARGV[i+2] then return {'CONFLICT', ARGV[i+1], tostring(seq)} end
    elseif op == 'held' then
      if redis.call('HEXISTS', prefix .. 'outgoing', ARGV[i+1]) == 0 then return {'CONFLICT', ARGV[i+1], tostring(seq)} end
    elseif op == 'gone' then
      if redis.call('SISMEMBER', prefix .. 'mail', ARGV[i+1]) == 0 then return {'CONFLICT', ARGV[i+1], tostring(seq)} end
    end
    i = i + 1 + arity[op]
  end
end

local uids, restored = {}, {}
local stopped, armed = {}, {} -- timers, set in one call each: a call costs more than a timer
for uid in string.gmatch(given, '%d+') do restored[#restored+1] = uid end
local i = 8
while ARGV[i] do
  local op, a, b, c, d = ARGV[i], ARGV[i+1], ARGV[i+2], ARGV[i+3], ARGV[i+4]
  if op == 'once' then
    redis.call('SET', prefix .. 'once:' .. a, b, 'PXAT', c)
  elseif op == 'req' then
    redis.call('HSET', prefix .. 'versions', a, c)
    redis.call('HSET', prefix .. 'requests', a, d)
  elseif op == 'due' then
    if b == '' then redis.call('ZREM', prefix .. 'deadlines', a) else redis.call('ZADD', prefix .. 'deadlines', b, a) end
  elseif op == 'timer' then
    if b == '' then
      stopped[#stopped+1] = a
    else
      armed[#armed+1] = b
      armed[#armed+1] = a
    end
  elseif op == 'out' then
    if b == '' then
      redis.call('ZREM', prefix .. 'outbox', a)
      redis.call('ZREM', prefix .. 'outbox:since', a)
      redis.call('HDEL', prefix .. 'outgoing', a)
    else
      redis.call('ZADD', prefix .. 'outbox', b, a)
      redis.call('ZADD', prefix .. 'outbox:since', c, a)
      redis.call('HSET', prefix .. 'outgoing', a, d)
    end
  elseif op == 'gone' then
    redis.call('SREM', prefix .. 'mail', a)
  elseif op == 'uid' then
    local uid
    if replay > 0 then
      uid = restored[#uids+1]
      redis.call('HSET', prefix .. 'uids', a, uid)
    else
      uid = tostring(redis.call('HINCRBY', prefix .. 'uids', a, 1))
    end
    uids[#uids+1] = uid
    redis.call('SADD', prefix .. 'mail', a .. '/' .. uid)
  elseif op == 'thread' then
    redis.call('HSETNX', prefix .. 'threads', a, b)
  elseif op == 'year' then
    local last = tonumber(redis.call('HGET', prefix .. 'numbers', a) or '0')
    if tonumber(b) > last then redis.call('HSET', prefix .. 'numbers', a, b) end
  elseif op == 'count' then
    redis.call('HINCRBY', prefix .. 'counts', a, b)
  end
  i = i + 1 + arity[op]
end

for i = 1, #stopped, 1000 do -- unpack takes a few thousand at most
  redis.call('ZREM', prefix .. 'timers', unpack(stopped, i, math.min(i + 999, #stopped)))
end
for i = 1, #armed, 1000 do
  redis.call('ZADD', prefix .. 'timers', unpack(armed, i, math.min(i + 999, #armed)))
end

seq = seq + 1
local joined = table.concat(uids, ',')
redis.call('HSET', KEYS[1], 'seq', tostring(seq), 'id', id)
redis.call('XADD', prefix .. 'stream', 'MAXLEN', '~', keep, tostring(seq) .. '-0', 'r', record, 'u', joined)
return {'OK', tostring(seq), joined}
