"""A store in Redis, for processes on any number of machines."""

from __future__ import annotations

import atexit
import hashlib
import os
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakSet, finalize

from hanzo_agents._kernel.clock import SYSTEM_CLOCK, Clock, Duration, required_seconds
from hanzo_agents.errors import ConfigError
from hanzo_agents.stores.pending import Submitted
from hanzo_agents.stores.store import StoreUnavailable, made_once, part
from hanzo_agents.stores.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents.stores.circuits.redis import RedisCircuits
    from hanzo_agents.stores.entries.redis import RedisEntries
    from hanzo_agents.stores.ledger.redis import RedisLedger
    from hanzo_agents.stores.limits.redis import RedisLimits
    from hanzo_agents.stores.vectors.redis import RedisVectors

__all__ = ["RedisStore", "Script"]

MOST_CONNECTIONS = 8

REFUSED = "REFUSED"
"""Begins the answer of a script to what it will never take."""

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
    All keys share one hash tag, so that one node of a cluster has them all; the URL may name any of its nodes.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py reads it.
        prefix: begins every key; stores with different prefixes know nothing of each other.
        timeout: seconds to connect, and to answer.
        retry_in: seconds after an operation that failed in which operations are refused at once, so that a Redis
            that hangs does not hold up every call.

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
        self.timeout = required_seconds("RedisStore.timeout", timeout, zero=False)
        self.retry_in = required_seconds("RedisStore.retry_in", retry_in)
        self._away_until = float("-inf")
        self._workers: dict[int, Workers] = {}
        self._moving = threading.Lock()
        self._former: list[Any] = []
        _open_stores.add(self)

    @property
    def scope(self) -> str:
        """Host, database and prefix; never the password."""
        parts = urlsplit(self._url)
        return f"redis {parts.netloc.rpartition('@')[2]}{parts.path} {self.prefix}"

    @part
    def ledger(self) -> RedisLedger:
        """Money: reserved, spent, by whom and on what."""
        from hanzo_agents.stores.ledger.redis import RedisLedger

        return RedisLedger(self)

    @part
    def limits(self) -> RedisLimits:
        """Requests and tokens in the last minute, and calls under way."""
        from hanzo_agents.stores.limits.redis import RedisLimits

        return RedisLimits(self)

    @part
    def circuits(self) -> RedisCircuits:
        """Which targets are failing."""
        from hanzo_agents.stores.circuits.redis import RedisCircuits

        return RedisCircuits(self)

    @part
    def entries(self) -> RedisEntries:
        """Cached answers."""
        from hanzo_agents.stores.entries.redis import RedisEntries

        return RedisEntries(self)

    @part
    def vectors(self) -> RedisVectors:
        """Cached answers, by what their questions are like."""
        from hanzo_agents.stores.vectors.redis import RedisVectors

        return RedisVectors(self)

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
        try:
            self._threads().put(partial(self._run, script, keys, (now, *args), future))
        except RuntimeError:  # the process ends: what was reserved is left to its lease
            future.set_exception(_unavailable(script, "stopped"))
        return submitted

    def _threads(self) -> Workers:
        process = os.getpid()
        workers = self._workers.get(process)
        if workers is None:
            # Several threads may get here at once: that whose own was kept goes on. No lock, as in `made_once`.
            mine = Workers("hanzo-agents-redis", most=MOST_CONNECTIONS)
            workers = self._workers.setdefault(process, mine)
            if workers is mine:
                self._moving = threading.Lock()  # of this process: a fork may have copied one that is held
                finalize(self, workers.dismiss)
        return workers

    def _run(self, script: Script, keys: Sequence[str], args: Sequence[Any], future: Future[Any]) -> None:
        try:
            result = self._answer(script, keys, args)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)
        else:
            future.set_result(result)

    def _answer(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        from redis import exceptions

        if time.monotonic() < self._away_until:
            raise _unavailable(script, f"away; asked again after {self.retry_in:g} s")
        try:
            client = self._client
            try:
                return _evaluate(client, script, keys, args)
            except exceptions.MovedError:
                return _evaluate(self._moved(client), script, keys, args)
        except (OSError, exceptions.RedisError, exceptions.RedisClusterException) as error:
            # The client's error is no cause: its frames hold the address with its password.
            refusal = self._failed(script, error)
        raise refusal

    def _failed(self, script: Script, error: Exception) -> Exception:
        from redis import exceptions

        if str(error).startswith(REFUSED):
            return ValueError(f"{script.what}: {error}")
        self._away_until = time.monotonic() + self.retry_in
        late = isinstance(error, exceptions.TimeoutError)
        return _unavailable(script, f"no answer within {self.timeout:g} s" if late else str(error))

    @made_once
    def _client(self) -> Any:
        """Connections of this process; redis-py leaves those of a parent alone."""
        from redis import Redis

        return Redis.from_url(self._url, **self._options())  # pyright: ignore[reportUnknownMemberType]

    def _moved(self, client: Any) -> Any:
        """Connections to a cluster: the node that `client` asked is not, or no longer, the one with our keys."""
        from redis import RedisCluster

        with self._moving:
            if self._client is client:  # several threads may hear of it at once
                self._former.append(client)  # others may be in the middle of asking with it
                self._client = RedisCluster.from_url(self._url, **self._options())  # pyright: ignore[reportUnknownMemberType]
            return self._client

    def _options(self) -> dict[str, Any]:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return {
            "socket_timeout": self.timeout,
            "socket_connect_timeout": self.timeout,
            "retry": Retry(NoBackoff(), 0),
        }

    def close(self) -> None:
        """Finish what was asked for and close the connections. The store opens new ones when it is used again."""
        workers = self._workers.pop(os.getpid(), None)
        if workers is not None:
            workers.finish(2 * self.timeout)
        clients, self._former = [*self._former, self.__dict__.pop("_client", None)], []
        for client in clients:
            if client is not None:
                # A cluster's own `close` leaves the connections to its nodes open.
                getattr(client, "disconnect_connection_pools", client.close)()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scope={self.scope!r})"


def _evaluate(client: Any, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
    """Run by digest; once more when the server has forgotten the script or the connection was an old one.

    Safe, as every operation carries an id and may be repeated.
    """
    from redis import exceptions

    try:
        return client.evalsha(script.digest, len(keys), *keys, *args)
    except (exceptions.NoScriptError, exceptions.ConnectionError):
        return client.eval(script.source, len(keys), *keys, *args)


def _unavailable(script: Script, reason: str) -> StoreUnavailable:
    return StoreUnavailable(f"{script.what}: Redis is unavailable: {reason}", code="store_unavailable")


def _check_url(url: object) -> None:
    if not isinstance(url, str) or urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        kind = type(url).__name__ if not isinstance(url, str) else repr(urlsplit(url).scheme)
        raise ConfigError(f"RedisStore.url: expected redis://, rediss:// or unix://, got {kind}")
    if find_spec("redis") is None:
        raise ConfigError("RedisStore: pip install 'hanzo-agents-provider[redis]'")


_open_stores: WeakSet[RedisStore] = WeakSet()


@atexit.register
def _close_all() -> None:
    for store in list(_open_stores):
        store.close()
