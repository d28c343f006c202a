"""The same question, answered from what was answered before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.clock import Duration, required_seconds, seconds, seconds_of
from hanzo_agents._kernel.fields import check_count, check_flag, check_function, check_store
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.cache.entry import Entry
from hanzo_agents.policies.cache.lookup import Lookup
from hanzo_agents.policies.cache.shelf import CacheStats, Shelf
from hanzo_agents.policies.cacheable import (
    Tenant,
    asked_by,
    check_temperature,
    checked_tenant,
    tenant_of,
    too_warm,
)
from hanzo_agents.policies.sealed import VERSION, keyed
from hanzo_agents.stores.entries import SPACE, Bounds
from hanzo_agents.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.codec import Question
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.stores.store import Store

__all__ = ["Cache"]

MOST_ENTRIES = 10_000
MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, kw_only=True, repr=False)
class Cache:
    """Answer a call from an earlier answer to exactly the same question, and ask the same question only once.

    The key is everything that is sent, in a canonical spelling, with the endpoint, its key, the tenant and the
    routing; only what cannot change the answer is left out (docs/cache.md has the list). Whole, finished answers
    are kept, as JSON; a stream is replayed as a valid stream and a value as a value, each from either. Tool calls
    get fresh ids at every hit. A hit costs nothing and needs no upstream.

    While a question is on its way, others who ask the same wait for its answer; when whoever asked fails or
    leaves, one of them takes over. In a store that processes share this holds across them. When the store is away,
    calls are sent as if there were no cache.

    Attributes:
        ttl: seconds for which an answer is kept.
        store: where; a `MemoryStore` of its own by default.
        tenant: whose calls these are: a name, or a function of the call that gives one (None: this call is not
            cached). Tenants never see each other's answers.
        when: which calls to cache, as a function of the call; all by default.
        max_temperature: the highest temperature that a call may name and still be cached; None: any. A caller who
            names one above 0 asks for variety, which a cache takes away. Calls that name none are cached.
        tool_calls: whether answers that call tools are kept.
        substitutes: whether the answer of another target than the one that was asked (a fallback's, a hedge's) is
            kept.
        max_entries, max_bytes: what the store may hold; what was not used for longest goes first. 10,000 answers
            and 256 MiB by default. Redis has bounds of its own (`maxmemory`), and takes none here.
    """

    place: ClassVar[Place] = Place.CACHE

    ttl: Duration = 3600.0
    store: Store | None = None
    tenant: Tenant = None
    when: Callable[[Call], bool] | None = None
    max_temperature: float | None = 0.0
    tool_calls: bool = True
    substitutes: bool = False
    max_entries: int | None = None
    max_bytes: int | None = None
    _shelf: Shelf = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        required_seconds("Cache.ttl", self.ttl)
        seconds("Cache.ttl", self.ttl, zero=False)
        self._check_kinds()
        store = MemoryStore() if self.store is None else self.store
        check_store("Cache.store", self.store, "entries")
        for name in ("max_entries", "max_bytes"):
            value = getattr(self, name)
            if value is None:
                continue
            check_count(f"Cache.{name}", value)
            if not store.entries.bounded:
                raise ConfigError(f"Cache.{name}: {store.scope} is bounded by its own maxmemory; leave it out")
        bounds = Bounds(self.max_entries or MOST_ENTRIES, self.max_bytes or MOST_BYTES)
        object.__setattr__(self, "store", store)
        shelf = Shelf(
            store,
            ttl=seconds_of(self.ttl),
            bounds=bounds,
            tool_calls=self.tool_calls,
            substitutes=self.substitutes,
        )
        object.__setattr__(self, "_shelf", shelf)

    def _check_kinds(self) -> None:
        for name in ("tool_calls", "substitutes"):
            check_flag(f"Cache.{name}", getattr(self, name))
        if self.when is not None:
            check_function("Cache.when", self.when)
        if self.tenant is not None and not callable(self.tenant):
            checked_tenant("Cache.tenant", self.tenant)
        check_temperature("Cache.max_temperature", self.max_temperature)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Answer from the store, from somebody who is asking the same, or from below."""
        key, question = self._key(call)
        if key is None:
            self._shelf.figures.count("bypassed")
            call.note("Cache", "skips", question.obstacle or "")
            return await send(call)
        return await Lookup(call, Entry(self._shelf, key, question.secret, call)).answer(send)

    def plan(self, call: Call) -> Decision:
        """Whether the call would be looked up. Looks into no store."""
        key, question = self._key(call)
        if key is None:
            return Decision("Cache", "skips", question.obstacle or "")
        scope = self.store.scope if self.store is not None else ""
        return Decision("Cache", "looks", f"for an answer to the same question in {scope}", {"scope": scope})

    def stats(self) -> CacheStats:
        """What this cache has done since it was made, in this process."""
        return self._shelf.stats

    async def clear(self, *, tenant: str | None = None) -> int:
        """Drop every answer of the store, or those of one tenant; the number of those that were dropped.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        from hanzo_agents._kernel.clock import current_clock

        space = b"" if tenant is None else _space(checked_tenant("Cache.tenant", tenant))
        clock, dropped, position = current_clock(), 0, ""
        while True:
            more, position = await self._shelf.entries.clear(space, position=position, clock=clock)
            dropped += more
            if not position:
                return dropped

    def __repr__(self) -> str:
        whose = f", tenant={self.tenant!r}" if isinstance(self.tenant, str) else ""
        scope = "" if self.store is None else self.store.scope
        return f"Cache(ttl={seconds_of(self.ttl):g}{whose}, scope={scope!r})"

    def _key(self, call: Call) -> tuple[bytes | None, Question]:
        """The key of a call; None when it is not cached, for which the question has the reason."""
        question = self._question(call)
        tenant = None if question.obstacle else tenant_of("Cache.tenant", self.tenant, call, question)
        if question.obstacle is not None:
            return None, question
        asked = asked_by(tenant, question, b"%d" % VERSION)
        return _space(tenant) + keyed(question.secret, asked).digest(), question

    def _question(self, call: Call) -> Question:
        from hanzo_agents._kernel.codec import Question

        if call.codec is None:
            return Question(obstacle=f"answers to {call.view.operation} cannot be kept")
        if call.pinned:
            return Question(obstacle="the call leans on state at its provider")
        if self.when is not None and not self.when(call):
            return Question(obstacle="`when` leaves it out")
        question = call.codec.question(call)
        question.obstacle = question.obstacle or too_warm(question, self.max_temperature)
        return question


@lru_cache(maxsize=1024)
def _space(tenant: str | None) -> bytes:
    """Where the keys of a tenant begin."""
    named = b"" if tenant is None else b"tenant:" + tenant.encode("utf-8", "surrogatepass")
    return hashlib.sha256(named).digest()[:SPACE]
