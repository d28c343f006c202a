"""Calls from here to the wire and back: the stack bound around the endpoints."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.call import Call
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.outcome import Outcome
from hanzo_agents._kernel.target import Target
from hanzo_agents._kernel.tracking import open_journal, tracked
from hanzo_agents._wire.attempt import Endpoint, Exchange
from hanzo_agents._wire.dialects.embeddings import EMBEDDINGS
from hanzo_agents._wire.keeping.apart import WireLikeness
from hanzo_agents._wire.keeping.codec import WireCodec
from hanzo_agents._wire.keeping.voice import WireVoice
from hanzo_agents._wire.model_info import EndpointPrices
from hanzo_agents._wire.replies import note_outcome
from hanzo_agents._wire.stream import HanzoStream
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai import AsyncOpenAI

    from hanzo_agents._kernel.price import Prices
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.stack import Stack
    from hanzo_agents._wire.compose import Extras
    from hanzo_agents._wire.dialects.dialect import Dialect, RequestView
    from hanzo_agents._wire.labels import Labels
    from hanzo_agents.prices.learned import Endpoints

__all__ = ["Engine", "caller_deadline", "spare_stands_by"]

caller_deadline: ContextVar[float | None] = ContextVar("hanzo_agents_caller_deadline", default=None)
"""Monotonic time at which the caller will give up by itself (the runner's `ModelSettings.timeout`)."""


spare_stands_by: ContextVar[bool] = ContextVar("hanzo_agents_spare_stands_by", default=False)
"""Whether a chain above us has another target should this call fail (see `Call.spare`)."""


class Engine:
    """Runs calls through a stack, each attempt at the endpoint of its target.

    Args:
        sibling: makes a client for another endpoint, on the same connections, with nothing else in common.
        learned: what endpoints told of their models' prices, shared with copies of the client.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        stack: Stack,
        *,
        labels: Labels,
        limit: int,
        single: bool,
        sibling: Callable[[Target], AsyncOpenAI],
        learned: Endpoints,
        provider: str | None = None,
    ) -> None:
        _refuse_foreign(stack)
        self.stack = stack
        self.single = single
        self._home = Endpoint(client, limit, labels, provider)
        self._address = str(client.base_url)
        self._limit = limit
        self._sibling = sibling
        self._away: dict[tuple[str, str, Any, str | None], Endpoint] = {}
        self._targets: dict[str, Target] = {}
        self.prices: Prices = EndpointPrices(learned, self._home, self._endpoint)
        self._service = stack.bind(self._send)
        self._codec = WireCodec(client, stack)
        self._likeness = WireLikeness(self._codec)
        self._voice = WireVoice(self._codec)

    def encode(self, dialect: Dialect, body: Any) -> bytes:
        """A body as the home endpoint gets it; TypeError or ValueError when it is not plain JSON."""
        return self._home.composer.encode(dialect, body)

    async def run(self, dialect: Dialect, view: RequestView, extras: Extras, *, stream: bool) -> Reply:
        """Run one logical call.

        Raises:
            openai.OpenAIError: no target accepted it.
        """
        clock = current_clock()
        call = Call(
            target=self._target(view.model or ""),
            view=view,
            journal=open_journal(clock.now(), view.operation),
            deadline=caller_deadline.get(),
            pinned=view.stateful,
            single=self.single,
            home=self._address,
            payload=Exchange(dialect, extras, stream),
            codec=self._codec,
            likeness=None if dialect is EMBEDDINGS else self._likeness,
            voice=None if dialect is EMBEDDINGS else self._voice,
            prices=self.prices,
            clock=clock,
            spare=spare_stands_by.get(),
        )
        try:
            reply = await tracked(self._service, call)
        except BaseException:
            await _leave(call.payload.opened)
            raise
        # A stream's account holds its call; did that hold the reply, dropping the stream would go unnoticed.
        call.payload.opened.clear()
        note_outcome(reply.value, Outcome(call.journal, reply.attempt))
        return reply

    async def _send(self, call: Call) -> Reply:
        exchange: Exchange = call.payload
        if call.target.foreign:
            raise _foreign(call.target)
        if call.target.base_url is None:
            reply = await self._home.attempt(call, exchange)
            exchange.opened.append(reply)
            return reply
        # Headers, query and labels of the caller are for home: they may hold its key. Away gets only the body.
        exchange = replace(exchange, extras=exchange.extras.away())
        view: RequestView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
        call = replace(call, view=exchange.dialect.view(view.body))
        reply = await self._endpoint(call.target).attempt(call, exchange)
        exchange.opened.append(reply)
        return reply

    def _endpoint(self, target: Target) -> Endpoint:
        assert target.base_url is not None
        assert target.api_key is not None
        key = (target.base_url, target.api_key, tuple((target.headers or {}).items()), target.provider)
        endpoint = self._away.get(key)
        if endpoint is None:
            endpoint = self._away[key] = Endpoint(self._sibling(target), self._limit, provider=target.provider)
        return endpoint

    def _target(self, model: str) -> Target:
        target = self._targets.get(model)
        if target is None:
            target = self._targets[model] = Target(model or None)
        return target


async def _leave(replies: list[Reply]) -> None:
    """Close the streams of a call that nobody will read."""
    for reply in replies:
        value: Any = reply.value
        if isinstance(value, HanzoStream):
            await value.close()


def _refuse_foreign(stack: Stack) -> None:
    for target in stack.targets:
        if target.foreign:
            raise _foreign(target)


def _foreign(target: Target) -> ConfigError:
    return ConfigError(
        f"fallbacks: {target} is a model object, which the client cannot send to; "
        "use it with HanzoModelProvider or wrap()"
    )
