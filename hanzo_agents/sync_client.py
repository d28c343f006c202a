"""The OpenAI client for programs without an event loop."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Self, Unpack

import httpx2
from openai import NotGiven, OpenAI, not_given
from openai._constants import RAW_RESPONSE_HEADER
from typing_extensions import override

from hanzo_agents._wire.delivery import deliver_raw, entered_of, parsed_by, raw_mode
from hanzo_agents._wire.sync.calls import call_off_loop, run
from hanzo_agents._wire.sync.delivery import deliver_in_sync, in_sync, raw_in_sync
from hanzo_agents.client import AsyncHanzo
from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.described import Configured
from hanzo_agents.facade.ensembles.synchronous import SyncEnsembles
from hanzo_agents.facade.keywords import MoreSettings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from openai._models import FinalRequestOptions
    from openai.types.chat import ChatCompletionMessageParam

    from hanzo_agents._kernel.plan import Plan
    from hanzo_agents._kernel.stack import Policy, Stack
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._wire.sync.resources import SyncChat, SyncEmbeddings, SyncResponses
    from hanzo_agents.facade.estimate import CostEstimate
    from hanzo_agents.facade.models import SyncModels

__all__ = ["Hanzo", "HanzoSettings"]


class HanzoSettings(MoreSettings, total=False):
    """What `Hanzo` takes beside `base_url` and `api_key`: the arguments of `AsyncHanzo`."""

    model: str | None
    policies: Iterable[Policy] | Stack | None
    fallbacks: Sequence[str | Target]
    headers: Mapping[str, str] | None
    user_id: str | None
    metadata: Mapping[str, Any] | None
    timeout: float | httpx2.Timeout | NotGiven | None
    http_client: Any
    env_file: str | Path | None
    allow_insecure: bool
    proxy: str | None
    verify: ssl.SSLContext | bool
    cert: str | Path | None
    max_response_bytes: int
    max_retries: int | NotGiven
    default_headers: Mapping[str, str] | None
    default_query: Mapping[str, object] | None


class _Shared:
    """An attribute that lives on the asynchronous client beneath, so that there is one of it."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, client: Any, owner: type[Any]) -> Any:
        if client is None:
            return self
        values = client.__dict__
        if (inner := values.get("_inner")) is not None:
            return getattr(inner, self._name)
        if self._name not in values:
            raise AttributeError(self._name)
        return values[self._name]

    def __set__(self, client: Any, value: Any) -> None:
        inner = client.__dict__.get("_inner")
        if inner is None:
            client.__dict__[self._name] = value
        else:
            setattr(inner, self._name, value)


class Hanzo(Configured, SyncEnsembles, OpenAI):
    """`openai.OpenAI` for the Hanzo router: the same API, with policies, checked replies and safe streams.

    The calls of all threads run on one event loop in a daemon thread, through the same engine as `AsyncHanzo`'s.
    A Ctrl-C cancels the call it interrupts; a child that was forked starts afresh.

    Args:
        base_url: the router's address, with `/v1`; HANZO_ROUTER_URL by default.
        api_key: its key, or a function that gives it at every request; HANZO_API_KEY by default, and only
            together with that URL.
        settings: as for `AsyncHanzo`. An `http_client` of your own is an AsyncClient also here.

    Raises:
        ConfigError: a setting is missing or wrong; nothing was sent.
    """

    api_key: Any = _Shared()
    admin_api_key: Any = _Shared()
    organization: Any = _Shared()
    project: Any = _Shared()
    webhook_secret: Any = _Shared()
    timeout: Any = _Shared()
    max_retries: Any = _Shared()
    whole_by_stream: Any = _Shared()
    _base_url: Any = _Shared()
    _custom_headers: Any = _Shared()
    _custom_query: Any = _Shared()
    _inherited: Any = _Shared()
    _engine: Any = _Shared()

    def __init__(
        self,
        base_url: str | httpx2.URL | None = None,
        api_key: str | Callable[[], Any] | None = None,
        *,
        _inner: AsyncHanzo | None = None,
        **settings: Unpack[HanzoSettings],
    ) -> None:
        if _inner is None:
            try:
                _inner = AsyncHanzo(base_url, _asked(api_key), **settings)
            except ConfigError as error:
                # The frames below hold the key, and so does this one.
                api_key = base_url = None
                settings = HanzoSettings()
                raise error.with_traceback(None) from None
        super().__init__(api_key="-", base_url=_inner.base_url, http_client=httpx2.Client(transport=_Nowhere()))
        # From here on the shared attributes are the inner client's: what OPENAI_* put into them is gone.
        self._ambient_authorizations = frozenset()
        self._inner = _inner

    @property
    def asynchronous(self) -> AsyncHanzo:
        """The client beneath, whose calls run on the loop thread."""
        return self._inner

    @cached_property
    @override
    def chat(self) -> SyncChat:  # pyright: ignore[reportIncompatibleMethodOverride]
        from hanzo_agents._wire.sync.resources import SyncChat

        return SyncChat(self)

    @cached_property
    @override
    def responses(self) -> SyncResponses:  # pyright: ignore[reportIncompatibleMethodOverride]
        from hanzo_agents._wire.sync.resources import SyncResponses

        return SyncResponses(self)

    @cached_property
    @override
    def embeddings(self) -> SyncEmbeddings:  # pyright: ignore[reportIncompatibleMethodOverride]
        from hanzo_agents._wire.sync.resources import SyncEmbeddings

        return SyncEmbeddings(self)

    @cached_property
    @override
    def models(self) -> SyncModels:  # pyright: ignore[reportIncompatibleMethodOverride]
        from hanzo_agents.facade.models import SyncModels

        return SyncModels(self)

    @override
    def request(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, cast_to: Any, options: FinalRequestOptions, *, stream: bool = False, stream_cls: Any = None
    ) -> Any:
        """The funnel of every OpenAI resource, as `AsyncHanzo.request`; the caller's code runs in its thread."""
        cast_to = self._maybe_override_cast_to(cast_to, options)
        entered = entered_of(options, self.default_model)
        if entered is None:
            response = in_sync(run(self._inner.plain_response(options, stream=stream)))
            if (mode := raw_mode(options)) is not None:
                response.request.headers[RAW_RESPONSE_HEADER] = mode
            return self._process_response(
                cast_to=cast_to, options=options, response=response, stream=stream, stream_cls=stream_cls
            )
        dialect, view, extras = entered
        reply = run(self.engine.run(dialect, view, extras, stream=stream))
        value = deliver_in_sync(reply, self)
        if not isinstance(options.post_parser, NotGiven) and not stream:
            value = parsed_by(options.post_parser, value)
        if raw_mode(options) is None:
            return value
        raw = raw_in_sync(reply, value)
        return deliver_raw(raw, value, self, cast_to=cast_to, options=options, stream_cls=stream_cls)

    def explain(self, **request: Any) -> Plan:
        """What would happen to a request, and why, as `AsyncHanzo.explain` tells.

        Raises:
            ConfigError: the request could not even be made.
        """
        return run(self._inner.explain(**request))

    def estimate_cost(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        model: str | None = None,
        max_tokens: int | None = None,
        **arguments: Any,
    ) -> CostEstimate:
        """The most that a chat request can cost, as `AsyncHanzo.estimate_cost` tells. It is not sent.

        Raises:
            ConfigError: there is no model.
            Unaccountable: nobody knows what the model costs, which is not zero.
        """
        return run(self._inner.estimate_cost(messages=messages, model=model, max_tokens=max_tokens, **arguments))

    @override
    def _serve(self, inherited: Any) -> None:
        self._inner._serve(inherited)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    @override
    def copy(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, max_retries: int | NotGiven = not_given, **options: Any
    ) -> Self:
        """The same client with other options and the same policies; `max_retries=0` means exactly one request."""
        try:
            if callable(key := options.get("api_key")):
                options["api_key"] = _asked(key)
            inner = self._inner.copy(max_retries=max_retries, **options)
        except ConfigError as error:
            key = None
            options.clear()
            raise error.with_traceback(None) from None
        return type(self)(_inner=inner)

    with_options = copy  # pyright: ignore[reportAssignmentType]

    @override
    def close(self) -> None:
        """Close the connections. Safe to repeat; a client given as `http_client` stays open."""
        run(self._inner.close())

    @override
    def is_closed(self) -> bool:
        return self._inner.is_closed()


def _asked(api_key: Any) -> Any:
    """A function that gives the key, for the loop to call: it may block, or be a coroutine function itself."""
    if not callable(api_key):
        return api_key

    async def key() -> Any:
        given = await call_off_loop(api_key)
        return await given if inspect.isawaitable(given) else given

    return key


class _Nowhere(httpx2.BaseTransport):
    """What the SDK's own HTTP client would send through. Ours sends on the loop thread."""

    @override
    def handle_request(self, request: httpx2.Request) -> NoReturn:
        raise RuntimeError("a Hanzo client sends its requests itself; use its methods, or .get() and .post()")
