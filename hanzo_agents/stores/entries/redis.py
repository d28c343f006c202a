"""Cached answers in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from hanzo_agents.stores.entries import Claim
from hanzo_agents.stores.entries.flights import Flights
from hanzo_agents.stores.redis import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries import Bounds
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.redis import RedisStore

__all__ = ["RedisEntries"]

T = TypeVar("T")

# An entry is a hash of its content (c), the time at which it ends (x) and the fence it was put with (f); a lease
# one of its owner (o), its end and its fence. Redis drops both by itself; `x` counts under a test's clock too.
_LIVE = """\
local function live(key)
  local ends = redis.call('HGET', key, 'x')
  return ends and tonumber(ends) > now
end
"""

_GET = Script(
    "reading a cached answer",
    _LIVE + "if live(KEYS[1]) then return redis.call('HGET', KEYS[1], 'c') end",
)

_PUT = Script(
    "keeping an answer",
    _LIVE
    + """\
local fence = tonumber(ARGV[4])
if fence >= 0 then
  local later = tonumber(redis.call('HGET', KEYS[2], 'f') or -1)
  local newer = live(KEYS[1]) and tonumber(redis.call('HGET', KEYS[1], 'f')) or -1
  if later > fence or newer > fence then return 0 end
  redis.call('DEL', KEYS[2])
end
redis.call('HSET', KEYS[1], 'c', ARGV[2], 'x', string.format('%.6f', now + tonumber(ARGV[3])), 'f', fence)
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[3]) * 1000))
return 1
""",
)

_REMOVE = Script(
    "dropping a cached answer",
    "if redis.call('HGET', KEYS[1], 'c') == ARGV[2] then redis.call('DEL', KEYS[1]) end",
)

_CLAIM = Script(
    "claiming a question",
    _LIVE
    + """\
if live(KEYS[1]) then return {redis.call('HGET', KEYS[1], 'c'), -1} end
if live(KEYS[2]) then
  if redis.call('HGET', KEYS[2], 'o') ~= ARGV[2] then return {false, -1} end
  return {false, tonumber(redis.call('HGET', KEYS[2], 'f'))}
end
local fence = redis.call('INCR', KEYS[3])
local ends = string.format('%.6f', now + tonumber(ARGV[3]))
redis.call('HSET', KEYS[2], 'o', ARGV[2], 'x', ends, 'f', fence)
redis.call('PEXPIRE', KEYS[2], math.ceil(tonumber(ARGV[3]) * 1000))
return {false, fence}
""",
)

_PROLONG = Script(
    "going on with a question",
    _LIVE
    + """\
if live(KEYS[1]) and redis.call('HGET', KEYS[1], 'o') == ARGV[2] then
  redis.call('HSET', KEYS[1], 'x', string.format('%.6f', now + tonumber(ARGV[3])))
  redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[3]) * 1000))
end
""",
)

_RELEASE = Script(
    "leaving a question",
    "if redis.call('HGET', KEYS[1], 'o') == ARGV[2] then redis.call('DEL', KEYS[1]) end",
)

_CLEAR = Script(
    "clearing cached answers",
    """\
local found = redis.call('SCAN', ARGV[2], 'MATCH', ARGV[3], 'COUNT', 1000)
for _, key in ipairs(found[2]) do redis.call('UNLINK', key) end
return {#found[2], found[1]}
""",
)


class RedisEntries:
    """Answers in Redis, each until its time is over. How many there may be is Redis' own `maxmemory`."""

    shared = True
    bounded = False
    largest = 1 << 23
    """Eight MiB: more would not pass within the time that an operation has."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self.flights = Flights()

    def get(self, key: bytes, *, clock: Clock) -> Submitted[bytes | None]:
        """The answer under `key`, None when there is none or its time is over."""
        return self._store.run(_GET, [self._entry(key)], clock=clock)

    def put(
        self, key: bytes, content: bytes, *, ttl: float, bounds: Bounds, fence: int | None, clock: Clock
    ) -> Submitted[bool]:
        """Keep an answer for `ttl` seconds, and give the lease back."""
        keys = [self._entry(key), self._lease(key)]
        return self._run(bool, _PUT, keys, content, repr(ttl), -1 if fence is None else fence, clock=clock)

    def remove(self, key: bytes, *, content: bytes, clock: Clock) -> Submitted[None]:
        """Drop the entry under `key` if it still is `content`."""
        return self._store.run(_REMOVE, [self._entry(key)], content, clock=clock)

    def claim(self, key: bytes, *, owner: str, lease: float, clock: Clock) -> Submitted[Claim]:
        """Take the lease on asking for `key`, unless there is an answer or another owner."""
        keys = [self._entry(key), self._lease(key), self._store.key("entry-fence")]
        return self._run(_claim, _CLAIM, keys, owner, repr(lease), clock=clock)

    def prolong(self, key: bytes, *, owner: str, lease: float, clock: Clock) -> Submitted[None]:
        """Let a lease that has not ended last for `lease` seconds from now."""
        return self._store.run(_PROLONG, [self._lease(key)], owner, repr(lease), clock=clock)

    def release(self, key: bytes, *, owner: str, clock: Clock) -> Submitted[None]:
        """Give the lease back without an answer."""
        return self._store.run(_RELEASE, [self._lease(key)], owner, clock=clock)

    def clear(self, space: bytes, *, position: str, clock: Clock) -> Submitted[tuple[int, str]]:
        """Drop some of the entries whose key begins with `space`."""
        pattern = _literally(self._store.key("entry", "")) + space.hex() + "*"
        # The key is there for a cluster: it tells at which node to look.
        keys = [self._entry(space)]
        return self._run(_cleared, _CLEAR, keys, position or "0", pattern, clock=clock)

    def _run(
        self,
        read: Callable[[Any], T],
        script: Script,
        keys: Sequence[str],
        *args: str | bytes | float,
        clock: Clock,
    ) -> Submitted[T]:
        return self._store.run(script, keys, *args, clock=clock).read(read)

    def _entry(self, key: bytes) -> str:
        return self._store.key("entry", key.hex())

    def _lease(self, key: bytes) -> str:
        return self._store.key("entry-lease", key.hex())


def _claim(result: Any) -> Claim:
    content, fence = result
    return Claim(content, fence if fence >= 0 else None)


def _cleared(result: Any) -> tuple[int, str]:
    dropped, position = result
    return dropped, "" if position == b"0" else position.decode()


def _literally(text: str) -> str:
    """A pattern that matches this text only."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^-" else letter for letter in text)
