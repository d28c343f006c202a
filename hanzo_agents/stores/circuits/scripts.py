"""The circuit in Lua: line for line what `circuit.py` does, for Redis to do at once.

A circuit is one key, JSON, kept for an hour after something last happened to it; an index knows which there are.
"""

from __future__ import annotations

from hanzo_agents.stores.circuits.circuit import JITTER, KEPT, REMEMBERED, SLICES

__all__ = ["ADMIT", "CLOSE", "LOOK", "OPEN", "RECORD", "RESET", "RESET_ALL"]

_CIRCUIT = """\
local key, index, by = KEYS[1], KEYS[2], ARGV[2]
local rules = {
  failures = tonumber(ARGV[3]), rate = tonumber(ARGV[4]), least = tonumber(ARGV[5]), window = tonumber(ARGV[6]),
  rest = tonumber(ARGV[7]), probes = tonumber(ARGV[8]), lease = tonumber(ARGV[9]),
}
local stored = redis.call('GET', key)
local c = stored and cjson.decode(stored) or {
  state = 'closed', epoch = 0, failures = 0, rest = 0, held = false, reason = '', passed = 0,
  leases = {}, slices = {}, counted = {}, ['until'] = 0,
}
local dirty = false

local function enter(state, reason)
  local change = {c.state, state, reason}
  dirty = true
  c.epoch = c.epoch + 1
  c.state = state
  if state == 'closed' then c.reason = '' elseif state == 'open' then c.reason = reason end
  c.held, c.failures, c.passed = false, 0, 0
  c.leases, c.slices, c.counted = {}, {}, {}
  return change
end

local function open(rest, reason)
  c['until'], c.rest = now + rest, rest
  local change = enter('open', reason)
  if change[1] ~= 'open' then return change end
  return {}
end

local function due()
  if c['until'] > now + c.rest + JITTER then
    c['until'] = now + c.rest
    dirty = true
  end
  return c['until']
end

local function leases()
  local count, first, first_end, ended, ended_end = 0, nil, nil, nil, nil
  for other, lease in pairs(c.leases) do
    count = count + 1
    if not first_end or lease[1] < first_end then first_end = lease[1] end
    if not (now < lease[1] and lease[1] <= now + lease[2] + JITTER) then
      if not ended_end or lease[1] < ended_end or (lease[1] == ended_end and other < ended) then
        ended, ended_end = other, lease[1]
      end
    end
  end
  return count, first_end, ended
end

local function place()
  local count, _, ended = leases()
  if c.leases[by] or count + c.passed < rules.probes then return by end
  return ended
end

local function totals(since)
  local calls, failed = 0, 0
  for _, slice in ipairs(c.slices) do
    if slice[1] > since then calls, failed = calls + slice[2], failed + slice[3] end
  end
  return calls, failed
end

local function view()
  local count, first_end = leases()
  local state, after = c.state, 0
  if state == 'open' then
    after = math.max(due() - now, 0)
    if not c.held and after == 0 then state = 'half_open' end
  elseif state == 'half_open' and not place() then
    after = math.max(first_end - now, 0)
  end
  local calls, failed = totals(now - rules.window)
  return {
    state, c.failures, calls, failed, count, c.passed, c.held and '' or string.format('%.17g', after),
    c.held and 1 or 0, c.reason, c.epoch,
  }
end

local function save()
  if not dirty then return end
  local left = math.ceil((math.max(now, c['until']) - now + KEPT) * 1000)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', string.format('(%.17g', now))
  if c.held then
    redis.call('SET', key, cjson.encode(c))
    redis.call('ZADD', index, '+inf', key)
    redis.call('PERSIST', index)
    return
  end
  redis.call('SET', key, cjson.encode(c), 'PX', left)
  redis.call('ZADD', index, string.format('%.17g', now + left / 1000), key)
  local index_left = redis.call('PTTL', index)
  if redis.call('ZCOUNT', index, '+inf', '+inf') > 0 then
    redis.call('PERSIST', index)
  elseif index_left < left then
    redis.call('PEXPIRE', index, left)
  end
end
""".replace("JITTER", repr(JITTER)).replace("KEPT", repr(KEPT))

LOOK = _CIRCUIT + "return view()\n"

ADMIT = (
    _CIRCUIT
    + """\
local change = {}
local function answer(admitted, probe)
  local seen = view()
  save()
  return {admitted, probe, seen, change}
end
if c.state == 'closed' then return answer(1, 0) end
if c.state == 'open' then
  if c.held or now < due() then return answer(0, 0) end
  change = enter('half_open', 'the rest is over')
end
local mine = place()
if not mine then return answer(0, 0) end
c.leases[mine] = nil
c.leases[by] = {now + rules.lease, rules.lease}
dirty = true
return answer(1, 1)
"""
)

RECORD = (
    _CIRCUIT
    + """\
local epoch, verdict, rest = tonumber(ARGV[10]), ARGV[11], tonumber(ARGV[12])

local function done(change)
  save()
  return change or {}
end

local function counted()
  for _, other in ipairs(c.counted) do
    if other == by then return true end
  end
  return false
end

local function remember()
  dirty = true
  table.insert(c.counted, by)
  while #c.counted > REMEMBERED do table.remove(c.counted, 1) end
end

if epoch ~= c.epoch or c.state == 'open' then return {} end
if c.leases[by] then
  c.leases[by] = nil
  dirty = true
end
if rest > 0 then return done(open(rest, string.format('asked to be left alone for %g s', rest))) end
if verdict == 'neutral' or counted() then return done() end
if c.state == 'half_open' then
  if verdict == 'failure' then return done(open(rules.rest, 'a probe failed')) end
  remember()
  c.passed = c.passed + 1
  return done(c.passed >= rules.probes and enter('closed', 'the probes succeeded'))
end
if verdict == 'success' and c.failures == 0 and not rules.rate then return done() end
remember()
local failed = verdict == 'failure' and 1 or 0
c.failures = failed == 1 and c.failures + 1 or 0
if rules.rate then
  local kept = {}
  for _, slice in ipairs(c.slices) do
    if now - rules.window < slice[1] and slice[1] <= now then table.insert(kept, slice) end
  end
  if #kept == 0 or now - kept[#kept][1] >= rules.window / SLICES then table.insert(kept, {now, 0, 0}) end
  local last = kept[#kept]
  last[2], last[3] = last[2] + 1, last[3] + failed
  c.slices = kept
end
if failed == 0 then return done() end
if rules.failures and c.failures >= rules.failures then
  local plural = c.failures > 1 and 's' or ''
  return done(open(rules.rest, string.format('%d failure%s in a row', c.failures, plural)))
end
if rules.rate then
  local calls, bad = totals(-math.huge)
  if calls >= rules.least and bad >= rules.rate * calls then
    local why = string.format('%d of %d calls in %g s failed', bad, calls, rules.window)
    return done(open(rules.rest, why))
  end
end
return done()
""".replace("REMEMBERED", repr(REMEMBERED)).replace("SLICES", repr(SLICES))
)

OPEN = (
    _CIRCUIT
    + """\
local reason, rest = ARGV[10], tonumber(ARGV[11])
local change = open(rest or 0, reason)
c.held = not rest
save()
return change
"""
)

CLOSE = (
    _CIRCUIT
    + """\
if not stored then return {} end
local change = enter('closed', ARGV[10])
save()
return change[1] == 'closed' and {} or change
"""
)

RESET = "redis.call('DEL', KEYS[1])\nredis.call('ZREM', KEYS[2], KEYS[1])\n"

RESET_ALL = """\
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('DEL', key) end
redis.call('DEL', KEYS[1])
"""
