"""What a lane does in Redis.

Its keys, in this order: `log`, a sorted set of the calls admitted in the last minute by time; `amounts`, the
tokens of each call in the log or the queue; `slots`, the calls under way by the end of their lease; `queue`, those
who wait by their number; `kept`, until when their places are kept; `held`, those who must not go before a time;
`counts`, the sum of the tokens in the log, and the last number in the queue.
"""

from __future__ import annotations

from hanzo_agents.stores.limits import ABSENT, ASK_AGAIN, ASK_AGAIN_HELD, ASK_AGAIN_IN_FRONT, LEASE, PERIOD
from hanzo_agents.stores.redis import Script

__all__ = ["ASK", "RENEW", "SETTLE", "STANDING", "WITHDRAW"]

_LANE = (
    f"""\
local PERIOD, LEASE, ABSENT = {PERIOD} * 1e6, {LEASE} * 1e6, {ABSENT} * 1e6
local AGAIN, AGAIN_IN_FRONT, AGAIN_HELD = {ASK_AGAIN} * 1e6, {ASK_AGAIN_IN_FRONT} * 1e6, {ASK_AGAIN_HELD} * 1e6
"""
    """\
local log, amounts, slots, queue, kept, held, counts = unpack(KEYS, 1, 7)
now = math.floor(now * 1e6 + 0.5)

local function int(value) return string.format('%.0f', value) end
local function amount(op) return tonumber(redis.call('HGET', amounts, op) or 0) end

local function drop(op)
  if redis.call('ZREM', log, op) == 1 then
    redis.call('HINCRBY', counts, 'tokens', int(0 - amount(op)))
  end
  redis.call('HDEL', amounts, op)
end

local function leave(op)
  redis.call('ZREM', kept, op)
  redis.call('ZREM', held, op)
  return redis.call('ZREM', queue, op)
end

local function no_later(key, latest)
  for _, op in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. int(latest), '+inf')) do
    redis.call('ZADD', key, int(latest), op)
  end
end

-- Let go of what time has made meaningless.
local function tidy()
  local last = redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')[2]
  if last and tonumber(last) > now + 5e6 then
    -- The server's clock was set back: what was sent counts as if sent now.
    no_later(log, now)
    no_later(slots, now + LEASE)
    no_later(kept, now + AGAIN_HELD + ABSENT)
  elseif last then
    now = math.max(now, tonumber(last))
  end
  for _, op in ipairs(redis.call('ZRANGEBYSCORE', log, '-inf', int(now - PERIOD))) do drop(op) end
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', int(now))
  redis.call('ZREMRANGEBYSCORE', held, '-inf', int(now))
  for _, op in ipairs(redis.call('ZRANGEBYSCORE', kept, '-inf', '(' .. int(now))) do
    leave(op)
    redis.call('HDEL', amounts, op)
  end
  if redis.call('EXISTS', log) == 0 then redis.call('HDEL', counts, 'tokens') end
end

local function keep()
  for i = 1, 7 do redis.call('PEXPIRE', KEYS[i], int(2 * PERIOD / 1000)) end
end

local function used()
  return redis.call('ZCARD', log), tonumber(redis.call('HGET', counts, 'tokens') or 0)
end
"""
)

_WAIT = """\
-- As `time_until_fit`; `of` gives the amounts of some calls.
local function until_fit(taken, ahead, mine, limit, of)
  local excess = taken + ahead + mine - limit
  if excess <= 0 then return 0 end
  local windows = math.ceil(math.max(excess - taken, 0) / limit)
  excess = excess - windows * limit
  if excess <= 0 then return PERIOD * windows end
  local passed, from = 0, 0
  while true do
    local ops = redis.call('ZRANGE', log, from, from + 99)
    if #ops == 0 then return PERIOD * (windows + 1) end
    for i, each in ipairs(of(ops)) do
      passed = passed + each
      if passed >= excess then
        return tonumber(redis.call('ZSCORE', log, ops[i])) + PERIOD * (windows + 1) - now
      end
    end
    from = from + 100
  end
end

local function ones(ops)
  local found = {}
  for i in ipairs(ops) do found[i] = 1 end
  return found
end

local function tokens_of(ops)
  local found = redis.call('HMGET', amounts, unpack(ops))
  for i, each in ipairs(found) do found[i] = tonumber(each or 0) end
  return found
end

-- How many of the queue go before a place in it, and their tokens; those on hold do not.
local function before(rank, count_tokens)
  local ahead, tokens = rank, 0
  for _, op in ipairs(redis.call('ZRANGE', held, 0, -1)) do
    local place = redis.call('ZRANK', queue, op)
    if place and place < rank then
      ahead = ahead - 1
      tokens = tokens - amount(op)
    end
  end
  if count_tokens then
    for from = 0, rank - 1, 100 do
      local ops = redis.call('ZRANGE', queue, from, math.min(from + 99, rank - 1))
      for _, each in ipairs(tokens_of(ops)) do tokens = tokens + each end
    end
  end
  return ahead, tokens
end
"""

ASK = Script(
    "RateLimit ask",
    _LANE
    + _WAIT
    + """\
local op, mine = ARGV[2], tonumber(ARGV[3])
local requests_limit, tokens_limit, slots_limit = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local most, patience, hold = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
tidy()
local at = redis.call('ZSCORE', log, op)
if at then return {'admitted', 0, 0, 0, tonumber(at)} end
if redis.call('EXISTS', KEYS[8]) == 1 then return {'late', 0, 0, 0, 0} end

local requests, tokens = used()
local waiting, rank = redis.call('ZCARD', queue), redis.call('ZRANK', queue, op)
local ahead, tokens_ahead = before(rank or waiting, tokens_limit)
local wait = hold
if requests_limit then wait = math.max(wait, until_fit(requests, ahead, 1, requests_limit, ones)) end
if tokens_limit then wait = math.max(wait, until_fit(tokens, tokens_ahead, mine, tokens_limit, tokens_of)) end
local free = not slots_limit or redis.call('ZCARD', slots) + ahead < slots_limit

local state, delay = 'queued', 0
if free and wait <= 0 then state = 'admitted'
elseif wait >= patience then state = 'late'
elseif not rank and waiting >= most then state = 'full' end
if state == 'queued' then
  delay = math.min(AGAIN, AGAIN_IN_FRONT * (ahead + 1))
  if hold > 0 then delay = math.min(hold, AGAIN_HELD) elseif wait > 0 then delay = math.min(wait, delay) end
  if not rank then redis.call('ZADD', queue, redis.call('HINCRBY', counts, 'number', 1), op) end
  redis.call('HSET', amounts, op, int(mine))
  redis.call('ZADD', kept, int(now + delay + ABSENT), op)
  if hold > 0 then redis.call('ZADD', held, int(now + hold), op) else redis.call('ZREM', held, op) end
else
  if rank then leave(op) end
  if state == 'admitted' then
    redis.call('ZADD', log, int(now), op)
    redis.call('HSET', amounts, op, int(mine))
    redis.call('HINCRBY', counts, 'tokens', int(mine))
    redis.call('ZADD', slots, int(now + LEASE), op)
  elseif rank then
    redis.call('HDEL', amounts, op)
  end
end
keep()
return {state, math.ceil(delay), math.ceil(wait), ahead, now}
""",
)

SETTLE = Script(
    "RateLimit settle",
    _LANE
    + """\
local op, tokens = ARGV[2], tonumber(ARGV[3])
redis.call('ZREM', slots, op)
if tokens and redis.call('ZSCORE', log, op) then
  redis.call('HINCRBY', counts, 'tokens', int(tokens - amount(op)))
  redis.call('HSET', amounts, op, int(tokens))
end
""",
)

WITHDRAW = Script(
    "RateLimit withdraw",
    _LANE
    + """\
local op = ARGV[2]
leave(op)
drop(op)
redis.call('ZREM', slots, op)
-- An `ask` that is still on its way here, or is repeated, finds this.
redis.call('SET', KEYS[8], 1, 'PX', 10000)
""",
)

RENEW = Script(
    "RateLimit renew",
    _LANE
    + """\
for i = 2, #ARGV do
  redis.call('ZADD', slots, 'XX', int(now + LEASE), ARGV[i])
end
keep()
""",
)

STANDING = Script(
    "RateLimit standing",
    _LANE
    + """\
tidy()
local requests, tokens = used()
return {requests, tokens, redis.call('ZCARD', slots), redis.call('ZCARD', queue)}
""",
)
