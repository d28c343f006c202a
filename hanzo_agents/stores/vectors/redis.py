"""Answers by likeness, in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents.stores.redis import Script
from hanzo_agents.stores.vectors import Near
from hanzo_agents.stores.vectors.mirror import Mirror

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries import Bounds
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.redis import RedisStore

__all__ = ["RedisVectors"]

BATCH = 256
"""Vectors that are read at once: half a MiB of those of the packaged model, well within an operation's time."""

# An answer is a hash of its space (p), vector (v), content (c), size (s) and the time at which it ends (x), under
# the number it got: microseconds since the epoch, so that numbers grow also when Redis has forgotten the last one.
# KEYS: the numbers by last use, by end, the sum of sizes, the last number; of a space: its numbers.
_DROP = """\
local function drop(id)
  local key = ARGV[2] .. id
  local kept = redis.call('HMGET', key, 'p', 's')
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  if kept[1] then
    redis.call('DECRBY', KEYS[3], kept[2])
    redis.call('ZREM', ARGV[3] .. kept[1], id)
    redis.call('DEL', key)
  end
end
"""

_NEWER = Script(
    "reading questions",
    """\
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[3], '+inf', 'LIMIT', 0, ARGV[4])) do
  local vector = redis.call('HGET', ARGV[2] .. id, 'v')
  found[#found + 1] = id
  found[#found + 1] = vector or ''
end
return found
""",
)

_FETCH = Script(
    "looking for similar questions",
    """\
local found = {}
for index = 3, #ARGV do
  local id = ARGV[index]
  local kept = redis.call('HMGET', ARGV[2] .. id, 'v', 'c', 'x')
  if kept[1] and tonumber(kept[3]) > now then
    redis.call('ZADD', KEYS[1], 'XX', string.format('%.6f', now), id)
    found[#found + 1] = {kept[1], kept[2]}
  else
    found[#found + 1] = 0
  end
end
return found
""",
)

_PUT = Script(
    "keeping an answer",
    _DROP
    + """\
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.6f', now), 'LIMIT', 0, 100)) do
  drop(id)
end
local size, most, ttl = #ARGV[5] + #ARGV[6], tonumber(ARGV[8]), tonumber(ARGV[7])
if size > tonumber(ARGV[9]) or most < 1 then return 0 end
local above = tonumber(redis.call('GET', KEYS[4]) or 0) + 1
local id = string.format('%.0f', math.max(above, math.floor(now * 1000000)))
redis.call('SET', KEYS[4], id)
local ends = string.format('%.6f', now + ttl)
redis.call('HSET', ARGV[2] .. id, 'p', ARGV[4], 'v', ARGV[5], 'c', ARGV[6], 's', size, 'x', ends)
redis.call('ZADD', KEYS[1], string.format('%.6f', now), id)
redis.call('ZADD', KEYS[2], ends, id)
redis.call('ZADD', ARGV[3] .. ARGV[4], id, id)
local lasts = math.ceil(ttl * 1000)
if redis.call('PTTL', ARGV[3] .. ARGV[4]) < lasts then redis.call('PEXPIRE', ARGV[3] .. ARGV[4], lasts) end
local total = redis.call('INCRBY', KEYS[3], size)
while redis.call('ZCARD', KEYS[1]) > most or total > tonumber(ARGV[9]) do
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 1)
  if #oldest < 2 then
    redis.call('SET', KEYS[3], size)
    break
  end
  drop(oldest[1] == id and oldest[2] or oldest[1])
  total = tonumber(redis.call('GET', KEYS[3]))
end
return 1
""",
)

_REMOVE = Script("dropping a cached answer", _DROP + "drop(ARGV[4])")

_CLEAR = Script(
    "clearing cached answers",
    _DROP
    + """\
local some = redis.call('ZRANGE', KEYS[1], 0, 499)
for _, id in ipairs(some) do drop(id) end
return #some
""",
)


class RedisVectors:
    """Contents in Redis, their vectors mirrored in this process, which compares them."""

    largest = 1 << 23

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._mirror = Mirror()

    async def nearest(self, space: bytes, vector: bytes, *, least: float, most: int, clock: Clock) -> list[Near]:
        """Up to `most` contents of the space, the most similar first."""
        await self._catch_up(space, clock)
        while True:
            close = self._mirror.nearest(space, vector, least=least, most=most)
            if not close:
                return []
            ids = [entry for entry, _ in close]
            rows: list[Any] = await self._store.run(_FETCH, [self._key("used")], self._entry(), *ids, clock=clock)
            gone = [entry for entry, row in zip(ids, rows, strict=True) if row == 0]
            self._mirror.drop(space, gone)
            if not gone:
                pairs = zip(close, rows, strict=True)
                return [Near(entry, similarity, row[0], row[1]) for (entry, similarity), row in pairs]

    async def _catch_up(self, space: bytes, clock: Clock) -> None:
        """Read what others have put since this process looked last."""
        while True:
            told: list[bytes] = await self._store.run(
                _NEWER, [self._space() + space.hex()], self._entry(), self._mirror.last(space), BATCH, clock=clock
            )
            self._mirror.add(space, zip(map(int, told[::2]), told[1::2], strict=True))
            if len(told) < 2 * BATCH:
                return

    def put(
        self, space: bytes, vector: bytes, content: bytes, *, ttl: float, bounds: Bounds, clock: Clock
    ) -> Submitted[bool]:
        """Keep a content for `ttl` seconds; what was not used for longest makes room."""
        putting = self._store.run(
            _PUT, self._accounts(), self._entry(), self._space(), space.hex(), vector, content, repr(ttl),
            bounds.entries, bounds.size, clock=clock,
        )  # fmt: skip
        return putting.read(bool)

    def remove(self, near: Near, *, clock: Clock) -> Submitted[None]:
        """Drop one that was found."""
        return self._store.run(_REMOVE, self._accounts(), self._entry(), self._space(), near.id, clock=clock)

    def clear(self, *, clock: Clock) -> Submitted[int]:
        """Drop some; how many. Repeat until there are none."""
        self._mirror.clear()
        clearing = self._store.run(_CLEAR, self._accounts(), self._entry(), self._space(), clock=clock)
        return clearing.read(int)

    def _accounts(self) -> list[str]:
        return [self._key(name) for name in ("used", "ends", "size", "last")]

    def _entry(self) -> str:
        return self._store.key("vector", "")

    def _space(self) -> str:
        return self._store.key("vector-space", "")

    def _key(self, name: str) -> str:
        return self._store.key(f"vectors-{name}")
