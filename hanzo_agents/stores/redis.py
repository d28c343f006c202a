"""A store in Redis, for processes on any number of machines."""

from __future__ import annotations

import asyncio
import hashlib
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hanzo_agents._kernel.clock import SYSTEM_CLOCK, Clock, Duration, required_seconds
from hanzo_agents._kernel.loop_thread import LoopThread, background_loop
from hanzo_agents.errors import ConfigError
from hanzo_agents.stores.pending import Submitted
from hanzo_agents.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents.stores.circuits.redis import RedisCircuits
    from hanzo_agents.stores.entries.redis import RedisEntries
    from hanzo_agents.stores.ledger.redis import RedisLedger
    from hanzo_agents.stores.limits.redis import RedisLimits

__all__ = ["RedisStore", "Script"]

MOST_CONNECTIONS = 32

_NOW = """\
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
"""


@dataclass(frozen=True)
class Script:
    """One operation, in Lua. It finds the server's time in `now`, seconds; its own arguments begin at ARGV[2]."""

    what: str
    lua: str
    source: str = field(init=False, repr=False)
    digest: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Put the time in front."""
        object.__setattr__(self, "source", _NOW + self.lua)
        object.__setattr__(self, "digest", hashlib.sha1(self.source.encode()).hexdigest())  # noqa: S324 - Redis' own name for it


class RedisStore:
    """State in one Redis, shared by every process that names it with the same prefix.

    Each operation is one script: it happens whole or not at all, by the server's own time, and may be repeated.
    All keys share one hash tag, so that a cluster keeps them together.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py reads it.
        prefix: begins every key; stores with different prefixes know nothing of each other.
        timeout: seconds an operation may take. After one that failed, operations are refused at once for
            `retry_in` seconds, so that a Redis that hangs does not hold up every call.

    Raises:
        ConfigError: the extra `redis` is not installed, or the URL is none.
        StoreUnavailable: from an operation: Redis did not answer in time, or refuses to write.
    """

    def __init__(
        self, url: str, *, prefix: str = "hanzo", timeout: Duration = 0.1, retry_in: Duration = 1.0
    ) -> None:
        _check_url(url)
        if not isinstance(prefix, str) or not prefix or set(prefix) & set("{}"):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"RedisStore.prefix: expected a name without braces, got {prefix!r}")
        self._url = url
        self.prefix = prefix
        self.timeout = required_seconds("RedisStore.timeout", timeout)
        self.retry_in = required_seconds("RedisStore.retry_in", retry_in)
        self._away_until = float("-inf")
        self._connected: tuple[LoopThread, Any, asyncio.Semaphore] | None = None

    @property
    def scope(self) -> str:
        """Host, database and prefix; never the password."""
        parts = urlsplit(self._url)
        return f"redis {parts.netloc.rpartition('@')[2]}{parts.path} {self.prefix}"

    @cached_property
    def ledger(self) -> RedisLedger:
        """Money: reserved, spent, by whom and on what."""
        from hanzo_agents.stores.ledger.redis import RedisLedger

        return RedisLedger(self)

    @cached_property
    def limits(self) -> RedisLimits:
        """Requests and tokens in the last minute, and calls under way."""
        from hanzo_agents.stores.limits.redis import RedisLimits

        return RedisLimits(self)

    @cached_property
    def circuits(self) -> RedisCircuits:
        """Which targets are failing."""
        from hanzo_agents.stores.circuits.redis import RedisCircuits

        return RedisCircuits(self)

    @cached_property
    def entries(self) -> RedisEntries:
        """Cached answers."""
        from hanzo_agents.stores.entries.redis import RedisEntries

        return RedisEntries(self)

    def key(self, *parts: str) -> str:
        """A key of this store; parts are escaped, so that no two spellings meet."""
        escaped = (part.replace("%", "%25").replace(":", "%3A") for part in parts)
        return ":".join((f"{{{self.prefix}}}", *escaped))

    def run(
        self, script: Script, keys: Sequence[str], *args: str | bytes | float, clock: Clock = SYSTEM_CLOCK
    ) -> Submitted[Any]:
        """Run a script. Only a test's clock is sent along; otherwise the server's time counts.

        The result is as Redis gives it: bytes, integers, None, lists of them.
        """
        now = "" if clock is SYSTEM_CLOCK else repr(clock.wall())
        future: Future[Any] = Future()
        submitted = Submitted(future, script.what)
        thread = background_loop()
        try:
            thread.launch(lambda: self._run(thread, script, keys, (now, *args), future))
        except RuntimeError:  # the process ends: what was reserved is left to its lease
            future.set_exception(_unavailable(script, "stopped"))
        return submitted

    async def _run(
        self, thread: LoopThread, script: Script, keys: Sequence[str], args: Sequence[Any], future: Future[Any]
    ) -> None:
        try:
            result = await self._answer(thread, script, keys, args)
        except BaseException as error:
            future.set_exception(error if isinstance(error, Exception) else _unavailable(script, "stopped"))
            if not isinstance(error, Exception):
                raise
        else:
            future.set_result(result)

    async def _answer(self, thread: LoopThread, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        from redis import exceptions

        client, slots = self._connection(thread)
        async with slots:
            if time.monotonic() < self._away_until:
                raise _unavailable(script, f"away; asked again after {self.retry_in:g} s")
            try:
                async with asyncio.timeout(self.timeout):
                    return await _evaluate(client, script, keys, args)
            except (TimeoutError, OSError, exceptions.RedisError) as error:
                self._away_until = time.monotonic() + self.retry_in
                # The client's error is no cause: its frames hold the address with its password.
                reason = f"no answer within {self.timeout:g} s" if isinstance(error, TimeoutError) else str(error)
                refusal = _unavailable(script, reason)
        raise refusal

    def _connection(self, thread: LoopThread) -> tuple[Any, asyncio.Semaphore]:
        """The client of the loop that serves this process, a new one after a fork. Called on that loop."""
        if self._connected is None or self._connected[0] is not thread:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            client: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                self._url, max_connections=MOST_CONNECTIONS, socket_connect_timeout=self.timeout,
                retry=Retry(NoBackoff(), 0),
            )  # fmt: skip
            self._connected = thread, client, asyncio.Semaphore(MOST_CONNECTIONS)
        return self._connected[1], self._connected[2]

    def close(self) -> None:
        """Close the connections. The store opens new ones when it is used again."""
        connected, self._connected = self._connected, None
        if connected is not None and connected[0].ours:
            thread, client, _ = connected
            with suppress(RuntimeError):
                thread.launch(client.aclose)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scope={self.scope!r})"


async def _evaluate(client: Any, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
    """Run by digest; once more when the server has forgotten the script or the connection was an old one.

    Safe, as every operation carries an id and may be repeated.
    """
    from redis import exceptions

    try:
        return await client.evalsha(script.digest, len(keys), *keys, *args)
    except (exceptions.NoScriptError, exceptions.ConnectionError):
        return await client.eval(script.source, len(keys), *keys, *args)


def _unavailable(script: Script, reason: str) -> StoreUnavailable:
    return StoreUnavailable(f"{script.what}: Redis is unavailable: {reason}", code="store_unavailable")


def _check_url(url: object) -> None:
    if not isinstance(url, str) or urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        kind = type(url).__name__ if not isinstance(url, str) else repr(urlsplit(url).scheme)
        raise ConfigError(f"RedisStore.url: expected redis://, rediss:// or unix://, got {kind}")
    try:
        import redis  # noqa: F401
    except ImportError:
        raise ConfigError("RedisStore: pip install 'hanzo-agents-provider[redis]'") from None
