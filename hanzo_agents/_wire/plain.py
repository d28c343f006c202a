"""Requests beside the three that policies understand: listings, files, retrievals.

With wire retries off they would silently lose the SDK's own, so they keep Deadline and Retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import openai

from hanzo_agents._kernel.call import Call
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.reply import Reply
from hanzo_agents._kernel.stack import Place, Policy, Stack
from hanzo_agents._kernel.target import Target
from hanzo_agents._kernel.tracking import open_journal, tracked
from hanzo_agents._wire.failures import connection_error, redirected, status_error
from hanzo_agents.errors import HanzoError, InvalidResponse, Refused
from hanzo_agents.policies.classify import not_sent
from hanzo_agents.policies.deadline import Deadline
from hanzo_agents.policies.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from hanzo_agents._wire.redact import Secrets

__all__ = ["PlainRequests", "only_unsent", "scrubbed"]


@dataclass(frozen=True, slots=True)
class PlainView:
    """A request that policies do not look into."""

    operation: str
    text: str = ""
    messages: Sequence[Mapping[str, Any]] = ()
    needs: frozenset[str] = frozenset()
    max_output: int | None = None
    choices: int = 1
    given_tokens: int = 0
    size: int = 0
    foretold: int = 0
    stateful: bool = False
    dropped: tuple[str, ...] = ()

    def with_model(self, model: str | None) -> PlainView:
        return self

    def with_max_output(self, tokens: int) -> PlainView:
        return self


class PlainRequests:
    """Deadline and Retry around requests that the SDK itself makes; what must stay on this machine is not sent."""

    def __init__(self, stack: Stack, *, single: bool) -> None:
        kept = [policy for policy in stack.policies if isinstance(policy, Deadline | Retry) or _pays(policy)]
        self._reading = Stack.silently(kept)
        self._writing = Stack.silently(map(only_unsent, kept))
        self._single = single
        here = any(getattr(policy, "stays_here", False) for policy in stack.policies)
        self._staying = () if here else tuple(_staying(stack.policies))

    async def run(
        self, method: str, path: str, request: Callable[[], Awaitable[Any]], *, said: Sequence[Any] = ()
    ) -> Any:
        """Run one request; only a GET is repeated after it may have reached the upstream.

        Args:
            method: of HTTP.
            path: below the address.
            request: sends it.
            said: what its body holds.

        Raises:
            Refused: a text in it must stay on this machine, and nobody chooses where it goes.
        """

        async def send(call: Call) -> Reply:
            return Reply(await request())

        if self._staying:
            self._hold(f"{method.upper()} {path}", said)
        clock = current_clock()
        stack = self._reading if method.lower() == "get" else self._writing
        call = Call(
            target=Target(path),
            view=PlainView(f"{method.upper()} {path}"),
            journal=open_journal(clock.now(), path),
            single=self._single,
            clock=clock,
        )
        return (await tracked(stack.bind(send), call)).value

    def _hold(self, what: str, said: Sequence[Any]) -> None:
        text = "\n".join(_texts([*said]))
        if text and any(local_for(text) for local_for in self._staying):
            raise Refused(f"{what} is not routed, and it must stay on this machine", code="local_only")


def _pays(policy: Policy) -> bool:
    """Whether it is a budget: it refuses what costs and has no price, images and speech for example."""
    return getattr(policy, "place", None) is Place.BUDGET


def _staying(policies: Iterable[Policy]) -> Iterator[Callable[[str], object]]:
    """What says of a text whether it must stay on this machine."""
    for policy in policies:
        if (
            getattr(policy, "place", None) is Place.ROUTE
            and (found := getattr(policy, "local_for", None)) is not None
        ):
            yield found
        yield from _staying(getattr(policy, "stack", ()))


def _texts(value: Any) -> Iterator[str]:
    """The strings in a body, but for media that are spelled as one."""
    if isinstance(value, bytes):
        yield value.decode(errors="replace")
    elif isinstance(value, str):
        if not value.startswith("data:"):
            yield value
    else:
        inner: Any = value
        parts = inner.values() if isinstance(value, Mapping) else inner if isinstance(value, list | tuple) else ()
        for part in parts:
            yield from _texts(part)


def only_unsent(policy: Policy) -> Policy:
    """The policy for requests that may not be repeated: a Retry repeats only what the upstream has not seen."""
    if not isinstance(policy, Retry):
        return policy
    worth = policy.on

    def unsent(error: Exception) -> bool:
        return not_sent(error) and worth(error)

    return replace(policy, on=unsent)


async def scrubbed(client: openai.AsyncOpenAI, secrets: Secrets, request: Callable[[], Awaitable[Any]]) -> Any:
    """Run a request of the SDK's own, its errors rebuilt without secrets."""
    failure: Exception
    try:
        return await request()
    except openai.APIStatusError as error:
        response: Any = error.response
        failure = (
            redirected(response)
            if response.status_code < 400
            else status_error(client, response, response.content, secrets.sent_with(response.request))
        )
    except HanzoError:
        raise
    except (AttributeError, ValueError):
        failure = InvalidResponse("the reply does not have the shape of an answer", code="invalid_response")
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, HanzoError):  # the transport's own refusal
            raise error.__cause__ from None
        failure = connection_error(error.__cause__ or error, error.request, secrets.sent_with(error.request))  # type: ignore[arg-type]
    raise failure
