"""Requests from here to LLMWise and back: the stack bound around attempts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from hanzo_agents._kernel.call import Call
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.stack import Place, Stack
from hanzo_agents._kernel.target import Target
from hanzo_agents._kernel.tracking import open_journal, tracked
from hanzo_agents._wire.engine import caller_deadline, spare_stands_by
from hanzo_agents._wire.plain import PlainRequests, only_unsent
from hanzo_agents.errors import ConfigError
from hanzo_agents.llmwise.attempt import Exchange, attempt
from hanzo_agents.llmwise.codec import ChatCodec
from hanzo_agents.llmwise.endpoint import Endpoint, api_root
from hanzo_agents.llmwise.modes import MODES
from hanzo_agents.llmwise.prices import prices_of
from hanzo_agents.llmwise.view import ModeView
from hanzo_agents.settings import checked_key, checked_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.llmwise.request import Request

__all__ = ["Engine"]


class Engine:
    """Runs requests through a stack.

    A chat that was not accepted may be tried again, or on another model. The other modes ask several models at
    once, and each is paid for: they are sent again only when the service cannot have seen them, and only to the
    models they name. So is every request that changes something.

    Args:
        home: where requests go.
        stack: the policies.
        allow_insecure: targets may be reached by plain http.
        credit_usd: US dollars of a credit.
    """

    def __init__(self, home: Endpoint, stack: Stack, *, allow_insecure: bool, credit_usd: Decimal | None) -> None:
        self.stack = stack
        self._home = home
        self._credit = credit_usd
        self._away = {
            _address(target): _endpoint_of(target, home, allow_insecure=allow_insecure)
            for target in stack.targets
            if target.base_url is not None
        }
        self._replayed = stack.bind(self._send)
        self._once = Stack.silently(map(only_unsent, stack.policies)).bind(self._send)
        self._paid = PlainRequests(stack, single=False)
        free = (policy for policy in stack.policies if getattr(policy, "place", None) is not Place.BUDGET)
        self._free = PlainRequests(Stack.silently(free), single=False)
        self._codec = ChatCodec(home.base_url, home.key.get_secret_value(), stack)

    async def fetch(self, request: Request[Any]) -> Any:
        """The whole answer to a request.

        Raises:
            LLMWiseError: the service refused or failed.
        """
        if request.path in MODES:
            return (await self.run(request)).value
        plain = self._paid if request.paid else self._free
        return await plain.run(request.method, request.path, lambda: self._home.fetch(request))

    async def run(self, request: Request[Any], *, single: bool = False, dropped: Sequence[str] = ()) -> Reply:
        """Run a mode call; what it streams is in the reply, its first useful event in hand.

        Args:
            request: one of the modes.
            single: exactly one request may be sent.
            dropped: settings that the caller has and LLMWise does not take.
        """
        view = ModeView(request)
        exchange = Exchange(self._credit, list(dropped))
        clock = current_clock()
        chat = view.operation == "chat"
        call = Call(
            target=Target(view.model),
            view=view,
            journal=open_journal(clock.now(), view.operation),
            deadline=caller_deadline.get(),
            pinned=not chat or view.stateful,
            single=single,
            home=self._home.base_url,
            payload=exchange,
            codec=self._codec,
            prices=prices_of(view),
            clock=clock,
            spare=spare_stands_by.get(),
        )
        try:
            return await tracked(self._replayed if chat else self._once, call)
        except BaseException:
            for reply in exchange.opened:
                if isinstance(reply.value, Primed):
                    await reply.value.aclose()
            raise
        finally:
            # A stream's account holds its call; did that hold the reply, dropping the stream would go unnoticed.
            exchange.opened.clear()

    async def _send(self, call: Call) -> Reply:
        endpoint = self._home if call.target.base_url is None else self._away[_address(call.target)]
        exchange: Exchange = call.payload
        if exchange.dropped:
            call.note("LLMWise", "drops settings", "the API does not take them", settings=[*exchange.dropped])
            exchange.dropped.clear()
        reply = await attempt(endpoint, call)
        exchange.opened.append(reply)
        return reply


def _address(target: Target) -> tuple[str | None, SecretStr]:
    return target.base_url, SecretStr(target.api_key or "")


def _endpoint_of(target: Target, home: Endpoint, *, allow_insecure: bool) -> Endpoint:
    """A target elsewhere, which speaks the same API and has a key of its own."""
    if target.headers:
        raise ConfigError("Target.headers: this client sends none of its own")
    url = checked_url("Target.base_url", api_root(target.base_url or ""), allow_insecure=allow_insecure)
    return replace(home, base_url=url, key=SecretStr(checked_key("Target.api_key", target.api_key or "")))
