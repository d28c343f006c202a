"""The clients of LLMWise: the same methods, to be awaited or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, Unpack

import httpx2

from hanzo_agents._kernel.clock import required_seconds
from hanzo_agents._kernel.fields import check_count, check_flag
from hanzo_agents._wire.sync.calls import iterate, run
from hanzo_agents._wire.transport import LoopLocalTransport
from hanzo_agents.errors import ConfigError
from hanzo_agents.llmwise.endpoint import DEFAULT_URL, Endpoint, api_root
from hanzo_agents.llmwise.engine import Engine
from hanzo_agents.llmwise.methods import Methods
from hanzo_agents.llmwise.stream import AsyncEvents
from hanzo_agents.policies.default import stack_of
from hanzo_agents.routing.asked import dollars_of
from hanzo_agents.settings import ServiceSettings, service_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from decimal import Decimal
    from pathlib import Path

    from hanzo_agents._kernel.stack import Policy, Stack
    from hanzo_agents._wire.sync.calls import Iteration
    from hanzo_agents.llmwise.request import Request
    from hanzo_agents.llmwise.shapes import Event

__all__ = ["AsyncLLMWise", "LLMWise"]

T = TypeVar("T")

VARIABLES = "LLMWISE_API_KEY", "LLMWISE_BASE_URL"

TIMEOUT = 60.0
"""Seconds a single read may take: the official client's own."""

MAX_RESPONSE_BYTES = 64 * 1024 * 1024


class AsyncLLMWise(Methods):
    """A client of LLMWise. One serves any number of event loops.

    Chat, compare, blend and judge run through the policies; other requests keep Deadline and Retry, and those that
    change something are sent again only when the service cannot have seen them.

    Args:
        api_key: LLMWISE_API_KEY by default, and only for the address of the environment.
        base_url: LLMWISE_BASE_URL by default, else https://llmwise.ai/api/v1; `/api/v1` may be left out.
        timeout: seconds a single read may take; `Deadline` bounds the whole call.
        policies: None for the default stack; a list adds to it (a policy of the same class replaces its default);
            `[]` turns all off; a `Stack` is exact.
        credit_usd: US dollars of a credit. With it, what is charged in credits counts as a cost.
        allow_insecure: permit plain http to other machines.
        proxy, verify, cert: of the HTTP transport; HTTPS_PROXY and NO_PROXY are honoured without them.
        max_response_bytes: where an answer is abandoned; 64 MiB.

    Raises:
        ConfigError: a setting is missing or wrong; nothing was sent.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = TIMEOUT,
        *,
        policies: Iterable[Policy] | Stack | None = None,
        credit_usd: Decimal | float | str | None = None,
        allow_insecure: bool = False,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        cert: str | Path | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        try:
            check_flag("allow_insecure", allow_insecure)
            check_count("max_response_bytes", max_response_bytes)
            seconds = required_seconds("timeout", timeout, zero=False)
            stack = _stack(policies)
            url, key = service_address(
                api_key, base_url, VARIABLES, DEFAULT_URL, root=api_root, allow_insecure=allow_insecure
            )
            self.base_url = url
            self._http = httpx2.AsyncClient(
                transport=LoopLocalTransport(proxy=proxy, verify=verify, cert=cert),
                timeout=seconds,
                follow_redirects=False,
                trust_env=False,
            )
            home = Endpoint(url, key, self._http, max_response_bytes)
            self._engine = Engine(home, stack, allow_insecure=allow_insecure, credit_usd=_credit(credit_usd))
        except ConfigError as error:
            # The frames below hold the key, and so does this one.
            api_key = base_url = policies = None
            raise error.with_traceback(None) from None

    @property
    def engine(self) -> Engine:
        """Runs its requests."""
        return self._engine

    async def send(self, request: Request[T]) -> T:
        """Send a request, and read its whole answer.

        Raises:
            LLMWiseError: the service refused or failed, or what came is no answer.
            openai.APIConnectionError: it could not be reached.
        """
        answer: T = await self._engine.fetch(request)
        return answer

    def stream(self, request: Request[Event]) -> AsyncEvents:
        """The events that answer a request; it is sent when the first is asked for."""

        async def begin() -> Any:
            return (await self._engine.run(request)).value

        return AsyncEvents(begin)

    async def aclose(self) -> None:
        """Close this event loop's connections. Safe to repeat."""
        transport: Any = self._http._transport  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds connections and does not pickle; make one in each process")

    def __repr__(self) -> str:
        # Also of one that could not be made, as tracebacks show it.
        engine: Engine | None = vars(self).get("_engine")
        return f"{type(self).__name__}({'' if engine is None else f'{self.base_url!r}, {engine.stack!r}'})"


class LLMWiseSettings(ServiceSettings, total=False):
    """What `LLMWise` takes by name: see `AsyncLLMWise`."""

    credit_usd: Decimal | float | str | None


class LLMWise(Methods):
    """`AsyncLLMWise` for programs without an event loop; streams are read in a `for` loop.

    The calls of all threads run on one event loop in a daemon thread. A Ctrl-C cancels the call it interrupts.
    Settings are those of `AsyncLLMWise`.

    Raises:
        ConfigError: a setting is missing or wrong; nothing was sent.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = TIMEOUT,
        **settings: Unpack[LLMWiseSettings],
    ) -> None:
        try:
            self._inner = AsyncLLMWise(api_key, base_url, timeout, **settings)
        except (ConfigError, TypeError) as error:
            api_key = base_url = None
            settings = {}
            raise error.with_traceback(None) from None

    @property
    def asynchronous(self) -> AsyncLLMWise:
        """The client beneath, whose calls run on the loop thread."""
        return self._inner

    @property
    def base_url(self) -> str:
        """The address of the API."""
        return self._inner.base_url

    def send(self, request: Request[T]) -> T:
        """Send a request, and read its whole answer.

        Raises:
            LLMWiseError: the service refused or failed, or what came is no answer.
            openai.APIConnectionError: it could not be reached.
            RuntimeError: called on the event loop that serves such calls.
        """
        return run(self._inner.send(request))

    def stream(self, request: Request[Event]) -> Iteration[Event]:
        """The events that answer a request; it is sent when the first is asked for."""
        return iterate(self._inner.stream(request))

    def close(self) -> None:
        """Close the connections. Safe to repeat."""
        run(self._inner.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds connections and does not pickle; make one in each process")

    def __repr__(self) -> str:
        return repr(vars(self).get("_inner", "LLMWise()")).replace("Async", "", 1)


def _stack(policies: Iterable[Policy] | Stack | None) -> Stack:
    stack = stack_of(policies)
    for target in stack.targets:
        if target.foreign:
            raise ConfigError(
                f"policies: {target} is a model object, which only agents can ask; "
                "wrap(LLMWiseModel(...), ...) puts it in a chain"
            )
    return stack


def _credit(given: object) -> Decimal | None:
    credit = dollars_of("credit_usd", given)
    if credit == 0:
        raise ConfigError("credit_usd: expected US dollars > 0, got 0")
    return credit
