"""The operations of the ledger in Redis, one script each.

    KEYS[1]             begins every key
    ...account:<name>   hash: spent, reserved
    ...op:<op>          hash: state, amount, accounts, facts, line
    ...due              sorted set: operations that are reserved, by the end of their lease
    ...usage:<day>      hash: five sums a line of the report
    ...mark:<name>      string: the operation that was the first

Every key but `due`, which holds what is under way, expires: an account a day after its window.
"""

from __future__ import annotations

from hanzo_agents.stores.redis import Script

__all__ = ["BALANCES", "ENTRIES", "MARK", "RELEASE", "RESERVE", "SETTLE"]

_COMMON = """\
local base, times = KEYS[1], cjson.decode(ARGV[2])
local due = base .. 'due'

-- Lua prints large numbers rounded; '%.0f' prints all digits of an integer.
local function digits(number) return string.format('%.0f', number) end

local function negative(amount)
  if amount == '0' then return '0' end
  return '-' .. amount
end

-- A script that fails half-way is not undone: what it is given is looked at before its first write.
local function whole(number) return #number <= 16 and string.match(number, '^%d+$') ~= nil end

local function refusal(amount, facts)
  if whole(amount) and whole(facts[4]) and whole(facts[5]) and whole(facts[6]) then return nil end
  return redis.error_reply('REFUSED an amount or a count is out of range')
end

-- An account whose window is over for long is left alone, or it would come back without an end.
local function add(accounts, field, amount)
  for _, account in ipairs(accounts) do
    local ends = tonumber(account[3])
    if not ends or ends + times.margin > now then
      local key = base .. 'account:' .. account[1]
      redis.call('HINCRBY', key, field, amount)
      if ends then redis.call('PEXPIRE', key, digits((ends + times.margin - now) * 1000)) end
    end
  end
end

-- A line of the report: `sign` is '' to count it, '-' to take it back.
local function count(facts, line, amount, sign)
  local key = base .. 'usage:' .. facts[1]
  local function by(number) if number == '0' or sign == '' then return number end return '-' .. number end
  redis.call('HINCRBY', key, 'a' .. line, by('1'))
  redis.call('HINCRBY', key, 'b' .. line, by(facts[4]))
  redis.call('HINCRBY', key, 'c' .. line, by(facts[5]))
  redis.call('HINCRBY', key, 'd' .. line, by(facts[6]))
  redis.call('HINCRBY', key, 'e' .. line, by(amount))
  redis.call('EXPIRE', key, times.history)
end

local function book(key, accounts, facts, amount)
  local usage, line = base .. 'usage:' .. facts[1], facts[2]
  if redis.call('HEXISTS', usage, 'a' .. line) == 0 and redis.call('HLEN', usage) >= times.groups * 5 then
    line = facts[3]
  end
  add(accounts, 'spent', amount)
  count(facts, line, amount, '')
  redis.call('HSET', key, 'line', line)
end

-- Takes back what an operation reserved, or booked when its lease ended. Returns the state it was in.
local function undo(op)
  local key = base .. 'op:' .. op
  local found = redis.call('HMGET', key, 'state', 'amount', 'accounts', 'facts', 'line')
  if found[1] == 'reserved' then
    add(cjson.decode(found[3]), 'reserved', negative(found[2]))
  elseif found[1] == 'expired' then
    add(cjson.decode(found[3]), 'spent', negative(found[2]))
    count(cjson.decode(found[4]), found[5], found[2], '-')
  end
  redis.call('ZREM', due, op)
  return found[1]
end

-- What dead owners left counts as spent.
local function sweep()
  for _, op in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 100)) do
    local key = base .. 'op:' .. op
    local found = redis.call('HMGET', key, 'state', 'amount', 'accounts', 'facts')
    if found[1] == 'reserved' then
      local accounts = cjson.decode(found[3])
      add(accounts, 'reserved', negative(found[2]))
      book(key, accounts, cjson.decode(found[4]), found[2])
      redis.call('HSET', key, 'state', 'expired')
      redis.call('EXPIRE', key, times.expired)
    end
    redis.call('ZREM', due, op)
  end
end

local function balances(accounts)
  local found = {}
  for index, account in ipairs(accounts) do
    local held = redis.call('HMGET', base .. 'account:' .. account[1], 'spent', 'reserved')
    found[index] = {held[1] or '0', held[2] or '0'}
  end
  return found
end
"""

RESERVE = Script(
    "reserve",
    _COMMON
    + """\
local op, amount, accounts, lease = ARGV[3], ARGV[4], cjson.decode(ARGV[5]), tonumber(ARGV[7])
local key = base .. 'op:' .. op
local refused = refusal(amount, cjson.decode(ARGV[6]))
if refused then return refused end
sweep()
if redis.call('EXISTS', key) == 1 then return nil end

local short, least
for index, held in ipairs(balances(accounts)) do
  local limit = tonumber(accounts[index][2])
  if limit then
    local left = limit - tonumber(held[1]) - tonumber(held[2])
    if left < tonumber(amount) and (not least or left < least) then
      short, least = {index, held[1], held[2]}, left
    end
  end
end
if short then return short end

add(accounts, 'reserved', amount)
redis.call('HSET', key, 'state', 'reserved', 'amount', amount, 'accounts', ARGV[5], 'facts', ARGV[6])
redis.call('EXPIRE', key, digits(math.ceil(lease + times.expired)))
redis.call('ZADD', due, string.format('%.17g', now + lease), op)
return nil
""",
)

SETTLE = Script(
    "settle",
    _COMMON
    + """\
local op, amount, accounts, facts = ARGV[3], ARGV[4], cjson.decode(ARGV[5]), cjson.decode(ARGV[6])
local key = base .. 'op:' .. op
local refused = refusal(amount, facts)
if refused then return refused end
if redis.call('HGET', key, 'state') ~= 'settled' then
  undo(op)
  redis.call('DEL', key)
  redis.call('HSET', key, 'state', 'settled')
  book(key, accounts, facts, amount)
  redis.call('HDEL', key, 'line')
  redis.call('EXPIRE', key, times.remembered)
end
return balances(accounts)
""",
)

RELEASE = Script(
    "release",
    _COMMON
    + """\
local key = base .. 'op:' .. ARGV[3]
local state = redis.call('HGET', key, 'state')
if state ~= 'settled' and state ~= 'released' then
  undo(ARGV[3])
  redis.call('DEL', key)
  redis.call('HSET', key, 'state', 'released')
  redis.call('EXPIRE', key, times.remembered)
end
return nil
""",
)

BALANCES = Script(
    "balances",
    _COMMON
    + """\
sweep()
return balances(cjson.decode(ARGV[3]))
""",
)

ENTRIES = Script(
    "entries",
    _COMMON
    + """\
sweep()
return {ARGV[3], redis.call('HGETALL', base .. 'usage:' .. ARGV[3])}
""",
)

MARK = Script(
    "mark",
    _COMMON
    + """\
local ends = tonumber(ARGV[4])
local key = base .. 'mark:' .. ARGV[3]
local first = redis.call('GET', key)
if first then return first == ARGV[5] and 1 or 0 end
redis.call('SET', key, ARGV[5])
redis.call('EXPIRE', key, ends and digits(math.max(math.ceil(ends - now), 1)) or times.history)
return 1
""",
)
